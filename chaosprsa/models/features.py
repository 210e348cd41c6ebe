"""What a window of samples looks like, under tsfresh's names.

The usual features equal tsfresh's own to 1e-9 (tests/models/test_features.py). Of many windows they are compiled, in
one pass over the series (models/onepass.py); of few they are computed in numpy, which needs no second to start. Any
other name that tsfresh knows goes through tsfresh itself, which takes seconds to import and far longer to run (Christ
et al., Neurocomputing 307, 2018). Names read <feature>__<parameter>_<value>, as in quantile__q_0.9.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.errors import BadInput

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
COMPILED_FROM = 200_000  # windows: below, numpy is done before numba has started
AT_ONCE = 2_000_000  # samples laid out as windows at one time, where there is no other way


def rolling(values: FloatArray, width: int, at: IntArray) -> FloatArray:
    """Windows of a series, shape (len(at), width): window i ends with the sample at[i] >= width - 1."""
    return np.lib.stride_tricks.sliding_window_view(values, width)[at - width + 1]


def rolling_features(
    series: FloatArray, width: int, names: Sequence[str], at: IntArray | None = None, stride: int = 1
) -> FloatArray:
    """Features of the windows of one series or of many, shape (..., windows, names); series: shape (..., n).

    at: the samples that windows end with, each width - 1 or later; without it, every `stride`-th window from the first.
    A window with a gap (NaN or infinite) has NaN for all. Raises BadInput for a name nobody knows, or an `at` outside.
    """
    values = np.ascontiguousarray(series, dtype=float)
    count = values.shape[-1]
    ends = np.arange(width - 1, count, stride) if at is None else np.asarray(at, dtype=np.int64)
    if width < 1 or (len(ends) and not width - 1 <= ends.min() <= ends.max() < count):
        raise BadInput(f"windows of {width} samples: they must end with samples {width - 1} to {count - 1}")
    order = np.argsort(ends, kind="stable")
    flat = values.reshape(-1, count)
    found = _features(flat, width, names, ends[order])
    if not np.array_equal(order, np.arange(len(ends))):
        found = found[:, np.argsort(order)]
    return found.reshape(*values.shape[:-1], *found.shape[1:])


def _features(series: FloatArray, width: int, names: Sequence[str], at: IntArray) -> FloatArray:
    """Shape (k, windows, names), from series of shape (k, n) and rising ends."""
    if len(series) * len(at) < COMPILED_FROM:
        return _laid_out(series, width, names, at)
    from chaosprsa.models import onepass  # a second of import, and of compiling the first time

    usual = [name for name in names if onepass.compiled(name)]
    found = onepass.features(series, width, usual, at)
    others = [name for name in names if name not in usual]
    if not others:
        return found
    both = np.concatenate([found, _laid_out(series, width, others, at)], axis=2)
    return both[:, :, [[*usual, *others].index(name) for name in names]]


def _laid_out(series: FloatArray, width: int, names: Sequence[str], at: IntArray) -> FloatArray:
    """The same from windows laid out whole, some at a time."""
    found = np.empty((len(series), len(at), len(names)))
    rows = max(1, AT_ONCE // max(1, width * len(at)))
    for first in range(0, len(series) if found.size else 0, rows):
        views = np.lib.stride_tricks.sliding_window_view(series[first : first + rows], width, axis=1)
        windows = views[:, at - width + 1].reshape(-1, width)
        found[first : first + rows] = _of_windows(windows, names).reshape(-1, len(at), len(names))
    return found


def extract(windows: FloatArray, names: Sequence[str]) -> FloatArray:
    """Shape (windows, names). A window with a gap (NaN) has NaN for all. Raises BadInput for a name nobody knows."""
    return rolling_features(windows, windows.shape[1], names)[:, 0]


def _of_windows(windows: FloatArray, names: Sequence[str]) -> FloatArray:
    found = np.full((len(windows), len(names)), np.nan)
    whole = np.isfinite(windows).all(axis=1)
    if not whole.any():
        return found
    full = np.ascontiguousarray(windows[whole])
    others = [name for name in names if name not in VECTORISED]
    foreign = _by_tsfresh(full, others) if others else {}
    with np.errstate(all="ignore"):  # what overflows is inf, as in tsfresh
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
    "absolute_maximum": lambda x: np.abs(x).max(axis=1),
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
    "count_below_mean": lambda x: np.sum(x < x.mean(axis=1, keepdims=True), axis=1).astype(float),
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
