"""What an autoscaler is: settings that begin a controller, which turns one reading a step into one decision.

Arrays have a value for each service, in the system's order. A controller may remember what it read; it draws no random
numbers and sees nothing that a metrics pipeline would not show.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import require

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STEP_S = 15.0  # the period of HPA's control loop
AS_DEPLOYED = (1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """What is known before anything runs.

    entry: the row where users' requests arrive. cores: a pod's CPU limit as deployed. resized: the shares of it
    between which it may be resized in place. replicas: at the beginning; most_replicas: there can ever be. start_s:
    from the decision to a ready pod. slo_s: an answer that takes longer is a violation.
    """

    services: tuple[str, ...]
    entry: int
    cores: Floats
    replicas: Ints
    most_replicas: Ints
    start_s: float
    step_s: float
    slo_s: float
    resized: tuple[float, float] = AS_DEPLOYED

    def __post_init__(self) -> None:
        least, most = self.resized
        require(0 < least <= 1 <= most, f"resized is {self.resized}: expected shares of the limit as deployed around 1")

    @property
    def in_place(self) -> bool:
        """Whether a pod's CPU limit may change while it runs."""
        return self.resized != AS_DEPLOYED


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was seen in the step that ends at `time_s`.

    latency_p99_s: of users' requests that arrived in it, those without an answer at their age; NaN without any.
    failed: share of users' requests in it that failed. Of each service: arrivals_per_s and answered_per_s; mean_s of
    an answer, calls included; cpu_cores used by all pods; throttled: share of pod-time without quota; ready, starting:
    pods now; cores: a pod's CPU limit; memory_mib: of a pod; oom_kills in the step.
    """

    time_s: float
    latency_p99_s: float
    failed: float
    arrivals_per_s: Floats
    answered_per_s: Floats
    mean_s: Floats
    cpu_cores: Floats
    throttled: Floats
    ready: Ints
    starting: Ints
    cores: Floats
    memory_mib: Floats
    oom_kills: Floats

    @property
    def utilisation(self) -> Floats:
        """CPU used as a share of ready pods' limits; 0 without any."""
        return np.asarray(self.cpu_cores / np.maximum(self.ready * self.cores, 1e-9))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Pods of each service, those that start included, and each pod's CPU limit, from now on."""

    replicas: Ints
    cores: Floats

    def __post_init__(self) -> None:
        require(bool(np.all(self.replicas >= 0)), f"a decision has {self.replicas.min()} replicas, expected 0 or more")
        require(bool(np.all(self.cores > 0)), f"a decision has {self.cores.min()} cores a pod, expected above 0")


class Controller(Protocol):
    """One run of an autoscaler."""

    def decide(self, reading: Reading) -> Decision:
        """Called once a step, in order of time."""
        ...


class Autoscaler(Protocol):
    """Settings, named as tables name them; each begin() gives a run of its own, which knows nothing of the others."""

    @property
    def name(self) -> str:
        """Of the policy."""
        ...

    def begin(self, system: System) -> Controller:
        """A controller that has seen nothing yet."""
        ...


def period_of(policy: Autoscaler) -> float:
    """Seconds between its decisions: its `period_s`, or HPA's."""
    return float(getattr(policy, "period_s", STEP_S))


def resized_by(policy: Autoscaler) -> tuple[float, float]:
    """Shares of a pod's deployed CPU limit that it may resize to in place: its `resized`, or none but that."""
    least, most = getattr(policy, "resized", AS_DEPLOYED)
    return float(least), float(most)
