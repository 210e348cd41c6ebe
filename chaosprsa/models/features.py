"""What a window of samples looks like, under tsfresh's names.

The usual features are computed for all windows at once and equal tsfresh's own to 1e-9 (tests/models/test_features.py);
any other name that tsfresh knows goes through tsfresh itself, which takes seconds to import and far longer to run
(Christ et al., Neurocomputing 307, 2018). Names read <feature>__<parameter>_<value>, as in quantile__q_0.9.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.errors import BadInput

FloatArray = npt.NDArray[np.float64]


def rolling(values: FloatArray, width: int, at: npt.NDArray[np.int64]) -> FloatArray:
    """Windows of a series, shape (len(at), width): window i ends with the sample at[i] >= width - 1."""
    return np.lib.stride_tricks.sliding_window_view(values, width)[at - width + 1]


def extract(windows: FloatArray, names: Sequence[str]) -> FloatArray:
    """Shape (windows, names). A window with a gap (NaN) has NaN for all. Raises BadInput for a name nobody knows."""
    found = np.full((len(windows), len(names)), np.nan)
    whole = np.isfinite(windows).all(axis=1)
    if not whole.any():
        return found
    full = np.ascontiguousarray(windows[whole])
    others = [name for name in names if name not in VECTORISED]
    foreign = _by_tsfresh(full, others) if others else {}
    columns = [foreign[name] if name in foreign else VECTORISED[name](full) for name in names]
    found[whole] = np.column_stack(columns)
    return found


def _slope(x: FloatArray) -> FloatArray:
    time = np.arange(x.shape[1]) - (x.shape[1] - 1) / 2
    return np.asarray((x - x.mean(axis=1, keepdims=True)) @ time / float(time @ time))


def _autocorrelation(x: FloatArray, lag: int) -> FloatArray:
    centred = x - x.mean(axis=1, keepdims=True)
    variance = x.var(axis=1)
    products = np.sum(centred[:, :-lag] * centred[:, lag:], axis=1)
    steady = np.isclose(variance, 0)
    ratio = products / np.where(steady, 1.0, (x.shape[1] - lag) * variance)
    return np.where(steady, np.nan, ratio)


def _beyond(x: FloatArray, sigmas: float) -> FloatArray:
    far = np.abs(x - x.mean(axis=1, keepdims=True)) > sigmas * x.std(axis=1, keepdims=True)
    return np.asarray(far.mean(axis=1))


VECTORISED: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "mean": lambda x: x.mean(axis=1),
    "median": lambda x: np.median(x, axis=1),
    "minimum": lambda x: x.min(axis=1),
    "maximum": lambda x: x.max(axis=1),
    "sum_values": lambda x: x.sum(axis=1),
    "variance": lambda x: x.var(axis=1),
    "standard_deviation": lambda x: x.std(axis=1),
    "root_mean_square": lambda x: np.sqrt(np.mean(x**2, axis=1)),
    "abs_energy": lambda x: np.sum(x**2, axis=1),
    "mean_change": lambda x: (x[:, -1] - x[:, 0]) / (x.shape[1] - 1),
    "mean_abs_change": lambda x: np.abs(np.diff(x, axis=1)).mean(axis=1),
    "absolute_sum_of_changes": lambda x: np.abs(np.diff(x, axis=1)).sum(axis=1),
    "cid_ce__normalize_False": lambda x: np.sqrt(np.sum(np.diff(x, axis=1) ** 2, axis=1)),
    "count_above_mean": lambda x: np.sum(x > x.mean(axis=1, keepdims=True), axis=1).astype(float),
    "quantile__q_0.1": lambda x: np.quantile(x, 0.1, axis=1),
    "quantile__q_0.9": lambda x: np.quantile(x, 0.9, axis=1),
    "autocorrelation__lag_1": lambda x: _autocorrelation(x, 1),
    "ratio_beyond_r_sigma__r_2": lambda x: _beyond(x, 2.0),
    'linear_trend__attr_"slope"': _slope,
}


def _by_tsfresh(windows: FloatArray, names: Sequence[str]) -> dict[str, FloatArray]:
    """Tsfresh's own calculators, in this process: its pools don't mix with other libraries' threads."""
    from tsfresh import extract_features  # 6 s of import, only for names outside the usual set
    from tsfresh.feature_extraction.settings import from_columns

    rows, width = windows.shape
    frame = pd.DataFrame(
        {"id": np.repeat(np.arange(rows), width), "time": np.tile(np.arange(width), rows), "x": windows.ravel()}
    )
    try:
        table = extract_features(
            frame,
            column_id="id",
            column_sort="time",
            default_fc_parameters=from_columns([f"x__{name}" for name in names])["x"],
            n_jobs=0,
            disable_progressbar=True,
        ).sort_index()
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise BadInput(f"features {', '.join(names)}: tsfresh can't compute one of them ({error})") from None
    return {name: table[f"x__{name}"].to_numpy(dtype=float) for name in names}
