"""What makes requests go another way than at the calibration: caches of another size, other weights of a route.

Both scale calls and work of the calibrated twin by what is known of them: with a hit share h (h' when calibrated) a
service makes (1 - h) / (1 - h') of its calls, and a backend gets its new share over its old one. Candidates of one
mix are played together.
"""

from dataclasses import dataclass, replace

import numpy as np

from chaosprsa.twin.fluid import Capacity
from chaosprsa.twin.graph import CallGraph
from chaosprsa.twin.parameters import Parameters
from chaosprsa.twin.queueing import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """Shape (rows,), a row a service or station of the twin.

    hit, hit_before: share of requests that the service's cache answers, and that it did when calibrated; hit_work: the
    work of such a request over another's; fill: requests after which a fresh cache is 63 % full. reached: calls that
    reach it over those when calibrated. memory_mib: what a pod needs more.
    """

    hit: Floats
    hit_before: Floats
    hit_work: Floats
    fill: Floats
    reached: Floats
    memory_mib: Floats

    @property
    def missing(self) -> Floats:
        """Misses over those when calibrated."""
        return (1.0 - self.hit) / (1.0 - self.hit_before)

    def graph(self, graph: CallGraph) -> CallGraph:
        """The calls that are made now. A hit's answer goes over the network too."""
        calls = graph.calls * self.missing[:, None] * self.reached
        for at, station in enumerate(graph.stations, start=len(graph.named)):
            if station.kind == "network":
                calls[:, at] = graph.calls[:, at]
        return replace(graph, calls=calls)

    def parameters(self, known: Parameters) -> Parameters:
        """Of an average request now; known: shape (rows,) or (environments, rows)."""
        work = (1.0 - self.hit * (1.0 - self.hit_work)) / (1.0 - self.hit_before * (1.0 - self.hit_work))
        return replace(
            known,
            demand_s=known.demand_s * work,
            wait_s=known.wait_s * self.missing,
            memory_mib=np.maximum(known.memory_mib + self.memory_mib, 1.0),
        )

    def of_a_miss(self, known: Parameters, graph: CallGraph) -> tuple[Parameters, CallGraph]:
        """What a request that no cache answers takes and calls, for who plays hits one by one."""
        none = replace(self, hit=np.zeros_like(self.hit))
        return none.parameters(known), none.graph(graph)


@dataclass(frozen=True, slots=True)
class MixedCapacity(Capacity):
    """Candidates of several mixes. which: each one's number among them, shape (environments,)."""

    mixes: tuple[Mix, ...]
    which: np.ndarray

    def of(self, number: int) -> tuple[np.ndarray, Capacity]:
        """(rows of this mix, their capacity)."""
        rows = np.flatnonzero(self.which == number)
        return rows, Capacity(self.replicas[rows], self.cores[rows], self.memory_mib[rows])
