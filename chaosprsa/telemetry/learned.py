"""The part of an issue that past incidents of its kind taught: their trajectories, resampled, scaled and never copied.

One past incident of the kind lends its series, all together, so that what moved together still does; those at the same
component are four times as likely. Its smooth course is stretched to the issue's length, its noise is laid on from
another place, and both are scaled: by a draw for the incident and one for each series, by how strong the issue is, and,
where the component is another one, by the two levels. What falls falls by its share of the level; what rises by the
geometric mean of share and amount; shares and percents by the amount.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chaosprsa.faults import CATALOGUE
from chaosprsa.history.queries import RATE
from chaosprsa.models.signatures import EDGE_IN, OTHER, OWN, Signature, Trajectory, neighbours, relation_to
from chaosprsa.telemetry.shapes import stays
from chaosprsa.telemetry.usual import Past
from chaosprsa.types import Fault, SimulatedIssue, Topology

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
SAME_PLACE = 4.0  # how much likelier an incident of the same component is to be followed
VARIES, VARIES_EACH = 0.12, 0.08  # of the logarithm of the amplitude: of all series together, of each
STRENGTH = (0.4, 2.5)  # how far an issue's strength moves the amplitude from the catalogue's typical one
LEVELS = (0.25, 4.0)
SET_BY_THE_FAULT = {"cpu_limit_cores", "memory_limit_bytes", "replicas"}  # physics.py knows them exactly


@dataclass(frozen=True, slots=True)
class _Fitted:
    """A signature at one component, shape (steps + tail, series). steady: shape (series,), what moves in steps."""

    columns: IntArray
    smooth: FloatArray
    rough: FloatArray
    steady: npt.NDArray[np.bool_]
    steps: int


class Learned:
    """Adds what was learned to `added`, shape (times, series); `muted` tells where it stands in for the usual noise."""

    def __init__(self, signatures: Sequence[Signature], past: Past, topology: Topology, shape: tuple[int, int]) -> None:
        self.added, self.muted = np.zeros(shape), np.zeros(shape, dtype=bool)
        self._past, self._topology, self._signatures = past, topology, signatures
        self._of_kind: dict[str, list[int]] = {}
        for number, one in enumerate(signatures):
            self._of_kind.setdefault(one.kind, []).append(number)
        self._place = {key: number for number, key in enumerate(past.keys)}
        self._components = tuple(dict.fromkeys(component for component, _ in past.keys))
        self._kept: dict[tuple[int, str, bool], _Fitted] = {}

    def knows(self, kind: str) -> bool:
        """Whether the history shows an incident of the kind in the metrics."""
        return kind in self._of_kind

    def feel(self, issue: SimulatedIssue, first: int, last: int, rng: np.random.Generator) -> None:
        """Rows [first, last) of the issue; what lingers comes after."""
        numbers = self._of_kind[issue.kind]
        weights = [SAME_PLACE if self._signatures[each].at == issue.component else 1.0 for each in numbers]
        pick = int(np.searchsorted(np.cumsum(weights), rng.uniform() * sum(weights), side="right"))
        fitted = self._fitted(numbers[min(pick, len(numbers) - 1)], issue)
        count = len(fitted.columns)
        amplitude = np.exp(VARIES * rng.standard_normal() + VARIES_EACH * rng.standard_normal(count))
        start = int(rng.integers(0, max(fitted.steps, 1)))
        if not count or last <= first:
            return
        shown = _stretched(fitted, last - first, start) * amplitude * _by_strength(issue)
        rows = slice(first, min(first + len(shown), len(self.added)))
        self.added[rows, fitted.columns] += shown[: rows.stop - first]
        self.muted[rows, fitted.columns] = True

    def _fitted(self, number: int, issue: SimulatedIssue) -> _Fitted:
        surge = issue.fault is Fault.TRAFFIC_SURGE
        key = number, issue.component, surge
        if key not in self._kept:
            self._kept[key] = self._fit(self._signatures[number], issue.component, surge)
        return self._kept[key]

    def _fit(self, one: Signature, component: str, surge: bool) -> _Fitted:
        pairs = [
            (self._place[target, each.metric], each)
            for target, each in self._targets(one, component)
            if (target, each.metric) in self._place
            and each.metric not in SET_BY_THE_FAULT
            and not (surge and each.metric == RATE)
        ]
        if not pairs:
            nothing = np.empty((0, 0))
            return _Fitted(np.empty(0, dtype=np.int64), nothing, nothing, np.empty(0, dtype=bool), one.steps)
        length = min(len(each.deviation) for _, each in pairs)
        steady = stays(np.column_stack([each.deviation[:length] for _, each in pairs]))
        smooth, rough = zip(*(_parted(each.deviation[:length]) for _, each in pairs), strict=True)
        units = np.array([self._unit(column, each) for column, each in pairs])
        return _Fitted(
            columns=np.array([column for column, _ in pairs], dtype=np.int64),
            smooth=np.column_stack(smooth) * units,
            rough=np.column_stack(rough)
            * self._noises([column for column, _ in pairs], [each.noise for _, each in pairs]),
            steady=steady,
            steps=min(one.steps, length),
        )

    def _targets(self, one: Signature, component: str) -> list[tuple[str, Trajectory]]:
        """(component that feels it, what it shows): by name where it is the same, else by its place in the graph."""
        sources: dict[str, list[Trajectory]] = {}
        for each in one.trajectories:
            sources.setdefault(each.component, []).append(each)
        if one.at == component:
            return [(name, each) for name, own in sources.items() for each in own]
        around = neighbours(self._topology, one.at)
        found = []
        for number, target in enumerate(self._components):
            relation = relation_to(component, (), target, self._topology)
            source = _counterpart(target, relation, number, one, around, sources)
            found += [(target, each) for each in sources.get(source, ())]
        return found

    def _noises(self, columns: Sequence[int], there: Sequence[float]) -> FloatArray:
        """What the noise is multiplied by: how restless each series is now, to how restless the past one was."""
        here, then = self._past.restless[list(columns)], np.array(there)
        known = (here > 0) & (then > 0)
        return np.where(known, np.clip(here / np.where(known, then, 1.0), *LEVELS), 1.0)

    def _unit(self, column: int, each: Trajectory) -> float:
        """What a deviation is multiplied by to be one of the column's."""
        _, metric = self._past.keys[column]
        there = float(self._past.present[column])
        if metric.endswith("_ratio") or "percent" in metric or each.level <= 0 or there <= 0:
            return 1.0
        falls = np.nanmedian(each.deviation) < 0
        ratio = float(np.clip(there / each.level, *LEVELS))
        return ratio if falls else ratio**0.5


def _counterpart(
    target: str,
    relation: str,
    number: int,
    one: Signature,
    around: Mapping[str, str],
    sources: Mapping[str, Sequence[Trajectory]],
) -> str:
    """Which component of the past incident the target does as: itself where it stood the same, else one that did."""
    if relation == OWN:
        return one.at
    if relation == EDGE_IN:
        alike = sorted(name for name, own in sources.items() if own[0].relation == EDGE_IN)
    elif relation == around.get(target, OTHER):
        return target if target != one.at else ""
    else:
        alike = sorted(name for name, other in around.items() if other == relation)
    return alike[number % len(alike)] if alike else ""


def _parted(deviation: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The smooth course (a running median of three, gaps bridged) and what is left, with the gaps."""
    at = np.arange(len(deviation))
    there = np.isfinite(deviation)
    filled = np.interp(at, at[there], deviation[there]) if there.any() else np.zeros(len(deviation))
    around = np.vstack([filled[np.maximum(at - 1, 0)], filled, filled[np.minimum(at + 1, len(at) - 1)]])
    smooth = np.median(around, axis=0) if len(deviation) > 2 else filled
    return smooth, np.where(there, filled - smooth, np.nan)


def _stretched(fitted: _Fitted, steps: int, start: int) -> FloatArray:
    """Shape (steps + tail, series): the course over `steps`, the noise from `start` on in a circle, then the tail."""
    had = fitted.steps
    at = np.clip((np.arange(steps) + 0.5) * had / steps - 0.5, 0, had - 1)
    low = at.astype(np.int64)
    share = (at - low)[:, None]
    between = fitted.smooth[low] * (1 - share) + fitted.smooth[np.minimum(low + 1, had - 1)] * share
    course = np.where(fitted.steady, fitted.smooth[np.round(at).astype(np.int64)], between)
    noise = fitted.rough[(start + np.arange(steps)) % had]
    return np.vstack([course + noise, fitted.smooth[had:] + fitted.rough[had:]])


def _by_strength(issue: SimulatedIssue) -> float:
    typical, strength = CATALOGUE[issue.fault].typical, issue.strength
    if issue.fault is Fault.TRAFFIC_SURGE:
        typical, strength = typical - 1, strength - 1
    return float(np.clip(strength / typical, *STRENGTH))
