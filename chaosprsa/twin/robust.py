"""Estimates that a few wild observations don't move, each with how sure it is."""

import numpy as np

from chaosprsa.twin.queueing import Floats

SURE = 0.03  # no calibration is surer than this
_UNSURE = 0.15  # one observation alone


def median_and_spread(values: Floats, weights: Floats) -> tuple[float, float]:
    """Weighted median of positive values, and the standard error of its logarithm (from the median deviation).

    NaN, None with values: (nan, nan) where no value is finite and positive.
    """
    good = np.isfinite(values) & (values > 0) & (weights > 0)
    if not good.any():
        return float("nan"), float("nan")
    middle = weighted_median(values[good], weights[good])
    if good.sum() < 3:
        return middle, _UNSURE
    off = np.abs(np.log(values[good] / middle))
    spread = 1.2533 * 1.4826 * weighted_median(off, weights[good]) / np.sqrt(good.sum())
    return middle, max(float(spread), SURE)


def weighted_median(values: Floats, weights: Floats) -> float:
    """The value at which half of the weight is reached."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(reached, 0.5 - 1e-12)])


def rising_line(x: Floats, y: Floats) -> tuple[float, float, float]:
    """(value at 0, slope of at least 0, relative spread around) by pairs' slopes (Theil 1950, Sen 1968).

    The slope is the lower quartile of the pairs', not their median: where noise hides a slope it is 0, since what a
    slope from noise says far outside the data is worse than nothing.
    """
    first, second = np.triu_indices(len(x), 1)
    apart = np.abs(x[second] - x[first]) > 0.1 * max(float(np.ptp(x)), 1e-9)
    slopes = (y[second] - y[first])[apart] / (x[second] - x[first])[apart]
    slope = max(float(np.quantile(slopes, 0.25)), 0.0) if len(slopes) else 0.0
    base = float(np.median(y - slope * x))
    around = float(np.median(np.abs(y - base - slope * x))) * 1.4826
    return max(base, 0.0), slope, around / max(float(np.median(y)), 1e-9)
