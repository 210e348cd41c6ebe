"""Columns that make requests go another way: a sketch for each mix, and a descent over the mixes.

A larger cache, or another weight, saves nothing by itself: what it saves are the pods that others then need less. So
each value is tried with everything else repaired and lowered for it, by greedy search on the sketch, and kept where
that ends cheaper (coordinate descent). A cache's memory comes and goes with it.
"""

from collections.abc import Callable, Iterator

import numpy as np

from chaosprsa.allocation.dimensions import CACHE, MEMORY, MIXING
from chaosprsa.allocation.greedy import Found
from chaosprsa.allocation.scores import Objective, Scores
from chaosprsa.allocation.sketch import Sketch
from chaosprsa.allocation.space import Floats, Ints, Space

MOST_VALUES = 8  # of a column in a pass: evenly over its range, and a step to either side
MOST_PASSES = 3

Rank = Callable[[Found], tuple[bool, float, float]]


class BlendedSketch:
    """As a sketch answers, for points of several mixes; what it learnt of one mix corrects those that are new."""

    def __init__(self, objective: Objective) -> None:
        self._objective, self._sketches = objective, dict[bytes, Sketch]()
        self._correction: Floats | None = None
        self._correction = self._of(objective.space.generous).begin().correction

    def correct(self, point: Ints) -> Scores:
        """Look at one point on the fluid twin and take the ratio over, for its mix and those to come."""
        sketch = self._of(point)
        scores = sketch.correct(point)
        self._correction = sketch.correction
        return scores

    def __call__(self, points: Ints) -> Scores:
        """points: shape (candidates, services, columns)."""
        _, which = np.unique(points[..., MIXING:].reshape(len(points), -1), axis=0, return_inverse=True)
        found = Scores(*(np.empty(len(points)) for _ in Scores.__slots__))
        for number in np.unique(which):
            rows = np.flatnonzero(which.reshape(-1) == number)
            told = self._of(points[rows[0]])(points[rows])
            for name in Scores.__slots__:
                getattr(found, name)[rows] = getattr(told, name)
        return found

    def search(self, start: Ints) -> Found:
        """Greedy from a start, of its mix alone."""
        return self._of(start).search(start)

    def _of(self, point: Ints) -> Sketch:
        key = np.ascontiguousarray(point[:, MIXING:]).tobytes()
        if key not in self._sketches:
            rehearsal = self._objective.rehearsal.mixed(self._objective.space.mix(point))
            self._sketches[key] = Sketch(self._objective, rehearsal)
            if self._correction is not None:
                self._sketches[key].correction = self._correction
        return self._sketches[key]


def sketch_of(objective: Objective) -> Sketch | BlendedSketch:
    """One sketch where there is one mix."""
    return BlendedSketch(objective) if objective.space.mixing else Sketch(objective).begin()


def blended(space: Space, sketch: Sketch | BlendedSketch, start: Found, rank: Rank) -> Found:
    """The best that is found from start by other mixes, start itself where none is better."""
    best = start
    for _ in range(MOST_PASSES if space.mixing else 0):
        before = best
        for at, part in np.argwhere(space.low[:, MIXING:] < space.high[:, MIXING:]).tolist():
            for value in _values(space, best.point, at, part + MIXING):
                moved = with_value(space, best.point, at, part + MIXING, value)
                best = min(best, sketch.search(moved), key=rank)
        if best is before:
            break
    return best


def with_value(space: Space, point: Ints, at: int, part: int, value: int) -> Ints:
    """The point with another value of a column; a cache brings or takes its memory, on the grid, as far as it goes."""
    moved = point.copy()
    moved[at, part] = value
    if part == CACHE:
        step = int(space.step[at, MEMORY])
        moved[at, MEMORY] += -((point[at, CACHE] - value) // step) * step
    return np.asarray(space.settled(space.clipped(moved)), dtype=np.int64)


def _values(space: Space, point: Ints, at: int, part: int) -> Iterator[int]:
    low, high, step, now = (int(each[at, part]) for each in (space.low, space.high, space.step, point))
    cells = np.unique(np.linspace(0, (high - low) // step, MOST_VALUES - 2).round().astype(np.int64))
    values = {*(low + cells * step).tolist(), now - step, now + step} - {now}
    yield from sorted(value for value in values if low <= value <= high)
