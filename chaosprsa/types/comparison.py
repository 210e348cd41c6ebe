"""What ways to allocate cost on one's own system and load, and what users would have seen, by the exact twin."""

from dataclasses import dataclass
from datetime import datetime

from chaosprsa.types.scales import Lineage


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyScore:
    """One policy, played once. policy: its name; settings: in words, as tuned.

    issues: whether the simulated issues happened. cores: limits of pods that were ready or starting, on average.
    cost_month: their requests at the settings' prices, as if every hour were like these. late_or_failed, failed:
    shares of requests. kept: whether the entry's objective was.
    """

    policy: str
    settings: str
    issues: bool
    cores: float
    cost_month: float
    late_or_failed: float
    failed: float
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All of them on one twin under one load. load, twin: in words, where they come from.

    scale: the share of the load, and of fixed replicas, that was played; cores and costs are of the whole. duration_s:
    of the load. requests_per_s: of it, (mean, most). trusted: whether the twin tells trials that it was not calibrated
    on.
    """

    id: str
    created: datetime
    namespace: str
    seed: int
    twin: str
    trusted: bool
    load: str
    duration_s: float
    requests_per_s: tuple[float, float]
    scale: float
    issues: tuple[str, ...]
    pod_start_s: float
    currency: str
    scores: tuple[PolicyScore, ...]
    notes: tuple[str, ...]
    lineage: Lineage
