"""From what a trial left behind (journal, Locust's log, Prometheus' observations) to its Outcome. Pure.

Latencies are those of good answers; failures count against the success ratio instead, so that a service which fails
quickly doesn't look quick. A percentile is an observed value (the inverted distribution function): it is within the
objective exactly when that share of answers is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from chaosprsa.documents import lineage
from chaosprsa.journals.verdicts import Finding, Journal, findings, settle
from chaosprsa.loadtest.log import Requests
from chaosprsa.types import (
    Allocation,
    LoadStatistics,
    LoadTimeline,
    Outcome,
    Phase,
    PhaseObservation,
    Slo,
    Study,
    StudyItem,
    Verdict,
)

LEAST_SECONDS_SHARE = 0.5  # of a phase's seconds must have a request; below it the load wasn't what was meant
LEAST_REQUESTS = 20  # for a pass, whatever the percentile
MOST_NEEDED = 10_000  # requests, even for an objective without any budget
CHANCE = 0.05
TOO_FEW = "; these are too few requests to tell"
JUDGED = (Phase.FAULT, Phase.AFTER)
FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
_PRESENT_BEFORE = ("cpu_usage_cores", "memory_mib_per_pod", "replicas_ready")
_PRESENT_AT_ENTRY = ("request_rate_per_s", "latency_p99_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a trial left behind; None where a part is missing.

    spans: each phase's start and end, seconds since the load began. problems: what else went wrong, in words.
    """

    journal: Journal | None
    requests: Requests | None
    phases: tuple[PhaseObservation, ...]
    spans: Mapping[Phase, tuple[float, float]]
    problems: tuple[str, ...] = ()


def build_outcome(
    item: StudyItem,
    study: Study,
    evidence: Evidence,
    slo: Slo,
    allocation: Allocation,
    started: datetime,
    journal_path: str,
) -> Outcome:
    """The Outcome with its verdict; nothing is raised for what is missing: it makes the verdict invalid."""
    load = load_by_phase(evidence, slo)
    found = [*((Verdict.INVALID, problem) for problem in evidence.problems)]
    found += load_findings(evidence, load, slo) + _journal_findings(evidence) + series_findings(evidence.phases, slo)
    verdict, reasons = settle(found)
    if verdict is Verdict.PASSED:
        reasons = (_passed_reason(load, slo),)
    start_s, end_s = evidence.spans[Phase.FAULT]
    content = [item.issue.id, study.name, started, verdict, reasons, load]
    return Outcome(
        id=f"{study.name}-{item.issue.id}-{started:%Y%m%dT%H%M%S}",
        issue=item.issue,
        verdict=verdict,
        reasons=reasons,
        allocation=allocation,
        started=started,
        duration_s=max(end for _, end in evidence.spans.values()),
        fault_start_s=start_s,
        fault_end_s=end_s,
        load=load,
        timeline=timeline(evidence.requests),
        phases=evidence.phases,
        journal=journal_path,
        profile=item.profile,
        lineage=lineage("outcome", content, (study.lineage, item.issue.lineage)),
    )


def _journal_findings(evidence: Evidence) -> list[Finding]:
    if evidence.journal is None:
        return [(Verdict.INVALID, "there is no journal: chaos ended before it could write one")]
    return list(findings(evidence.journal))


def load_by_phase(evidence: Evidence, slo: Slo) -> dict[Phase, LoadStatistics]:
    """What Locust saw in each phase; empty without a log."""
    if evidence.requests is None:
        return {}
    return {phase: statistics(evidence.requests, start, end, slo) for phase, (start, end) in evidence.spans.items()}


def statistics(requests: Requests, start_s: float, end_s: float, slo: Slo) -> LoadStatistics:
    """Locust's requests that were due in [start_s, end_s)."""
    inside = requests.between(start_s, end_s)
    good = inside.latency_ms[inside.ok]
    seconds = end_s - start_s
    return LoadStatistics(
        requests=len(inside),
        failures=int(np.count_nonzero(~inside.ok)),
        rate_per_s=len(inside) / seconds if seconds > 0 else 0.0,
        latency_mean_ms=float(good.mean()) if len(good) else None,
        latency_p50_ms=percentile(good, 50),
        latency_p99_ms=percentile(good, 99),
        latency_slo_ms=percentile(good, slo.latency_percentile),
    )


def percentile(values: FloatArray, percent: float) -> float | None:
    """The smallest observed value that this share of the values doesn't exceed; None without values."""
    return float(np.percentile(values, percent, method="inverted_cdf")) if len(values) else None


def timeline(requests: Requests | None) -> LoadTimeline:
    """Second by second, by when a request was due; latencies of good answers."""
    if requests is None or not len(requests):
        return LoadTimeline()
    seconds = np.floor(requests.time_s).astype(int)
    times = np.arange(seconds.max() + 1)
    rows = [(seconds == time_s) for time_s in times]
    good = [requests.latency_ms[row & requests.ok] for row in rows]
    return LoadTimeline(
        time_s=tuple(float(time_s) for time_s in times),
        rate_per_s=tuple(float(np.count_nonzero(row)) for row in rows),
        failures_per_s=tuple(float(np.count_nonzero(row & ~requests.ok)) for row in rows),
        latency_p50_ms=tuple(percentile(values, 50) for values in good),
        latency_p95_ms=tuple(percentile(values, 95) for values in good),
        latency_p99_ms=tuple(percentile(values, 99) for values in good),
    )


def load_findings(evidence: Evidence, load: Mapping[Phase, LoadStatistics], slo: Slo) -> list[Finding]:
    """What Locust's log has against a pass."""
    if evidence.requests is None:
        return [(Verdict.INVALID, "there is no log of the load: Locust never began, or its files are gone")]
    found: list[Finding] = []
    for phase in JUDGED:
        found += judge_phase(evidence.requests.between(*evidence.spans[phase]), load[phase], phase, slo)
        found += _holes(evidence.requests, evidence.spans[phase], phase)
    if any(verdict is Verdict.FAILED for verdict, _ in found):
        before = judge_phase(
            evidence.requests.between(*evidence.spans[Phase.BEFORE]), load[Phase.BEFORE], Phase.BEFORE, slo
        )
        found += [(verdict, f"without any fault, too: {why}") for verdict, why in before if verdict is Verdict.FAILED]
    return found


def judge_phase(requests: Requests, load: LoadStatistics, phase: Phase, slo: Slo) -> list[Finding]:
    """Both parts of the objective: the share of failed answers, and of good ones that were too slow."""
    good = requests.latency_ms[requests.ok]
    slow = int(np.count_nonzero(good > slo.latency_ms))
    latency = "no answer" if load.latency_slo_ms is None else f"{load.latency_slo_ms:.0f} ms"
    failed = f"{load.failures} of {load.requests} requests failed, the objective allows {1 - slo.success_ratio:.2%}"
    late = f"p{slo.latency_percentile:g} was {latency}, the objective is {slo.latency_ms:g} ms"
    parts = (
        (load.failures, load.requests, 1 - slo.success_ratio, failed),
        (slow, len(good), 1 - slo.latency_percentile / 100, late),
    )
    judged = [
        (judge_share(bad, count, budget), words) for bad, count, budget, words in parts if count or words is failed
    ]
    return [
        (verdict, f"{_PHASES[phase]}: {words}" + (TOO_FEW if verdict is Verdict.INCONCLUSIVE else ""))
        for verdict, words in judged
        if verdict is not Verdict.PASSED
    ]


def judge_share(bad: int, count: int, budget: float) -> Verdict:
    """Whether so many bad ones of `count` are within the budget (a share).

    With 1 / budget or more, one bad answer alone is no miss: what is above the budget is a failure. Below that a
    failure needs more than chance (binomial test, 1 in 20), and a pass no bad one among half as many; else it is open.
    """
    enough = 1 / max(budget, 1 / MOST_NEEDED)
    if bad > budget * count + 1e-9:
        clear = count >= enough - 1e-9 or chance_of(bad, count, budget) < CHANCE
        return Verdict.FAILED if clear else Verdict.INCONCLUSIVE
    return Verdict.PASSED if count >= max(enough / 2, LEAST_REQUESTS) else Verdict.INCONCLUSIVE


def chance_of(bad: int, count: int, share: float) -> float:
    """The probability of at least so many bad ones when each is bad with this probability (the binomial tail)."""
    if not 0 < share < 1:
        return float(bad == 0 or share >= 1)
    odds = math.log(share), math.log1p(-share)
    ways = math.lgamma(count + 1)
    fewer = (
        math.exp(ways - math.lgamma(k + 1) - math.lgamma(count - k + 1) + k * odds[0] + (count - k) * odds[1])
        for k in range(bad)
    )
    return max(1 - math.fsum(fewer), 0.0)


def _holes(requests: Requests, span: tuple[float, float], phase: Phase) -> list[Finding]:
    start_s, end_s = span
    whole = math.floor(end_s - start_s)
    filled = len(set(np.floor(requests.between(start_s, end_s).time_s).astype(int).tolist()))
    if filled >= LEAST_SECONDS_SHARE * whole:
        return []
    return [(Verdict.INCONCLUSIVE, f"{_PHASES[phase]}: requests in only {filled} of {whole} s")]


def series_findings(phases: Sequence[PhaseObservation], slo: Slo) -> list[Finding]:
    """Series that Prometheus must have. Before the fault all of them; later only what no fault takes away."""
    missing = []
    seen = {observation.phase: observation for observation in phases}
    for phase in Phase:
        if phase not in seen:
            missing.append(f"Prometheus has nothing of the time {_PHASES[phase]}")
            continue
        for service in seen[phase].services:
            wanted: tuple[str, ...] = _PRESENT_BEFORE if phase is Phase.BEFORE else ("replicas_ready",)
            wanted += _PRESENT_AT_ENTRY if phase is Phase.BEFORE and service.service == slo.service else ()
            names = [name for name in wanted if getattr(service, name) is None]
            if names:
                missing.append(f"Prometheus has no {', '.join(names)} of {service.service} {_PHASES[phase]}")
    return [(Verdict.INVALID, reason) for reason in missing]


def _passed_reason(load: Mapping[Phase, LoadStatistics], slo: Slo) -> str:
    parts = [f"{_latency(load[phase])} {_PHASES[phase]}" for phase in JUDGED]
    return f"p{slo.latency_percentile:g} stayed within {slo.latency_ms:g} ms: {', '.join(parts)}"


def _latency(load: LoadStatistics) -> str:
    return "no answer" if load.latency_slo_ms is None else f"{load.latency_slo_ms:.0f} ms"


_PHASES = {Phase.BEFORE: "before the fault", Phase.FAULT: "during the fault", Phase.AFTER: "after the fault"}
