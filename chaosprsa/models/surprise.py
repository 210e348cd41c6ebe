"""From how far something moved to a probability, with no labelled incident to calibrate on.

First how rare such a strength is while nothing is wrong: counted where it was seen, beyond that an exponential tail.
Then what so small a p-value says at most for "something is wrong" against "nothing is": the bound -e p ln p on the
Bayes factor (Sellke, Bayarri & Berger, The American Statistician 55, 2001). It errs towards warning, never above 1.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
SHARES = tuple((np.arange(0, 100) / 100).tolist())  # of usual strengths that are kept
TAIL = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Surprise:
    """levels: the quantiles SHARES of usual strengths. tail: where the tail begins, and its mean excess."""

    levels: tuple[float, ...]
    tail: tuple[float, float]

    @classmethod
    def fit(cls, strengths: FloatArray) -> Self:
        """strengths: any shape, of usual times."""
        known = strengths[np.isfinite(strengths)]
        start = float(np.quantile(known, TAIL))
        beyond = known[known > start] - start
        excess = float(beyond.mean()) if len(beyond) else 0.0
        return cls(
            levels=tuple(np.quantile(known, SHARES).tolist()), tail=(start, max(excess, 0.02 * abs(start), 1e-6))
        )

    def rarity(self, strengths: FloatArray) -> FloatArray:
        """The share of usual times with as much or more."""
        counted = 1 - np.interp(strengths, self.levels, SHARES)
        start, excess = self.tail
        beyond = (1 - TAIL) * np.exp(-np.maximum(strengths - start, 0.0) / excess)
        return np.where(strengths > start, beyond, np.maximum(counted, 1 - TAIL))

    def posterior(self, strengths: FloatArray, prior: float) -> FloatArray:
        """The probability that something is wrong; the prior where the strength is no surprise, NaN where it is."""
        rare = np.maximum(self.rarity(strengths), 1e-300)
        bound = np.where(rare < np.exp(-1), -np.e * rare * np.log(rare), 1.0)
        return np.where(np.isfinite(strengths), prior / (prior + (1 - prior) * bound), np.nan)
