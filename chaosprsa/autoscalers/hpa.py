"""Kubernetes' HorizontalPodAutoscaler v2 on CPU utilisation.

From kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale and the controller's source
(replica_calculator.go: calcPlainMetricReplicas, groupPods): the ratio of used CPU to the target's times the counted
pods, rounded up; nothing within the tolerance. Pods that are not ready, or whose sample began before they were (within
the CPU initialisation period), are left out; on the way up they count as using nothing, and where that turns the
direction or ends within the tolerance nothing is done. A twin's pod never turns unready once it was ready, so that the
initial readiness delay, which is about those, has nothing to decide here: a pod that starts is not ready, however
long.
"""

from dataclasses import dataclass, field

import numpy as np

from chaosprsa.autoscalers.behaviour import Behaviour, Moves
from chaosprsa.autoscalers.contract import Decision, Floats, Ints, Reading, System

METRIC_WINDOW_S = 15.0  # of metrics-server: a sample is the mean over it


@dataclass(frozen=True, slots=True, kw_only=True)
class Hpa:
    """One HPA for each service. target: utilisation of pods' CPU (of its limit), 0 to 1; of all, or one a service.

    cpu_initialisation_s: after a pod's start, while its samples must have begun after it was ready.
    """

    target: float | tuple[float, ...] = 0.8
    tolerance: float = 0.1
    behaviour: Behaviour = field(default_factory=Behaviour)
    least_replicas: int = 1
    cpu_initialisation_s: float = 300.0
    name: str = "HPA"

    def begin(self, system: System) -> "HpaController":
        """A controller at the system's replicas."""
        return HpaController(self, system)


class HpaController:
    """All HPAs of a system. What it wants before windows and rates is `proposed`, for who builds on it."""

    def __init__(self, settings: Hpa, system: System) -> None:
        self._settings, self._system = settings, system
        self.replicas = system.replicas.copy()
        self._moves = Moves(settings.behaviour)
        self._ready = system.replicas.copy()
        self._came: list[tuple[float, Ints]] = []

    def decide(self, reading: Reading) -> Decision:
        """Once a sync period."""
        return self.move(reading.time_s, self.proposed(reading))

    def move(self, now_s: float, wanted: Ints) -> Decision:
        """Go there as far as behaviour and bounds allow."""
        least = np.full_like(self.replicas, self._settings.least_replicas)
        self.replicas = self._moves.allowed(now_s, self.replicas, wanted, least, self._system.most_replicas)
        return Decision(replicas=self.replicas, cores=self._system.cores)

    def proposed(self, reading: Reading) -> Ints:
        """By the latest samples alone."""
        fresh = self._fresh(reading)
        counted = np.maximum(reading.ready - fresh, 0)
        a_pod = reading.cpu_cores / np.maximum(reading.ready - fresh / 2, 1)  # fresh ones worked for half the step
        return proposal(
            use=a_pod / (self._system.cores * np.asarray(self._settings.target)),
            counted=counted,
            unready=reading.starting + fresh,
            current=self.replicas,
            tolerance=self._settings.tolerance,
        )

    def _fresh(self, reading: Reading) -> Ints:
        """Ready pods whose sample began before they were."""
        self._came.append((reading.time_s, np.maximum(reading.ready - self._ready, 0)))
        self._ready = reading.ready
        self._came = [(at, each) for at, each in self._came if at > reading.time_s - METRIC_WINDOW_S]
        if self._settings.cpu_initialisation_s < self._system.start_s:
            return np.zeros_like(reading.ready)
        return np.minimum(np.sum([each for _, each in self._came], axis=0, dtype=np.int64), reading.ready)


def proposal(use: Floats, counted: Ints, unready: Ints, current: Ints, tolerance: float) -> Ints:
    """Replicas for `use`, a counted pod's usage over the target's; no counted pods: no samples, so no change."""
    slack = tolerance + 1e-9
    plain = np.ceil(use * counted - 1e-9)
    diluted = use * counted / np.maximum(counted + unready, 1)
    spread = np.ceil(diluted * (counted + unready) - 1e-9)
    lifting = (unready > 0) & (use > 1.0)
    spread = np.where((np.abs(diluted - 1.0) <= slack) | (diluted < 1.0) | (spread < current), current, spread)
    calm = (np.abs(use - 1.0) <= slack) & ~lifting
    wanted = np.where(calm, current, np.where(lifting, spread, plain))
    return np.where(counted > 0, wanted, current).astype(np.int64)
