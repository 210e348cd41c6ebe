"""NAB's score under its standard profile (Lavin and Ahmad 2015; numenta/NAB, nab/sweeper.py), for detection_nab.py.

A window earns by its earliest alarm, a sigmoid from 1 at its left edge to 0 at its right one; a missed window costs 1;
an alarm outside costs 0.11, less just after a window's end. Nothing counts in the probationary period. One threshold
serves all series.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

TP_WEIGHT, FN_WEIGHT, FP_WEIGHT = 1.0, 1.0, 0.11
PROBATION_SHARE, PROBATION_OF = 0.15, 5_000


@dataclass(frozen=True, slots=True)
class Series:
    """times: milliseconds. windows: (first, last) index of each labelled window, both inside."""

    name: str
    times: npt.NDArray[np.int64]
    values: FloatArray
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """How many samples at the start are not scored."""
        return probation(len(self.values))


def probation(length: int) -> int:
    """15 % of a series, of its first 5,000 samples at most."""
    return math.floor(PROBATION_SHARE * min(length, PROBATION_OF))


def sigmoid(position: FloatArray) -> FloatArray:
    """2 / (1 + exp(5 x)) - 1; -1 beyond three windows' widths."""
    return np.where(position > 3.0, -1.0, 2.0 / (1.0 + np.exp(np.minimum(5.0 * position, 700.0))) - 1.0)


def rewards(series: Series) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """What an alarm at each sample earns, and the window it lies in (-1: none)."""
    places = np.arange(len(series.values), dtype=float)
    earned = np.full(len(places), -FP_WEIGHT)
    inside = np.full(len(places), -1)
    for number, (first, last) in enumerate(series.windows):
        width = last - first + 1
        after = slice(last + 1, None)
        earned[after] = sigmoid((places[after] - last) / max(width - 1.0, 1.0)) * FP_WEIGHT
        within = slice(first, last + 1)
        position = -(last - places[within] + 1) / width
        earned[within] = sigmoid(position) * TP_WEIGHT / sigmoid(np.array([-1.0]))[0]
        inside[within] = number
    return earned, inside


@dataclass(frozen=True, slots=True)
class Sweep:
    """raw[i]: the corpus' score when every sample scoring thresholds[i] or more is an alarm; thresholds fall."""

    thresholds: FloatArray
    raw: FloatArray
    windows: int

    @property
    def normalised(self) -> FloatArray:
        """100 for a perfect detector, 0 for one that never alarms."""
        null = -FN_WEIGHT * self.windows
        return 100.0 * (self.raw - null) / max(TP_WEIGHT * self.windows - null, TP_WEIGHT)

    @property
    def best(self) -> tuple[float, float]:
        """NAB's own procedure: the one threshold that is best over all series, labels known; (threshold, score)."""
        place = int(np.argmax(self.raw))
        return float(self.thresholds[place]), float(self.normalised[place])

    def at(self, threshold: float) -> float:
        """The normalised score with a threshold that was fixed before."""
        return float(self.normalised[self._place(threshold)])

    def raw_at(self, threshold: float) -> float:
        """The raw score with a threshold that was fixed before."""
        return float(self.raw[self._place(threshold)])

    def _place(self, threshold: float) -> int:
        return max(int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1, 0)


def sweep(series: Sequence[Series], scores: Sequence[FloatArray]) -> Sweep:
    """All thresholds at once: samples in falling order of score, each window worth its best alarm so far."""
    parts, windows = [], 0
    for one, given in zip(series, scores, strict=True):
        earned, inside = rewards(one)
        kept = np.arange(len(given)) >= one.probation
        named = np.where(inside >= 0, inside + windows, -1)
        parts.append((np.asarray(given, dtype=float)[kept], earned[kept], named[kept]))
        windows += len(one.windows)
    given, earned, named = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(-given, kind="stable")
    best = np.full(max(windows, 1), -FN_WEIGHT)
    gains = np.empty(len(order))
    for place, at in enumerate(order):
        window = named[at]
        if window < 0:
            gains[place] = earned[at]
        else:
            gains[place] = max(earned[at] - best[window], 0.0)
            best[window] = max(best[window], earned[at])
    total = np.concatenate([[-FN_WEIGHT * windows], -FN_WEIGHT * windows + np.cumsum(gains)])
    ends = np.append(np.flatnonzero(np.diff(given[order])) + 1, len(order))
    thresholds = np.concatenate([[np.inf], given[order][ends - 1]])
    return Sweep(thresholds=thresholds, raw=total[np.concatenate([[0], ends])], windows=windows)
