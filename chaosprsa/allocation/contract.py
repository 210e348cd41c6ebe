"""`allocate_resources`: one issue, what the shadow showed, what production uses -> directives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.recommend import recommend
from chaosprsa.allocation.risk import Risk
from chaosprsa.documents import from_json
from chaosprsa.errors import BadInput
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.types import (
    Allocation,
    Directive,
    Limits,
    Outcome,
    Prices,
    Resources,
    ServiceAllocation,
    SimulatedIssue,
    Slo,
    Topology,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowEnvironment:
    """What is known from the shadow: trials there, the system, its objective and limits.

    scale: the shadow's share of production. now: when this is asked, the clock's time by default. risk: how much is
    accepted; limits: quota, nodes, disruption budgets.
    """

    outcomes: tuple[Outcome, ...]
    topology: Topology
    slo: Slo
    prices: Prices
    safety: SafetyTable = field(default_factory=SafetyTable)
    scale: float = 0.5
    seed: int = 1
    now: datetime | None = None
    risk: Risk = field(default_factory=Risk)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUtilisation:
    """What one service of production has and does. request_rate_per_s is needed of the entry only.

    peak_rate_per_s: the most that is expected; the present rate where None.
    """

    replicas: int
    resources: Resources
    request_rate_per_s: float | None = None
    peak_rate_per_s: float | None = None
    cpu_usage_cores: float | None = None
    memory_mib_per_pod: float | None = None


def allocate_resources(
    simulated_issue: SimulatedIssue | Mapping[str, Any],
    shadow_env_data: ShadowEnvironment | Mapping[str, Any],
    current_prod_utilization: Mapping[str, ServiceUtilisation | Mapping[str, Any]],
) -> tuple[Directive, ...]:
    """What to change in production so that it survives this issue at the least cost; empty: nothing.

    Every argument may be the noun or its JSON form (documents.to_json). Nothing is changed anywhere, and the shadow
    isn't asked again: confidence says how much that is worth. Raises BadInput, as recommend() does.

    Example:
        >>> found = allocate_resources(
        ...     simulated_issue=surge,             # twice the load at the gateway
        ...     shadow_env_data=ShadowEnvironment(
        ...         outcomes=outcomes,             # trials of the shadow, at half of production's size
        ...         topology=Topology(services=("gateway", "stock"), entry="gateway",
        ...                           edges=(Edge(caller="gateway", callee="stock"),)),
        ...         slo=Slo(service="gateway", latency_ms=200),
        ...         prices=Prices(cpu_core_hour=0.0331, memory_gib_hour=0.0044),
        ...     ),
        ...     current_prod_utilization={
        ...         "gateway": ServiceUtilisation(replicas=2, resources=resources, request_rate_per_s=40.0),
        ...         "stock": ServiceUtilisation(replicas=2, resources=resources),
        ...     },
        ... )
        >>> sorted({directive.target for directive in found})
        ['gateway', 'stock']
        >>> all(directive.reason and directive.from_ != directive.to for directive in found)
        True
    """
    issue = _noun(simulated_issue, SimulatedIssue, "simulated_issue")
    shadow = _noun(shadow_env_data, ShadowEnvironment, "shadow_env_data")
    used = {
        name: _noun(values, ServiceUtilisation, f"current_prod_utilization, {name}")
        for name, values in current_prod_utilization.items()
    }
    answer = recommend(
        outcomes=shadow.outcomes,
        issues=(issue,),
        production=_allocation(used, shadow.topology),
        load=_load(used, shadow.topology.entry),
        topology=shadow.topology,
        slo=shadow.slo,
        prices=shadow.prices,
        safety=shadow.safety,
        scale=shadow.scale,
        seed=shadow.seed,
        now=shadow.now or datetime.now(UTC).replace(microsecond=0),
        risk=shadow.risk,
        limits=shadow.limits,
    )
    return answer.directives


def _noun(value: Any, kind: type[Any], where: str) -> Any:
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise BadInput(f"{where}: expected {kind.__name__} or its JSON form, got {type(value).__name__}")
    return from_json(value, kind, where)


def _allocation(used: Mapping[str, ServiceUtilisation], topology: Topology) -> Allocation:
    strange = sorted(set(used) - set(topology.services))
    if strange:
        raise BadInput(f"current_prod_utilization: {', '.join(strange)} not in the topology")
    return Allocation(
        services=tuple(
            ServiceAllocation(service=name, replicas=used[name].replicas, resources=used[name].resources)
            for name in topology.services
            if name in used
        )
    )


def _load(used: Mapping[str, ServiceUtilisation], entry: str) -> EntryLoad:
    rate = used[entry].request_rate_per_s if entry in used else None
    if rate is None:
        raise BadInput(f"current_prod_utilization, {entry}: request_rate_per_s is missing; the entry's load is needed")
    peak = used[entry].peak_rate_per_s
    return EntryLoad(base_per_s=rate, peak_per_s=max(rate, peak or rate))
