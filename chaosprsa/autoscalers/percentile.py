"""A percentile rule in the way of KRR (github.com/robusta-dev/krr): what was used most of the time, plus a margin.

KRR's simple strategy recommends a high percentile of the CPU used over a window as the request, with a buffer. It sizes
pods; where pods are of one size and are counted, the same percentile of what all pods of a service used, divided by
that size, is their number.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from chaosprsa.autoscalers.contract import Decision, Floats, Reading, System


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentileRule:
    """percentile: of the CPU used in steps of the last window_s; margin: on top of it, as a share."""

    percentile: float = 95.0
    margin: float = 0.15
    window_s: float = 600.0
    name: str = "percentile rule"

    def begin(self, system: System) -> "_PercentileController":
        """A controller that has seen nothing yet."""
        return _PercentileController(self, system)


class _PercentileController:
    def __init__(self, settings: PercentileRule, system: System) -> None:
        self._settings, self._system = settings, system
        self._used: deque[Floats] = deque(maxlen=max(1, round(settings.window_s / system.step_s)))

    def decide(self, reading: Reading) -> Decision:
        """Pods for the percentile of what was seen so far."""
        self._used.append(reading.cpu_cores)
        usual = np.percentile(np.array(self._used), self._settings.percentile, axis=0)
        pods = np.ceil(usual * (1.0 + self._settings.margin) / self._system.cores - 1e-9)
        replicas = np.clip(pods, 1, self._system.most_replicas).astype(np.int64)
        return Decision(replicas=replicas, cores=self._system.cores)
