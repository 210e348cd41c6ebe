"""The system: its call graph, objectives, prices, and what its services are given."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from chaosprsa.errors import require

HOURS_A_MONTH = 730.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """caller calls callee, this many times a request on average."""

    caller: str
    callee: str
    calls_per_request: float = 1.0

    def __post_init__(self) -> None:
        require(self.calls_per_request > 0, f"{self.caller} -> {self.callee}: calls_per_request must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The call graph. entry: the service that users reach."""

    services: tuple[str, ...]
    edges: tuple[Edge, ...] = ()
    entry: str

    def __post_init__(self) -> None:
        known = set(self.services)
        require(len(known) == len(self.services), "a topology names a service twice")
        require(self.entry in known, f"the entry {self.entry!r} is not among the services")
        for edge in self.edges:
            require({edge.caller, edge.callee} <= known, f"edge {edge.caller} -> {edge.callee}: no such service")

    def callees(self, service: str) -> tuple[Edge, ...]:
        """The edges that leave a service, in the order written."""
        return tuple(edge for edge in self.edges if edge.caller == service)

    def callers(self, service: str) -> tuple[Edge, ...]:
        """The edges that reach a service, in the order written."""
        return tuple(edge for edge in self.edges if edge.callee == service)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """A service level objective: this percentile under this latency, and at least this share of good answers."""

    service: str
    latency_ms: float
    latency_percentile: float = 99.0
    success_ratio: float = 0.99

    def __post_init__(self) -> None:
        require(self.latency_ms > 0, f"slo {self.service}: latency_ms is {self.latency_ms}, expected above 0")
        require(
            50 <= self.latency_percentile <= 99.99,
            f"slo {self.service}: latency_percentile is {self.latency_percentile}, expected 50 to 99.99",
        )
        require(
            0 < self.success_ratio <= 1,
            f"slo {self.service}: success_ratio is {self.success_ratio}, expected above 0 and at most 1",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What an hour of a requested core and of a requested GiB costs, in `currency`."""

    cpu_core_hour: float
    memory_gib_hour: float
    currency: str = "USD"

    def __post_init__(self) -> None:
        require(self.cpu_core_hour >= 0 and self.memory_gib_hour >= 0, "prices can't be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """One container's requests and limits."""

    cpu_request_millicores: int
    cpu_limit_millicores: int
    memory_request_mib: int
    memory_limit_mib: int

    def __post_init__(self) -> None:
        require(
            0 < self.cpu_request_millicores <= self.cpu_limit_millicores,
            f"cpu: request {self.cpu_request_millicores}m, limit {self.cpu_limit_millicores}m",
        )
        require(
            0 < self.memory_request_mib <= self.memory_limit_mib,
            f"memory: request {self.memory_request_mib}Mi, limit {self.memory_limit_mib}Mi",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAllocation:
    """What one service is given."""

    service: str
    replicas: int
    resources: Resources

    def __post_init__(self) -> None:
        require(self.replicas >= 0, f"{self.service}: replicas is {self.replicas}")

    def cost_month(self, prices: Prices) -> float:
        """What its requests cost for 730 hours, in the prices' currency."""
        core_hours = self.replicas * self.resources.cpu_request_millicores / 1000 * HOURS_A_MONTH
        gib_hours = self.replicas * self.resources.memory_request_mib / 1024 * HOURS_A_MONTH
        return core_hours * prices.cpu_core_hour + gib_hours * prices.memory_gib_hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """What every service is given, in the topology's order."""

    services: tuple[ServiceAllocation, ...]

    def __getitem__(self, service: str) -> ServiceAllocation:
        for allocation in self.services:
            if allocation.service == service:
                return allocation
        raise KeyError(service)

    def cost_month(self, prices: Prices) -> float:
        """The sum over services."""
        return math.fsum(service.cost_month(prices) for service in self.services)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a namespace's quota, its nodes and its disruption budgets leave for these services together.

    None and empty: no such limit. What others use is taken off before. requests and limits in millicores and MiB; pods
    in number. nodes: (millicores, MiB) that each has left for them. budgets: by service, how many pods a
    PodDisruptionBudget keeps available; one more is needed to drain a node.
    """

    cpu_requests_millicores: int | None = None
    cpu_limits_millicores: int | None = None
    memory_requests_mib: int | None = None
    memory_limits_mib: int | None = None
    pods: int | None = None
    nodes: tuple[tuple[int, int], ...] = ()
    budgets: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("cpu_requests_millicores", "cpu_limits_millicores", "memory_requests_mib", "memory_limits_mib"):
            value = getattr(self, name)
            require(value is None or value >= 0, f"limits: {name} is {value}, expected 0 or more")
        require(self.pods is None or self.pods >= 0, f"limits: pods is {self.pods}, expected 0 or more")
        require(all(min(room) >= 0 for room in self.nodes), f"limits: nodes have {self.nodes}, expected 0 or more")
