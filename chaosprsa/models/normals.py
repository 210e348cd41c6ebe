"""What is usual for each component and metric: median and robust spread over the times without incidents."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from chaosprsa.history.frame import AT_ONCE, History, millis_of, series_slices
from chaosprsa.types import Incident

UNKNOWN_LENGTH = timedelta(minutes=30)  # how long an incident without an end is taken to last
MIN_SHARE_QUIET = 0.3  # with less of the history quiet, incidents are the usual


def quiet_rows(history: History) -> npt.NDArray[np.bool_]:
    """Shape (rows of history.metrics,): taken while no incident lasted; all where that would leave too little."""
    times = millis_of(history.metrics["timestamp"])
    starts, ends = _merged(history.incidents)
    quiet = np.empty(len(times), dtype=bool)
    for at in range(0, len(times), AT_ONCE):
        part = times[at : at + AT_ONCE]
        quiet[at : at + AT_ONCE] = np.searchsorted(starts, part, side="right") <= np.searchsorted(ends, part, "right")
    return quiet if quiet.sum() >= MIN_SHARE_QUIET * len(quiet) else np.ones(len(times), dtype=bool)


def normals_of(history: History) -> Mapping[str, Mapping[str, tuple[float, float]]]:
    """Component -> metric -> (median, spread); call edges too. Spread: 1.4826 times the median absolute deviation.

    A flat series has its standard deviation, or a hundredth of its level, so that a spread is never 0.
    """
    if not len(history.metrics):
        return {}
    quiet, values = quiet_rows(history), history.metrics["value"].to_numpy(dtype=float)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for component, metric, rows in series_slices(history.metrics):
        usual = values[rows][quiet[rows]]
        if len(usual):
            found.setdefault(component, {})[metric] = _median_and_spread(usual)
    return found


def _median_and_spread(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    median = float(np.median(values))
    with np.errstate(over="ignore", invalid="ignore"):  # the spread of huge values is infinite, and not used
        robust = 1.4826 * float(np.median(np.abs(values - median)))
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    tiny = abs(median) * 1e-9
    wide = (spread for spread in (robust, deviation) if tiny < spread < np.inf)
    return median, next(wide, max(abs(median) * 0.01, 1e-9))


def _merged(incidents: Sequence[Incident]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Starts and ends, each sorted, milliseconds: a time is inside where more have started than ended."""
    starts = [each.start for each in incidents]
    ends = [each.likely_end or each.start + UNKNOWN_LENGTH for each in incidents]
    millis = [
        np.sort(np.array([round(time.timestamp() * 1000) for time in side], dtype=np.int64)) for side in (starts, ends)
    ]
    return millis[0], millis[1]
