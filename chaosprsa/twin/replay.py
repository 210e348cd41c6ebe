"""A trial as the twin would have had it: the same allocation, load and fault."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from chaosprsa.twin.course import Course, Effects, Part, effects_of
from chaosprsa.twin.fluid import Capacity, simulate
from chaosprsa.twin.judge import FINE, part_of
from chaosprsa.twin.observed import ENOUGH_REQUESTS
from chaosprsa.twin.parameters import Parameters, Twin
from chaosprsa.twin.queueing import Floats
from chaosprsa.twin.trace import Trace
from chaosprsa.types import Allocation, Outcome, Phase, Slo

_PARTS = {Phase.BEFORE: Part.BEFORE, Phase.FAULT: Part.FAULT, Phase.AFTER: Part.AFTER}
QUIET_STEPS = 3
LEAST_CV2, MOST_CV2 = 0.02, 30.0
_STEPS = {Phase.BEFORE: 20, Phase.FAULT: 60, Phase.AFTER: 40}


@dataclass(frozen=True, slots=True)
class PhasePair:
    """One phase of one trial, by the twin and as it was measured."""

    trial: str
    phase: Phase
    twin_latency_s: float
    twin_failed: float
    latency_s: float
    failed: float


def capacity_of(allocations: Sequence[Allocation], services: Sequence[str]) -> Capacity:
    """Arrays of shape (allocations, services), in the given order."""
    given = [[allocation[service] for service in services] for allocation in allocations]
    return Capacity(
        replicas=np.array([[one.replicas for one in row] for row in given], dtype=float),
        cores=np.array([[one.resources.cpu_limit_millicores / 1000 for one in row] for row in given]),
        memory_mib=np.array([[one.resources.memory_limit_mib for one in row] for row in given], dtype=float),
    )


def replayed(twin: Twin, outcomes: Sequence[Outcome], slo: Slo) -> tuple[PhasePair, ...]:
    """Every phase with enough requests, twin against measured."""
    strength = np.array([outcome.issue.strength for outcome in outcomes])
    effects = effects_of([outcome.issue for outcome in outcomes], twin.graph.services, strength)
    effects = replace(effects, surge=np.ones(len(outcomes)))  # the load that was played has the surge in it
    course = _course(outcomes)
    trace = _played(twin, outcomes, slo, course, effects)
    pairs = []
    for phase, part in _PARTS.items():
        latency, failed = part_of(trace, np.flatnonzero(course.part == part), slo, FINE)
        for at, outcome in enumerate(outcomes):
            measured = outcome.load.get(phase)
            if measured is None or measured.latency_slo_ms is None or measured.requests < ENOUGH_REQUESTS:
                continue
            pairs.append(
                PhasePair(
                    outcome.id,
                    phase,
                    float(latency[at]),
                    float(failed[at]),
                    measured.latency_slo_ms / 1000,
                    measured.error_share or 0.0,
                )
            )
    return tuple(pairs)


def spread_of_work(twin: Twin, outcomes: Sequence[Outcome], slo: Slo) -> float | None:
    """The work's squared coefficient of variation that puts the percentile of quiet phases where users saw it.

    The percentile rises with it, so a bisection finds it. None where nothing was measured.
    """
    quiet = [
        (outcome, statistics.rate_per_s, statistics.latency_slo_ms / 1000)
        for outcome in outcomes
        if (statistics := outcome.load.get(Phase.BEFORE)) is not None
        and statistics.latency_slo_ms
        and statistics.requests >= ENOUGH_REQUESTS
    ]
    if not quiet:
        return None
    trials = [outcome for outcome, _, _ in quiet]
    load = np.array([[rate for _, rate, _ in quiet]] * QUIET_STEPS)
    course = Course(step_s=np.ones(load.shape), load_per_s=load, part=np.full(QUIET_STEPS, Part.BEFORE))
    effects = effects_of([outcome.issue for outcome in trials], twin.graph.services, np.zeros(len(trials)))
    measured = np.array([latency for _, _, latency in quiet])
    low, high = np.log(LEAST_CV2), np.log(MOST_CV2)
    for _ in range(16):
        cv2 = float(np.exp((low + high) / 2))
        trace = _played(replace(twin, work_cv2=cv2), trials, slo, course, effects)
        latency, _ = part_of(trace, np.arange(QUIET_STEPS), slo, FINE)
        if np.median(latency / measured) < 1:
            low = np.log(cv2)
        else:
            high = np.log(cv2)
    return float(np.exp((low + high) / 2))


def _played(twin: Twin, outcomes: Sequence[Outcome], slo: Slo, course: Course, effects: Effects) -> Trace:
    capacity = capacity_of([outcome.allocation for outcome in outcomes], twin.graph.services)
    nominal = Parameters(
        *(np.broadcast_to(getattr(twin.nominal, name), capacity.replicas.shape) for name in Parameters.__slots__)
    )
    target = twin.graph.services.index(slo.service)
    return simulate(twin, capacity, nominal, effects, course, target)


def _course(outcomes: Sequence[Outcome]) -> Course:
    """Each phase in equally many steps, whose length is the trial's own."""
    step, load, part = [], [], []
    for phase, count in _STEPS.items():
        spans = [_span(outcome, phase) for outcome in outcomes]
        length = np.array([(end - start) / count for start, end in spans])
        middles = np.array([start for start, _ in spans]) + (np.arange(count)[:, None] + 0.5) * length
        step.append(np.repeat(length[None], count, axis=0))
        load.append(np.stack([_load(one, phase, middles[:, at]) for at, one in enumerate(outcomes)], axis=1))
        part += [_PARTS[phase]] * count
    return Course(np.concatenate(step), np.concatenate(load), np.array(part))


def _span(outcome: Outcome, phase: Phase) -> tuple[float, float]:
    ends = {
        Phase.BEFORE: (0.0, outcome.fault_start_s),
        Phase.FAULT: (outcome.fault_start_s, outcome.fault_end_s),
        Phase.AFTER: (outcome.fault_end_s, max(outcome.duration_s, outcome.fault_end_s)),
    }
    return ends[phase]


def _load(outcome: Outcome, phase: Phase, at_s: Floats) -> Floats:
    """Requests a second: as it was second by second, else the phase's mean."""
    timeline = outcome.timeline
    if len(timeline.time_s) >= 2:
        return np.interp(at_s, timeline.time_s, timeline.rate_per_s)
    statistics = outcome.load.get(phase)
    return np.full(len(at_s), statistics.rate_per_s if statistics else 0.0)
