"""A change in words: what was done to a workload, and where one isn't yet as it should be."""

from dataclasses import dataclass
from typing import Any

from chaosprsa.manifests import Workload
from chaosprsa.types import Resources, ServiceAllocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What was done to one workload. in_place: without a restart. pods: those that have it now, where it is known."""

    service: str
    workload: str
    what: str
    in_place: bool = False
    pods: tuple[str, ...] = ()

    def as_journal(self) -> dict[str, Any]:
        """Plain values, for Chaos Toolkit's journal."""
        return {
            "service": self.service,
            "workload": self.workload,
            "what": self.what,
            "in_place": self.in_place,
            "pods": list(self.pods),
        }


def told(before: Resources | None, after: Resources) -> str:
    """Which resources move, from what to what."""
    if before is None:
        return f"resources to {after}"
    pairs = (
        ("cpu request", before.cpu_request_millicores, after.cpu_request_millicores, "m"),
        ("cpu limit", before.cpu_limit_millicores, after.cpu_limit_millicores, "m"),
        ("memory request", before.memory_request_mib, after.memory_request_mib, "Mi"),
        ("memory limit", before.memory_limit_mib, after.memory_limit_mib, "Mi"),
    )
    moved = [f"{name} {old}{unit} -> {new}{unit}" for name, old, new, unit in pairs if old != new]
    return ", ".join(moved) or "resources as they are"


def told_all(workload: Workload, wanted: ServiceAllocation) -> str:
    """The same, and the replicas."""
    moved = f"replicas {workload.replicas} -> {wanted.replicas}"
    same = workload.replicas == wanted.replicas
    return ", ".join([*([] if same else [moved]), told(workload.resources, wanted.resources)])


def differs(workload: Workload, wanted: ServiceAllocation) -> bool:
    """Whether there is anything to write; an HPA's floor is what an allocation's replicas mean to it."""
    replicas = workload.floor != wanted.replicas if workload.hpa else workload.replicas != wanted.replicas
    return replicas or workload.replicas < wanted.replicas or workload.resources != wanted.resources


def gaps(workload: Workload, wanted: ServiceAllocation) -> list[str]:
    """Where the workload isn't as wanted, a line each; more replicas than asked are an HPA's right."""
    enough = workload.replicas >= wanted.replicas if workload.hpa else workload.replicas == wanted.replicas
    lines = [] if enough else [f"{wanted.service}: {workload.replicas} replicas, expected {wanted.replicas}"]
    if workload.resources != wanted.resources:
        lines.append(f"{wanted.service}: {told(workload.resources, wanted.resources)} is still to come")
    return lines
