"""The predictive HPA (github.com/jthomperoo/predictive-horizontal-pod-autoscaler): forecasts of replica counts.

Each sync, HPA's own proposal is kept; models look at the row of proposals and say what the count will be; a decision
rule takes one of them and the proposal itself, "maximum" by default, and HPA's behaviour moves there.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from chaosprsa.autoscalers.behaviour import Behaviour
from chaosprsa.autoscalers.contract import Decision, Floats, Ints, Reading, System
from chaosprsa.autoscalers.forecasts import HoltWinters, line_ahead
from chaosprsa.autoscalers.hpa import Hpa, HpaController


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictiveHpa:
    """model: a line through the last `points` proposals, or Holt-Winters with a season of so many syncs (0: none).

    look_ahead_s: how far; pods' start delay and one sync is what is of use. decision: of proposal and forecast.
    Holt-Winters says nothing before two seasons: until then the proposal stands alone.
    """

    target: float = 0.8
    model: Literal["linear", "holt-winters"] = "linear"
    look_ahead_s: float = 45.0
    points: int = 6
    alpha: float = 0.9
    beta: float = 0.9
    gamma: float = 0.9
    season: int = 0
    decision: Literal["maximum", "minimum", "mean"] = "maximum"
    behaviour: Behaviour = field(default_factory=Behaviour)
    name: str = "predictive HPA"

    def begin(self, system: System) -> "_PredictiveController":
        """A controller at the system's replicas."""
        return _PredictiveController(self, system)


class _PredictiveController:
    def __init__(self, settings: PredictiveHpa, system: System) -> None:
        self._settings = settings
        self._hpa: HpaController = Hpa(target=settings.target, behaviour=settings.behaviour).begin(system)
        self._ahead = max(1, round(settings.look_ahead_s / system.step_s))
        self._rows: list[Floats] = []
        self._smooth = HoltWinters(settings.alpha, settings.beta, settings.gamma, settings.season)

    def decide(self, reading: Reading) -> Decision:
        """Once a sync period."""
        proposed = self._hpa.proposed(reading)
        forecast = self._forecast(proposed.astype(np.float64))
        wanted = proposed if forecast is None else self._decided(proposed, _whole(forecast))
        return self._hpa.move(reading.time_s, wanted)

    def _decided(self, proposed: Ints, forecast: Ints) -> Ints:
        match self._settings.decision:
            case "maximum":
                return np.maximum(proposed, forecast)
            case "minimum":
                return np.minimum(proposed, forecast)
            case "mean":
                return (proposed + forecast + 1) // 2

    def _forecast(self, proposed: Floats) -> Floats | None:
        if self._settings.model == "linear":
            self._rows = [*self._rows, proposed][-self._settings.points :]
            return line_ahead(np.array(self._rows), self._ahead)
        self._smooth.see(proposed)
        return self._smooth.ahead(self._ahead) if self._smooth.ready else None


def _whole(forecast: Floats) -> Ints:
    return np.maximum(np.ceil(forecast - 1e-9), 0).astype(np.int64)
