"""What happens to the twin: time, load and faults, as arrays over environments."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from chaosprsa.errors import BadInput
from chaosprsa.twin.queueing import Floats
from chaosprsa.types import Fault, SimulatedIssue


class Part(IntEnum):
    """Parts of a course that are judged apart: LASTING is the rest of a fault that outlasts a trial's fault phase."""

    BEFORE = 0
    FAULT = 1
    LASTING = 2
    AFTER = 3


@dataclass(frozen=True, slots=True)
class Course:
    """step_s, load_per_s: shape (steps, environments), load at the entry before any surge; part: shape (steps,)."""

    step_s: Floats
    load_per_s: Floats
    part: np.ndarray


@dataclass(frozen=True, slots=True)
class Effects:
    """What the fault does while it lasts; shape (environments, services), surge: (environments,).

    killed, lost: share of pods that go; killed ones are replaced at once, lost ones only after the fault.
    """

    killed: Floats
    lost: Floats
    cpu_left: Floats
    memory_left: Floats
    slower_s: Floats
    failing: Floats
    surge: Floats


def effects_of(
    issues: Sequence[SimulatedIssue], services: Sequence[str], strength: Floats, owners: Sequence[int] = ()
) -> Effects:
    """Effects of issues, each with its own strength (shape (issues,)), in the faults' units.

    owners: of the stations that are the last of the services; they go and come with their owners' pods. Raises
    BadInput where an issue starts at a service that is not among these.
    """
    shape = (len(issues), len(services))
    none, full = np.zeros(shape), np.ones(shape)
    effects = Effects(none, none.copy(), full, full.copy(), none.copy(), none.copy(), np.ones(len(issues)))
    for row, (issue, value) in enumerate(zip(issues, strength, strict=True)):
        for component in (issue.component, *(also.component for also in issue.companions)):
            if component not in services:
                known = ", ".join(services)
                raise BadInput(f"issue {issue.id}: {component!r} is not in the topology ({known})")
        _set(effects, issue.fault, row, services.index(issue.component), float(value))
        factor = float(value) / issue.strength if issue.strength else 1.0
        for also in issue.companions:  # as much stronger or weaker than predicted as the issue itself
            _set(effects, also.fault, row, services.index(also.component), also.strength * factor)
    for share in (effects.killed, effects.lost):
        share[:, len(services) - len(owners) :] = share[:, list(owners)]
    return effects


def _set(effects: Effects, fault: Fault, row: int, at: int, value: float) -> None:
    share = min(max(value, 0.0), 1.0)
    match fault:
        case Fault.POD_KILL:
            effects.killed[row, at] = max(share, effects.killed[row, at])
        case Fault.REPLICA_LOSS:
            effects.lost[row, at] = max(share, effects.lost[row, at])
        case Fault.CPU_SQUEEZE:
            effects.cpu_left[row, at] *= max(1.0 - share, 0.01)
        case Fault.MEMORY_SQUEEZE:
            effects.memory_left[row, at] *= max(1.0 - share, 0.01)
        case Fault.DEPENDENCY_SLOW:
            effects.slower_s[row, at] += max(value, 0.0) / 1000
        case Fault.DEPENDENCY_FAILING:
            effects.failing[row, at] = 1.0 - (1.0 - effects.failing[row, at]) * (1.0 - share)
        case Fault.TRAFFIC_SURGE:
            effects.surge[row] *= max(value, 0.0)


def repeated(effects: Effects, rows: np.ndarray) -> Effects:
    """The effects with these numbers, one a row."""
    return Effects(*(getattr(effects, name)[rows] for name in Effects.__slots__))


def standard_course(durations_s: Floats, load_per_s: Floats, phases_s: tuple[float, float], step_s: float) -> Course:
    """A fault, the rest of a long one, and what comes after; durations_s, load_per_s: shape (environments,).

    phases_s: a trial's fault and after phases at most. Where a fault outlasts the fault phase its rest is played in
    LASTING_STEPS long steps, since a backlog that a trial is too short to show still grows.
    """
    fault_s, after_s = phases_s
    first = np.minimum(durations_s, fault_s)
    rest = np.minimum(durations_s - first, LONGEST_S)
    counts = (max(int(np.ceil(fault_s / step_s)), 1), LASTING_STEPS, max(int(np.ceil(after_s / step_s)), 1))
    lengths = (first, rest, np.full_like(first, after_s))
    step = np.concatenate(
        [np.repeat((length / count)[None], count, axis=0) for length, count in zip(lengths, counts, strict=True)]
    )
    part = np.repeat([Part.FAULT, Part.LASTING, Part.AFTER], counts)
    return Course(step_s=step, load_per_s=np.broadcast_to(load_per_s, step.shape), part=part)


LASTING_STEPS = 4
LONGEST_S = 1800.0
