"""The law of an answer's time from its first three cumulants: how many are slower, and how slow the slowest are.

Under processor sharing an answer takes its work times a slowdown. For M/M/1-PS the first three moments (Coffman, Muntz
and Trotter 1970 for the second) are just those of a product of two gamma variables, of shapes 1 and (2 - u) / u; rows
of stations come nearer to one gamma. So a law as skewed as a gamma or more is that of a product of two gamma variables,
and its quantiles are read off a power that is normal (Box and Cox 1964; for one gamma the power is near a third: Wilson
and Hilferty 1931). The power, its middle and its deviation were fitted to exact quantiles of such products: within 0.5
% at 99 %, 1.3 % from 90 to 99.9 %, for squared coefficients of variation up to 3.3.

In overload no request is older than the overload, and its law is less skewed than a gamma: a beta law from 0 to a most
(Pearson's first type), which is exact while a level rises in a straight line from nothing.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import betainc, betaincinv, ndtr, ndtri

from chaosprsa.twin.queueing import Floats

_TINY = 1e-12
_WIDEST = 5.0  # squared coefficient of variation: the fit ends before
_BETA, _MOST_TAIL = -0.15, 1.4  # 0: a gamma; 1: a product of two alike; 2 would be a log-normal
_LEAST_SHAPE = 0.02


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
class Law:
    """One law an element; share above t: that of a normal variable below (middle - (t / mean)^power) / deviation."""

    mean_log: Floats
    power: Floats
    middle: Floats
    deviation: Floats
    bounded: _Bounded | None

    @classmethod
    def of(cls, mean_s: Floats, variance_s2: Floats, third_s3: Floats) -> Self:
        """mean_s, variance_s2, third_s3: the first three cumulants, any shape alike."""
        mean = np.maximum(mean_s, _TINY)
        wide = np.clip(variance_s2 / mean**2, _TINY, _WIDEST)
        cube = 1.0 + 3.0 * wide + third_s3 / (mean * mean * mean)
        both = 0.5 * (cube / (1.0 + wide) - 1.0 - 2.0 * wide)
        tail = 4.0 * both / np.maximum(wide - both, _TINY) ** 2
        light = tail < _BETA
        tail = np.minimum(np.maximum(tail, _BETA), _MOST_TAIL)
        root, product = np.sqrt(wide), wide * tail
        power = 0.3425 + tail * (0.05436 * tail - 0.24887) + root * (0.01398 + tail * (0.00794 - 0.0015 * tail))
        drop = 1.0 + 0.02928 * wide - 0.07849 * product - tail * (0.11033 + 0.0279 * root)
        spread = 1.0 + wide * (0.01311 + 0.00062 * wide) - 0.01819 * product + tail * (0.00613 - 0.08351 * root)
        return cls(
            mean_log=np.log(mean),
            power=power,
            middle=1.0 - 0.5 * power * (1.0 - power) * wide * drop,
            deviation=power * root * spread,
            bounded=_Bounded.of(light, mean, wide, cube) if light.any() else None,
        )

    def above(self, threshold_s: float) -> Floats:
        """The share of answers that take longer."""
        height = np.exp(self.power * (np.log(max(threshold_s, _TINY)) - self.mean_log))
        found = np.asarray(ndtr((self.middle - height) / self.deviation), dtype=np.float64)
        if (low := self.bounded) is not None:
            found[low.at] = betainc(*low.shapes[::-1], np.maximum(1.0 - threshold_s / low.most_s, 0.0))
        return found

    def exceeded(self, share: float) -> Floats:
        """The time that this share of answers takes longer than, in seconds: `above` the other way round."""
        height = np.maximum(self.middle - ndtri(share) * self.deviation, _TINY)
        found = np.asarray(np.exp(np.log(height) / self.power + self.mean_log), dtype=np.float64)
        if (low := self.bounded) is not None:
            found[low.at] = low.most_s * (1.0 - betaincinv(*low.shapes[::-1], share))
        return found
