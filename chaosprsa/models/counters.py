"""Counters since boot among the metrics: told by how they move, and turned into what was counted in a step.

A counter only rises, but for resets to near nothing when its process starts again; what it says is its increase. At a
reset the increase is unknown, so it is NaN there (Prometheus' own `increase` adds what came after it, which hides that
the process was down).
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.history.frame import History

FloatArray = npt.NDArray[np.float64]
ENDINGS = ("_total", "_count", "_sum")  # what Prometheus' naming rules keep for counters
LEVELS = ("_bytes", "_ratio", "_ms", "_cores", "_per_s", "_seconds")  # what they keep for levels and rates
FEWEST = 8  # samples of a series that is named as a counter
FEWEST_UNNAMED = 200  # of one that isn't: short series that only rise may be a leak
RISING = 0.5  # the share of steps in which a counter in use counts something
RESET = 0.5  # what is left after a reset, at most, as a share of what was there


def counters_of(history: History) -> tuple[str, ...]:
    """The metrics that count since boot at most of the components that have them, sorted."""
    if not len(history.metrics):
        return ()
    return tuple(name for name in history.metric_names if _counts(name, history.table(name).to_numpy(dtype=float)))


def measured(history: History, metric: str, counters: Sequence[str]) -> pd.DataFrame:
    """history.table, with a counter turned into its increase a step; NaN at resets."""
    table = history.table(metric)
    if metric not in counters:
        return table
    return pd.DataFrame(increases(table.to_numpy(dtype=float)), index=table.index, columns=table.columns)


def increases(counts: FloatArray) -> FloatArray:
    """What was counted in each step, shape (times, series) as `counts`; NaN at the start and at resets."""
    steps = np.full(counts.shape, np.nan)
    steps[1:] = np.diff(counts, axis=0)
    return np.where(steps >= 0, steps, np.nan)


def _counts(name: str, table: FloatArray) -> bool:
    """Whether most series of a metric, those that move at all, are counters."""
    named = name.endswith(ENDINGS)
    if not named and name.endswith(LEVELS):
        return False
    fewest = FEWEST if named else FEWEST_UNNAMED
    series = (column[np.isfinite(column)] for column in table.T)
    moving = [each for each in series if len(each) >= fewest and each.min() < each.max()]
    found = sum(is_counter(each, 0.02 if named else RISING) for each in moving)
    return bool(moving) and found > len(moving) / 2


def is_counter(values: FloatArray, rising: float = RISING) -> bool:
    """Whether a series of finite values only rises but for resets; rising: in how many of its steps at least."""
    steps = np.diff(values)
    falls = steps < 0
    resets = values[1:][falls] <= RESET * values[:-1][falls]
    few = falls.sum() <= max(1, 0.02 * len(steps))
    return bool(values.min() >= 0 and resets.all() and few and (steps > 0).mean() >= rising)
