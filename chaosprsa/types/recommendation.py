"""The answer: directives, what they survive, and how they were found."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chaosprsa.errors import require
from chaosprsa.types.provisioning import Autoscaling, Provisioning
from chaosprsa.types.scales import Fault, Lineage
from chaosprsa.types.system import Allocation, ServiceAllocation

BROKEN = 1e6


class AllocationField(StrEnum):
    """What a directive may move."""

    REPLICAS = "replicas"
    CPU_REQUEST = "cpu_request_millicores"
    CPU_LIMIT = "cpu_limit_millicores"
    MEMORY_REQUEST = "memory_request_mib"
    MEMORY_LIMIT = "memory_limit_mib"
    BANDWIDTH = "bandwidth_mbit"
    STORAGE = "volume_attributes_class"
    CACHE = "cache_mib"
    WEIGHT = "route_weight"

    @property
    def by_hand(self) -> bool:
        """Whether its reader applies it: neither the shadow nor a rollout sets what is declared."""
        return self in (
            AllocationField.BANDWIDTH,
            AllocationField.STORAGE,
            AllocationField.CACHE,
            AllocationField.WEIGHT,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """Give `target` (a service) `to` instead of `from_` of `field`.

    confidence: 0 to 1. After lapses_at it says nothing.
    """

    target: str
    field: AllocationField
    from_: int | str
    to: int | str
    reason: str
    confidence: float
    lapses_at: datetime

    def __post_init__(self) -> None:
        require(0 <= self.confidence <= 1, f"{self.target}.{self.field}: confidence is {self.confidence}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Between what the search may move a service."""

    service: str
    least: ServiceAllocation
    most: ServiceAllocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What keeps a service from having less of a field. issue_id: empty where no single issue does."""

    service: str
    field: AllocationField
    issue_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What surviving a further issue would take: the cheapest allocation found within the limits, in words too.

    cost_month: more than the recommendation costs. Both None: there is none, or nobody can tell.
    """

    allocation: Allocation | None
    cost_month: float | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """Whether one issue is survived, now and with the recommendation, and who says of that so.

    remedy: where it is not survived with it. expected_by: why the issue is expected at all. trials: ids of the outcomes
    in which it was played.
    evidence: `shadow`, `exact` or `twin` (the exact and the fluid one), `none`.
    """

    issue_id: str
    component: str
    fault: Fault
    probability: float
    now: bool | None
    recommended: bool | None
    evidence: str
    remedy: Remedy | None = None
    expected_by: tuple[str, ...] = ()
    trials: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchTrial:
    """One candidate. violation: by how much its risk is above what is allowed, 0 where it is held.

    Risk is CVaR of the share of the SLO that is missed. BROKEN and more: a hard limit is passed, which is worse than
    any miss (those are thousands of SLOs at most).
    """

    number: int
    cost_month: float
    violation: float
    source: str

    @property
    def broken(self) -> bool:
        return self.violation >= BROKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyResult:
    """The fine-tune's evaluation on seeds that it never trained on; returns are negative costs (money + violations)."""

    kept: bool
    searched_return: float
    tuned_return: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TwinFit:
    """How well the calibrated twin tells the trials it was not calibrated on (leave one out).

    Ratios are twin / measured.
    """

    trusted: bool
    latency_ratio: float | None
    error_share_gap: float | None
    trials: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one issue uses of the SLO (1: all of it) with one allocation, by the rung below and here.

    what: the issue in words. here: the mean of so many repeats; spread: standard deviation of a repeat, None of one
    alone.
    """

    issue_id: str
    what: str
    below: float
    here: float
    spread: float | None
    repeats: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One rung of the ladder that candidates climb: `fluid`, `exact` or `shadow`.

    candidates: allocations looked at; plays: of one under one issue; seconds: of the system's time, in all plays.
    measured: of the allocation that went on; difference: how many times the share used there is that of the rung below,
    geometric mean, None with nothing to compare. least_detectable: the least difference in that share between two
    allocations that chance doesn't hide, by A/A repeats; equal: candidates less apart than that from the one that went
    on. step: the share of the way from an allocation that is known that a candidate might go after one before had
    missed, 1 for all of it.
    """

    fidelity: str
    candidates: int
    plays: int
    seconds: float
    measured: tuple[Measured, ...] = ()
    difference: float | None = None
    least_detectable: float | None = None
    equal: int = 0
    step: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The answer: from which allocation to which, why, for how long, and what it survives.

    bindings: of each service the one that binds most first.
    """

    id: str
    created: datetime
    lapses_at: datetime
    seed: int
    namespace: str
    now: Allocation
    recommended: Allocation
    directives: tuple[Directive, ...]
    cost_now_month: float
    cost_recommended_month: float
    currency: str
    survivals: tuple[Survival, ...]
    search: tuple[SearchTrial, ...]
    policy: PolicyResult
    twin: TwinFit
    checks: tuple[str, ...]
    confidence: float
    notes: tuple[str, ...]
    lineage: Lineage
    bounds: tuple[Bounds, ...] = ()
    bindings: tuple[Binding, ...] = ()
    rungs: tuple[Rung, ...] = ()
    provisioning: Provisioning | None = None
    autoscaling: tuple[Autoscaling, ...] = ()
