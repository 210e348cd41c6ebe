"""Decaying histograms with growing buckets, as the Vertical Pod Autoscaler's recommender keeps them.

github.com/kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender/util: bucket n begins at
first (ratio^n - 1) / (ratio - 1); a sample's weight doubles with each half-life that it is younger; a percentile is the
end of the bucket that reaches it.
"""

import math

import numpy as np

from chaosprsa.autoscalers.contract import Floats


class DecayingHistogram:
    """One row of buckets for each series."""

    def __init__(
        self, series: int, first: float, most: float, ratio: float = 1.05, half_life_s: float = 86_400
    ) -> None:
        self._first, self._ratio, self._half_life_s = first, ratio, half_life_s
        buckets = 1 + math.ceil(math.log(most * (ratio - 1) / first + 1) / math.log(ratio))
        self._weights = np.zeros((series, buckets))
        self._since_s = 0.0

    def add(self, values: Floats, weights: Floats, time_s: float) -> None:
        """A sample of each series at a time that doesn't fall; a weight of 0 is no sample."""
        self._weights *= 2.0 ** -((time_s - self._since_s) / self._half_life_s)
        self._since_s = time_s
        at = np.floor(np.log(values * (self._ratio - 1) / self._first + 1) / math.log(self._ratio)).astype(int)
        rows = np.arange(len(self._weights))
        self._weights[rows, np.clip(at, 0, self._weights.shape[1] - 1)] += weights

    def percentile(self, share: float) -> Floats:
        """0 for a series without samples."""
        reached = np.cumsum(self._weights, axis=1)
        total = reached[:, -1]
        at = np.argmax(reached >= share * total[:, None] - 1e-12 * total[:, None], axis=1)
        end = self._first * (self._ratio ** (at + 1.0) - 1) / (self._ratio - 1)
        return np.where(total > 0, end, 0.0)
