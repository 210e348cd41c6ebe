"""What may be tried: the columns of `dimensions` for each service; requests follow limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from chaosprsa.allocation import further
from chaosprsa.allocation.dimensions import CPU, EVERYWHERE, MEMORY, REPLICAS, WEIGHT
from chaosprsa.allocation.limits import excesses
from chaosprsa.errors import BadInput
from chaosprsa.twin import Capacity
from chaosprsa.twin.mixes import Mix, MixedCapacity
from chaosprsa.types import HOURS_A_MONTH, Allocation, Declared, Limits, Prices, Resources, ServiceAllocation

__all__ = ["AMPLE_MIB", "CPU", "MEMORY", "REPLICAS", "Floats", "Ints", "Space", "point_of"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

AMPLE_MIB = 1_000_000_000  # a station's: it has no memory


@dataclass(frozen=True, slots=True)
class Space:
    """A point has shape (services, columns), as `dimensions` has them; three of them where nothing more is declared.

    low, high, step, present: points; a coordinate with low = high stays as it is. ratio: shape (services, 2), request
    over limit of CPU and memory, as at present: requests follow limits, so that a pod's class and its node's
    overcommitment stay what somebody chose.
    """

    services: tuple[str, ...]
    present: Ints
    low: Ints
    high: Ints
    step: Ints
    ratio: Floats
    prices: Prices
    notes: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    ignored: frozenset[str] = frozenset()  # hard limits that are not looked at, by name
    declared: Declared = field(default_factory=Declared)

    def clipped(self, points: Ints) -> Ints:
        """Points moved to the nearest allowed ones."""
        return np.clip(points, self.low, self.high)

    def requests(self, points: Ints) -> Ints:
        """Shape (..., services, 2): CPU and memory requests that go with these limits."""
        return np.maximum(np.rint(points[..., CPU : MEMORY + 1] * self.ratio), 1.0).astype(np.int64)

    def cost_month(self, points: Ints) -> Floats:
        """Shape (candidates,): what the requests, and what is declared, cost for 730 hours."""
        return np.asarray(self._each_month(points, CPU).sum(-1), dtype=np.float64)

    def further_month(self, points: Ints) -> Floats:
        """Shape (candidates,): what an allocation's nouns don't say, the part of what is declared."""
        return np.asarray(self._each_month(points, EVERYWHERE).sum(-1), dtype=np.float64)

    def _each_month(self, points: Ints, first: int) -> Floats:
        """What each service costs, of the columns from this one on."""
        pod = np.zeros(points.shape[:-1])
        for column in range(first, points.shape[-1]):
            pod += self.pod_month(column, points[..., column])
        return np.asarray(points[..., REPLICAS] * pod, dtype=np.float64)

    def pod_month(self, column: int, values: Ints) -> Floats:
        """What a column's values cost for 730 hours, a pod; values: shape (..., services)."""
        if column >= EVERYWHERE:
            return further.pod_month(self.declared, self.services, column, values)
        unit = {CPU: self.prices.cpu_core_hour / 1000, MEMORY: self.prices.memory_gib_hour / 1024}[column]
        requests = np.maximum(np.rint(values * self.ratio[:, column - CPU]), 1.0)
        return np.asarray(requests * unit * HOURS_A_MONTH, dtype=np.float64)

    def change_month(self, points: Ints, share: float) -> Floats:
        """Shape (candidates,): a price on change, this share of what each service that moves costs at present.

        All of it where pods restart (less memory, as Kubernetes resizes, and what `dimensions` says), half where they
        are resized in place, start or end.
        """
        moved = points != self.present
        restarted = points[..., MEMORY] < self.present[..., MEMORY]
        restarting = further.restarting(self.declared, self.services, points.shape[-1])
        restarted |= (moved & restarting).any(axis=-1)
        price = np.where(restarted, 1.0, 0.5 * moved.any(axis=-1))
        return np.asarray(price @ (self.present_month * share), dtype=np.float64)

    @property
    def present_month(self) -> Floats:
        """What each service costs a month at present."""
        return self._each_month(self.present, CPU)

    def excesses(self, points: Ints) -> dict[str, Floats]:
        """Share by which each hard limit is passed, shape (candidates,), by its name."""
        limits = points[..., CPU : MEMORY + 1]
        return excesses(self.limits, points[..., REPLICAS], limits, self.requests(points), self.ignored)

    def excess(self, points: Ints) -> Floats:
        """The worst of them; 0 where all hold."""
        found = np.zeros(points.shape[:-2])
        for one in self.excesses(points).values():
            found = np.maximum(found, one)
        return found

    def without(self, *names: str) -> "Space":
        """The same without some hard limits, to see whether they are what binds."""
        return replace(self, ignored=self.ignored | set(names))

    @property
    def rates(self) -> tuple[further.Rate, ...]:
        """What the twin's stations serve at, in their order."""
        return further.rates(self.declared, self.services)

    @property
    def mixing(self) -> bool:
        """Whether points differ in how requests go."""
        return further.mixing(self.declared)

    def mix(self, point: Ints) -> Mix:
        """How requests go at a point."""
        return further.mix(self.declared, self.services, point)

    def settled(self, point: Ints) -> Ints:
        """The point, with weights that share requests as those now do put back to those."""
        return further.settled(self.declared, self.services, point)

    def capacity(self, points: Ints) -> Capacity:
        """What the twin is given, its stations last; points: shape (candidates, services, columns)."""
        given = points.astype(np.float64)
        rows = [given[..., REPLICAS], given[..., CPU] / 1000, given[..., MEMORY]]
        for rate in self.rates:
            share = rate.share[points[..., rate.at, rate.column]]
            more = given[..., rate.at, REPLICAS], share, np.full(share.shape, float(AMPLE_MIB))
            rows = [np.concatenate((row, one[..., None]), axis=-1) for row, one in zip(rows, more, strict=True)]
        replicas, cores, memory = rows
        if not self.mixing:
            return Capacity(replicas, cores, memory)
        return MixedCapacity(replicas, cores, memory, *further.mixed(self.declared, self.services, points))

    def point(self, allocation: Allocation) -> Ints:
        """An allocation as a point, with what is declared as it is at present. Raises BadInput, as point_of()."""
        return np.concatenate((point_of(allocation, self.services), self.present[:, EVERYWHERE:]), axis=1)

    def said(self, at: int, column: int, value: int) -> int | str:
        """A column's value of a service as others know it: a number, or a class's name."""
        return further.said(self.declared, self.services[at], column, value)

    def moves_further(self, point: Ints) -> bool:
        """Whether the point changes what neither the shadow nor a rollout sets."""
        return not np.array_equal(point[:, EVERYWHERE:], self.present[:, EVERYWHERE:])

    def covered(self, points: Ints, other: Ints) -> NDArray[np.bool_]:
        """Whether other has as much of everything or more, and the same weights: what that fails, these fail.

        Shape (candidates,).
        """
        same = (points[..., WEIGHT:] == other[:, WEIGHT:]).all(axis=(-2, -1))
        return np.asarray((points <= other).all(axis=(-2, -1)) & same)

    @property
    def generous(self) -> Ints:
        """The most of everything, routes as they are at present: a weight more is one less of another."""
        most = self.high.copy()
        most[:, WEIGHT:] = self.present[:, WEIGHT:]
        return most

    def allocation(self, point: Ints) -> Allocation:
        """The point as a noun."""
        requests = self.requests(point)
        return Allocation(
            services=tuple(
                ServiceAllocation(
                    service=name,
                    replicas=int(point[at, REPLICAS]),
                    resources=Resources(
                        cpu_request_millicores=int(requests[at, 0]),
                        cpu_limit_millicores=int(point[at, CPU]),
                        memory_request_mib=int(requests[at, 1]),
                        memory_limit_mib=int(point[at, MEMORY]),
                    ),
                )
                for at, name in enumerate(self.services)
            )
        )


def point_of(allocation: Allocation, services: Sequence[str]) -> Ints:
    """The first three columns of an allocation's point. Raises BadInput where a service has none."""
    given = {one.service: one for one in allocation.services}
    missing = [name for name in services if name not in given]
    if missing:
        raise BadInput(f"allocation: nothing is said about {', '.join(missing)}, which the topology names")
    rows = [
        (
            given[name].replicas,
            given[name].resources.cpu_limit_millicores,
            given[name].resources.memory_limit_mib,
        )
        for name in services
    ]
    return np.array(rows, dtype=np.int64)
