"""What a recommendation changes besides replicas, CPU and memory, as patches of the objects it stands in. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaosprsa.manifests import Workload, find_workload
from chaosprsa.types import AllocationField, Bandwidth, Declared, Directive, Recommendation


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object's. resource: as kubectl names its kind; merge: what is patched in it; words: for a reader.

    grows: it gets more, so this comes before what others get less of.
    """

    api_version: str
    kind: str
    resource: str
    name: str
    merge: dict[str, Any]
    words: str
    grows: bool

    @property
    def patch(self) -> dict[str, Any]:
        """As Kustomize takes it."""
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": self.name}, **self.merge}


def changes(answer: Recommendation, workloads: Sequence[Workload], declared: Declared) -> tuple[Change, ...]:
    """In the recommendation's order. Raises BadInput for a service without a workload."""
    told = {(one.target, one.field): one for one in answer.directives}
    return tuple(_bandwidths(told, declared, workloads, answer.namespace))


def _bandwidths(
    told: dict[tuple[str, AllocationField], Directive],
    declared: Declared,
    workloads: Sequence[Workload],
    namespace: str,
) -> Iterator[Change]:
    for one in declared.bandwidths:
        directive = told.get((one.service, AllocationField.BANDWIDTH))
        if directive is not None:
            yield _annotated(one, directive, find_workload(workloads, one.service, namespace))


def _annotated(one: Bandwidth, directive: Directive, workload: Workload) -> Change:
    annotation = f"kubernetes.io/{one.direction}-bandwidth"
    return Change(
        api_version="apps/v1",
        kind=workload.kind,
        resource=workload.kind.lower(),
        name=workload.name,
        merge={"spec": {"template": {"metadata": {"annotations": {annotation: f"{directive.to}M"}}}}},
        words=f"{one.service}: annotation {annotation} {directive.from_}M -> {directive.to}M (its pods restart)",
        grows=directive.to > directive.from_,
    )
