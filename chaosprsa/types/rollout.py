"""The way into production and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from chaosprsa.types.scales import Lineage, Verdict
from chaosprsa.types.system import ServiceAllocation, Slo


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceChange:
    """One workload's way: kind is Deployment or StatefulSet.

    ceiling: where an HPA owns the replicas, what its maxReplicas is raised to if that is lower; 0: it is left.
    """

    service: str
    kind: str
    before: ServiceAllocation
    after: ServiceAllocation
    ceiling: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """What is to be changed in production, in order.

    hash: what an approval names; a plan that changed needs a new one.
    """

    hash: str
    namespace: str
    changes: tuple[ServiceChange, ...]
    slo: Slo
    canary_s: float
    settle_s: float
    lapses_at: datetime
    lineage: Lineage


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStep:
    """One step of a rollout as it went: canary, judge, promote, verify or rollback."""

    name: str
    start: datetime
    end: datetime
    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutOutcome:
    """How a rollout ended. restored: production is as it was before."""

    plan: RolloutPlan
    verdict: Verdict
    reasons: tuple[str, ...]
    steps: tuple[RolloutStep, ...]
    restored: bool
    journal: str
    lineage: Lineage
    metrics: Mapping[str, float] = field(default_factory=dict)
