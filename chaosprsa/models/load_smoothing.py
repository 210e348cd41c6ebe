"""Exponential smoothing of the level and a fading trend: where a load goes whose day isn't known yet.

The innovations form of Holt's method with a damped trend (Holt 1957; Gardner and McKenzie 1985; Hyndman and others
2008): level and trend move by a share of each one-step error, and the trend fades. Both are linear filters over the
samples, so many shares are tried; those are kept whose one-step forecasts inside the history lose least.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
LEVEL_GAINS = (0.01, 0.03, 0.08, 0.15, 0.3, 0.5, 0.75, 1.0)
TREND_SHARES = (0.1, 0.3)  # of the level's gain
FADES = (0.8, 0.9, 0.97)
BURN_IN = 0.1  # of the samples: the state still depends on where it began


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """gain, trend_gain: what level and trend take of each one-step error. fade: what is left of a trend a step on."""

    gain: float = 1.0
    trend_gain: float = 0.0
    fade: float = 0.9

    @classmethod
    def chosen(cls, values: FloatArray) -> Self:
        """By the mean absolute error (pinball loss at the median) a step ahead.

        values: shape (samples,), evenly apart.
        """
        level_alone = [cls(gain=gain) for gain in LEVEL_GAINS]
        trending = [
            cls(gain=gain, trend_gain=gain * share, fade=fade)
            for gain in LEVEL_GAINS
            for share in TREND_SHARES
            for fade in FADES
        ]
        tried = [*level_alone, *trending]
        return min(tried, key=lambda each: each.loss(values))  # the first of equals: the calmest

    def states(self, values: FloatArray, level: float | None = None, trend: float = 0.0) -> FloatArray:
        """Shape (samples, 2): level and trend after each sample; level, trend: before the first; None: begins here."""
        from scipy import signal  # two seconds of import

        if level is None:
            level = float(np.mean(values[: max(1, int(BURN_IN * len(values)))]))
        gains = np.array([self.gain, self.trend_gain])
        moves = np.array([[1.0, self.fade], [0.0, self.fade]])
        keeps = moves - np.outer(gains, moves[0])
        poles = [1.0, -np.trace(keeps), np.linalg.det(keeps)]
        start = np.zeros(len(values))
        start[:1] = trend
        found = np.empty((len(values), 2))
        for own, other in ((0, 1), (1, 0)):
            taps = [
                [by[own], keeps[own, other] * by[other] - keeps[other, other] * by[own]] for by in (gains, keeps[:, 1])
            ]
            found[:, own] = signal.lfilter(taps[0], poles, values - level)
            if trend:
                found[:, own] += signal.lfilter(taps[1], poles, start)
        found[:, 0] += level
        return found

    def grown(self, steps: FloatArray) -> FloatArray:
        """What the trend is multiplied with, so many steps ahead; same shape."""
        return np.asarray(self.fade * (1.0 - self.fade**steps) / (1.0 - self.fade))

    def loss(self, values: FloatArray) -> float:
        """Mean absolute error of the forecasts a step ahead."""
        level, trend = self.states(values).T
        errors = np.abs(values[1:] - level[:-1] - self.fade * trend[:-1])
        return float(np.mean(errors[int(BURN_IN * len(values)) :]))
