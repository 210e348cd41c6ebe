"""What every handle can do: check, write down, change, wait, put back."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from chaosprsa.cluster import snapshots
from chaosprsa.cluster.changes import Change, differs, gaps, told, told_all
from chaosprsa.cluster.kinds import APPLICABLE, KINDS
from chaosprsa.cluster.leases import Lease, refuse_when_busy
from chaosprsa.cluster.readiness import wait_ready
from chaosprsa.cluster.restoring import restore
from chaosprsa.cluster.snapshots import Snapshot
from chaosprsa.cluster.stopping import refuse_when_stopped
from chaosprsa.cluster.writing import marked, modify, put, set_resources
from chaosprsa.errors import BadInput, Refused
from chaosprsa.manifests import (
    CANARY,
    MADE,
    WORKLOAD_KINDS,
    Manifest,
    Workload,
    annotations_of,
    find_workload,
    labels_of,
    name_of,
    resources_json,
)
from chaosprsa.types import Allocation, Resources

if TYPE_CHECKING:
    from chaosprsa.cluster.reading import Cluster


class Handle(ABC):
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
        name_one(name, self.namespace)
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
        self._begin(f"scale {service} to {replicas}", owners(workload))
        self._set(workload, replicas, None)
        return Change(service=service, workload=workload.name, what=f"replicas {workload.replicas} -> {replicas}")

    def set_resources(self, service: str, resources: Resources) -> Change:
        """Give a service's container these resources for good: by its template, a rolling update."""
        workload = self._workload(service)
        self._begin(f"resize {service}", owners(workload))
        self._set(workload, None, resources)
        return Change(service=service, workload=workload.name, what=told(workload.resources, resources))

    def set_allocation(self, allocation: Allocation, ceilings: Mapping[str, int] | None = None) -> tuple[Change, ...]:
        """Give every service what the allocation says, replicas and resources in one write each; what was changed.

        ceilings: by service, what the maxReplicas of an HPA that owns its replicas is raised to, never lowered.
        """
        most = ceilings or {}
        found = self.cluster.workloads(self.namespace)
        pairs = [(self._workload(wanted.service, found), wanted) for wanted in allocation.services]
        changes = [
            (workload, wanted)
            for workload, wanted in pairs
            if differs(workload, wanted) or (workload.hpa and most.get(wanted.service, 0) > workload.ceiling)
        ]
        if changes:
            self._begin("set an allocation", [pair for workload, _ in changes for pair in owners(workload)])
        for workload, wanted in changes:
            self._set(workload, wanted.replicas, wanted.resources, most.get(wanted.service, 0))
        return tuple(
            Change(
                service=wanted.service,
                workload=workload.name,
                what=told_all(workload, wanted),
            )
            for workload, wanted in changes
        )

    def missing_from(self, allocation: Allocation) -> tuple[str, ...]:
        """Where the namespace isn't as the allocation says, in words; more replicas than asked are an HPA's right."""
        found = self.cluster.workloads(self.namespace)
        pairs = [(self._workload(wanted.service, found), wanted) for wanted in allocation.services]
        return tuple(line for workload, wanted in pairs for line in gaps(workload, wanted))

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

    @abstractmethod
    def _check_kind(self, found: Manifest) -> None:
        """Raises Refused where the namespace isn't of the handle's kind."""

    def _begin(self, what: str, touched: Sequence[tuple[str, str]] = ()) -> None:
        """May it be changed, and is it written down? Returns when both are so."""
        self._check()
        opened = self.open_snapshots() or (
            snapshots.take(self.cluster, self.namespace, self._uid, self.is_shadow, f"before: {what}"),
        )
        for snapshot in opened:
            snapshots.note_before(self.cluster, snapshot, touched)

    @abstractmethod
    def _undo_leftovers(self) -> None:
        """Put back what an interrupted run left, or raise Refused."""

    def _mine(self, manifest: Manifest) -> Manifest:
        kind, metadata = manifest.get("kind", ""), manifest.get("metadata") or {}
        where = f"{kind} {metadata.get('name', '')}"
        if kind not in APPLICABLE:
            raise BadInput(f"{where}: a handle applies only {', '.join(APPLICABLE)}")
        name_one(metadata.get("name", ""), self.namespace)
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

    def _set(self, workload: Workload, replicas: int | None, resources: Resources | None, ceiling: int = 0) -> None:
        """The autoscaler first, so that it doesn't fight the count; then count and template in one write."""
        api = self.cluster.api
        if workload.hpa and replicas is not None:
            modify(api, "HorizontalPodAutoscaler", self.namespace, workload.hpa, _bounds(max(1, replicas), ceiling))

        def change(manifest: Manifest) -> None:
            if replicas is not None:
                now = manifest["spec"].get("replicas", 1)
                manifest["spec"]["replicas"] = max(now, replicas) if workload.hpa else replicas
            if resources is not None and resources != workload.resources:
                set_resources(manifest, workload.container, resources_json(resources))

        modify(api, workload.kind, self.namespace, workload.name, change)


def owners(workload: Workload) -> tuple[tuple[str, str], ...]:
    """(kind, name) of what a change of this workload writes to: itself, and its autoscaler."""
    own = (workload.kind, workload.name)
    return (own, ("HorizontalPodAutoscaler", workload.hpa)) if workload.hpa else (own,)


def name_one(name: str, namespace: str) -> None:
    """Raises BadInput for an empty name."""
    if not name.strip():
        raise BadInput(f'namespace "{namespace}": an empty name selects everything; name one object')


def _bounds(floor: int, ceiling: int) -> Callable[[Manifest], None]:
    def change(manifest: Manifest) -> None:
        manifest["spec"]["minReplicas"] = floor
        manifest["spec"]["maxReplicas"] = max(manifest["spec"]["maxReplicas"], floor, ceiling)

    return change
