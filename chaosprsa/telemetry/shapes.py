"""What a series' values can be: between which bounds, and on which grid (whole numbers, pages of 4096 bytes, ...)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
DECIMALS = 6  # looked for at most
FEW = 8  # samples below which no grid is read off
FEW_DIFFERENT = 5  # values that a grid other than whole numbers is read off
OFTEN = 0.3  # share of samples like the one before, above which a series moves in steps
FRACTIONS = ("_cores", "_ratio", "_per_s", "_ms", "_percent")
MOST = 2000  # samples that a grid is read off


@dataclass(frozen=True, slots=True)
class Shape:
    """Shape (series,) each. grid: values are whole multiples of it; 0: of nothing. low, high: bounds, or infinite."""

    grid: FloatArray
    low: FloatArray
    high: FloatArray

    def fitted(self, values: FloatArray) -> FloatArray:
        """The values, shape (times, series), on their grid and inside their bounds; gaps stay."""
        step = np.where(self.grid > 0, self.grid, 1.0)
        snapped = np.where(self.grid > 0, np.round(np.round(values / step) * step, DECIMALS), values)
        return np.asarray(np.clip(snapped, self.low, self.high))


def stays(samples: FloatArray) -> npt.NDArray[np.bool_]:
    """Shape (series,): whether a series is often the same in two samples running, as what moves in steps is."""
    steps = np.diff(samples, axis=0)
    there = np.isfinite(steps).sum(axis=0)
    return np.asarray((steps == 0).sum(axis=0) > OFTEN * np.maximum(there, 1))


def shape_of(metrics: Sequence[str], values: FloatArray) -> Shape:
    """From what a past shows, shape (rows, series): nothing is negative that never was; shares end at 1, percents at
    100, unless the past went beyond.
    """
    every = [_shape(metric, values[:, place]) for place, metric in enumerate(metrics)]
    grid, low, high = np.array(every, dtype=float).reshape(-1, 3).T
    return Shape(grid, low, high)


def _shape(metric: str, series: FloatArray) -> tuple[float, float, float]:
    found = series[np.isfinite(series)][-MOST:]
    most, least = (float(found.max()), float(found.min())) if len(found) else (0.0, 0.0)
    high = np.inf
    if metric.endswith("_ratio") and most <= 1:
        high = 1.0
    if "percent" in metric and most <= 100:
        high = 100.0
    return _grid(found, metric), 0.0 if least >= 0 else -np.inf, high


def _grid(found: FloatArray, metric: str) -> float:
    """The largest number that all values are multiples of, down to a millionth; 0 where there is none.

    Few different values tell only whether they count whole things.
    """
    if len(found) < FEW or np.abs(found).max() > 2**52:
        return 0.0
    if len(np.unique(found)) < FEW_DIFFERENT:
        whole = np.all(found == np.round(found)) and np.abs(found).max() >= 2
        return 1.0 if whole and not metric.endswith(FRACTIONS) else 0.0
    for decimals in range(DECIMALS + 1):
        scaled = found * 10.0**decimals
        if np.abs(scaled).max() > 2**52:
            return 0.0
        nearest = np.round(scaled)
        if np.all(np.abs(scaled - nearest) <= 1e-9 * np.maximum(np.abs(scaled), 1.0)):
            return float(np.gcd.reduce(np.abs(nearest).astype(np.int64)) / 10.0**decimals)
    return 0.0
