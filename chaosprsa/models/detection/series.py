"""How surprising each sample of one series is, given those before it: streaming, with a stated rate of false alarms.

Three views of the past make a residual each: the level so far, the same time on the days before, and the most alike
stretch before. Each residual becomes a chance by its own tail so far (extreme values), so that series of any unit and
spread are comparable; the most surprised view speaks.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chaosprsa.models.detection.kernels import off_level, off_pattern, off_season, records, tail_surprise

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
VIEWS = 3
SETTLED = 50  # samples whose spread is the unit of a series
NOTHING = 1e-3
HUGE = 1e100  # beyond which values are all the same, so that squares stay numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesDetector:
    """Scores in decades of improbability: 3 comes about once in 1,000 normal samples for each view.

    fewest: residuals before anything is said. tail_share: of the past that counts as its tail (2 %, as Siffer et al.
    take). lightest_tail: the least Pareto index believed. ceiling: decades beyond which nothing is told apart.
    pattern: samples compared with earlier stretches. memory: how many samples back those may lie. days: how many days
    back the same time is looked up. silence: samples within which a fault is told once.
    """

    fewest: int = 50
    tail_share: float = 0.02
    lightest_tail: float = 0.1
    ceiling: float = 6.0
    pattern: int = 24
    memory: int = 1_500
    days: int = 5
    silence: int = 100

    def surprise(self, values: FloatArray, day_steps: int = 0) -> FloatArray:
        """Shape (n,): decades of improbability, at least 0. values: shape (n,), NaN where there is no sample.

        day_steps: samples a day; 0 where a day is unknown or longer than the series.
        """
        scaled = _scaled(np.asarray(values, dtype=float))
        held = _held(scaled)
        residuals = [off_level(scaled), off_pattern(held, self.pattern, self.memory)]
        if 1 < day_steps < len(scaled):
            residuals.append(off_season(scaled, day_steps, self.days))
        found = np.zeros(len(scaled))
        floor = _floor(scaled)
        for residual in residuals:
            sizes = np.abs(residual) + floor
            np.maximum(
                found, tail_surprise(sizes, self.fewest, self.tail_share, self.lightest_tail, self.ceiling), out=found
            )
        return np.where(np.isfinite(scaled), found, 0.0)

    def alarms(self, values: FloatArray, threshold: float, day_steps: int = 0) -> IntArray:
        """The places of alarms: surprise of at least `threshold`, told once within `silence` samples."""
        return np.flatnonzero(self.peaks(values, day_steps) >= threshold)

    def peaks(self, values: FloatArray, day_steps: int = 0) -> FloatArray:
        """The surprise where it beats the last `silence` samples', else 0: alarms for every threshold at once."""
        return records(self.surprise(values, day_steps), self.silence)

    def threshold(self, false_alarms_per_sample: float) -> float:
        """What chance alone exceeds at most this often in normal time, whatever the views have in common."""
        return float(-np.log10(false_alarms_per_sample / VIEWS))


def day_steps_of(times_ms: IntArray) -> int:
    """Samples a day at the usual distance; 0 with fewer than two samples."""
    if len(times_ms) < 2:
        return 0
    return round(86_400_000 / max(float(np.median(np.diff(times_ms))), 1.0))


def _scaled(values: FloatArray) -> FloatArray:
    """Centred, in units of the spread of the first `SETTLED` samples, which are never scored; infinite is missing."""
    finite = np.isfinite(values)
    values = np.clip(values, -HUGE, HUGE)
    first = values[finite][:SETTLED]
    middle = float(np.median(first)) if len(first) else 0.0
    spread = float(np.std(first)) if len(first) else 0.0
    unit = spread if spread > 1e-9 * abs(middle) else abs(middle) * 0.01
    return (np.where(finite, values, np.nan) - middle) / (unit if unit > 0 else 1.0)


def _floor(scaled: FloatArray) -> FloatArray:
    """What is nothing: a thousandth of the spread so far. Shape (n,)."""
    known = np.isfinite(scaled)
    filled = np.where(known, np.clip(scaled, -1e6, 1e6), 0.0)
    count = np.maximum(np.cumsum(known), 1)
    spread = np.sqrt(np.maximum(np.cumsum(filled**2) / count - (np.cumsum(filled) / count) ** 2, 0.0))
    return np.asarray(NOTHING * np.maximum(spread, 0.01))


def _held(values: FloatArray) -> FloatArray:
    """Gaps filled with the last value, 0 at the start; within a million units, so that sums keep their digits."""
    known = np.where(np.isfinite(values), np.arange(len(values)), -1)
    last = np.maximum.accumulate(known) if len(known) else known
    return np.clip(np.where(last >= 0, values[np.maximum(last, 0)], 0.0), -1e6, 1e6)
