"""A history as one table: a row a grid time, a column a series, with counters since boot told as their increments."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chaosprsa.history.frame import History, millis_of, series_slices

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
FEW = 8  # samples below which nothing is called a counter
RESET = 0.5  # a counter that starts again falls below this share of where it stood; what falls less is no counter
COUNTERS = ("_total", "_count", "_sum", "_bucket")


@dataclass(frozen=True, slots=True)
class Wide:
    """millis: UTC milliseconds since 1970, shape (times,). samples: shape (times, series), NaN where there is none.

    keys: (component, metric) of each series. counter: shape (series,); those of a counter are increments from the
    sample before, and last is where it stood, shape (series,), NaN for the others.
    """

    millis: npt.NDArray[np.int64]
    keys: tuple[tuple[str, str], ...]
    samples: FloatArray
    counter: BoolArray
    last: FloatArray


def wide(history: History) -> Wide:
    """Rows without any sample are left out."""
    metrics = history.metrics
    if not len(metrics):
        nothing = np.empty(0)
        return Wide(np.empty(0, dtype=np.int64), (), np.empty((0, 0)), nothing.astype(bool), nothing)
    grid = history.grid_ms
    millis, samples = millis_of(metrics["timestamp"]), metrics["value"].to_numpy(dtype=float)
    step = max(1, round(history.step_s * 1000))
    series = list(series_slices(metrics))
    keys = tuple((component, metric) for component, metric, _ in series)
    values = np.full((len(grid), len(keys)), np.nan)
    for place, (_, _, rows) in enumerate(series):
        at = np.clip((millis[rows] - grid[0] + step // 2) // step, 0, len(grid) - 1)
        values[at, place] = samples[rows]
    there = np.isfinite(values).any(axis=1)
    return _with_increments(grid[there], keys, values[there])


def _with_increments(millis: npt.NDArray[np.int64], keys: tuple[tuple[str, str], ...], values: FloatArray) -> Wide:
    counter = np.array([_counts(name, values[:, place]) for place, (_, name) in enumerate(keys)], dtype=bool)
    last = np.full(len(keys), np.nan)
    for place in np.flatnonzero(counter):
        series = values[:, place]
        filled = series[np.isfinite(series)]
        last[place] = filled[-1]
        steps = np.append(np.nan, np.diff(series))
        values[:, place] = np.where(steps >= 0, steps, np.nan)  # a reset is no increment
    return Wide(millis, keys, values, counter, last)


def _counts(metric: str, series: FloatArray) -> bool:
    """A counter since boot: named as one, and never falling but for resets."""
    filled = series[np.isfinite(series)]
    if not metric.endswith(COUNTERS) or len(filled) < FEW:
        return False
    steps, before = np.diff(filled), filled[:-1]
    fell = steps < 0
    return bool(filled.min() >= 0 and (steps > 0).any() and np.all(filled[1:][fell] < RESET * before[fell]))
