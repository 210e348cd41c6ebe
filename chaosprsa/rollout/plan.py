"""From a recommendation to a plan: which workloads change, in which order, and the hash that an approval names. Pure.

What grows goes first, from the leaves of the call graph to the entry, so that nobody sends more than its callees
take; what shrinks goes last, from the entry to the leaves, for the same reason.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from chaosprsa.documents import lineage, to_json
from chaosprsa.errors import BadInput, NotApproved, Refused
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.types import (
    Lineage,
    Recommendation,
    RolloutPlan,
    ServiceAllocation,
    ServiceChange,
    Slo,
    Topology,
)

HASH_DIGITS = 16  # of sha256: fits a label's value, and nobody meets it by accident


def build_plan(
    recommendation: Recommendation,
    namespace: str,
    kinds: Mapping[str, str],
    slo: Slo,
    safety: SafetyTable,
    topology: Topology,
) -> RolloutPlan:
    """The plan for `namespace`; only services whose allocation changes are in it, perhaps none.

    kinds: service -> Deployment or StatefulSet. Raises Refused where a target crosses a safety limit, BadInput for a
    service without a workload.
    """
    changes = []
    ceilings = {one.service: one.ceiling for one in recommendation.autoscaling}
    for after in recommendation.recommended.services:
        before = recommendation.now[after.service]
        if before == after:
            continue
        if after.service not in kinds:
            raise BadInput(f"{namespace}/{after.service}: no Deployment or StatefulSet is there; was it renamed?")
        _check_limits(before, after, safety)
        ceiling = min(ceilings.get(after.service, 0), safety.max_replicas)
        change = ServiceChange(
            service=after.service, kind=kinds[after.service], before=before, after=after, ceiling=ceiling
        )
        changes.append(change)
    parents = (recommendation.lineage,)
    plan = RolloutPlan(
        hash="",
        namespace=namespace,
        changes=in_order(changes, topology),
        slo=slo,
        canary_s=safety.canary_s,
        settle_s=safety.settle_s,
        lapses_at=recommendation.lapses_at,
        lineage=Lineage(id=""),
    )
    hashed = replace(plan, hash=plan_hash(plan))
    return replace(hashed, lineage=lineage("rollout-plan", hashed.hash, parents))


def plan_hash(plan: RolloutPlan) -> str:
    """sha256 over everything that would be done: where, what, in which order, judged by what, until when."""
    values = to_json(plan)
    done = {key: value for key, value in values.items() if key not in ("hash", "lineage")}
    return hashlib.sha256(json.dumps(done, sort_keys=True).encode()).hexdigest()[:HASH_DIGITS]


def check_approval(plan: RolloutPlan, approval: str) -> None:
    """Raises NotApproved unless the approval names this very plan."""
    if plan_hash(plan) != plan.hash:
        raise NotApproved(
            f"plan {plan.hash}: it was changed after it was written (its content says {plan_hash(plan)}); "
            "write it again with: chaos prsa recommend"
        )
    if approval != plan.hash:
        raise NotApproved(
            f"plan {plan.hash}: approval {approval or '(none)'!r} is not its hash. Read the plan, then: "
            f"chaos prsa rollout --approve {plan.hash}"
        )


def check_in_time(plan: RolloutPlan, now: datetime) -> None:
    """Raises NotApproved where the plan has lapsed."""
    if now >= plan.lapses_at:
        raise NotApproved(
            f"plan {plan.hash}: it lapsed at {plan.lapses_at:%Y-%m-%d %H:%M %Z}; what it was made from is too old. "
            "Make a new one: chaos prsa recommend"
        )


def in_order(changes: list[ServiceChange], topology: Topology) -> tuple[ServiceChange, ...]:
    """What grows first, callees before callers; then what only shrinks, callers before callees."""
    depth = depths(topology)
    growing = [change for change in changes if grows(change)]
    shrinking = [change for change in changes if not grows(change)]
    growing.sort(key=lambda change: (-depth.get(change.service, 0), change.service))
    shrinking.sort(key=lambda change: (depth.get(change.service, 0), change.service))
    return (*growing, *shrinking)


def grows(change: ServiceChange) -> bool:
    """Whether any part of the service gets more: replicas, CPU or memory."""
    return any(new > old for old, new in zip(_parts(change.before), _parts(change.after), strict=True))


def _parts(allocation: ServiceAllocation) -> tuple[int, ...]:
    resources = allocation.resources
    return (
        allocation.replicas,
        resources.cpu_request_millicores,
        resources.cpu_limit_millicores,
        resources.memory_request_mib,
        resources.memory_limit_mib,
    )


def depths(topology: Topology) -> dict[str, int]:
    """Each service's longest distance from the entry; a cycle is walked once, what nobody reaches is at 0."""
    depth = {topology.entry: 0}
    for _ in topology.services:  # relaxed as often as the longest path without a cycle is long
        for edge in topology.edges:
            if edge.caller in depth:
                further = min(depth[edge.caller] + 1, len(topology.services))
                depth[edge.callee] = max(depth.get(edge.callee, 0), further)
    return {service: depth.get(service, 0) for service in topology.services}


def _check_limits(before: ServiceAllocation, after: ServiceAllocation, safety: SafetyTable) -> None:
    limits = (
        ("replicas", after.replicas, safety.max_replicas, "max_replicas"),
        (
            "CPU limit, millicores",
            after.resources.cpu_limit_millicores,
            safety.max_cpu_limit_millicores,
            "max_cpu_limit_millicores",
        ),
        ("memory limit, MiB", after.resources.memory_limit_mib, safety.max_memory_limit_mib, "max_memory_limit_mib"),
    )
    for name, value, most, setting in limits:
        if value > most:
            raise Refused(f"{after.service}: {name} would be {value}, above [safety] {setting} = {most}")
    if after.replicas < min(safety.min_replicas, before.replicas):
        raise Refused(
            f"{after.service}: replicas would be {after.replicas}, below [safety] min_replicas = {safety.min_replicas}"
        )
