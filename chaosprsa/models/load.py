"""A load's usual course: level, day, week, and how far it strays from them.

Harmonic regression on the square root of the load, which makes the spread of counts alike at every level (Anscombe
1948), by iterated reweighting (Huber 1964), so that incidents and bursts don't bend the curve. Recent weeks count more.
Day and week enter only where the data saw each of their hours or days at least twice: two hours give a level alone.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.models.threads import one_thread

FloatArray = npt.NDArray[np.float64]
DAY_S = 86_400.0
WEEK_S = 7 * DAY_S
HALF_LIFE_S = 2 * WEEK_S  # a sample this old counts half: the level follows growth, and weeks still add up
MAX_BINS = 6_000  # longer series are averaged to this many points before the fit; the spread is taken from all samples
MIN_SAMPLES = 12
DAY_HARMONICS = tuple(7 * k for k in range(1, 7))  # of a week: 24 h, 12 h, ... 4 h
WEEK_HARMONICS = (
    1,
    2,
    3,
    *(7 * k + side for k in (1, 2, 3) for side in (-2, -1, 1, 2)),
)  # days differ, so do their shapes


@dataclass(frozen=True, slots=True)
class LoadForecast:
    """Shape (times,) each, in the unit of the load. low and high: the central 90 % of single samples."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadModel:
    """Fit it, then ask for forecasts at any time.

    terms: what the data was enough for, of level, day, week. coefficients: of the square root; the level, then cosine
    and sine of each harmonic of the week. residuals: quantiles 5 % and 95 %, mean and mean square, of the square root.
    """

    terms: tuple[str, ...] = ()
    harmonics: tuple[int, ...] = ()
    coefficients: tuple[float, ...] = ()
    residuals: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    samples: int = 0

    def fit(self, times_s: FloatArray, values: FloatArray) -> Self:
        """times_s: seconds since 1970, any order; values: the load, 0 or more (less counts as 0, NaN is left out).

        Raises NotEnoughHistory with fewer than 12 samples.
        """
        times, roots = _sorted_roots(np.asarray(times_s, dtype=float), np.asarray(values, dtype=float))
        if len(times) < MIN_SAMPLES:
            raise NotEnoughHistory(f"a load model needs at least {MIN_SAMPLES} samples, there are {len(times)}")
        terms = _terms(times)
        harmonics = (DAY_HARMONICS if "day" in terms else ()) + (WEEK_HARMONICS if "week" in terms else ())
        binned_times, binned, counts = _binned(times, roots)
        weights = counts * 0.5 ** ((times[-1] - binned_times) / HALF_LIFE_S)
        with one_thread():
            coefficients = _robust_fit(_design(binned_times, harmonics), binned, weights, _penalty(harmonics))
        fitted = replace(self, terms=terms, harmonics=harmonics, coefficients=tuple(coefficients.tolist()))
        residuals = roots - np.concatenate(
            [fitted.root(part) for part in np.array_split(times, 1 + len(times) // 50_000)]
        )
        return replace(fitted, residuals=_spread(residuals), samples=len(times))

    def forecast(self, times_s: FloatArray) -> LoadForecast:
        """Mean and central 90 % at these times (seconds since 1970). 0 <= low <= mean <= high, all finite."""
        root = np.maximum(self.root(np.asarray(times_s, dtype=float)), 0.0)
        below, above, mean, square = self.residuals
        low = np.maximum(root + below, 0.0) ** 2
        high = np.maximum(root + above, 0.0) ** 2
        middle = root**2 + 2 * root * mean + square
        return LoadForecast(mean=np.clip(middle, low, high), low=low, high=high)

    def root(self, times_s: FloatArray) -> FloatArray:
        """The square root of the usual load, shape (times,). Raises NotEnoughHistory before a fit."""
        if not self.coefficients:
            raise NotEnoughHistory("this load model was never fitted")
        return np.asarray(_design(times_s, self.harmonics) @ np.array(self.coefficients))

    def as_json(self) -> dict[str, Any]:
        """What from_json takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From as_json's values; lists become tuples. Raises TypeError where fields are missing or unknown."""
        found: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in values.items()}
        return cls(**found)


def _sorted_roots(times: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    known = np.isfinite(times) & np.isfinite(values)
    order = np.argsort(times[known], kind="stable")
    return times[known][order], np.sqrt(np.maximum(values[known][order], 0.0))


def _terms(times: FloatArray) -> tuple[str, ...]:
    """Day where at least 22 of its 24 hours were seen on two days; week where each weekday was seen in two weeks."""
    days = np.unique(np.floor(times / 3600.0))
    hours_seen = np.bincount((days % 24).astype(int), minlength=24)
    if np.sum(hours_seen >= 2) < 22:
        return ("level",)
    full_days, hours = np.unique(days // 24, return_counts=True)
    weekdays_seen = np.bincount((full_days[hours >= 18] % 7).astype(int), minlength=7)
    return ("level", "day", "week") if weekdays_seen.min() >= 2 else ("level", "day")


def _binned(times: FloatArray, roots: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Means over equal spans where there are more samples than MAX_BINS, with the number of samples in each."""
    if len(times) <= MAX_BINS:
        return times, roots, np.ones(len(times))
    width = (times[-1] - times[0]) / MAX_BINS
    at = np.minimum(((times - times[0]) / width).astype(int), MAX_BINS - 1)
    counts = np.bincount(at, minlength=MAX_BINS).astype(float)
    used = counts > 0
    sums = [np.bincount(at, weights=column, minlength=MAX_BINS)[used] for column in (times - times[0], roots)]
    return times[0] + sums[0] / counts[used], sums[1] / counts[used], counts[used]


def _design(times: FloatArray, harmonics: tuple[int, ...]) -> FloatArray:
    """Shape (times, 1 + 2 * harmonics): 1, then cosine and sine of each harmonic of the week."""
    angle = 2 * np.pi * np.outer(times % WEEK_S, np.array(harmonics, dtype=float)) / WEEK_S
    waves = np.stack([np.cos(angle), np.sin(angle)], axis=2).reshape(len(times), -1)
    return np.hstack([np.ones((len(times), 1)), waves])


def _penalty(harmonics: tuple[int, ...]) -> FloatArray:
    """A light ridge that grows with the square of the frequency: it only decides what gaps leave open."""
    return np.concatenate([[0.0], np.repeat((np.array(harmonics, dtype=float) / 7) ** 2, 2)]) * 1e-6


def _robust_fit(design: FloatArray, values: FloatArray, weights: FloatArray, penalty: FloatArray) -> FloatArray:
    """Weighted ridge regression with Huber's weights, from the median outwards, 20 rounds at most."""
    robust = np.ones(len(values))
    found = np.concatenate([[np.median(values)], np.zeros(design.shape[1] - 1)])
    for _ in range(20):
        before = found
        weighted = design * (weights * robust)[:, None]
        ridge = np.diag(penalty * float(np.sum(weights * robust)))
        found = np.linalg.solve(weighted.T @ design + ridge, weighted.T @ values)
        residuals = values - design @ found
        scale = 1.4826 * float(np.median(np.abs(residuals - np.median(residuals))))
        robust = np.minimum(1.0, 1.345 * max(scale, 1e-12) / np.maximum(np.abs(residuals), 1e-12))
        if np.allclose(found, before, rtol=1e-9, atol=1e-12):
            break
    return found


def _spread(residuals: FloatArray) -> tuple[float, float, float, float]:
    """Quantiles 5 % and 95 %, and mean and mean square within 1 % and 99 %: a single spike does not move the mean."""
    first, low, high, last = np.quantile(residuals, [0.01, 0.05, 0.95, 0.99])
    inner = np.clip(residuals, first, last)
    return min(float(low), 0.0), max(float(high), 0.0), float(inner.mean()), float(np.mean(inner**2))
