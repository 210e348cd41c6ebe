"""Outcomes -> a twin: what each service costs a request, waits and holds in memory, and how fast pods start."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from chaosprsa.errors import BadInput
from chaosprsa.twin.calls import measured_calls
from chaosprsa.twin.concurrency import usable_cores
from chaosprsa.twin.evidence import cost_of_requests, spread_of_starts
from chaosprsa.twin.fit import leave_one_out
from chaosprsa.twin.graph import CallGraph, call_graph
from chaosprsa.twin.observed import ENOUGH_REQUESTS, Observed, observed, usable
from chaosprsa.twin.parameters import Parameters, Spread, Twin
from chaosprsa.twin.queueing import Floats, sojourn_s
from chaosprsa.twin.replay import spread_of_work
from chaosprsa.twin.robust import SURE, median_and_spread, rising_line
from chaosprsa.types import Fault, Outcome, Phase, Slo, Topology, TwinFit

GUESSED_DEMAND_S = 0.005
GUESSED_START_S = 10.0  # an image that is there already, a start probe of a few seconds
GUESSED_SPREAD = 0.5
_UNJUDGED = TwinFit(trusted=False, latency_ratio=None, error_share_gap=None, trials=0, reason="not judged yet")


def calibrate(outcomes: Sequence[Outcome], topology: Topology, slo: Slo, timeout_s: float = 10.0) -> Twin:
    """The twin that these trials imply, judged by leaving one out at a time.

    timeout_s: after this users give up. Raises BadInput: nothing usable, another system, calls in a circle.
    """
    if slo.service not in topology.services:
        raise BadInput(f"slo: {slo.service!r} is not in the topology ({', '.join(topology.services)})")
    kept, notes = usable(outcomes, topology)
    twin = fitted(kept, topology, slo, timeout_s)
    fit = leave_one_out(kept, twin, slo, lambda others: fitted(others, topology, slo, timeout_s))
    return replace(twin.judged(fit), notes=notes + twin.notes)


def fitted(outcomes: Sequence[Outcome], topology: Topology, slo: Slo, timeout_s: float) -> Twin:
    """The twin of usable outcomes, not judged."""
    twin = implied(observed(outcomes, topology), topology, _start_delays(outcomes, topology.services), timeout_s)
    cv2 = spread_of_work(twin, outcomes, slo)
    return twin if cv2 is None else replace(twin, work_cv2=cv2)


def implied(seen: Observed, topology: Topology, start: tuple[Floats, Floats], timeout_s: float) -> Twin:
    """The twin that these rows imply, not judged. start: pods' start delays and how sure, shape (services,) each."""
    graph, visits_spread, notes = measured_calls(call_graph(topology), seen)
    demand, demand_spread, idle, loose = _demand(seen, topology.services)
    notes += tuple(f"{name}: no CPU use with enough requests was seen; it is left as it is" for name in loose)
    graph, wait, wait_spread = _waits(graph, seen, demand)
    memory, per_job, memory_spread = _memory(seen)
    nominal = Parameters(demand, wait, memory, per_job, start[0], _own_failures(graph, seen))
    spread = Spread(demand_spread, wait_spread, memory_spread, start[1], visits_spread)
    most, about_workers = usable_cores(graph, seen, demand, wait)
    notes += about_workers
    return Twin(graph, nominal, spread, 1.0, timeout_s, _UNJUDGED, notes, loose, idle, most)


def _demand(seen: Observed, services: Sequence[str]) -> tuple[Floats, Floats, Floats, tuple[str, ...]]:
    """Core-seconds a request and how sure, cores of an idle pod, and who had to be guessed."""
    demand, spread = np.full(len(services), GUESSED_DEMAND_S), np.full(len(services), GUESSED_SPREAD)
    idle, loose = np.zeros(len(services)), []
    for at, name in enumerate(services):
        enough = np.where(seen.requests[:, at] >= ENOUGH_REQUESTS, seen.length_s, 0.0)
        cost = cost_of_requests(seen.cpu_cores[:, at], seen.rate[:, at], seen.ready[:, at], enough)
        if cost is None:
            loose.append(name)
            continue
        demand[at], spread[at], idle[at] = cost.demand_s, float(np.hypot(cost.spread, SURE)), cost.idle_cores
    return demand, spread, idle, tuple(loose)


def _waits(graph: CallGraph, seen: Observed, demand: Floats) -> tuple[CallGraph, Floats, Floats]:
    """What is left of a service's latency after its own CPU and its callees; where callees overlap, by how much."""
    wait, spread = np.zeros(len(demand)), np.full(len(demand), GUESSED_SPREAD)
    overlap = graph.overlap.copy()
    below = np.where(graph.calls[None] > 0, graph.calls[None] * np.nan_to_num(seen.latency_s)[:, None, :], 0.0).sum(2)
    pods = np.maximum(seen.ready, 0.5)
    used = np.clip(np.nan_to_num(seen.rate) * demand / (pods * seen.limit_cores), 0.0, 0.97)
    alone = sojourn_s(used, seen.limit_cores, np.broadcast_to(demand, used.shape))
    for at in range(len(demand)):
        rows = seen.quiet & (seen.requests[:, at] >= ENOUGH_REQUESTS) & np.isfinite(seen.latency_s[:, at])
        rows &= used[:, at] < 0.95
        if not rows.any():
            continue
        rest = seen.latency_s[rows, at] - alone[rows, at]
        own = float(np.median(rest - below[rows, at]))
        if own < 0 and np.median(below[rows, at]) > 0:
            overlap[at] = float(np.clip(np.median(rest / np.maximum(below[rows, at], 1e-9)), 0.05, 1.0))
        wait[at] = max(own, 0.0)
        spread[at] = max(median_and_spread(seen.latency_s[rows, at], seen.requests[rows, at])[1], 0.03)
    return replace(graph, overlap=overlap), wait, spread


def _memory(seen: Observed) -> tuple[Floats, Floats, Floats]:
    """MiB of an empty pod, MiB a request in it, relative spread; NaN where no memory was seen."""
    count = seen.rate.shape[1]
    base, per_job, spread = np.full(count, np.nan), np.zeros(count), np.full(count, 0.1)
    inside = np.nan_to_num(seen.rate * seen.latency_s) / np.maximum(seen.ready, 0.5)
    for at in range(count):
        rows = np.isfinite(seen.memory_mib[:, at]) & (seen.memory_mib[:, at] > 0)
        if rows.any():
            base[at], per_job[at], around = rising_line(inside[rows, at], seen.memory_mib[rows, at])
            spread[at] = float(np.clip(around, 0.05, 0.3))
    return base, per_job, spread


def _start_delays(outcomes: Sequence[Outcome], services: Sequence[str]) -> tuple[Floats, Floats]:
    """From pods killed: the mean number that were ready while the fault's phase lasted says how long they were away."""
    found: dict[int, list[float]] = {}
    for outcome in outcomes:
        if outcome.issue.fault is Fault.POD_KILL and (delay := _away_s(outcome)) is not None:
            found.setdefault(services.index(outcome.issue.component), []).append(delay)
    everywhere = [delay for delays in found.values() for delay in delays]
    usual = float(np.median(everywhere)) if everywhere else GUESSED_START_S
    delays = np.array([np.median(found.get(at, [usual])) for at in range(len(services))])
    elsewhere = max(spread_of_starts(np.array(everywhere)), GUESSED_SPREAD) if everywhere else GUESSED_SPREAD
    spread = [spread_of_starts(np.array(found[at])) if at in found else elsewhere for at in range(len(services))]
    return delays, np.array(spread)


def _away_s(outcome: Outcome) -> float | None:
    name = outcome.issue.component
    pods = outcome.allocation[name].replicas
    killed = min(max(round(outcome.issue.strength * pods), 1), pods)
    for phase in outcome.phases:
        for service in phase.services:
            if phase.phase is Phase.FAULT and service.service == name and service.replicas_ready is not None:
                missing = pods - service.replicas_ready
                length_s = phase.end_s - phase.start_s
                return float(np.clip(missing / killed * length_s, 0.5, 300.0)) if missing > 0 else None
    return None


def _own_failures(graph: CallGraph, seen: Observed) -> Floats:
    """Share of requests that fail by themselves in quiet times."""
    quiet = seen.failed[seen.quiet]
    known = np.isfinite(quiet).any(axis=0)
    failed = np.zeros(quiet.shape[1])
    failed[known] = np.nanmedian(quiet[:, known], axis=0)
    return np.clip(failed - graph.calls @ failed, 0.0, 0.5)
