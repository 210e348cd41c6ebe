"""Racing: the cheapest of a few candidates that holds, with repeats only for those still in question.

All are measured a few times in the same random worlds; then those go that miss for sure, that are dearer than one that
holds for sure, or dearer and surely worse than another. The rest is measured again, until one is left or the most
repeats are reached (Hoeffding races, Maron and Moore 1994; t-races, Birattari 2002). The bounds are Student's, whose
error is shared among all tests at all looks (Bonferroni), so that the best is dropped in at most `error` of races.

Repeats of one candidate in other worlds are its A/A trials: what they differ by is chance, and sets the least
difference that can be told from it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from chaosprsa.errors import require

Floats = NDArray[np.float64]
# (candidate, repeat) -> by how much it misses each constraint, 0 or less where it holds; a repeat is one world for all
Measure = Callable[[int, int], Floats]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """error: that the best is dropped. power: that the least detectable difference is detected.

    first, most: repeats of a candidate; after each look it gets half as many again.
    """

    error: float = 0.05
    power: float = 0.8
    first: int = 5
    most: int = 15

    def __post_init__(self) -> None:
        require(0 < self.error < 1, f"racing: error is {self.error}, expected above 0 and below 1")
        require(2 <= self.first <= self.most, f"racing: {self.first} to {self.most} repeats, expected 2 or more")

    @property
    def looks(self) -> tuple[int, ...]:
        """Repeats so far at each look."""
        found = [self.first]
        while found[-1] < self.most:
            found.append(min(found[-1] + max(found[-1] // 2, 1), self.most))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Race:
    """values: what was measured of each candidate, shape (repeats, constraints). holds: None where chance hides it.

    chosen: the cheapest that holds, or is equal to one that does and not shown to miss; None where none does. equal:
    those told apart from the chosen by less than can be detected.
    """

    values: tuple[Floats, ...]
    holds: tuple[bool | None, ...]
    chosen: int | None
    equal: tuple[int, ...]

    @property
    def misses(self) -> tuple[float, ...]:
        """Of each candidate, by how much it misses the constraint that it misses most."""
        return tuple(float(worst(rows).mean()) for rows in self.values)

    @property
    def repeats(self) -> int:
        """Of all candidates."""
        return sum(len(rows) for rows in self.values)


def race(prices: Sequence[float], measure: Measure, rules: Rules | None = None) -> Race:
    """prices: of each candidate; where they are equal the earlier one goes first."""
    rules = rules or Rules()
    order = sorted(range(len(prices)), key=lambda at: (prices[at], at))
    field = _Field(order, measure, rules)
    for repeats in rules.looks:
        field.look(repeats)
        if not field.asked:
            break
    return field.finished()


def least_detectable(noise: float, repeats: int, rules: Rules) -> float:
    """The least difference of two means of so many repeats each that is found with the stated error and power.

    noise: standard deviation of a repeat. Infinite with less than two repeats.
    """
    if repeats < 2:
        return float("inf")
    freedom = 2 * (repeats - 1)
    return float((_t(1 - rules.error / 2, freedom) + _t(rules.power, freedom)) * noise * np.sqrt(2 / repeats))


class _Field:
    """Those in the race, the cheapest first. asked: those whose next repeats may change the answer."""

    def __init__(self, order: Sequence[int], measure: Measure, rules: Rules) -> None:
        self._order, self._measure, self._rules = list(order), measure, rules
        self._values: list[list[Floats]] = [[] for _ in order]
        self._holds: list[bool | None] = [None] * len(order)
        self.asked = list(order)

    def look(self, repeats: int) -> None:
        """Measure up to so many repeats, and leave out what is decided."""
        for at in self.asked:
            self._values[at] += [self._measure(at, repeat) for repeat in range(len(self._values[at]), repeats)]
        for at in self.asked:
            low, high = self._bounds(self._rows(at))
            self._holds[at] = True if (high <= 0).all() else False if (low > 0).any() else None
        self.asked = [at for at in self.asked if self._holds[at] is None and not self._beaten(at)]

    def _beaten(self, at: int) -> bool:
        """By a cheaper one that holds, or that surely misses by less."""
        for cheaper in self._order[: self._order.index(at)]:
            if self._holds[cheaper]:
                return True
            if self._holds[cheaper] is None and self._bounds(self._difference(at, cheaper)[:, None])[0][0] > 0:
                return True
        return False

    def _rows(self, at: int) -> Floats:
        return np.stack(self._values[at])

    def _difference(self, one: int, other: int) -> Floats:
        """Of what they miss most, in the worlds that both have met."""
        both = min(len(self._values[one]), len(self._values[other]))
        return np.asarray(worst(self._rows(one))[:both] - worst(self._rows(other))[:both])

    def _bounds(self, rows: Floats) -> tuple[Floats, Floats]:
        """Of the means, each with its share of the error: to miss a constraint, to hold all, to be worse than one."""
        tests = (rows.shape[1] + 2 * (len(self._order) - 1)) * len(self._rules.looks)
        return within(rows, 1.0 - 2.0 * self._rules.error / tests)

    def finished(self) -> Race:
        rows = [self._rows(at) for at in range(len(self._order))]
        missed = [float(worst(each).mean()) for each in rows]
        good = [at for at in self._order if self._holds[at] or (self._holds[at] is None and missed[at] <= 0)]
        chosen = good[0] if good else None
        if chosen is not None:
            rivals = self._order[: self._order.index(chosen)]
            chosen = next((at for at in rivals if self._holds[at] is None and self._equal(at, chosen)), chosen)
        equal = [at for at in self._order if chosen is not None and at != chosen and self._equal(at, chosen)]
        return Race(tuple(rows), tuple(self._holds), chosen, tuple(equal))

    def _equal(self, one: int, other: int) -> bool:
        """Less apart than can be detected."""
        noise = float(np.sqrt(np.mean([worst(self._rows(at)).var(ddof=1) for at in (one, other)])))
        both = self._difference(one, other)
        return bool(abs(both.mean()) < least_detectable(noise, len(both), self._rules))


def within(rows: Floats, sure: float = 0.95) -> tuple[Floats, Floats]:
    """Bounds of the means that hold each by itself with this probability, shape (constraints,)."""
    mean, spread = rows.mean(axis=0), rows.std(axis=0, ddof=1)
    half = _t((1 + sure) / 2, len(rows) - 1) * spread / np.sqrt(len(rows))
    return mean - half, mean + half


def worst(rows: Floats) -> Floats:
    """Repeats of the constraint that is missed most on average, of rows (repeats, constraints)."""
    return np.asarray(rows[:, int(rows.mean(axis=0).argmax())])


def _t(share: float, freedom: int) -> float:
    """Student's quantile."""
    return float(stdtrit(freedom, share))
