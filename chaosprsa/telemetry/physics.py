"""What the catalogue's formulas say an issue does to the metrics, where no past incident of its kind taught it.

Where issues overlap, added latencies add up and shares multiply. What a fault sets by itself (a limit, a number of
replicas, the load) is exact and always from here.
"""

import numpy as np
import numpy.typing as npt

from chaosprsa.history.queries import RATE
from chaosprsa.impacts import RESTART_S, Sketch, Surroundings, sketch, surroundings
from chaosprsa.models.bundle import Bundle
from chaosprsa.telemetry.usual import Past
from chaosprsa.types import Fault, SimulatedIssue

FloatArray = npt.NDArray[np.float64]
RAMP_S = 30.0  # an effect is there in full after this long at the earliest
SUCCESS = "success_ratio"


def lasting_s(issue: SimulatedIssue) -> float:
    """How long the metrics show it; killed pods are back before long."""
    return min(issue.duration_s, RESTART_S * 2) if issue.fault is Fault.POD_KILL else issue.duration_s


class Physics:
    """Fills `added` (to be added) and `kept` (to be multiplied by), shape (times, series) each."""

    def __init__(self, bundle: Bundle, past: Past, times: FloatArray) -> None:
        self.added, self.kept = np.zeros((len(times), len(past.keys))), np.ones((len(times), len(past.keys)))
        self._times, self._around = times, surroundings(bundle)
        self._place = {key: number for number, key in enumerate(past.keys)}
        self._latencies = {name: self._columns(name, "latency_") for name in self._around}
        self._rates = [
            number for number, (name, metric) in enumerate(past.keys) if metric == RATE and name in self._around
        ]

    def _columns(self, component: str, beginning: str) -> list[int]:
        return [
            number
            for (name, metric), number in self._place.items()
            if name == component and metric.startswith(beginning)
        ]

    def feel(self, issue: SimulatedIssue, first: int, last: int, learned: bool) -> None:
        """Rows [first, last). learned: only what the fault sets by itself."""
        rows = slice(first, last)
        since = self._times[rows] - issue.start.timestamp()
        window = np.clip((since + 1) / max(RAMP_S, issue.ramp_s), 0.0, 1.0)[:, None]
        faults = (
            (issue.fault, issue.component, issue.strength),
            *((one.fault, one.component, one.strength) for one in issue.companions),
        )
        for number, (fault, component, strength) in enumerate(faults):
            if component in self._around:
                self._set(fault, component, strength, rows, window)
                if number or not learned:
                    self._spread(fault, component, strength, issue, rows, window)

    def _set(self, fault: Fault, component: str, strength: float, rows: slice, window: FloatArray) -> None:
        if fault is Fault.TRAFFIC_SURGE:
            self.kept[rows, self._rates] *= 1 + window * (strength - 1)
        for metric, factor in _own_factors(fault, strength).items():
            place = self._place.get((component, metric))
            if place is not None:
                self.kept[rows, place] *= 1 + window[:, 0] * (factor - 1)

    def _spread(
        self, fault: Fault, component: str, strength: float, issue: SimulatedIssue, rows: slice, window: FloatArray
    ) -> None:
        """Latency and failures, at the component and at whoever feels it."""
        around = self._around[component]
        middle = sketch(fault, strength, issue.duration_s, around)
        for name in self._around if fault is Fault.TRAFFIC_SURGE else dict.fromkeys((component, *issue.components)):
            if name not in self._around:
                continue
            self.added[rows, self._latencies[name]] += window * _added_ms(middle, self._around[name])
            lost = middle.error_share / max(around.reach, 0.05) if name == component else middle.error_share
            place = self._place.get((name, SUCCESS))
            if place is not None:
                self.kept[rows, place] *= 1 - window[:, 0] * min(lost, 1.0)


def _added_ms(middle: Sketch, around: Surroundings) -> float:
    """What the entry's answers lose is lost here, spread over the calls that one of them makes."""
    return (middle.latency_ratio - 1) * around.entry_ms / max(around.visits, 1.0)


def _own_factors(fault: Fault, strength: float) -> dict[str, float]:
    """What the fault does to metrics of the component itself, as factors."""
    left = max(1 - strength, 0.02)
    pods = 0.0 if strength >= 1 else left
    factors = {
        Fault.CPU_SQUEEZE: {"cpu_limit_cores": left},
        Fault.MEMORY_SQUEEZE: {"memory_limit_bytes": left},
        Fault.REPLICA_LOSS: {"replicas": pods},
        Fault.POD_KILL: {"replicas": pods},
        Fault.TRAFFIC_SURGE: {"cpu_usage_cores": strength, "memory_bytes": 1.05},
    }
    return factors.get(fault, {})
