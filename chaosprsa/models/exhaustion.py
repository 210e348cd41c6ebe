"""When a growing use reaches its limit, should it go on: a robust line through the last minutes, carried on.

The slope is Theil and Sen's, with its interval (Sen, JASA 63, 1968), so that a few wild samples don't move it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
FEWEST = 8
MOST = 120  # samples that a line is laid through: its cost grows with their square
CONFIDENCE = 0.95
LIMITS: Mapping[str, str] = {  # a use -> the metric that limits it
    "memory_bytes": "memory_limit_bytes",
    "cpu_usage_cores": "cpu_limit_cores",
    "memory_actual_used_bytes": "memory_total_bytes",
    "memory_used_bytes": "memory_total_bytes",
    "fsstat_total_size_used_bytes": "fsstat_total_size_total_bytes",
    "disk_used_bytes": "disk_total_bytes",
}
FULL_AT_ONE = ("used_ratio", "usage_ratio", "utilization_ratio", "utilisation_ratio", "saturation_ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhaustion:
    """seconds: from the last sample until the limit; within(s): how likely it is reached by then at this slope."""

    limit: float
    level: float
    per_s: float
    per_s_error: float

    @property
    def seconds(self) -> float:
        return (self.limit - self.level) / self.per_s

    def within(self, seconds: float) -> float:
        """The probability that the slope, normally distributed about its estimate, is steep enough."""
        needed = (self.limit - self.level) / seconds
        return 0.5 * math.erfc((needed - self.per_s) / (math.sqrt(2) * self.per_s_error))


def exhaustion(times_s: FloatArray, values: FloatArray, limit: float) -> Exhaustion | None:
    """None where the values (the last minutes of a use) don't surely grow, or are at their limit already."""
    known = np.isfinite(values)
    times, uses = times_s[known], values[known]
    if len(uses) < FEWEST or not np.isfinite(limit) or uses.min() == uses.max():
        return None
    from scipy.stats import theilslopes  # late: half a second

    thin = max(1, len(uses) // MOST)
    times, uses = times[::-thin][::-1], uses[::-thin][::-1]
    slope, _, low, high = (float(each) for each in theilslopes(uses, times, CONFIDENCE))
    level = float(np.median(uses - slope * (times - times_s[-1])))
    if low <= 0 or level >= limit:
        return None
    error = max((high - low) / (2 * 1.96), 1e-6 * slope)
    return Exhaustion(limit=limit, level=level, per_s=slope, per_s_error=error)
