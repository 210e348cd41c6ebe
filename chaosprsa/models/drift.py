"""How far series moved over several spans at once, against their peers and together with their neighbours.

A change is the mean of the last minutes less the mean of as many minutes one span earlier. Several spans, each twice
the one before, see a jump and a slow leak alike (the generalised likelihood ratio's windows; Basseville & Nikiforov,
Detection of Abrupt Changes, 1993, 2.4). What all components of a metric do at once is load, not a fault: their median
change is taken off.
"""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
MEAN_OF = timedelta(minutes=5)
SPANS = tuple(timedelta(minutes=each) for each in (10, 20, 40, 80))
PEERS = 5  # components with the metric, from which on their median says what is common


@dataclass(frozen=True, slots=True)
class Spans:
    """In steps. width: of a mean; lags: how far apart the two means end, rising."""

    width: int
    lags: tuple[int, ...]

    @classmethod
    def of(cls, step_s: float) -> "Spans":
        """MEAN_OF and SPANS on this step; with steps longer than that, one step and its first multiples."""
        width = max(1, round(MEAN_OF.total_seconds() / step_s))
        lags = (max(width * 2**i, round(span.total_seconds() / step_s) - width) for i, span in enumerate(SPANS))
        return cls(width, tuple(lags))


def changes(values: FloatArray, spans: Spans, at: IntArray) -> FloatArray:
    """Shape (spans, series, len(at)); values: shape (times, series). NaN where less than half of a mean is there."""
    means = _means(values, spans.width)
    found = np.full((len(spans.lags), values.shape[1], len(at)), np.nan)
    for i, lag in enumerate(spans.lags):
        old = at >= lag
        found[i][:, old] = (means[at[old]] - means[at[old] - lag]).T
    return _beside_peers(found)


def _beside_peers(found: FloatArray) -> FloatArray:
    """Less the median over the series, where enough of them are there."""
    known = np.isfinite(found)
    enough = known.sum(axis=1, keepdims=True) >= PEERS
    if not enough.any():
        return found
    rank = np.sort(found, axis=1)  # NaN last
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    low = np.take_along_axis(rank, (count - 1) // 2, axis=1)
    high = np.take_along_axis(rank, count // 2, axis=1)
    return np.asarray(found - np.where(enough, (low + high) / 2, 0.0))


def _means(values: FloatArray, width: int) -> FloatArray:
    """Mean of the `width` values that end at each time, shape (times, series); NaN before the first whole one."""
    known = np.isfinite(values)
    base = np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, values - base, 0.0)  # sums of what differs keep their digits
    total, count = (np.pad(np.cumsum(each, axis=0, dtype=float), ((1, 0), (0, 0))) for each in (filled, known))
    found = np.full(values.shape, np.nan)
    if len(values) >= width:
        seen = count[width:] - count[:-width]
        mean = (total[width:] - total[:-width]) / np.maximum(seen, 1)
        found[width - 1 :] = np.where(seen >= width / 2, mean + base, np.nan)
    return found


def shared(scores: FloatArray, neighbours: IntArray) -> FloatArray:
    """How far a component and the best of its neighbours moved the same way: the lesser of the two, never below 0.

    scores: shape (..., components, times), signed; neighbours: shape (components, most), -1 where there is none.
    """
    found = np.zeros(scores.shape, dtype=scores.dtype)
    for column in neighbours.T:
        other = np.where((column >= 0)[:, None], scores[..., np.maximum(column, 0), :], 0.0)
        same = np.where(np.sign(other) == np.sign(scores), np.minimum(np.abs(other), np.abs(scores)), 0.0)
        found = np.maximum(found, same)
    return found


def pieces(present: BoolArray, longest: int) -> tuple[tuple[int, int], ...]:
    """(first, past the last) of each stretch of samples without a gap of more than `longest` steps."""
    at = np.flatnonzero(present)
    if not len(at):
        return ()
    breaks = np.flatnonzero(np.diff(at) > longest)
    firsts, lasts = at[np.r_[0, breaks + 1]], at[np.r_[breaks, len(at) - 1]]
    return tuple((int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True))
