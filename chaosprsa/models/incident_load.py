"""Whether incidents come more often when the load is high, beyond what the hour of the week tells already."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chaosprsa.models.incident_clock import MIN_FOR_CLOCK, WeekClock

FloatArray = npt.NDArray[np.float64]
BEFORE_S = 300.0  # an incident changes the load itself: what counts is the load five minutes before
PRIOR_SPREAD = 0.5  # of the exponent, around 0: twice the load, 1.4 times the incidents
FACTORS = (0.2, 5.0)  # how far the load may move a rate
MOST_SAMPLES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPull:
    """The rate is (load / usual) to the power of exponent times what it is else; usual: of the load's own unit."""

    usual: float = 1.0
    exponent: float = 0.0

    @classmethod
    def fit(cls, times_s: FloatArray, load: FloatArray, starts_s: FloatArray, clock: WeekClock) -> Self:
        """times_s, load: samples in order, shape (samples,); NaN and 0 are left out. starts_s: of the incidents.

        The most probable exponent given how many incidents the samples' span has: each picks its time among all. It is
        0 where fewer than 20 lie in the span. The mean rate over the span stays as it is.
        """
        known = np.isfinite(load) & (load > 0)
        times, logs = times_s[known], np.log(load[known])
        step = max(1, len(times) // MOST_SAMPLES)
        within = starts_s[(starts_s > times.min(initial=np.inf)) & (starts_s < times.max(initial=-np.inf))]
        if len(within) < MIN_FOR_CLOCK or logs.std() < 1e-6:
            return cls()
        middle = float(logs.mean())
        at = np.interp(within - BEFORE_S, times, logs) - middle
        every, weight = logs[::step] - middle, clock.speed(times[::step])

        def surprise(exponent: float) -> float:
            mean = float(np.average(np.exp(exponent * every), weights=weight))
            prior = 0.5 * (exponent / PRIOR_SPREAD) ** 2
            return float(len(within) * np.log(mean) - exponent * float(at.sum()) + prior)

        from scipy.optimize import minimize_scalar  # late: only learning needs it

        exponent = float(minimize_scalar(surprise, bounds=(-1.0, 3.0), method="bounded").x)
        mean = float(np.average(np.exp(exponent * every), weights=weight))
        even = np.log(mean) / exponent if abs(exponent) > 1e-3 else 0.0
        return cls(usual=float(np.exp(middle + even)), exponent=exponent)

    def factor(self, load: FloatArray) -> FloatArray:
        """What the rate is multiplied by at each load; shape of load."""
        logs = self.exponent * np.log(np.maximum(load, 1e-12) / self.usual)
        return np.asarray(np.clip(np.exp(logs), *FACTORS))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From asdict's values."""
        return cls(**values)
