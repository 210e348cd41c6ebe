"""The exact rung: a candidate under an issue, request by request, as a trial would judge it.

Every candidate meets the same arrivals in the same repeat (common random numbers), so that differences are its own.
"""

import zlib
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from chaosprsa.allocation.space import Floats
from chaosprsa.autoscalers.disturbances import Disturbances
from chaosprsa.autoscalers.play import arrivals_of
from chaosprsa.twin import Capacity, Rehearsal, Twin
from chaosprsa.twin.exact.from_twin import network_of
from chaosprsa.twin.exact.network import Network
from chaosprsa.twin.exact.simulation import Simulation
from chaosprsa.types import Fault, SimulatedIssue, Slo

WARM_S = 15.0
SHORTEST_S = 10.0
LEAST_DEMAND_S = 1e-6  # of a CPU too small to be seen


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactRung:
    """Plays issues as predicted, at this load at the entry; phases_s: of the fault at most, and after it."""

    twin: Twin
    slo: Slo
    load_per_s: float
    phases_s: tuple[float, float]
    seed: int

    def visits(self, issue: SimulatedIssue) -> float:
        """Requests to all services in one play."""
        surge = max(issue.strength, 1.0) if issue.fault is Fault.TRAFFIC_SURGE else 1.0
        return self.load_per_s * self.seconds(issue) * float(self.twin.graph.visits.sum()) * surge

    def seconds(self, issue: SimulatedIssue) -> float:
        """How long a play lasts."""
        return self._lasts_s(issue)[1]

    def shortened(self, visits: float) -> "ExactRung":
        """The same with phases so short that a play has at most so many visits, but none below SHORTEST_S."""
        per_s = self.load_per_s * float(self.twin.graph.visits.sum())
        room_s = max(visits / max(per_s, 1e-9) - WARM_S, 0.0)
        share = min(room_s / sum(self.phases_s), 1.0)
        fault_s, after_s = (max(share * length, min(SHORTEST_S, length)) for length in self.phases_s)
        return replace(self, phases_s=(fault_s, after_s))

    def below(self, rehearsal: Rehearsal) -> Rehearsal:
        """The fluid twin in the same worlds: as predicted, no longer than they are played here."""
        nominal = rehearsal.only(np.flatnonzero(rehearsal.worlds.nominal))
        durations = np.minimum(nominal.worlds.duration_s, self.phases_s[0])
        return replace(nominal, worlds=replace(nominal.worlds, duration_s=durations), phases_s=self.phases_s)

    def share_used(self, capacity: Capacity, issue: SimulatedIssue, repeat: int) -> float:
        """Share of the SLO's latency or failures that is used, whichever is more, in the worse of fault and after.

        capacity: one row.
        """
        streams = np.random.SeedSequence([self.seed, zlib.crc32(issue.id.encode()), repeat]).spawn(2)
        of_arrivals, of_work = (np.random.default_rng(each) for each in streams)
        fault_end_s, end_s = self._lasts_s(issue)
        placed = replace(issue, start_s=WARM_S, duration_s=fault_end_s - WARM_S)
        disturbances = Disturbances((placed,), self.twin.graph.named)
        seconds = np.arange(np.ceil(end_s), dtype=np.float64) + 0.5
        arrivals = arrivals_of(self.load_per_s * disturbances.surge(seconds), of_arrivals)
        simulation = Simulation(_network(self.twin, capacity), arrivals, of_work)
        simulation.fill_caches()
        _play(simulation, disturbances, end_s + self.twin.timeout_s)
        latency_s, failed = self._answers(simulation)
        bounds = np.searchsorted(arrivals, [WARM_S, fault_end_s, end_s])
        return max(self._used(latency_s[a:b], failed[a:b]) for a, b in pairwise(bounds.tolist()))

    def _lasts_s(self, issue: SimulatedIssue) -> tuple[float, float]:
        """When the fault and the whole play end."""
        fault_end_s = WARM_S + min(issue.duration_s, self.phases_s[0])
        return fault_end_s, fault_end_s + self.phases_s[1]

    def _answers(self, simulation: Simulation) -> tuple[Floats, Floats]:
        """Latencies in seconds and failures (0 or 1); users give up after the twin's timeout."""
        latency_s = np.nan_to_num(simulation.latency_s, nan=self.twin.timeout_s)
        late = latency_s >= self.twin.timeout_s
        return np.minimum(latency_s, self.twin.timeout_s), (simulation.failed | late).astype(np.float64)

    def _used(self, latency_s: Floats, failed: Floats) -> float:
        if not len(latency_s):
            return 0.0
        slow = float(np.percentile(latency_s, self.slo.latency_percentile)) * 1000 / self.slo.latency_ms
        return max(slow, float(failed.mean()) / max(1 - self.slo.success_ratio, 1e-3))


def _network(twin: Twin, capacity: Capacity) -> Network:
    """Memory that nobody saw is none."""
    seen = replace(
        twin.nominal,
        memory_mib=np.nan_to_num(twin.nominal.memory_mib),
        memory_per_job_mib=np.nan_to_num(twin.nominal.memory_per_job_mib),
        demand_s=np.maximum(twin.nominal.demand_s, LEAST_DEMAND_S),
    )
    return network_of(twin, capacity, parameters=seen)


def _play(simulation: Simulation, disturbances: Disturbances, until_s: float) -> None:
    """To the end, with what begins and ends on the way."""
    services = simulation.network.services
    replicas = np.array([service.replicas for service in services])
    for edge in disturbances.edges_s.tolist():
        simulation.advance(edge)
        disturbances.act(simulation, edge, replicas)
        for service, left, cpu in zip(services, disturbances.remaining(replicas), disturbances.cpu_left, strict=True):
            simulation.scale(service.name, int(left))
            simulation.set_cores(service.name, service.cores * float(cpu))
    simulation.advance(until_s)
