"""What an incident forecast must beat: rates that know no more than counting.

Poisson: one rate for everything, the incidents over the days. Shrunk rate x weekday: each component's rate drawn
towards the mean of all (Robbins 1956), times its weekday's multiple, drawn towards 1.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from chaosprsa.types import Incident, Window

FloatArray = npt.NDArray[np.float64]
DAY_S = 86_400.0
RATE_PRIOR = 2.0  # a component's count weighs against this many incidents' worth of days at the mean rate
WEEKDAY_PRIOR = 5.0  # a weekday's count weighs against this many incidents at the mean


@dataclass(frozen=True, slots=True)
class ShrunkWeekday:
    """rates: incidents a day, shape (components,), of being named at all; any_rate: of the whole; weekdays: (7,)."""

    rates: FloatArray
    any_rate: float
    weekdays: FloatArray

    @classmethod
    def fit(cls, incidents: Sequence[Incident], window: Window, components: Sequence[str]) -> "ShrunkWeekday":
        """incidents: those that begin in the window, at least one; components: at least one."""
        days = max(window.duration.total_seconds() / DAY_S, 1e-9)
        named = Counter(name for each in incidents for name in set(each.components))
        counts = np.array([named[name] for name in components], dtype=float)
        mean = max(counts.mean(), 0.5) / days
        rates = (counts + RATE_PRIOR) / (days + RATE_PRIOR / mean)
        seen = np.bincount([each.start.weekday() for each in incidents], minlength=7)
        usual = len(incidents) / 7
        weekdays = np.asarray((seen + WEEKDAY_PRIOR) / (usual + WEEKDAY_PRIOR), dtype=float)
        return cls(rates, len(incidents) / days, weekdays)

    def probability(self, cell_start: datetime, cell_s: float) -> tuple[float, FloatArray]:
        """Of any incident within a cell, and of one of each component."""
        weight = float(self.weekdays[cell_start.weekday()]) * cell_s / DAY_S
        return float(-np.expm1(-self.any_rate * weight)), -np.expm1(-self.rates * weight)


@dataclass(frozen=True, slots=True)
class Poisson:
    """One rate, incidents a day, and the mean one of a component."""

    any_rate: float
    rate: float

    @classmethod
    def fit(cls, incidents: Sequence[Incident], window: Window, components: Sequence[str]) -> "Poisson":
        """incidents: those that begin in the window."""
        days = max(window.duration.total_seconds() / DAY_S, 1e-9)
        named = sum(len(set(each.components)) for each in incidents)
        return cls(max(len(incidents), 0.5) / days, max(named, 0.5) / days / len(components))

    def probability(self, cell_s: float) -> tuple[float, float]:
        """Of any incident within a cell, and of one of a component."""
        return tuple(float(-np.expm1(-rate * cell_s / DAY_S)) for rate in (self.any_rate, self.rate))  # type: ignore[return-value]  # two of them
