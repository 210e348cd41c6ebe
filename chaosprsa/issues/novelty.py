"""How new an issue is: its distance to the nearest incident that was seen; 0 it was seen, 1 nothing like it was.

The distance of two is Euclidean over what they are, each in its natural unit: another component 1; another fault 1,
another word for the same fault 0.5; duration 1 for the width of all durations' 90 % range (in logarithms); load at the
entry 1 for four times as much; time of day 0.5 for noon against midnight. No history records strengths: within the
usual ones an issue's counts as seen, beyond them 1 for each standard deviation. A companion counts 1: nothing tells
that the two were ever on together. Novelty is 1 - exp(-distance squared).
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import ndtri

from chaosprsa.faults import fault_of_kind
from chaosprsa.hazards import FloatArray
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.types import Incident

HOUR_UNIT = 4.0  # noon and midnight are a circle's diameter apart
LOAD_UNIT = np.log(4.0)
USUAL_STRENGTH = 0.95  # quantiles up to here, and from 1 minus it, are what may have been
DAY_S = 86_400.0
ANY_KIND = ""  # a kind that no source has lasts as long as all of them
Where = tuple[str, str]  # component and kind
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Level:
    """How alike two are in component and kind: incidents with the same `key` differ by `squared` at most."""

    key: Callable[[Where], Hashable]
    squared: float


_LEVELS = (
    _Level(lambda where: where, 0.0),
    _Level(lambda where: (where[0], fault_of_kind(where[1])), 0.25),
    _Level(lambda where: where[0], 1.0),
    _Level(lambda where: where[1], 1.0),
    _Level(lambda where: fault_of_kind(where[1]), 1.25),
    _Level(lambda _: None, 2.0),
)


class Seen:
    """The incidents that were seen, as points. load: of the entry as a multiple of its mean, at seconds since 1970."""

    def __init__(
        self, model: IncidentModel, past: Sequence[Incident], load: Callable[[FloatArray], FloatArray]
    ) -> None:
        self._model, self._load = model, load
        low, high = model.duration_quantiles(ANY_KIND, (0.05, 0.95))
        self._width = max(float(np.log(high / low)), 0.1)
        where = [(each.component, each.kind) for each in past]
        starts = np.array([each.start.timestamp() for each in past])
        lasted = np.array([_seconds(each.start, each.likely_end) or self._usual(each.kind) for each in past])
        points = self._points(starts, lasted)
        self._trees = [_trees([level.key(each) for each in where], points) for level in _LEVELS]

    def distance(
        self,
        where: Sequence[Where],
        starts_s: FloatArray,
        durations_s: FloatArray,
        strength_u: FloatArray,
        companions: FloatArray,
    ) -> FloatArray:
        """To the nearest; infinite where nothing was seen. starts_s: seconds since 1970. Shape (issues,)."""
        points = self._points(starts_s, durations_s)
        nearest = np.full(len(points), np.inf)
        places = _rows(where)
        for level, trees in zip(_LEVELS, self._trees, strict=True):
            rows: dict[Hashable, list[int]] = defaultdict(list)
            for place, here in places.items():
                rows[level.key(place)] += here
            for key, own in rows.items():
                if key in trees:
                    apart, _ = trees[key].query(points[own])
                    nearest[own] = np.minimum(nearest[own], apart**2 + level.squared)
        return np.asarray(np.sqrt(nearest + _beyond(strength_u) ** 2 + companions))

    def _points(self, starts_s: FloatArray, durations_s: FloatArray) -> FloatArray:
        """Shape (issues, 4): time of day on a circle, load, duration; one natural unit is 1."""
        turn = 2 * np.pi * (starts_s % DAY_S) / DAY_S
        load = np.log(np.maximum(self._load(starts_s), 1e-3)) / LOAD_UNIT
        lasts = np.log(np.maximum(durations_s, 1.0)) / self._width
        return np.column_stack((np.cos(turn) / HOUR_UNIT, np.sin(turn) / HOUR_UNIT, load, lasts))

    def _usual(self, kind: str) -> float:
        return self._model.duration_quantiles(kind, (0.5,))[0]


def novelty(distance: FloatArray) -> FloatArray:
    """0 at no distance, towards 1 with it; shape of distance."""
    return np.asarray(-np.expm1(-(distance**2)))


def _trees(keys: Sequence[Hashable], points: FloatArray) -> dict[Hashable, cKDTree]:
    return {key: cKDTree(points[own]) for key, own in _rows(keys).items()}


def _rows(keys: Sequence[Key]) -> dict[Key, list[int]]:
    """Where each key is among them."""
    found: dict[Key, list[int]] = defaultdict(list)
    for at, key in enumerate(keys):
        found[key].append(at)
    return found


def _beyond(strength_u: FloatArray) -> FloatArray:
    """Standard deviations above or below the usual strengths."""
    deviations = np.abs(ndtri(np.clip(strength_u, 1e-9, 1 - 1e-9)))
    return np.asarray(np.maximum(deviations - ndtri(USUAL_STRENGTH), 0.0))


def _seconds(start: datetime, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if end is not None else None
