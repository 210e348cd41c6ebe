"""What a recommendation changes besides replicas, CPU and memory, as patches of the objects it stands in. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from chaosprsa.manifests import Workload, find_workload
from chaosprsa.types import AllocationField, Bandwidth, Declared, Directive, Recommendation

CACHE_MIB = "chaosprsa.io/cache-mib"  # annotation of a pod template: what its pods' cache is set to


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object's. resource: as kubectl names its kind; merge: what is patched in it; words: for a reader.

    grows: it gets more, so this comes before what others get less of. kustomized: whether it is among what Kustomize
    builds. made_later: it is there once there are more pods.
    """

    api_version: str
    kind: str
    resource: str
    name: str
    merge: dict[str, Any]
    words: str
    grows: bool
    kustomized: bool = True
    made_later: bool = False

    @property
    def patch(self) -> dict[str, Any]:
        """As Kustomize takes it."""
        return {"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": self.name}, **self.merge}


def changes(answer: Recommendation, workloads: Sequence[Workload], declared: Declared) -> tuple[Change, ...]:
    """In the recommendation's order. Raises BadInput for a service without a workload."""
    told = {(one.target, one.field): one for one in answer.directives}
    return (
        *_bandwidths(told, declared, workloads, answer.namespace),
        *_volumes(told, declared, workloads, answer),
        *_caches(told, declared, workloads, answer.namespace),
    )


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


def _caches(
    told: dict[tuple[str, AllocationField], Directive],
    declared: Declared,
    workloads: Sequence[Workload],
    namespace: str,
) -> Iterator[Change]:
    """The key, and where pods read it when they start an annotation of their template, which restarts them."""
    for one in declared.caches:
        directive = told.get((one.service, AllocationField.CACHE))
        if directive is None:
            continue
        grows = int(directive.to) > int(directive.from_)
        yield Change(
            api_version="v1",
            kind="ConfigMap",
            resource="configmap",
            name=one.config_map,
            merge={"data": {one.key: one.form.format(directive.to)}},
            words=f"{one.service}: {one.key} of ConfigMap {one.config_map}, {directive.from_} -> {directive.to} MiB",
            grows=grows,
        )
        if one.restart:
            workload = find_workload(workloads, one.service, namespace)
            yield Change(
                api_version="apps/v1",
                kind=workload.kind,
                resource=workload.kind.lower(),
                name=workload.name,
                merge={"spec": {"template": {"metadata": {"annotations": {CACHE_MIB: str(directive.to)}}}}},
                words=f"{one.service}: annotation {CACHE_MIB} {directive.to}, so that its pods restart",
                grows=grows,
            )


def _volumes(
    told: dict[tuple[str, AllocationField], Directive],
    declared: Declared,
    workloads: Sequence[Workload],
    answer: Recommendation,
) -> Iterator[Change]:
    """A claim for each pod: those that are there, and those that more pods bring."""
    for one in declared.storages:
        directive = told.get((one.service, AllocationField.STORAGE))
        if directive is None:
            continue
        workload = find_workload(workloads, one.service, answer.namespace)
        names = [each.name for each in one.classes]
        there, then = answer.now[one.service].replicas, answer.recommended[one.service].replicas
        for ordinal in range(max(there, then)):
            yield Change(
                api_version="v1",
                kind="PersistentVolumeClaim",
                resource="pvc",
                name=f"{one.claim}-{workload.name}-{ordinal}",
                merge={"spec": {"volumeAttributesClassName": directive.to}},
                words=f"{one.service}: volumeAttributesClassName {directive.from_} -> {directive.to}, pod {ordinal}",
                grows=names.index(str(directive.to)) > names.index(str(directive.from_)) and ordinal < there,
                kustomized=False,
                made_later=ordinal >= there,
            )


def _annotated(one: Bandwidth, directive: Directive, workload: Workload) -> Change:
    annotation = f"kubernetes.io/{one.direction}-bandwidth"
    return Change(
        api_version="apps/v1",
        kind=workload.kind,
        resource=workload.kind.lower(),
        name=workload.name,
        merge={"spec": {"template": {"metadata": {"annotations": {annotation: f"{directive.to}M"}}}}},
        words=f"{one.service}: annotation {annotation} {directive.from_}M -> {directive.to}M (its pods restart)",
        grows=int(directive.to) > int(directive.from_),
    )
