"""Autothrottle's captain (Wang et al., NSDI 2024; github.com/microsoft/autothrottle): CPU limits by throttling.

For each service, once a second: where pods were throttled more than three times the target, the limit grows by as
much; else it falls to the most that was used in the last five seconds plus a margin of its standard deviations, where
that is a tenth less than now, at most by half. The margin integrates throttling minus target. A step down after which
throttling rises is taken back at once, and as much again given on top. Pods are counted by nobody: their number stays.

The paper reads the share of 100 ms periods that were throttled, ten times a second; the twin says the share of time
without quota, once a step: play it with steps of 1 s.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np

from chaosprsa.autoscalers.contract import Decision, Floats, Reading, System

USAGE_S = 5.0
FAR = 3.0  # times the target
LEAST_FALL = 0.9  # of the limit: less of a fall is none
LEAST_CORES = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Captain:
    """target: share of throttling, what the paper's tower learns; margin: at the beginning, in standard deviations."""

    target: float = 0.1
    margin: float = 3.0
    period_s: float = 1.0
    name: str = "captain"

    def begin(self, system: System) -> "_CaptainController":
        """A controller at the system's limits."""
        return _CaptainController(self, system)


class _CaptainController:
    def __init__(self, settings: Captain, system: System) -> None:
        self._target, self._system = settings.target, system
        self._limit, self._before = system.cores.copy(), system.cores.copy()
        self._margin = np.full(len(system.services), settings.margin)
        self._fell = np.zeros(len(system.services), dtype=bool)
        self._used: deque[Floats] = deque(maxlen=max(2, round(USAGE_S / system.step_s)))

    def decide(self, reading: Reading) -> Decision:
        """Limits of each service's pods for the next second."""
        self._used.append(reading.cpu_cores / np.maximum(reading.ready, 1))
        throttled = reading.throttled
        regret = self._fell & (throttled > FAR * self._target)
        back = 2 * self._before - self._limit
        self._before = np.where(regret, back, self._limit)
        self._margin = np.maximum(0.0, self._margin + throttled - self._target)
        moved, fell = self._moved(throttled)
        self._limit, self._fell = np.where(regret, back, moved), fell & ~regret
        return Decision(replicas=self._system.replicas, cores=self._limit)

    def _moved(self, throttled: Floats) -> tuple[Floats, np.ndarray]:
        """(limits, where they fell)."""
        used = np.array(self._used)
        spread = used.std(axis=0, ddof=1) if len(used) > 1 else np.zeros_like(self._limit)
        enough = used.max(axis=0) + spread * self._margin
        far = throttled > FAR * self._target
        falls = ~far & (enough <= LEAST_FALL * self._limit) & (len(used) == self._used.maxlen)
        grown = np.where(far, self._limit * (1.0 + throttled - FAR * self._target), self._limit)
        fallen = np.maximum(self._limit / 2, enough)
        return np.maximum(np.where(falls, fallen, grown), LEAST_CORES), falls
