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

    operations: a JSON patch instead, where a merge would replace a whole list. grows: it gets more, so this comes
    before what others get less of. kustomized: whether it is among what Kustomize builds. made_later: it is there once
    there are more pods.
    """

    api_version: str
    kind: str
    resource: str
    name: str
    merge: dict[str, Any]
    words: str
    grows: bool
    operations: tuple[dict[str, Any], ...] = ()
    kustomized: bool = True
    made_later: bool = False

    @property
    def target(self) -> dict[str, str]:
        """By what Kustomize finds it."""
        return target_of(self.api_version, self.kind, self.name)

    @property
    def patch(self) -> Any:
        """As Kustomize takes it: a merge, or a JSON patch's operations."""
        named = {"apiVersion": self.api_version, "kind": self.kind, "metadata": {"name": self.name}, **self.merge}
        return list(self.operations) or named


def target_of(api_version: str, kind: str, name: str) -> dict[str, str]:
    """An object as a target of Kustomize, in whatever namespace; the core group has no name. Names are patterns."""
    group, _, version = api_version.rpartition("/")
    return {**({"group": group} if group else {}), "version": version, "kind": kind, "name": name.replace(".", r"\.")}


def changes(answer: Recommendation, workloads: Sequence[Workload], declared: Declared) -> tuple[Change, ...]:
    """In the recommendation's order. Raises BadInput for a service without a workload."""
    told = {(one.target, one.field): one for one in answer.directives}
    return (
        *_bandwidths(told, declared, workloads, answer.namespace),
        *_volumes(told, declared, workloads, answer),
        *_caches(told, declared, workloads, answer.namespace),
        *_weights(told, declared),
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


def _weights(told: dict[tuple[str, AllocationField], Directive], declared: Declared) -> Iterator[Change]:
    """A JSON patch of each route: weights by their place in it."""
    for one in declared.routes:
        moved = [
            (at, told[name, AllocationField.WEIGHT])
            for at, name in enumerate(one.backends)
            if (name, AllocationField.WEIGHT) in told
        ]
        if not moved:
            continue
        gateway = one.kind == "HTTPRoute"
        place = f"/spec/rules/{one.rule}/backendRefs" if gateway else f"/spec/http/{one.rule}/route"
        yield Change(
            api_version="gateway.networking.k8s.io/v1" if gateway else "networking.istio.io/v1",
            kind=one.kind,
            resource=one.kind.lower(),
            name=one.name,
            merge={},
            operations=tuple({"op": "add", "path": f"{place}/{at}/weight", "value": each.to} for at, each in moved),
            words=f"{one.kind} {one.name}: weights "
            + ", ".join(f"{each.target} {each.from_} -> {each.to}" for _, each in moved),
            grows=False,
        )


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
