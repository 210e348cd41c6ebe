"""The way back: what a snapshot says is put in place again. Running it twice does nothing more.

Only what this package may have changed is put back: replicas, resources and autoscalers' bounds of workloads, and the
objects it created, replaced or deleted. What others changed in between (an image, a variable) stays theirs.
"""

import copy
from pathlib import Path
from typing import TYPE_CHECKING

from chaosprsa.cluster.inplace import reset_pods
from chaosprsa.cluster.kinds import APPLICABLE, FAULTS
from chaosprsa.cluster.leases import refuse_when_busy
from chaosprsa.cluster.snapshots import Snapshot, close, known_snapshots
from chaosprsa.cluster.writing import annotate, modify, put
from chaosprsa.errors import ClusterRefused
from chaosprsa.manifests import (
    BEFORE,
    MADE,
    WORKLOAD_KINDS,
    Manifest,
    annotations_of,
    name_of,
    pod_spec,
    without_server_fields,
)

if TYPE_CHECKING:
    from chaosprsa.cluster.reading import Cluster


def restore_all(cluster: "Cluster", snapshots_folder: Path, namespace: str | None = None) -> tuple[str, ...]:
    """Undo what interrupted runs left, here or (None) in every namespace; what was done, in words. Idempotent.

    Needs no approval and heeds no stop switch. Raises Busy where a run that lives holds the namespace.
    """
    waiting, tidy = known_snapshots(cluster, snapshots_folder, namespace)
    for name in sorted({item.namespace for item in waiting}):
        refuse_when_busy(cluster, name)
    done = [line for snapshot in waiting for line in restore(cluster, snapshot, snapshots_folder)]
    for snapshot in tidy:
        close(cluster, snapshot, snapshots_folder)
    return tuple(done)


def restore(cluster: "Cluster", snapshot: Snapshot, folder: Path | None = None) -> tuple[str, ...]:
    """Undo one snapshot's changes and close it; what was done, in words."""
    found = cluster.api.find("Namespace", "", snapshot.namespace)
    if found is None or found["metadata"]["uid"] != snapshot.namespace_uid:
        close(cluster, snapshot, folder)
        return (f'namespace "{snapshot.namespace}": gone since, so there is nothing to put back',)
    done = [*_faults(cluster, snapshot), *_objects(cluster, snapshot), *_workloads(cluster, snapshot)]
    close(cluster, snapshot, folder)
    return tuple(f'namespace "{snapshot.namespace}": {line}' for line in done)


def _faults(cluster: "Cluster", snapshot: Snapshot) -> list[str]:
    """Chaos Mesh's objects that an experiment left in a shadow."""
    if not snapshot.shadow:
        return []
    left = [item for kind in FAULTS for item in cluster.api.items(kind, snapshot.namespace)]
    left = [item for item in left if f"{item['kind']}/{name_of(item)}" not in snapshot.faults]
    for item in left:
        cluster.api.delete(item["kind"], snapshot.namespace, name_of(item))
    return [f"{item['kind']} {name_of(item)} deleted" for item in left]


def _objects(cluster: "Cluster", snapshot: Snapshot) -> list[str]:
    """Created ones go, last first; replaced and deleted ones come back, in the order of creation."""
    order = {kind: number for number, kind in enumerate(APPLICABLE)}
    keys = sorted(snapshot.objects, key=lambda key: order.get(key.partition("/")[0], 0))
    created = [key for key in reversed(keys) if snapshot.objects[key] is None]
    lines = [_delete(cluster, snapshot.namespace, *key.split("/", 1)) for key in created]
    changed = [snapshot.objects[key] for key in keys]
    lines += [_put_back(cluster, snapshot, manifest) for manifest in changed if manifest is not None]
    return [line for line in lines if line]


def _delete(cluster: "Cluster", namespace: str, kind: str, name: str) -> str:
    found = cluster.api.find(kind, namespace, name)
    if found is None or "deletionTimestamp" in found["metadata"]:
        return ""
    if MADE not in annotations_of(found):
        return f"{kind} {name} is there now and not ours: left alone"
    cluster.api.delete(kind, namespace, name, found["metadata"]["uid"])
    return f"{kind} {name} deleted"


def _put_back(cluster: "Cluster", snapshot: Snapshot, manifest: Manifest) -> str:
    kind, name = manifest["kind"], name_of(manifest)
    if kind == "Secret":
        return ""  # its values were never written down, so there is nothing to put back
    found = cluster.api.find(kind, snapshot.namespace, name)
    if found is not None and without_server_fields(found) == manifest:
        return ""
    put(cluster.api, manifest, recreate=snapshot.shadow)
    return f"{kind} {name} put back"


def _workloads(cluster: "Cluster", snapshot: Snapshot) -> list[str]:
    """Autoscalers first, so that they don't fight what comes after; in production only what we changed."""
    lines = []
    bounds: dict[tuple[str, str], int] = {}
    ours = [
        item for item in snapshot.workloads if snapshot.shadow or f"{item['kind']}/{name_of(item)}" in snapshot.changed
    ]
    for manifest in ours:
        if manifest["kind"] not in WORKLOAD_KINDS:
            target = manifest["spec"]["scaleTargetRef"]
            bounds[target["kind"], target["name"]] = manifest["spec"]["maxReplicas"]
            lines.append(_change(cluster, snapshot, manifest, _restore_bounds))
    for manifest in ours:
        if manifest["kind"] in WORKLOAD_KINDS:
            most = 0 if snapshot.shadow else bounds.get((manifest["kind"], name_of(manifest)), 0)
            lines.append(_change(cluster, snapshot, manifest, _restore_workload, most))
            lines.append(_reset(cluster, snapshot, manifest))
    return [line for line in lines if line]


def _change(cluster: "Cluster", snapshot: Snapshot, before: Manifest, change: object, *extra: int) -> str:
    kind, name = before["kind"], name_of(before)
    found = cluster.api.find(kind, snapshot.namespace, name)
    if found is None:
        if not snapshot.shadow:
            return f"{kind} {name} is gone: somebody deleted it, and it is left so"
        put(cluster.api, before)
        return f"{kind} {name} created again"
    assert callable(change)
    after = modify(cluster.api, kind, snapshot.namespace, name, lambda manifest: change(manifest, before, *extra))
    same = after["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
    return "" if same else f"{kind} {name} put back"


def _restore_bounds(manifest: Manifest, before: Manifest) -> None:
    for key in ("minReplicas", "maxReplicas"):
        if key in before["spec"]:
            manifest["spec"][key] = before["spec"][key]


def _restore_workload(manifest: Manifest, before: Manifest, most: int) -> None:
    """most: the autoscaler's upper bound where one owns the replicas in production, 0 else.

    What an autoscaler has added since is kept: to take it away under load is how rollbacks hurt (Flagger issue 869).
    """
    replicas = before["spec"].get("replicas", 1)
    manifest["spec"]["replicas"] = max(replicas, min(manifest["spec"].get("replicas", 1), most)) if most else replicas
    given = {item["name"]: item for item in pod_spec(before)["containers"]}
    for container in pod_spec(manifest)["containers"]:
        if "resources" in given.get(container["name"], {}):
            container["resources"] = copy.deepcopy(given[container["name"]]["resources"])
    annotate(manifest, BEFORE, annotations_of(before).get(BEFORE))


def _reset(cluster: "Cluster", snapshot: Snapshot, before: Manifest) -> str:
    """Pods that were resized in place."""
    if not snapshot.shadow:
        return ""
    try:
        pods = reset_pods(cluster, snapshot.namespace, before["kind"], name_of(before))
    except ClusterRefused as refused:
        if refused.status != 404:
            raise
        return ""
    return f"resized back: {', '.join(pods)}" if pods else ""
