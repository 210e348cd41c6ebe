"""What each rung of the ladder was asked and how far it was from the one below, for the reader."""

from collections.abc import Iterator, Sequence

import numpy as np

from chaosprsa.allocation.dimensions import EVERYWHERE
from chaosprsa.allocation.engine import Candidate, Engine
from chaosprsa.allocation.exact_rung import ExactRung
from chaosprsa.allocation.racing import Rules, least_detectable
from chaosprsa.allocation.run import Considered, Run
from chaosprsa.allocation.space import point_of
from chaosprsa.allocation.threats import in_words
from chaosprsa.twin.course import LONGEST_S
from chaosprsa.types import Measured, Outcome, Phase, Rung, Slo, Verdict

A_CHECK = 6e4  # requests to all services, of one play beside a check
REPEATS = 4
LEAST = 0.01  # of the SLO: less is no number to divide by


def rungs(run: Run, chosen: Considered, first: Candidate) -> tuple[Rung, ...]:
    """The fluid twin's, the exact one's where it was asked, the shadow's where it was."""
    found = [_fluid(run.engine, first)]
    if run.climbs:
        found.append(_exact(run, chosen))
    judged = [one for one in run.outcomes if one.verdict in (Verdict.PASSED, Verdict.FAILED)]
    if judged:
        found.append(_shadow(run, chosen, judged))
    return tuple(found)


def _fluid(engine: Engine, first: Candidate) -> Rung:
    worlds, (fault_s, after_s) = engine.final.worlds, engine.final.phases_s
    lasting = np.clip(worlds.duration_s, None, fault_s + LONGEST_S).mean() + after_s
    return Rung(
        fidelity="fluid", candidates=first.looked, plays=first.played, seconds=round(first.played * float(lasting))
    )


def _exact(run: Run, chosen: Considered) -> Rung:
    """Of what was chosen, else of what went on last."""
    climb = run.climb_of(chosen.point) or run.climbs[-1]
    point = chosen.point if climb.at(chosen.point) is not None else climb.points[0]
    told = climb.told(point)
    measured = told.measured if told else ()
    return Rung(
        fidelity="exact",
        candidates=sum(len(one.points) for one in run.climbs),
        plays=sum(one.plays for one in run.climbs),
        seconds=round(sum(one.seconds for one in run.climbs), 1),
        measured=measured,
        difference=difference(measured),
        least_detectable=climb.least_detectable(point),
        equal=len(climb.found.equal) if climb.best is not None and np.array_equal(climb.best, point) else 0,
        step=min((step for one in run.climbs for step in one.steps), default=1.0),
    )


def _shadow(run: Run, chosen: Considered, judged: Sequence[Outcome]) -> Rung:
    """Trials of the present allocation count too: they are what the twins were calibrated by."""
    checks = [one for one in run.considered if one.check]
    last = chosen if chosen.check else checks[-1] if checks else None
    outcomes = [one for one in last.check.outcomes if one in judged] if last and last.check else []
    measured = tuple(_beside(run.engine, outcomes))
    return Rung(
        fidelity="shadow",
        candidates=len({outcome.allocation for outcome in judged}),
        plays=len(judged),
        seconds=round(sum(outcome.duration_s for outcome in judged), 1),
        measured=measured,
        difference=difference(measured),
        least_detectable=detectable_in_the_shadow(judged, run.engine.case.slo),
        step=min((one.check.reach for one in checks if one.check), default=1.0),
    )


def _beside(engine: Engine, outcomes: Sequence[Outcome]) -> Iterator[Measured]:
    """Each check, and the exact twin in its place: its allocation, load and phases."""
    case = engine.case
    if not engine.twin.fit.trusted or case.slo.service != case.topology.entry:
        return
    for outcome in outcomes:
        before, used = outcome.load.get(Phase.BEFORE), share_used(outcome, case.slo)
        if before is None or used is None:
            continue
        lasting = outcome.fault_end_s - outcome.fault_start_s, outcome.duration_s - outcome.fault_end_s
        rung = ExactRung(
            twin=engine.twin, slo=case.slo, load_per_s=before.rate_per_s, phases_s=lasting, seed=case.seed
        ).shortened(A_CHECK)
        point = engine.space.present.copy()  # what is declared besides is as in production
        point[:, :EVERYWHERE] = point_of(outcome.allocation, engine.space.services)
        capacity = engine.space.capacity(point[None])
        below = np.mean([rung.share_used(capacity, outcome.issue, repeat) for repeat in range(REPEATS)])
        yield Measured(
            issue_id=outcome.issue.id,
            what=in_words(outcome.issue),
            below=round(float(below), 4),
            here=round(used, 4),
            spread=None,
            repeats=1,
        )


def share_used(outcome: Outcome, slo: Slo) -> float | None:
    """Of the SLO's latency or failures, whichever is more, in the worse of fault and after; None: not measured."""
    found = []
    for phase in (Phase.FAULT, Phase.AFTER):
        seen = outcome.load.get(phase)
        if seen is not None and seen.latency_slo_ms is not None:
            failed = (seen.error_share or 0.0) / max(1 - slo.success_ratio, 1e-3)
            found.append(max(seen.latency_slo_ms / slo.latency_ms, failed))
    return max(found, default=None)


def detectable_in_the_shadow(outcomes: Sequence[Outcome], slo: Slo) -> float | None:
    """By trials of one allocation under one issue that were repeated; None where none was."""
    groups: dict[tuple[object, str], list[float]] = {}
    for outcome in outcomes:
        used = share_used(outcome, slo)
        if used is not None:
            groups.setdefault((outcome.allocation, outcome.issue.id), []).append(used)
    repeated = [np.array(group) for group in groups.values() if len(group) > 1]
    if not repeated:
        return None
    freedom = sum(len(group) - 1 for group in repeated)
    noise = np.sqrt(sum(((group - group.mean()) ** 2).sum() for group in repeated) / freedom)
    return round(least_detectable(float(noise), max(len(group) for group in repeated), Rules()), 4)


def difference(measured: Sequence[Measured]) -> float | None:
    """How many times the share that is used is that of the rung below, geometric mean."""
    if not measured:
        return None
    ratios = [max(one.here, LEAST) / max(one.below, LEAST) for one in measured]
    return round(float(np.exp(np.log(ratios).mean())), 4)
