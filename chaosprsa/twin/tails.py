"""The law of an answer's time from its first cumulants: how many are slower, and how slow the slowest are.

Under processor sharing an answer takes its work times a slowdown. For M/M/1-PS the first three moments (Coffman, Muntz
and Trotter 1970 for the second) are just those of a product of two gamma variables, of shapes 1 and (2 - u) / u; rows
of stations come nearer to one gamma. So a law as skewed as a gamma or more is that of a product of two gamma variables,
and its quantiles are read off a power that is normal (Box and Cox 1964; for one gamma the power is near a third: Wilson
and Hilferty 1931). The power, its middle and its deviation were fitted to exact quantiles of such products: within 0.5
% at 99 %, 1.3 % from 90 to 99.9 %, for squared coefficients of variation up to 3.3.

No single station's time is more skewed than a product of two alike, but a sum may be: of one full station and others
that hardly vary. There it is such a product beyond a least time, which keeps all three cumulants. What the others vary
shows in the fourth, which moves the law (fourth).

In overload no request is older than the overload, and its law is less skewed than a gamma: a beta law from 0 to a most
(Pearson's first type), which is exact while a level rises in a straight line from nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.special import betainc, betaincinv, ndtr, ndtri

from chaosprsa.twin.fourth import bend, bent, heaviness, straight
from chaosprsa.twin.queueing import Floats

_TINY = 1e-12
_WIDEST = 5.0  # squared coefficient of variation: the fit ends before
_BETA, _MOST_TAIL = -0.15, 1.0  # 0: a gamma; 1: a product of two alike
_STEEP, _NEWTON = 10 / 2**1.5, 8
_LEAST_SHAPE = 0.02
_FADED = 0.1  # of tail: within it of the beta laws, which know nothing of the fourth cumulant, that is not heeded fully
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class _Bounded:
    """Beta laws from 0 to most_s, shape (where `at` is True,)."""

    at: np.ndarray
    most_s: Floats
    shapes: tuple[Floats, Floats]

    @classmethod
    def of(cls, at: np.ndarray, mean_s: Floats, wide: Floats, cube: Floats) -> Self:
        """wide: squared coefficient of variation; cube: third moment over the mean's cube; as `at`, uncut."""
        mean, second = mean_s[at], 1.0 + wide[at]
        third = np.clip(cube[at] / second, second + _TINY, 2.0 * second - 1.0 - _TINY)
        both = 2.0 * (third - second) / (2.0 * second - 1.0 - third)
        most = (second - 1.0) * both + second
        low = np.maximum(both / most, _LEAST_SHAPE)
        return cls(at, mean * most, (low, np.maximum(both - low, _LEAST_SHAPE)))


@dataclass(frozen=True, slots=True)
class Waited:
    """Answers that met a backlog: the share that is older than each age, the time of the others added to none of it.

    at: shape (elements,), where in the flattened law; age_s, rising, and older: shape (elements, ages). Between ages
    the root of the share is a straight line.
    """

    at: np.ndarray
    age_s: Floats
    older: Floats

    @classmethod
    def within(cls, at: np.ndarray, age_s: Floats, older: Floats, most_s: float) -> Self:
        """Of those that waited no longer than this: the others have left."""
        found = cls(at, age_s, older)
        if np.isinf(most_s):
            return found
        late = found.above(most_s)[:, None]
        left = (older - late) / np.maximum(1.0 - late, _TINY)
        return cls(at, age_s, np.where(age_s < most_s, np.clip(left, 0.0, 1.0), 0.0))

    @classmethod
    def joined(cls, steps: Sequence[tuple[int, Self]], like: Floats) -> Self | None:
        """Of all these rows of a law whose rows are shaped like those of `like`."""
        if not steps:
            return None
        width = like.shape[-1]
        at = np.concatenate([number * width + one.at for number, one in steps])
        return cls(at, np.concatenate([one.age_s for _, one in steps]), np.concatenate([one.older for _, one in steps]))

    @property
    def mean_s(self) -> Floats:
        """Shape (elements,): of all answers."""
        low, high = self.older[:, :-1], self.older[:, 1:]
        return np.asarray((np.diff(self.age_s) * (low + high + np.sqrt(low * high))).sum(axis=1) / 3.0)

    def above(self, time_s: Floats | float) -> Floats:
        """The share that is older; time_s: one for all or one an element."""
        time = np.broadcast_to(np.asarray(time_s, dtype=np.float64), self.at.shape)
        last = self.age_s.shape[1] - 1
        after = np.minimum((self.age_s <= time[:, None]).sum(axis=1), last)
        rows = np.arange(len(after))
        low, high = self.age_s[rows, after - 1], self.age_s[rows, after]
        one, other = np.sqrt(self.older[rows, after - 1]), np.sqrt(self.older[rows, after])
        part = np.clip((time - low) / np.maximum(high - low, _TINY), 0.0, 1.0)
        return np.asarray((one + part * (other - one)) ** 2, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Law:
    """One law an element; share above t: that of a normal variable below (middle - (t / mean)^power) / deviation.

    t and mean: beyond least_s.
    """

    least_s: Floats
    mean_log: Floats
    power: Floats
    middle: Floats
    deviation: Floats
    bounded: _Bounded | None
    bend: Floats | None = None  # of normal scores, by the fourth cumulant
    delayed: "_Delayed | None" = None

    @classmethod
    def of(
        cls,
        mean_s: Floats,
        variance_s2: Floats,
        third_s3: Floats,
        fourth_s4: Floats | None = None,
        waited: Waited | None = None,
    ) -> "Law":
        """mean_s, variance_s2, third_s3, fourth_s4: the first cumulants, any shape alike; the last may be unknown.

        Where answers `waited` as well, the mean has that in it, and the other cumulants are the others' alone.
        """
        plain = cls._of(mean_s, variance_s2, third_s3, fourth_s4)
        if waited is None:
            return plain
        at, fourth = waited.at, None if fourth_s4 is None else fourth_s4.flat[waited.at]
        rest = cls._of(mean_s.flat[at] - waited.mean_s, variance_s2.flat[at], third_s3.flat[at], fourth)
        return replace(plain, delayed=_Delayed(waited, rest))

    @classmethod
    def _of(cls, mean_s: Floats, variance_s2: Floats, third_s3: Floats, fourth_s4: Floats | None) -> Self:
        mean = np.maximum(mean_s, _TINY)
        wide = np.clip(variance_s2 / mean**2, _TINY, _WIDEST)
        cube = 1.0 + 3.0 * wide + third_s3 / (mean * mean * mean)
        both = 0.5 * (cube / (1.0 + wide) - 1.0 - 2.0 * wide)
        tail = 4.0 * both / np.maximum(wide - both, _TINY) ** 2
        light, heavy, faded = tail < _BETA, tail > _MOST_TAIL, np.minimum((tail - _BETA) / _FADED, 1.0)
        tail, least = np.minimum(np.maximum(tail, _BETA), _MOST_TAIL), np.zeros(mean.shape)
        if heavy.any():
            part, square = _heavy(wide[heavy], third_s3[heavy] / mean[heavy] ** 3)
            least[heavy] = mean[heavy] * (1.0 - part)
            mean, wide = np.maximum(mean - least, _TINY), wide.copy()
            wide[heavy] = np.minimum(square, _WIDEST)
            both[heavy] = (np.sqrt(1.0 + square) - 1.0) ** 2
        root, product = np.sqrt(wide), wide * tail
        power = 0.3425 + tail * (0.05436 * tail - 0.24887) + root * (0.01398 + tail * (0.00794 - 0.0015 * tail))
        drop = 1.0 + 0.02928 * wide - 0.07849 * product - tail * (0.11033 + 0.0279 * root)
        spread = 1.0 + wide * (0.01311 + 0.00062 * wide) - 0.01819 * product + tail * (0.00613 - 0.08351 * root)
        return cls(
            least_s=least,
            mean_log=np.log(mean),
            power=power,
            middle=1.0 - 0.5 * power * (1.0 - power) * wide * drop,
            deviation=power * root * spread,
            bounded=_Bounded.of(light, mean, wide, cube) if light.any() else None,
            bend=None if fourth_s4 is None else faded * bend(variance_s2, fourth_s4, heaviness(wide, both)),
        )

    def above(self, threshold_s: float | Floats) -> Floats:
        """The share of answers that take longer; threshold_s: one for all, or one an element."""
        height = np.exp(self.power * (np.log(np.maximum(threshold_s - self.least_s, _TINY)) - self.mean_log))
        score = (height - self.middle) / self.deviation
        found = np.asarray(ndtr(-score if self.bend is None else -straight(score, self.bend)), dtype=np.float64)
        if (low := self.bounded) is not None:
            at_s = np.broadcast_to(threshold_s, found.shape)[low.at]
            found[low.at] = betainc(*low.shapes[::-1], np.maximum(1.0 - at_s / low.most_s, 0.0))
        if (late := self.delayed) is not None:
            found.flat[late.waited.at] = late.above(threshold_s)
        return found

    def exceeded(self, share: float) -> Floats:
        """The time that this share of answers takes longer than, in seconds: `above` the other way round."""
        score = -ndtri(share) if self.bend is None else bent(-ndtri(share), self.bend)
        height = np.maximum(self.middle + score * self.deviation, _TINY)
        found = np.asarray(self.least_s + np.exp(np.log(height) / self.power + self.mean_log), dtype=np.float64)
        if (low := self.bounded) is not None:
            found[low.at] = low.most_s * (1.0 - betaincinv(*low.shapes[::-1], share))
        if (late := self.delayed) is not None:
            found.flat[late.waited.at] = late.exceeded(share)
        return found


def _heavy(wide: Floats, third: Floats) -> tuple[Floats, Floats]:
    """(mean beyond the least over the whole mean, squared coefficient of variation there) of a product of two alike.

    wide, third: second and third cumulant over powers of the whole mean. With a the squared coefficient of variation of
    each and q² = a the skewness is q (10 + 12 a + 4 a²) / (2 + a)^1.5, solved by Newton's method from above.
    """
    skew = third / wide**1.5
    root = skew / _STEEP
    for _ in range(_NEWTON):
        each = root * root
        top, below = 10.0 + each * (12.0 + 4.0 * each), 2.0 + each
        value = root * top / below**1.5
        slope = (10.0 + each * (36.0 + 20.0 * each) - 3.0 * each * top / below) / below**1.5
        root = root - (value - skew) / slope
    square = root * root * (2.0 + root * root)
    return np.minimum(np.sqrt(wide / square), 1.0), square


@dataclass(frozen=True, slots=True)
class _Delayed:
    """The later of two times, shape (elements,): who waited long hardly notices the rest, and the other way round."""

    waited: Waited
    rest: Law

    def above(self, time_s: float | Floats) -> Floats:
        return 1.0 - (1.0 - self.waited.above(time_s)) * (1.0 - self.rest.above(time_s))

    def exceeded(self, share: float) -> Floats:
        """By halving, between the rest's and the oldest's."""
        low = self.rest.exceeded(share)
        high = np.maximum(low, self.waited.age_s[:, -1])
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            more = self.above(middle) > share
            low, high = np.where(more, middle, low), np.where(more, high, middle)
        return low
