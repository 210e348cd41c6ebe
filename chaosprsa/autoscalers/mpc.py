"""Model predictive control with a forecast: the fewest replicas that carry what is expected until new ones could help.

Each step the load at the entry is forecast over the horizon (a damped trend: Gardner and McKenzie 1985), with the
quantile of how wrong such forecasts were so far on top. A model turns load into CPU: what each service used a request.
Of all plans under which no service is fuller than `utilisation` in any step of the horizon, the cheapest is a formula,
since pods go at once and come after the start delay: of each step's need the largest within that delay, and what a
backlog takes to drain. The first move is made, then all is done anew (receding horizon).
"""

import math
from dataclasses import dataclass

import numpy as np

from chaosprsa.autoscalers.contract import Decision, Reading, System
from chaosprsa.autoscalers.forecasts import DampedTrend

LEARNING = 0.05  # of the work a request, a step


@dataclass(frozen=True, slots=True, kw_only=True)
class Mpc:
    """utilisation: of a service's pods, at most. quantile: of forecasts' errors. alpha, beta, damping: of the trend.

    hold_s: how much longer than the start delay it looks ahead, so that pods soon wanted again stay. drain_s: in which
    a backlog is worked off.
    """

    utilisation: float = 0.8
    quantile: float = 0.9
    alpha: float = 0.7
    beta: float = 0.3
    damping: float = 0.9
    hold_s: float = 0.0
    drain_s: float = 60.0
    name: str = "MPC"

    def begin(self, system: System) -> "_MpcController":
        """A controller that knows the system's pods and start delay, and learns the rest."""
        return _MpcController(self, system)


class _MpcController:
    def __init__(self, settings: Mpc, system: System) -> None:
        self._settings, self._system = settings, system
        steps = max(1, math.ceil((system.start_s + settings.hold_s) / system.step_s - 1e-9) + 1)
        self._trend = DampedTrend(settings.alpha, settings.beta, settings.damping, steps)
        self._work = np.zeros(len(system.services))
        self._backlog = 0.0

    def decide(self, reading: Reading) -> Decision:
        """Forecast, plan, make the first move."""
        entry, system, settings = self._system.entry, self._system, self._settings
        arrived, answered = float(reading.arrivals_per_s[entry]), float(reading.answered_per_s[entry])
        self._trend.see(np.array([arrived]))
        self._learn(reading, answered)
        inside = float(reading.arrivals_per_s[entry] * min(reading.mean_s[entry], system.slo_s))
        lost = reading.failed * arrived
        self._backlog = max(0.0, self._backlog + (arrived - answered - lost) * system.step_s)
        waiting = max(0.0, self._backlog - inside)
        wanted = float(self._trend.ahead(settings.quantile).max()) + waiting / settings.drain_s
        pods = np.ceil(wanted * self._work / (system.cores * settings.utilisation) - 1e-9)
        return Decision(replicas=np.clip(pods, 1, system.most_replicas).astype(np.int64), cores=system.cores)

    def _learn(self, reading: Reading, answered: float) -> None:
        """Core-seconds that each service spends on one request at the entry."""
        if answered <= 0:
            return
        seen = reading.cpu_cores / answered
        self._work = seen if not self._work.any() else self._work + LEARNING * (seen - self._work)
