"""What was there before a change: written to a local file and to a ConfigMap in the namespace, before the change.

A snapshot is `open` while something may have to be undone. It holds the workloads and autoscalers as they were when it
was taken, and every further object just before its first change (None: it wasn't there). The order of writing, so that
a crash at any line can be undone:

    open   local file -> ConfigMap -> local file marked published -> the change
    close  ConfigMap marked closed -> local file away -> ConfigMap away

So a ConfigMap marked closed needs tidying only, a local file that was never published belongs to a change that never
happened, and a published one without its ConfigMap (somebody deleted it) still says how to go back.
"""

import base64
import gzip
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaosprsa.cluster.kinds import FAULTS
from chaosprsa.documents import write_text
from chaosprsa.errors import BadInput, ClusterRefused
from chaosprsa.manifests import SNAPSHOT, WORKLOAD_KINDS, Manifest, name_of, without_server_fields
from chaosprsa.workspace import Workspace

if TYPE_CHECKING:
    from chaosprsa.cluster.reading import Cluster

SCHEMA = "chaosprsa/snapshot/1"
PREFIX = "chaosprsa-snapshot-"
_LARGEST_BYTES = 900_000  # a ConfigMap holds 1 MiB, and base64 is written by the server's own measure
_ENTRY = "record.json.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """workloads: Deployments, StatefulSets and HPAs in full. objects: "Kind/name" -> as it was, None: it wasn't there.

    faults: Chaos Mesh's objects that were there before ("Kind/name"). changed: the workloads ("Kind/name") that we were
    about to change; in production nothing else is put back. published: the ConfigMap was written.
    """

    id: str
    namespace: str
    namespace_uid: str
    shadow: bool
    reason: str
    created: str
    workloads: tuple[Manifest, ...]
    faults: tuple[str, ...] = ()
    objects: Mapping[str, Manifest | None] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    published: bool = False


def snapshots_folder(state: Path) -> Path:
    """Workspace.snapshots of the folder whose state this is."""
    return Workspace(state.parent).snapshots if state.name == ".chaosprsa" else state / "snapshots"


def take(cluster: "Cluster", namespace: str, namespace_uid: str, shadow: bool, reason: str) -> Snapshot:
    """Read the namespace and write the snapshot down, in both places, before it returns."""
    now = datetime.now(UTC)
    kinds = (*WORKLOAD_KINDS, "HorizontalPodAutoscaler")
    faults = cluster.objects(namespace, FAULTS) if shadow else ()
    snapshot = Snapshot(
        id=f"{now:%Y%m%d-%H%M%S}-{now.microsecond:06d}-{secrets.token_hex(2)}",
        namespace=namespace,
        namespace_uid=namespace_uid,
        shadow=shadow,
        reason=reason,
        created=now.isoformat(timespec="seconds"),
        workloads=tuple(without_server_fields(item) for item in cluster.objects(namespace, kinds)),
        faults=tuple(f"{item['kind']}/{name_of(item)}" for item in faults),
    )
    return _write(cluster, snapshot)


def note_before(cluster: "Cluster", snapshot: Snapshot, touched: Iterable[tuple[str, str]]) -> Snapshot:
    """The snapshot with these objects (kind, name) as they are now, written down; those it knows stay as they were."""
    keys = {f"{kind}/{name}": (kind, name) for kind, name in touched}
    workloads = {f"{item['kind']}/{name_of(item)}" for item in snapshot.workloads}
    changed = tuple(dict.fromkeys((*snapshot.changed, *(key for key in keys if key in workloads))))
    new = {key: pair for key, pair in keys.items() if key not in workloads and key not in snapshot.objects}
    if not new and changed == tuple(snapshot.changed):
        return snapshot
    found = {key: cluster.api.find(kind, snapshot.namespace, name) for key, (kind, name) in new.items()}
    before = {key: None if item is None else _kept(item) for key, item in found.items()}
    return _write(cluster, replace(snapshot, objects={**snapshot.objects, **before}, changed=changed))


def _kept(item: Manifest) -> Manifest:
    """As it is; a Secret without its values: they are written down nowhere."""
    kept = without_server_fields(item)
    return {key: value for key, value in kept.items() if key not in {"data", "stringData"} or kept["kind"] != "Secret"}


def _write(cluster: "Cluster", snapshot: Snapshot) -> Snapshot:
    path = snapshots_folder(cluster.state) / f"{snapshot.id}.json"
    write_text(path, _text(snapshot))
    packed = base64.b64encode(gzip.compress(_text(replace(snapshot, published=True)).encode(), mtime=0)).decode()
    if len(packed) > _LARGEST_BYTES:
        path.unlink()
        raise BadInput(
            f'namespace "{snapshot.namespace}": its workloads take {len(packed)} bytes, more than one snapshot holds '
            f"({_LARGEST_BYTES}); nothing was changed. Split the namespace"
        )
    _publish(cluster, snapshot, packed)
    published = replace(snapshot, published=True)
    if not snapshot.published:
        write_text(path, _text(published))
    return published


def _publish(cluster: "Cluster", snapshot: Snapshot, packed: str) -> None:
    metadata = {"name": PREFIX + snapshot.id, "namespace": snapshot.namespace, "labels": {SNAPSHOT: "open"}}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": {_ENTRY: packed}}
    if snapshot.published:
        cluster.api.patch("ConfigMap", snapshot.namespace, PREFIX + snapshot.id, {"binaryData": {_ENTRY: packed}})
        return
    try:
        cluster.api.create(manifest)
    except ClusterRefused as refused:
        if refused.status != 409:  # 409: a try before this one got through after all
            raise


def close(cluster: "Cluster", snapshot: Snapshot, folder: Path | None = None) -> None:
    """What it says needs no undoing any more: it is undone, or it shall stand. Finishes an interrupted closing too."""
    name = PREFIX + snapshot.id
    try:
        cluster.api.patch("ConfigMap", snapshot.namespace, name, {"metadata": {"labels": {SNAPSHOT: "closed"}}})
    except ClusterRefused as refused:
        if refused.status != 404:
            raise
    ((folder or snapshots_folder(cluster.state)) / f"{snapshot.id}.json").unlink(missing_ok=True)
    cluster.api.delete("ConfigMap", snapshot.namespace, name)


def open_snapshots(cluster: "Cluster", namespace: str) -> tuple[Snapshot, ...]:
    """Those in the namespace, oldest first."""
    found = cluster.api.items("ConfigMap", namespace, {SNAPSHOT: "open"})
    return tuple(_unpacked(item) for item in found)


def known_snapshots(
    cluster: "Cluster", folder: Path, namespace: str | None
) -> tuple[tuple[Snapshot, ...], tuple[Snapshot, ...]]:
    """(what may have to be undone, newest first; what only needs closing), from the cluster and the folder.

    Where RBAC forbids to look into every namespace, those that local files name are looked into.
    """
    local = {item.id: item for item in _local(folder) if namespace in (None, item.namespace)}
    maps = _maps(cluster, namespace, {item.namespace for item in local.values()})
    remote = {item.id: item for item in (_unpacked(found) for found in maps)}
    closed = {name_of(item).removeprefix(PREFIX) for item in maps if item["metadata"]["labels"][SNAPSHOT] != "open"}
    never = {key for key, item in local.items() if not item.published and key not in remote}
    both = {key: _fuller(local.get(key), remote.get(key)) for key in sorted({*local, *remote}, reverse=True)}
    tidy = closed | never
    waiting = tuple(item for key, item in both.items() if key not in tidy)
    return waiting, tuple(item for key, item in both.items() if key in tidy)


def _fuller(local: Snapshot | None, remote: Snapshot | None) -> Snapshot:
    """The one that knows more: a crash between the two writes leaves the local one ahead."""
    known = [item for item in (local, remote) if item is not None]
    return max(known, key=lambda item: len(item.objects))


def _maps(cluster: "Cluster", namespace: str | None, fallback: Iterable[str]) -> tuple[Manifest, ...]:
    if namespace is not None:
        return _ours(cluster, namespace)
    try:
        return _ours(cluster, "")
    except ClusterRefused as refused:
        if refused.status != 403:
            raise
        return tuple(item for name in sorted(set(fallback)) for item in _ours(cluster, name))


def _ours(cluster: "Cluster", namespace: str) -> tuple[Manifest, ...]:
    states = (cluster.api.items("ConfigMap", namespace, {SNAPSHOT: state}) for state in ("open", "closed"))
    return tuple(item for state in states for item in state)


def _local(folder: Path) -> tuple[Snapshot, ...]:
    """The folder's snapshots; write_text leaves no half-written one."""
    return tuple(_parsed(path.read_text(encoding="utf-8"), str(path)) for path in sorted(folder.glob("*.json")))


def _unpacked(manifest: Manifest) -> Snapshot:
    where = f"ConfigMap {manifest['metadata']['namespace']}/{name_of(manifest)}"
    try:
        text = gzip.decompress(base64.b64decode(manifest["binaryData"][_ENTRY])).decode()
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise BadInput(f"{where}: it isn't a snapshot of ours ({error}); look at it, and delete it by hand") from None
    return _parsed(text, where)


def _text(snapshot: Snapshot) -> str:
    return json.dumps({"schema": SCHEMA, **asdict(snapshot)}, indent=1, sort_keys=True) + "\n"


def _parsed(text: str, where: str) -> Snapshot:
    try:
        values: dict[str, Any] = json.loads(text)
        schema = values.pop("schema", None)
        if schema == SCHEMA:
            lists = {"workloads": tuple(values["workloads"]), "faults": tuple(values["faults"])}
            return Snapshot(**{**values, **lists})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadInput(
            f"{where}: it can't be read as a snapshot ({error}); look at it, and delete it by hand"
        ) from None
    raise BadInput(f"{where}: its schema is {schema!r}, expected {SCHEMA!r}; restore it with the version that wrote it")
