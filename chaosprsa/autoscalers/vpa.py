"""The Vertical Pod Autoscaler: a pod's CPU and memory by percentiles of what pods used.

github.com/kubernetes/autoscaler, vertical-pod-autoscaler/pkg/recommender (logic/recommender.go, estimator.go,
model/aggregations_config.go) and pkg/updater/priority: CPU samples once a minute, weighed by the request; target 90th
percentile, bounds 50th and 95th, 15 % on top of each, the bounds wider the less was seen; memory by the peaks of days;
an OOM kill counts as a peak 20 % or 100 MB above what was used. The updater changes a pod whose request is outside the
bounds, or that is 12 hours old and a tenth off the target. Pods are counted by nobody: their number stays.
"""

from dataclasses import dataclass

import numpy as np

from chaosprsa.autoscalers.contract import Decision, Floats, Reading, System
from chaosprsa.autoscalers.histogram import DecayingHistogram

MIB = 1024.0**2
SAMPLE_S, DAY_S = 60.0, 86_400.0
LEAST_WEIGHT = 0.1
OOM_RATIO, OOM_LEAST_MIB = 1.2, 100e6 / MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Vpa:
    """target, lower, upper: percentiles as shares. least_*: a pod's least recommendation.

    settled_after_s: age from which a pod is changed inside the bounds, where it is `change_share` off the target.
    """

    target: float = 0.9
    lower: float = 0.5
    upper: float = 0.95
    margin: float = 0.15
    least_cores: float = 0.025
    least_memory_mib: float = 250e6 / MIB
    settled_after_s: float = 12 * 3600.0
    change_share: float = 0.1
    name: str = "VPA"

    def begin(self, system: System) -> "VpaController":
        """A controller at the system's limits."""
        return VpaController(self, system)


@dataclass(frozen=True, slots=True)
class Recommended:
    """Of a pod, shape (services,) each; memory in MiB."""

    target: Floats
    lower: Floats
    upper: Floats
    memory_mib: Floats


class VpaController:
    """All VPAs of a system, `changes` in place; `recommended` is what their status says."""

    def __init__(self, settings: Vpa, system: System) -> None:
        count = len(system.services)
        self._settings, self._system = settings, system
        self._cores = system.cores.copy()
        self._cpu = DecayingHistogram(count, first=0.01, most=1000.0)
        self._memory = DecayingHistogram(count, first=1e7 / MIB, most=1e12 / MIB)
        self._peak = np.zeros(count)
        self._day = 0
        self._samples = np.zeros(count)
        self._span: list[Floats] = []
        self._sampled_s = 0.0

    def decide(self, reading: Reading) -> Decision:
        """Watch; once a minute take a sample and change what is due."""
        self._watch_memory(reading)
        self._span.append(reading.cpu_cores / np.maximum(reading.ready, 1))
        if reading.time_s - self._sampled_s >= SAMPLE_S - 1e-9:
            self._sample(reading)
            self._update(reading.time_s)
        return Decision(replicas=self._system.replicas, cores=self._cores)

    def recommended(self, now_s: float) -> Recommended:
        """As of now. What was never seen is recommended the least."""
        settings = self._settings
        confidence = np.maximum(np.minimum(now_s / DAY_S, self._samples / (DAY_S / SAMPLE_S)), 1e-9)
        target, lower, upper = (
            np.maximum(self._cpu.percentile(share) * (1 + settings.margin), settings.least_cores)
            for share in (settings.target, settings.lower, settings.upper)
        )
        memory = np.maximum(self._memory.percentile(settings.target), self._peak) * (1 + settings.margin)
        return Recommended(
            target=target,
            lower=np.minimum(np.maximum(lower * (1 + 0.001 / confidence) ** -2.0, settings.least_cores), target),
            upper=np.maximum(upper * (1 + 1 / confidence), target),
            memory_mib=np.maximum(memory, settings.least_memory_mib),
        )

    def _watch_memory(self, reading: Reading) -> None:
        """A day's peak enters the histogram when the day is over; the present one's stands beside it."""
        used = np.nan_to_num(reading.memory_mib)  # what nobody saw
        bumped = np.maximum(used * OOM_RATIO, used + OOM_LEAST_MIB)
        self._peak = np.maximum(self._peak, np.where(reading.oom_kills > 0, bumped, used))
        if int(reading.time_s // DAY_S) > self._day:
            self._day = int(reading.time_s // DAY_S)
            self._memory.add(self._peak, np.ones(len(self._peak)), reading.time_s)
            self._peak = used

    def _sample(self, reading: Reading) -> None:
        weights = np.maximum(self._cores, LEAST_WEIGHT) * reading.ready
        self._cpu.add(np.mean(self._span, axis=0), weights.astype(np.float64), reading.time_s)
        self._samples += reading.ready > 0
        self._span, self._sampled_s = [], reading.time_s

    def _update(self, now_s: float) -> None:
        found = self.recommended(now_s)
        outside = (self._cores < found.lower) | (self._cores > found.upper)
        off = np.abs(found.target - self._cores) >= self._settings.change_share * self._cores
        due = outside | (off & (now_s >= self._settings.settled_after_s))
        self._cores = np.where(due, found.target, self._cores)
