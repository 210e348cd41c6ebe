"""What is usual for each component and metric: median and robust spread over the times without incidents."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.history.frame import History
from chaosprsa.types import Incident

UNKNOWN_LENGTH = timedelta(minutes=30)  # how long an incident without an end is taken to last
MIN_SHARE_QUIET = 0.3  # with less of the history quiet, incidents are the usual


def quiet_rows(history: History) -> npt.NDArray[np.bool_]:
    """Shape (rows of history.metrics,): taken while no incident lasted; all where that would leave too little."""
    times = history.metrics["timestamp"].dt.tz_convert(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    starts, ends = _merged(history.incidents)
    inside = np.searchsorted(starts, times, side="right") > np.searchsorted(ends, times, side="right")
    quiet = ~inside
    return quiet if quiet.sum() >= MIN_SHARE_QUIET * len(quiet) else np.ones(len(times), dtype=bool)


def normals_of(history: History) -> Mapping[str, Mapping[str, tuple[float, float]]]:
    """Component -> metric -> (median, spread); call edges too. Spread: 1.4826 times the median absolute deviation.

    A flat series has its standard deviation, or a hundredth of its level, so that a spread is never 0.
    """
    if not len(history.metrics):
        return {}
    quiet = history.metrics[quiet_rows(history)]
    keys = [quiet["component"], quiet["metric"]]
    groups = quiet["value"].groupby(keys, sort=True)
    middle = groups.transform("median")
    table = pd.DataFrame({"median": groups.median(), "deviation": groups.std()})
    table["spread"] = 1.4826 * (quiet["value"] - middle).abs().groupby(keys, sort=True).median()
    tiny = table["median"].abs() * 1e-9
    least = np.maximum(table["median"].abs() * 0.01, 1e-9)
    spread = table["spread"].where(table["spread"] > tiny, table["deviation"])
    table["spread"] = spread.where(spread > tiny, least)
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for (component, metric), median, wide in zip(table.index, table["median"], table["spread"], strict=True):
        found.setdefault(str(component), {})[str(metric)] = (float(median), float(wide))
    return found


def _merged(incidents: Sequence[Incident]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Starts and ends, each sorted, milliseconds: a time is inside where more have started than ended."""
    starts = [each.start for each in incidents]
    ends = [each.likely_end or each.start + UNKNOWN_LENGTH for each in incidents]
    millis = [
        np.sort(np.array([round(time.timestamp() * 1000) for time in side], dtype=np.int64)) for side in (starts, ends)
    ]
    return millis[0], millis[1]
