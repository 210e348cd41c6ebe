"""What may be tried: the columns of `dimensions` for each service; requests follow limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from chaosprsa.allocation import further
from chaosprsa.allocation.dimensions import CPU, EVERYWHERE, MEMORY, REPLICAS, WEIGHT
from chaosprsa.allocation.limits import excesses
from chaosprsa.errors import BadInput
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.twin import Capacity, Twin
from chaosprsa.twin.mixes import Mix, MixedCapacity
from chaosprsa.types import HOURS_A_MONTH, Allocation, Declared, Limits, Prices, Resources, ServiceAllocation

__all__ = ["AMPLE_MIB", "CPU", "MEMORY", "REPLICAS", "Floats", "Ints", "Space", "build_space", "point_of"]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

CPU_STEP_MILLICORES = 50
CPU_FLOOR_MILLICORES = 50
MEMORY_STEP_MIB = 32
LEAST_MIB = 16
AMPLE_MIB = 1_000_000_000  # a station's: it has no memory
MEMORY_HEADROOM = 1.15  # over what was seen, as the Vertical Pod Autoscaler keeps


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


def build_space(
    production: Allocation,
    twin: Twin,
    safety: SafetyTable,
    prices: Prices,
    limits: Limits | None = None,
    declared: Declared | None = None,
) -> Space:
    """Ranges from the safety settings, on a grid that the present values lie on; declared: further columns.

    What the twin can't tell stays as it is: a service that nobody calls, CPU or memory that was never seen in use.
    Raises BadInput where the settings or the hard limits leave no room.
    """
    services = twin.graph.services
    present = point_of(production, services)
    step = np.tile([1, CPU_STEP_MILLICORES, MEMORY_STEP_MIB], (len(services), 1))
    most = np.array([safety.max_replicas, safety.max_cpu_limit_millicores, safety.max_memory_limit_mib])
    if safety.min_replicas > safety.max_replicas:
        raise BadInput(
            f"[safety]: min_replicas is {safety.min_replicas}, above max_replicas {safety.max_replicas}; nothing fits"
        )
    hard = limits or Limits()
    least = np.stack([_least(present[at], twin, at, safety) for at in range(len(services))])
    least[:, MEMORY] -= further.spare_mib(declared or Declared(), services)
    least[:, MEMORY] = np.maximum(least[:, MEMORY], np.minimum(present[:, MEMORY], LEAST_MIB))
    least[:, REPLICAS] = _drainable(hard, services, least[:, REPLICAS], safety)
    low = present - (present - least) // step * step
    high = present + (most - present) // step * step
    low, high = np.minimum(low, high), np.maximum(high, 1)
    low = np.where(high < low, high, low)
    notes = _outside(present, most, services)
    fixed = _fixed(twin)
    ratio = _ratios(production, services)
    corners = present, np.where(fixed, present, low), np.where(fixed, present, high), step
    more = further.columns(declared or Declared(), services, ~fixed[:, [REPLICAS, MEMORY]])
    present, low, high, step = (np.concatenate(pair, axis=1) for pair in zip(corners, more, strict=True))
    space = Space(services, present, low, high, step, ratio, prices, notes, hard, declared=declared or Declared())
    _refuse_what_fits_nowhere(space)
    return space


def _refuse_what_fits_nowhere(space: Space) -> None:
    """Raises BadInput where even the least that may be tried passes a hard limit; all that do are named."""
    over = {name: float(share[0]) for name, share in space.excesses(space.low[None]).items() if share[0] > 0}
    if over:
        named = ", ".join(f"{name} by {share:.0%}" for name, share in over.items())
        raise BadInput(
            f"limits: nothing fits: even the least that may be tried passes {named}; raise it, or allow less: "
            "[safety] min_replicas, or a smaller PodDisruptionBudget"
        )


def _least(present: Ints, twin: Twin, at: int, safety: SafetyTable) -> Ints:
    """The smallest values to try; memory never below what was seen in use, with headroom, unless it is already."""
    memory = twin.nominal.memory_mib[at]
    wanted = int(np.ceil(memory * MEMORY_HEADROOM)) if np.isfinite(memory) else int(present[MEMORY])
    return np.array(
        [
            min(safety.min_replicas, int(present[REPLICAS])),
            min(CPU_FLOOR_MILLICORES, int(present[CPU])),
            min(max(wanted, LEAST_MIB), int(present[MEMORY])),
        ]
    )


def _drainable(limits: Limits, services: Sequence[str], least: Ints, safety: SafetyTable) -> Ints:
    """One pod more than a disruption budget keeps. Raises BadInput where [safety] allows fewer."""
    strange = sorted(set(limits.budgets) - set(services))
    if strange:
        raise BadInput(f"limits: a disruption budget is of {', '.join(strange)}, which the topology doesn't name")
    found = least.copy()
    for service, kept in limits.budgets.items():
        if kept + 1 > safety.max_replicas:
            raise BadInput(
                f"{service}: its PodDisruptionBudget keeps {kept} pods available, so {kept + 1} are needed to drain a "
                f"node, and [safety] max_replicas is {safety.max_replicas}; lower the one or raise the other"
            )
        at = services.index(service)
        found[at] = max(found[at], kept + 1)
    return found


def _fixed(twin: Twin) -> NDArray[np.bool_]:
    visits = twin.graph.visits
    rows = []
    for at, name in enumerate(twin.graph.services):
        unknown = visits[at] <= 1e-6 or name in twin.loose
        rows.append((unknown, unknown, unknown or _unseen(twin, at)))
    return np.array(rows, dtype=np.bool_)


def _unseen(twin: Twin, at: int) -> bool:
    return not np.isfinite(twin.nominal.memory_mib[at])


def _ratios(production: Allocation, services: Sequence[str]) -> Floats:
    resources = [production[name].resources for name in services]
    return np.array(
        [
            (
                one.cpu_request_millicores / one.cpu_limit_millicores,
                one.memory_request_mib / one.memory_limit_mib,
            )
            for one in resources
        ]
    )


def _outside(present: Ints, most: Ints, services: Sequence[str]) -> tuple[str, ...]:
    names = ("replicas", "CPU limit", "memory limit")
    return tuple(
        f"{service}: its {names[part]} ({present[at, part]}) is above what [safety] allows ({most[part]})"
        for at, service in enumerate(services)
        for part in range(3)
        if present[at, part] > most[part]
    )
