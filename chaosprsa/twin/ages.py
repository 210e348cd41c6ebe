"""How long the requests in a pod have been there: moments of their ages, in steady states, overload and drain.

Under processor sharing every request in a pod is as likely as any other to be the next one done (exponential work), so
an answer given now took what a request chosen among those present has spent so far. Ages grow with time and are
diluted by arrivals, of age 0; departures leave their distribution as it is. With a arrivals a second and a level N that
goes from one value to another in a straight line, dM_k/dt = k M_(k-1) - a M_k / N is solved in closed form.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from chaosprsa.twin.queueing import Floats

_Three = tuple[Floats, Floats, Floats]
_TINY = 1e-12
_RESONANT = 2e-3  # so near to arrivals that equal a multiple of the fall the closed form divides by nothing
_FALLING = 0.01  # of arrivals: a fall by more is averaged over three points (Simpson)
_FORGOTTEN = 60.0  # times the level was replaced in a step, above which nothing is left from before
REPLACED = 100.0  # times a level was replaced in a step, above which it is no backlog
SOON, TIMES_USUAL = 20.0, 3.0  # the same where it is no more than so many times what a steady state holds
_STILL = 1e-4  # arrivals a step, as a share of the level, below which they count as so many


@dataclass(frozen=True, slots=True)
class Ages:
    """Mean, mean square and mean cube of the ages, in seconds; any shape alike."""

    first: Floats
    second: Floats
    third: Floats

    @classmethod
    def steady(cls, mean_s: Floats) -> Self:
        """At an unchanging level ages are exponential."""
        return cls(mean_s, 2.0 * mean_s**2, 6.0 * mean_s * mean_s * mean_s)

    def only(self, there: np.ndarray) -> "Ages":
        """0 where nobody is there."""
        return Ages(*(part * there for part in _parts(self)))

    def within(self, most_s: float) -> "Ages":
        """No older than this: who waits longer has left."""
        if np.isinf(most_s):
            return self
        return Ages(*(np.minimum(part, most_s**order) for order, part in enumerate(_parts(self), start=1)))


def aged(ages: Ages, before: Floats, after: Floats, arrivals: Floats, step_s: Floats) -> tuple[Ages, Ages]:
    """(ages at the end of a step, and averaged over it).

    before, after: requests in a pod; arrivals: number in the step, a pod.
    """
    start, end = np.maximum(before, _TINY), np.maximum(after, _TINY)
    rise = end - start
    came = _apart(np.maximum(np.maximum(arrivals, _STILL * end), _TINY), rise)
    p1 = step_s / (came + rise)
    p2 = 2.0 * p1 * step_s / (came + 2.0 * rise)
    p3 = 3.0 * p2 * step_s / (came + 3.0 * rise)
    turnover = came / _log_mean(start, end)
    forgotten, middle = turnover > _FORGOTTEN, 0.5 * (start + end)
    risen = _risen((p1, p2, p3), middle)
    if forgotten.all():
        return _risen((p1, p2, p3), end), risen
    square = start * start
    here = (ages.first - p1 * start, ages.second - p2 * square, ages.third - p3 * square * start)
    there = (p1, p2, p3)
    ended = _later(there, here, end, step_s, np.exp(-turnover))
    mean = _averaged(there, here, (start, end), step_s, turnover)
    falling = rise < -_FALLING * came
    if falling.any():
        half = _later(there, here, middle, 0.5 * step_s, np.exp(-0.5 * came / _log_mean(start, middle)))
        thirds = zip(_parts(ages), _parts(half), _parts(ended), _parts(mean), strict=True)
        mean = Ages(*(np.where(falling, (a + 4.0 * b + c) / 6.0, closed) for a, b, c, closed in thirds))
    return ended, Ages(
        *(np.where(forgotten, one, other) for one, other in zip(_parts(risen), _parts(mean), strict=True))
    )


def _risen(there: _Three, level: Floats) -> Ages:
    """What a level that changes for ever would have."""
    p1, p2, p3 = there
    square = level * level
    return Ages(p1 * level, p2 * square, p3 * square * level)


def _later(there: _Three, here: _Three, level: Floats, time_s: Floats, left: Floats) -> Ages:
    """The closed form: what a level that changes for ever would have, and what is left of the difference from it."""
    (p1, p2, p3), (k1, k2, k3) = there, here
    later = time_s * k1
    return Ages(
        p1 * level + k1 * left,
        p2 * level * level + (k2 + 2.0 * later) * left,
        p3 * level * level * level + (k3 + 3.0 * time_s * (k2 + later)) * left,
    )


def _averaged(there: _Three, here: _Three, ends: tuple[Floats, Floats], step_s: Floats, turnover: Floats) -> Ages:
    """The closed form's average, its difference fading evenly."""
    (p1, p2, p3), (k1, k2, k3), (start, end) = there, here, ends
    left = np.exp(-turnover)
    e0 = (1.0 - left) / turnover
    e1 = (e0 - left) / turnover
    e2 = (2.0 * e1 - left) / turnover
    square, later = start * start, step_s * k1
    squares = square + start * end + end * end
    return Ages(
        p1 * 0.5 * (start + end) + k1 * e0,
        p2 * squares / 3.0 + k2 * e0 + 2.0 * later * e1,
        p3 * 0.25 * (squares * end + square * start) + k3 * e0 + 3.0 * step_s * (k2 * e1 + later * e2),
    )


def _log_mean(one: Floats, other: Floats) -> Floats:
    """Nearly: two thirds of the geometric and one of the arithmetic mean (Polya and Szego 1951)."""
    return np.asarray((2.0 * np.sqrt(one * other) + 0.5 * (one + other)) / 3.0, dtype=np.float64)


def _parts(ages: Ages) -> _Three:
    return ages.first, ages.second, ages.third


def _apart(came: Floats, rise: Floats) -> Floats:
    """Arrivals moved by a little where they are a multiple of the level's fall."""
    if rise.min() >= 0.0:
        return came
    near = np.zeros(came.shape, dtype=bool)
    for order in (1.0, 2.0, 3.0):
        near |= np.abs(came + order * rise) < _RESONANT * came
    return np.where(near, came * (1.0 + 2.0 * _RESONANT), came) if near.any() else came
