"""Features of rolling windows from the compiled kernels: tsfresh's names, one pass over the series for each kind.

Imported late: numba takes a second to start, and its kernels as long to compile the first time on a machine.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from chaosprsa.models import kernels

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
AT_ONCE = 20_000  # windows in one go: what the kernels leave for them stays in the processor's cache


class Passes:
    """What the kernels find in the windows of some series that end at `at`; the sums are made once, when asked for."""

    def __init__(self, series: FloatArray, width: int, at: IntArray) -> None:
        self.series, self.width, self.at = series, width, at
        self._sums: FloatArray | None = None

    def sums(self, kind: int) -> FloatArray:
        """One of the kernel's sums, shape (k, windows)."""
        if self._sums is None:
            self._sums = self._empty(kernels.SUMS)
            kernels.rolling_sums(self.series, self.width, self.at, self._sums)
        return np.asarray(self._sums[kind])

    def quantiles(self, shares: Sequence[float]) -> FloatArray:
        """Shape (shares, k, windows)."""
        found = self._empty(len(shares))
        kernels.rolling_quantiles(self.series, self.width, self.at, np.array(shares, dtype=float), found)
        return found

    def counts(self, sigmas: Sequence[float]) -> FloatArray:
        """Shape (2 + sigmas, k, windows): samples above the mean, below, and the shares beyond so many sigmas."""
        found = self._empty(2 + len(sigmas))
        kernels.rolling_counts(self.series, self.width, self.at, np.array(sigmas, dtype=float), found)
        return found

    def mean_change(self) -> FloatArray:
        """From the first sample to the last, a step; NaN where a window has a gap."""
        change = (self.series[:, self.at] - self.series[:, self.at - self.width + 1]) / (self.width - 1)
        return np.where(np.isnan(self.sums(kernels.LEAST)), np.nan, change)

    def _empty(self, kinds: int) -> FloatArray:
        return np.empty((kinds, len(self.series), len(self.at)))


BY_SUMS: Mapping[str, Callable[[Passes], FloatArray]] = {
    "mean": lambda passes: passes.sums(kernels.MEAN),
    "minimum": lambda passes: passes.sums(kernels.LEAST),
    "maximum": lambda passes: passes.sums(kernels.MOST),
    "absolute_maximum": lambda passes: np.maximum(-passes.sums(kernels.LEAST), passes.sums(kernels.MOST)),
    "sum_values": lambda passes: passes.sums(kernels.MEAN) * passes.width,
    "variance": lambda passes: passes.sums(kernels.VARIANCE),
    "standard_deviation": lambda passes: np.sqrt(passes.sums(kernels.VARIANCE)),
    "root_mean_square": lambda passes: np.sqrt(passes.sums(kernels.ENERGY) / passes.width),
    "abs_energy": lambda passes: passes.sums(kernels.ENERGY),
    "mean_change": lambda passes: passes.mean_change(),
    "mean_abs_change": lambda passes: passes.sums(kernels.CHANGE) / (passes.width - 1),
    "absolute_sum_of_changes": lambda passes: passes.sums(kernels.CHANGE),
    "cid_ce__normalize_False": lambda passes: np.sqrt(passes.sums(kernels.SQUARED_CHANGE)),
    "autocorrelation__lag_1": lambda passes: passes.sums(kernels.LIKENESS),
    'linear_trend__attr_"slope"': lambda passes: passes.sums(kernels.SLOPE),
}
COUNTS: Mapping[str, int] = {"count_above_mean": 0, "count_below_mean": 1}


def compiled(name: str) -> bool:
    """Whether a feature is one of those below."""
    return name in BY_SUMS or name in COUNTS or share_of(name) is not None or sigmas_of(name) is not None


def features(series: FloatArray, width: int, names: Sequence[str], at: IntArray) -> FloatArray:
    """Shape (k, windows, names): windows of `width` that end with the samples `at`, rising. series: shape (k, n)."""
    found = np.empty((len(series), len(names), len(at)))  # a feature's values side by side: they are written so
    rows = max(1, AT_ONCE // max(1, len(at)))
    for first in range(0, len(series), rows):
        for start in range(0, len(at), AT_ONCE):
            passes = Passes(series[first : first + rows], width, at[start : start + AT_ONCE])
            _fill(passes, names, found[first : first + rows, :, start : start + AT_ONCE])
    return np.moveaxis(found, 1, 2)


def _fill(passes: Passes, names: Sequence[str], found: FloatArray) -> None:
    with np.errstate(all="ignore"):  # what overflows is inf, as in tsfresh
        for i, name in enumerate(names):
            if name in BY_SUMS:
                found[:, i] = BY_SUMS[name](passes)
    shares = {i: share for i, name in enumerate(names) if (share := share_of(name)) is not None}
    if shares:
        for i, column in zip(shares, passes.quantiles([*shares.values()]), strict=True):
            found[:, i] = column
    sigmas = {i: sigma for i, name in enumerate(names) if (sigma := sigmas_of(name)) is not None}
    counted = {i: COUNTS[name] for i, name in enumerate(names) if name in COUNTS}
    if sigmas or counted:
        columns = passes.counts([*sigmas.values()])
        for i, kind in (*counted.items(), *((i, 2 + k) for k, i in enumerate(sigmas))):
            found[:, i] = columns[kind]


def share_of(name: str) -> float | None:
    """0.9 of quantile__q_0.9, 0.5 of median; None of others."""
    share = 0.5 if name == "median" else _parameter(name, "quantile__q_")
    return share if share is not None and 0 <= share <= 1 else None


def sigmas_of(name: str) -> float | None:
    """2.0 of ratio_beyond_r_sigma__r_2; None of others."""
    return _parameter(name, "ratio_beyond_r_sigma__r_")


def _parameter(name: str, prefix: str) -> float | None:
    try:
        return float(name.removeprefix(prefix)) if name.startswith(prefix) else None
    except ValueError:
        return None
