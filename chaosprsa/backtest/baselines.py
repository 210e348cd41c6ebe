"""What an incident forecast must beat: rates that know no more than counting.

Poisson: incidents over days, of all and of each component. Shrunk rate x weekday: each component's rate drawn towards
the mean of all, times the weekday's multiple, drawn towards 1, both as far as the counts can't tell them apart
(Gamma-Poisson, models/shrinking). Days are UTC's.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from chaosprsa.models.shrinking import UNSEEN, shrunk
from chaosprsa.types import Incident, Window

FloatArray = npt.NDArray[np.float64]
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class ShrunkWeekday:
    """rates: incidents a day, shape (components,), of being named at all; any_rate: of the whole; weekdays: (7,)."""

    rates: FloatArray
    any_rate: float
    weekdays: FloatArray

    @classmethod
    def fit(cls, incidents: Sequence[Incident], window: Window, components: Sequence[str]) -> "ShrunkWeekday":
        """incidents: those that begin in the window, if any; components: at least one."""
        days = _days(window)
        counts = _named(incidents, components)
        rates = shrunk(counts, 1.0) * max(counts.mean(), UNSEEN / len(components)) / days
        seen = np.bincount([each.start.astimezone(UTC).weekday() for each in incidents], minlength=7)
        return cls(rates, max(len(incidents), UNSEEN) / days, shrunk(seen.astype(float), 1.0))

    def probability(self, cell_start: datetime, cell_s: float) -> tuple[float, FloatArray]:
        """Of any incident within a cell, and of one of each component."""
        weight = float(self.weekdays[cell_start.astimezone(UTC).weekday()]) * cell_s / DAY_S
        return float(-np.expm1(-self.any_rate * weight)), -np.expm1(-self.rates * weight)


@dataclass(frozen=True, slots=True)
class Poisson:
    """rates: incidents a day that name each component, shape (components,); any_rate: of all."""

    rates: FloatArray
    any_rate: float

    @classmethod
    def fit(cls, incidents: Sequence[Incident], window: Window, components: Sequence[str]) -> "Poisson":
        """incidents: those that begin in the window, if any; components: at least one."""
        days = _days(window)
        return cls(_named(incidents, components) / days, max(len(incidents), UNSEEN) / days)

    def probability(self, cell_s: float) -> tuple[float, FloatArray]:
        """Of any incident within a cell, and of one of each component."""
        weight = cell_s / DAY_S
        return float(-np.expm1(-self.any_rate * weight)), -np.expm1(-self.rates * weight)


def _days(window: Window) -> float:
    return max(window.duration.total_seconds() / DAY_S, 1e-9)


def _named(incidents: Sequence[Incident], components: Sequence[str]) -> FloatArray:
    """Incidents that name each component."""
    named = Counter(name for each in incidents for name in set(each.components))
    return np.array([named[name] for name in components], dtype=np.float64)
