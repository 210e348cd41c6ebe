"""What goes wrong in the lab's history: incidents of all seven kinds, when they are likely, and what they do.

Rates and shapes are the lab's own invention in the spirit of public post-mortems: surges come at busy hours, changes
(lost replicas, squeezed limits) in working hours, slowness and leaks build up before they are noticed, and some
incidents draw a caller in some minutes later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from chaosprsa.lab.physics import Conditions, Floats
from chaosprsa.lab.topology import LabTopology, mean_calls, visits
from chaosprsa.lab.traffic import load_shape
from chaosprsa.types import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """One incident, in minutes since the history's beginning. It grows over ramp_min, stays, and ends at once.

    strength: in the fault's own unit (a share; milliseconds for dependency-slow; a multiple for traffic-surge).
    cause: the component whose incident drew this one in.
    """

    component: str
    fault: Fault
    start_min: float
    ramp_min: float
    hold_min: float
    strength: float
    cause: str = ""

    @property
    def end_min(self) -> float:
        return self.start_min + self.ramp_min + self.hold_min

    def growth(self, minutes: int) -> Floats:
        """Shape (minutes,): 0 before and after, rising to 1 over the ramp, the share of the minute at its edges."""
        at = np.arange(minutes) + 0.5
        inside = np.clip(at + 0.5 - self.start_min, 0, 1) * np.clip(self.end_min - at + 0.5, 0, 1)
        return np.asarray(inside * np.clip((at - self.start_min) / max(self.ramp_min, 1e-9), 0.0, 1.0))


@dataclass(frozen=True, slots=True)
class _Habit:
    """How a kind of incident usually is: share of all, minutes (low, high), strength (low, high), busy hours or not."""

    share: float
    ramp: tuple[float, float]
    hold: tuple[float, float]
    strength: tuple[float, float]
    busy: float


_HABITS: Mapping[Fault, _Habit] = {
    Fault.TRAFFIC_SURGE: _Habit(0.22, (4, 12), (10, 40), (1.5, 2.8), 3.0),
    Fault.CPU_SQUEEZE: _Habit(0.18, (8, 25), (8, 35), (0.4, 0.75), 1.0),
    Fault.DEPENDENCY_SLOW: _Habit(0.16, (5, 15), (8, 30), (80, 400), 0.5),
    Fault.DEPENDENCY_FAILING: _Habit(0.12, (0, 2), (5, 20), (0.08, 0.4), 0.3),
    Fault.POD_KILL: _Habit(0.12, (0, 0), (2, 8), (0.34, 0.7), 0.5),
    Fault.REPLICA_LOSS: _Habit(0.10, (0, 0), (15, 50), (0.34, 0.7), 1.5),
    Fault.MEMORY_SQUEEZE: _Habit(0.10, (25, 80), (5, 15), (0.3, 0.6), 0.2),
}
_CASCADE = 0.3


def draw_mishaps(
    topology: LabTopology, minutes: int, week_hour: float, per_day: float, rng: np.random.Generator
) -> tuple[Mishap, ...]:
    """A Poisson number of incidents, per_day on average, in order of start. week_hour: the beginning's hour of week."""
    hours = week_hour + np.arange(minutes) / 60
    shape = load_shape(hours)
    weak = _weakness(topology)
    found: list[Mishap] = []
    for fault, habit in _HABITS.items():
        weights = shape**habit.busy
        for _ in range(rng.poisson(per_day * minutes / 1440 * habit.share)):
            start = float(rng.choice(minutes, p=weights / weights.sum())) + rng.random()
            component = topology.entry if fault is Fault.TRAFFIC_SURGE else str(rng.choice(list(weak), p=_shares(weak)))
            mishap = Mishap(
                component=component,
                fault=fault,
                start_min=start,
                ramp_min=float(rng.uniform(*habit.ramp)),
                hold_min=float(rng.uniform(*habit.hold)),
                strength=float(rng.uniform(*habit.strength)),
            )
            found.extend(each for each in (mishap, *_cascade(topology, mishap, rng)) if each.end_min < minutes)
    return _apart(sorted(found, key=lambda each: (each.start_min, each.component)))


def _apart(mishaps: list[Mishap]) -> tuple[Mishap, ...]:
    """Without those that begin while the same goes wrong already."""
    ends: dict[tuple[str, Fault], float] = {}
    kept = []
    for mishap in mishaps:
        what = (mishap.component, mishap.fault)
        if mishap.start_min > ends.get(what, -1.0):
            ends[what] = mishap.end_min
            kept.append(mishap)
    return tuple(kept)


def _weakness(topology: LabTopology) -> Mapping[str, float]:
    """Some services fail more often than others: those that work most per core they have."""
    seen = visits(topology)
    busy = {
        service.name: seen[service.name] * service.cpu_ms / (service.replicas * service.resources.cpu_limit_millicores)
        for service in topology.services
    }
    most = max(busy.values())
    return {name: 0.15 + share / most for name, share in busy.items()}


def _shares(weights: Mapping[str, float]) -> Floats:
    values = np.array(list(weights.values()))
    return np.asarray(values / values.sum())


def _cascade(topology: LabTopology, mishap: Mishap, rng: np.random.Generator) -> tuple[Mishap, ...]:
    """Some minutes later a caller begins to fail too, until shortly after the cause is gone."""
    callers = [service.name for service in topology.services if mishap.component in mean_calls(service)]
    if not callers or rng.random() > _CASCADE:
        return ()
    later = float(rng.uniform(2, 6)) + mishap.ramp_min
    hold = max(3.0, mishap.end_min - mishap.start_min - later + float(rng.uniform(1, 4)))
    return (
        replace(
            mishap,
            component=str(rng.choice(callers)),
            fault=Fault.DEPENDENCY_FAILING,
            start_min=mishap.start_min + later,
            ramp_min=1.0,
            hold_min=hold,
            strength=float(rng.uniform(0.05, 0.2)),
            cause=mishap.component,
        ),
    )


def happen(
    topology: LabTopology, mishaps: tuple[Mishap, ...], load: Floats, rng: np.random.Generator
) -> tuple[Floats, Mapping[str, Conditions]]:
    """The entry's load and every service's conditions as the incidents change them. load: shape (minutes,)."""
    minutes = len(load)
    conditions = {service.name: Conditions.usual(service, minutes) for service in topology.services}
    for mishap in mishaps:
        grown = mishap.growth(minutes)
        if mishap.fault is Fault.TRAFFIC_SURGE:
            load = load * (1 + (mishap.strength - 1) * grown)
        else:
            has = conditions[mishap.component]
            conditions[mishap.component] = _changed(topology, mishap, has, grown, rng)
    return load, conditions


def _changed(
    topology: LabTopology, mishap: Mishap, has: Conditions, grown: Floats, rng: np.random.Generator
) -> Conditions:
    strength = mishap.strength
    if mishap.fault is Fault.CPU_SQUEEZE:
        return replace(has, limit_cores=has.limit_cores * (1 - strength * grown))
    if mishap.fault is Fault.DEPENDENCY_SLOW:
        return replace(has, added_s=has.added_s + strength / 1000 * grown)
    if mishap.fault is Fault.DEPENDENCY_FAILING:
        return replace(has, failing=1 - (1 - has.failing) * (1 - strength * grown))
    if mishap.fault is Fault.REPLICA_LOSS:
        lost = np.ceil(has.replicas.max() * strength)
        return replace(has, replicas=np.maximum(has.replicas - lost * (grown > 0), 0.0))
    if mishap.fault is Fault.POD_KILL:
        away = np.ceil(has.replicas.max() * strength) * grown * rng.uniform(0.3, 1.0, len(grown))
        return replace(has, replicas=np.maximum(has.replicas - away, 0.0))
    return _leaking(topology, mishap, has, grown, rng)


def _leaking(
    topology: LabTopology, mishap: Mishap, has: Conditions, grown: Floats, rng: np.random.Generator
) -> Conditions:
    """Memory climbs to the limit; then pods are killed and come back, one after the other."""
    service = topology[mishap.component]
    free = service.resources.memory_limit_mib - service.memory_base_mib
    full = grown > 0.97
    away = np.where(full, rng.uniform(0.2, 0.8, len(grown)) * np.ceil(has.replicas.max() * mishap.strength), 0.0)
    leaked = np.where(full, free * rng.uniform(0.4, 1.0, len(grown)), free * grown)
    return replace(has, leaked_mib=has.leaked_mib + leaked, replicas=np.maximum(has.replicas - away, 0.0))
