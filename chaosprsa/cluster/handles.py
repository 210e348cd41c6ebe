"""Handles: the only things that change a cluster. A label allows a Shadow, an approval a Production.

Every method that changes something first looks whether it still may (the same namespace, no stop switch, no other run's
lease), then sees that a snapshot is open which knows what is about to change, and only then writes.

What was chosen where Kubernetes leaves a choice:

- Changes that are to last go into the workload's template: a rolling update, which replaces pods under the workload's
  own maxSurge and maxUnavailable. Resizing in place as well would only be undone by it.
- Changes that are to go away (a fault's squeeze) go to the running pods, in place: no restart, and the way back needs
  no memory. Where the server or the pod can't, the template is changed after all and remembers what it was.
- Replicas of a workload that an HPA owns are its floor: minReplicas moves (maxReplicas only where it would be below),
  and the count is raised at once, never lowered: that stays the HPA's decision.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaosprsa.cluster import snapshots
from chaosprsa.cluster.inplace import reset_pods, resize_pods, same_quality
from chaosprsa.cluster.kinds import APPLICABLE, KINDS
from chaosprsa.cluster.leases import Lease, refuse_when_busy
from chaosprsa.cluster.readiness import wait_ready
from chaosprsa.cluster.restoring import restore, restore_all
from chaosprsa.cluster.snapshots import Snapshot
from chaosprsa.cluster.stopping import refuse_when_stopped
from chaosprsa.cluster.writing import annotate, marked, modify, put, set_resources
from chaosprsa.errors import BadInput, NotAShadow, Refused
from chaosprsa.manifests import (
    BEFORE,
    CANARY,
    MADE,
    SHADOW_OF,
    WORKLOAD_KINDS,
    Manifest,
    Workload,
    annotations_of,
    find_workload,
    labels_of,
    main_container,
    name_of,
    pod_spec,
    resources_json,
)
from chaosprsa.types import Allocation, Resources, ServiceAllocation

if TYPE_CHECKING:
    from chaosprsa.cluster.reading import Cluster


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


class Handle:
    """What Shadow and Production share. Made by Cluster.shadow and Cluster.production only."""

    is_shadow = False

    def __init__(self, cluster: "Cluster", namespace: str, uid: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._uid = uid

    # --- what keeps runs apart and what leads back ---------------------------------------------------------------

    def lease(self, holder: str) -> Lease:
        """A context manager: this run's alone. Raises Busy, which says who has it. Children of this process join it.

        What a dead run left in a shadow is undone on entry; in production it is refused until `chaos prsa restore`.
        """
        return Lease(self.cluster, self.namespace, holder, begin=self._undo_leftovers)

    def snapshot(self, reason: str) -> Snapshot:
        """Write down what is there, in the namespace and in a local file; returns when both are on disk."""
        self._check()
        return snapshots.take(self.cluster, self.namespace, self._uid, self.is_shadow, reason)

    def open_snapshots(self) -> tuple[Snapshot, ...]:
        """What may have to be undone here, oldest first."""
        return snapshots.open_snapshots(self.cluster, self.namespace)

    def restore(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Put back what the snapshot says, and close it; what was done, in words. Heeds no stop switch. Idempotent."""
        known = [item for item in self.open_snapshots() if item.id == snapshot.id]
        return restore(self.cluster, known[0] if known else snapshot)

    def keep(self, snapshot: Snapshot) -> None:
        """The changes since the snapshot shall stand: close it without undoing them."""
        snapshots.close(self.cluster, snapshot)

    # --- changes -------------------------------------------------------------------------------------------------

    def apply(self, manifests: Iterable[Manifest]) -> tuple[str, ...]:
        """Create or replace these objects here, in the order that they need each other; their "Kind/name"."""
        wanted = [marked(self._mine(manifest), self.namespace) for manifest in manifests]
        wanted.sort(key=lambda manifest: KINDS[manifest["kind"]].order)
        self._begin("apply", [(manifest["kind"], name_of(manifest)) for manifest in wanted])
        for manifest in wanted:
            put(self.cluster.api, manifest, recreate=self.is_shadow)
        return tuple(f"{manifest['kind']}/{name_of(manifest)}" for manifest in wanted)

    def delete(self, kind: str, name: str) -> bool:
        """Delete one object that this package made here; False where it wasn't there. Raises Refused for others'."""
        _name_one(name, self.namespace)
        found = self.cluster.api.find(kind, self.namespace, name)
        if found is None:
            return False
        if kind not in APPLICABLE or (MADE not in annotations_of(found) and CANARY not in labels_of(found)):
            raise Refused(f"{kind} {self.namespace}/{name}: it wasn't made by this package, so it isn't deleted")
        self._begin(f"delete {kind} {name}", [(kind, name)])
        return self.cluster.api.delete(kind, self.namespace, name, found["metadata"]["uid"])

    def scale(self, service: str, replicas: int) -> Change:
        """Give a service this many replicas; where an HPA owns them, at least as many."""
        if replicas < 0:
            raise BadInput(f"{service}: replicas is {replicas}, expected 0 or more")
        workload = self._workload(service)
        self._begin(f"scale {service} to {replicas}")
        self._set(workload, replicas, None)
        return Change(service=service, workload=workload.name, what=f"replicas {workload.replicas} -> {replicas}")

    def set_resources(self, service: str, resources: Resources) -> Change:
        """Give a service's container these resources for good: by its template, a rolling update."""
        workload = self._workload(service)
        self._begin(f"resize {service}")
        self._set(workload, None, resources)
        return Change(service=service, workload=workload.name, what=_told(workload.resources, resources))

    def set_allocation(self, allocation: Allocation) -> tuple[Change, ...]:
        """Give every service what the allocation says, replicas and resources in one write each; what was changed."""
        found = self.cluster.workloads(self.namespace)
        pairs = [(self._workload(wanted.service, found), wanted) for wanted in allocation.services]
        changes = [(workload, wanted) for workload, wanted in pairs if _differs(workload, wanted)]
        if changes:
            self._begin("set an allocation")
        for workload, wanted in changes:
            self._set(workload, wanted.replicas, wanted.resources)
        return tuple(
            Change(
                service=wanted.service,
                workload=workload.name,
                what=_told_all(workload, wanted),
            )
            for workload, wanted in changes
        )

    def missing_from(self, allocation: Allocation) -> tuple[str, ...]:
        """Where the namespace isn't as the allocation says, in words; more replicas than asked are an HPA's right."""
        found = self.cluster.workloads(self.namespace)
        pairs = [(self._workload(wanted.service, found), wanted) for wanted in allocation.services]
        return tuple(line for workload, wanted in pairs for line in _gaps(workload, wanted))

    def wait_ready(self, timeout_s: float, services: Sequence[str] = ()) -> None:
        """Until every workload (or those of these services) runs its latest template with all replicas ready.

        Raises Unavailable when the time is up, which says what isn't ready and why.
        """
        names = {self._workload(service).name for service in services}
        wait_ready(self.cluster, self.namespace, timeout_s, names)

    # --- how -----------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Raises Refused: not the namespace this handle was made for, stopped, or another run's."""
        found = self.cluster.namespace(self.namespace)
        if found["metadata"]["uid"] != self._uid or "deletionTimestamp" in found["metadata"]:
            raise Refused(f'namespace "{self.namespace}": it isn\'t the one it was any more; look again and start over')
        self._check_kind(found)
        refuse_when_stopped(self.cluster, self.namespace)
        refuse_when_busy(self.cluster, self.namespace)

    def _check_kind(self, found: Manifest) -> None:
        raise NotImplementedError

    def _begin(self, what: str, touched: Sequence[tuple[str, str]] = ()) -> None:
        """May it be changed, and is it written down? Returns when both are so."""
        self._check()
        opened = self.open_snapshots() or (
            snapshots.take(self.cluster, self.namespace, self._uid, self.is_shadow, f"before: {what}"),
        )
        for snapshot in opened:
            snapshots.note_before(self.cluster, snapshot, touched)

    def _undo_leftovers(self) -> None:
        raise NotImplementedError

    def _mine(self, manifest: Manifest) -> Manifest:
        kind, metadata = manifest.get("kind", ""), manifest.get("metadata") or {}
        where = f"{kind} {metadata.get('name', '')}"
        if kind not in APPLICABLE:
            raise BadInput(f"{where}: a handle applies only {', '.join(APPLICABLE)}")
        _name_one(metadata.get("name", ""), self.namespace)
        if metadata.get("namespace", self.namespace) != self.namespace:
            raise BadInput(
                f'{where}: its namespace is "{metadata["namespace"]}", this handle is for "{self.namespace}"'
            )
        if kind in WORKLOAD_KINDS and not (manifest["spec"].get("selector") or {}).get("matchLabels"):
            raise BadInput(f"{where}: its selector is empty, which would select everything; name labels")
        return manifest

    def _workload(self, service: str, found: Sequence[Workload] | None = None) -> Workload:
        return find_workload(
            self.cluster.workloads(self.namespace) if found is None else found, service, self.namespace
        )

    def _set(self, workload: Workload, replicas: int | None, resources: Resources | None) -> None:
        """The autoscaler first, so that it doesn't fight the count; then count and template in one write."""
        api = self.cluster.api
        if workload.hpa and replicas is not None:
            modify(api, "HorizontalPodAutoscaler", self.namespace, workload.hpa, _floor(max(1, replicas)))

        def change(manifest: Manifest) -> None:
            if replicas is not None:
                now = manifest["spec"].get("replicas", 1)
                manifest["spec"]["replicas"] = max(now, replicas) if workload.hpa else replicas
            if resources is not None and resources != workload.resources:
                set_resources(manifest, workload.container, resources_json(resources))

        modify(api, workload.kind, self.namespace, workload.name, change)


class Shadow(Handle):
    """A namespace labelled as a shadow. production: the namespace it is a shadow of."""

    is_shadow = True

    def __init__(self, cluster: "Cluster", namespace: str, uid: str, production: str) -> None:
        super().__init__(cluster, namespace, uid)
        self.production = production

    def _check_kind(self, found: Manifest) -> None:
        if labels_of(found).get(SHADOW_OF) != self.production:
            raise NotAShadow(f'namespace "{self.namespace}": it isn\'t the shadow of "{self.production}" any more')

    def _undo_leftovers(self) -> None:
        restore_all(self.cluster, snapshots.snapshots_folder(self.cluster.state), self.namespace)

    def clear(self, objects: Iterable[tuple[str, str]]) -> None:
        """Delete these objects (kind, name) of the shadow, whoever made them."""
        doomed = list(objects)
        if doomed:
            self._begin("clear", doomed)
        for kind, name in doomed:
            _name_one(name, self.namespace)
            self.cluster.api.delete(kind, self.namespace, name)

    def resize(self, service: str, resources: Resources, timeout_s: float = 10.0) -> Change:
        """Give the service's running pods these resources until `unresize`: in place, without a restart, if they can.

        Else (an old server, or less memory than is used) by the template, which restarts them and remembers what it
        was. Requests give way by one where the pods' quality of service would change, which is refused in place.
        """
        workload = self._workload(service)
        self._begin(f"resize {service} for a while")
        wanted = resources_json(same_quality(workload.resources, resources))
        pods, refusal = resize_pods(self.cluster, self.namespace, workload, wanted, timeout_s)
        what = _told(workload.resources, resources)
        if not refusal:
            return Change(service=service, workload=workload.name, what=what, in_place=True, pods=pods)
        self._resize_template(workload, wanted)
        return Change(service=service, workload=workload.name, what=f"{what}; by the template, as in place: {refusal}")

    def unresize(self, service: str) -> Change:
        """Undo `resize`: pods and template as they were before it. Idempotent; needs no memory of what was done."""
        workload = self._workload(service)
        self._begin(f"resize {service} back")
        modify(self.cluster.api, workload.kind, self.namespace, workload.name, _forget(workload.container))
        pods = reset_pods(self.cluster, self.namespace, workload.kind, workload.name)
        return Change(service=service, workload=workload.name, what="as it was", in_place=True, pods=pods)

    def _resize_template(self, workload: Workload, wanted: Manifest) -> None:
        def change(manifest: Manifest) -> None:
            if BEFORE not in annotations_of(manifest):
                container = main_container(manifest, workload.service)
                annotate(manifest, BEFORE, json.dumps(container.get("resources") or {}, sort_keys=True))
            set_resources(manifest, workload.container, wanted)

        modify(self.cluster.api, workload.kind, self.namespace, workload.name, change)


class Production(Handle):
    """Production, for one approved plan."""

    def __init__(self, cluster: "Cluster", namespace: str, uid: str, plan_hash: str) -> None:
        super().__init__(cluster, namespace, uid)
        self.plan_hash = plan_hash

    def _check_kind(self, found: Manifest) -> None:
        if labels_of(found).get(SHADOW_OF):
            raise Refused(f'namespace "{self.namespace}": it became a shadow; a rollout goes to production')

    def _undo_leftovers(self) -> None:
        left = self.open_snapshots()
        if left:
            raise Refused(
                f'namespace "{self.namespace}": a run that was interrupted left changes ({left[0].reason}, '
                f"{left[0].created}). Undo them first: chaos prsa restore"
            )


def _name_one(name: str, namespace: str) -> None:
    if not name.strip():
        raise BadInput(f'namespace "{namespace}": an empty name selects everything; name one object')


def _floor(replicas: int) -> Callable[[Manifest], None]:
    def change(manifest: Manifest) -> None:
        manifest["spec"]["minReplicas"] = replicas
        manifest["spec"]["maxReplicas"] = max(manifest["spec"]["maxReplicas"], replicas)

    return change


def _forget(container: str) -> Callable[[Manifest], None]:
    """Take back what `resize` did to a template, if it did."""

    def change(manifest: Manifest) -> None:
        before = annotations_of(manifest).get(BEFORE)
        if before is None:
            return
        for found in pod_spec(manifest)["containers"]:
            if found["name"] == container:
                found["resources"] = json.loads(before)
        annotate(manifest, BEFORE, None)

    return change


def _told(before: Resources | None, after: Resources) -> str:
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


def _told_all(workload: Workload, wanted: ServiceAllocation) -> str:
    return f"replicas {workload.replicas} -> {wanted.replicas}, {_told(workload.resources, wanted.resources)}"


def _differs(workload: Workload, wanted: ServiceAllocation) -> bool:
    return workload.hpa != "" or workload.replicas != wanted.replicas or workload.resources != wanted.resources


def _gaps(workload: Workload, wanted: ServiceAllocation) -> list[str]:
    enough = workload.replicas >= wanted.replicas if workload.hpa else workload.replicas == wanted.replicas
    lines = [] if enough else [f"{wanted.service}: {workload.replicas} replicas, expected {wanted.replicas}"]
    if workload.resources != wanted.resources:
        lines.append(f"{wanted.service}: {_told(workload.resources, wanted.resources)} is still to come")
    return lines
