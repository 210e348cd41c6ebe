"""The lab's etcd and API machinery: objects in memory, versions, history for watches, finalizers.

Everything is synchronous and belongs to one event loop, so a write is atomic by itself. What is read is shared: a
caller that wants to change an object copies it (`copied`) and hands it back.
"""

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chaosprsa.lab import selectors
from chaosprsa.lab.kinds import Kind
from chaosprsa.lab.objects import copied, stamp, suffix
from chaosprsa.lab.patching import patched
from chaosprsa.lab.resources import KINDS
from chaosprsa.lab.runtime import Obj
from chaosprsa.lab.status import StatusError, already_exists, bad_request, conflict, forbidden, not_found

FIRST_VERSION = 1000  # versions of before the cluster was there are too old to resume from
HISTORY = 2000  # changes kept a kind: what a watch can resume from
KEPT_METADATA = (
    "uid",
    "creationTimestamp",
    "namespace",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)
KEPT_NAMESPACES = ("default", "kube-public", "kube-system")
logger = logging.getLogger(__name__)

Subscriber = Callable[[str, Obj], None]
Admission = Callable[[Kind, Obj, Obj | None], None]


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of a kind's history; event is ADDED, MODIFIED or DELETED."""

    version: int
    event: str
    obj: Obj
    previous: Obj | None


class Store:
    """Objects by plural ("pods", "deployments", ...), namespace ("" for cluster-wide kinds) and name."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC), history: int = HISTORY) -> None:
        self.now = now
        self.version = self._born = FIRST_VERSION
        self.turn = asyncio.Lock()  # for the lab's own parts, which do much at once
        self.admissions: list[Admission] = []
        self._objects: dict[str, dict[tuple[str, str], Obj]] = {plural: {} for plural in KINDS}
        self._history: dict[str, deque[Change]] = {plural: deque(maxlen=history) for plural in KINDS}
        self._subscribers: dict[str, list[Subscriber]] = {plural: [] for plural in KINDS}
        self._changes: list[Callable[[str, Change], None]] = []
        self._pending: deque[tuple[str, Change]] = deque()
        self._draining = False

    def stamp(self) -> str:
        """Now, as metadata carries it: RFC 3339, whole seconds."""
        return stamp(self.now())

    # reading

    def find(self, plural: str, namespace: str, name: str) -> Obj | None:
        return self._objects[plural].get((namespace, name))

    def get(self, plural: str, namespace: str, name: str) -> Obj:
        """Raises StatusError 404."""
        found = self.find(plural, namespace, name)
        if found is None:
            raise not_found(plural, name, KINDS[plural].group)
        return found

    def list(
        self, plural: str, namespace: str | None = None, labels: str | dict[str, str] | None = None
    ) -> tuple[Obj, ...]:
        """In the order of (namespace, name); labels: a selector as in `kubectl -l`, or a matchLabels map."""
        wanted = selectors.matcher(labels)
        found = sorted(self._objects[plural].items()) if namespace is None else self._in_namespace(plural, namespace)
        return tuple(obj for _, obj in found if wanted(obj["metadata"].get("labels") or {}))

    def _in_namespace(self, plural: str, namespace: str) -> Sequence[tuple[tuple[str, str], Obj]]:
        return sorted(item for item in self._objects[plural].items() if item[0][0] == namespace)

    # writing

    def create(self, plural: str, obj: Obj, *, dry_run: bool = False) -> Obj:
        """The object as stored, with defaults. Raises StatusError: 400, 403 (quota), 404 (namespace), 409, 422."""
        kind = KINDS[plural]
        new: Obj = copied(obj)
        self._stamp_new(kind, new)
        _prepare(kind, new, None, "")
        key = _key(new)
        if key in self._objects[plural]:
            raise already_exists(plural, key[1], kind.group)
        for admit in self.admissions:
            admit(kind, new, None)
        if not dry_run:
            self._commit(kind, "ADDED", new, None)
        return new

    def update(self, plural: str, obj: Obj, *, subresource: str = "", dry_run: bool = False) -> Obj:
        """Replace, and return the object as stored. Raises StatusError: 404, 409 (stale), 422.

        subresource: "status" changes the status alone, "" all but the status, "resize" a pod's resources; "trusted" is
        for the lab's own parts: spec and status, unchecked. A status and what is trusted become the store's own.
        """
        kind = KINDS[plural]
        current = self.get(plural, *_key(obj))
        self._check_current(kind, obj, current)
        new = _merged(kind, obj, current, subresource)
        if subresource not in {"status", "trusted"}:
            _prepare(kind, new, current, subresource)
            for admit in self.admissions:
                admit(kind, new, current)
        if new == current or dry_run:
            return new if dry_run else current
        if kind.generation and new.get("spec") != current.get("spec"):
            new["metadata"]["generation"] = current["metadata"].get("generation", 0) + 1
        if new["metadata"].get("deletionTimestamp") and not _is_held(kind, new):
            self._remove(kind, new)
            return new
        self._commit(kind, "MODIFIED", new, current)
        return new

    def update_status(self, plural: str, obj: Obj) -> Obj:
        """Replace the status alone. Raises StatusError 404, 409."""
        return self.update(plural, obj, subresource="status")

    def set_status(self, plural: str, obj: Obj, **fields: Any) -> Obj:
        """Lay fields over the status of the object as it is now: the lab's own parts write so, and never conflict.

        A field of None is taken away. Nothing happens when the object is gone or another of the same name.
        """
        current = self.find(plural, *_key(obj))
        if current is None or current["metadata"]["uid"] != obj["metadata"]["uid"]:
            return obj
        status = {**(current.get("status") or {}), **fields}
        kept = {field: value for field, value in status.items() if value is not None}
        return self.update(plural, {**current, "status": kept}, subresource="status")

    def patch(
        self, plural: str, namespace: str, name: str, change: Any, *, subresource: str = "", form: str = "merge"
    ) -> Obj:
        """Patch with form "json", "merge" or "strategic". Raises StatusError 400, 404, 409, 415, 422."""
        current = self.get(plural, namespace, name)
        return self.update(plural, patched(current, change, form), subresource=subresource)

    def delete(
        self,
        plural: str,
        namespace: str,
        name: str,
        *,
        grace_s: int | None = None,
        propagation: str = "Background",
        dry_run: bool = False,
    ) -> Obj:
        """Delete, or mark as being deleted where a finalizer, a grace period or a propagation holds the object.

        Returns the object as it was last. Raises StatusError 403 (the first namespaces), 404.
        """
        kind = KINDS[plural]
        current = self.get(plural, namespace, name)
        if plural == "namespaces" and name in KEPT_NAMESPACES:
            raise forbidden(plural, name, "this namespace may not be deleted")
        if dry_run:
            return current
        new: Obj = copied(current)
        metadata = new["metadata"]
        if plural == "pods":
            default = new["spec"].get("terminationGracePeriodSeconds", 30)
            grace_s = default if grace_s is None else max(grace_s, 0)
            running = bool(new["spec"].get("nodeName")) and new.get("status", {}).get("phase") in {"Pending", "Running"}
            grace_s = grace_s if running else 0
            grace_s = min(grace_s, metadata.get("deletionGracePeriodSeconds", grace_s))
            metadata["deletionGracePeriodSeconds"] = grace_s
        finalizer = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}.get(propagation)
        if finalizer and finalizer not in metadata.get("finalizers", []):
            metadata["finalizers"] = [*metadata.get("finalizers", []), finalizer]
        if not _is_held(kind, new):
            return self._remove(kind, new)
        if not metadata.get("deletionTimestamp"):
            metadata["deletionTimestamp"] = stamp(self.now() + timedelta(seconds=grace_s or 0))
            if kind.generation:
                metadata["generation"] = metadata.get("generation", 0) + 1
        if plural == "namespaces":
            new["status"] = {**new.get("status", {}), "phase": "Terminating"}
        if new != current:
            self._commit(kind, "MODIFIED", new, current)
        return new

    def remove(self, plural: str, namespace: str, name: str) -> None:
        """Take an object away at once, whatever holds it; nothing happens when it is gone."""
        current = self.find(plural, namespace, name)
        if current is not None:
            self._remove(KINDS[plural], copied(current))

    # watching

    def subscribe(self, plural: str, callback: Subscriber, *, replay: bool = False) -> Callable[[], None]:
        """Call back with (ADDED | MODIFIED | DELETED, object) after every change, in order; returns the way out.

        replay: begin with an ADDED for each object that is there. A callback may write; its own changes follow after.
        """
        if replay:
            for obj in self.list(plural):
                callback("ADDED", obj)
        self._subscribers[plural].append(callback)
        return lambda: self._subscribers[plural].remove(callback)

    def on_change(self, callback: Callable[[str, Change], None]) -> Callable[[], None]:
        """Call back with (plural, change) for every kind; returns the way out."""
        self._changes.append(callback)
        return lambda: self._changes.remove(callback)

    def changes_since(self, plural: str, version: int) -> tuple[Change, ...]:
        """Raises StatusError 410 when the history no longer reaches back so far."""
        history = self._history[plural]
        forgotten = len(history) == history.maxlen and history[0].version > version + 1
        if forgotten or version < self._born or version > self.version:
            oldest = history[0].version if history else self.version
            raise StatusError(410, f"too old resource version: {version} ({oldest})")
        return tuple(change for change in history if change.version > version)

    # inside

    def _stamp_new(self, kind: Kind, new: Obj) -> None:
        new.setdefault("apiVersion", kind.api_version)
        new.setdefault("kind", kind.kind)
        metadata = new.setdefault("metadata", {})
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"][:58] + suffix()
        metadata.setdefault("name", "")
        if kind.namespaced:
            metadata.setdefault("namespace", "default")
            self._check_namespace(kind, metadata)
        else:
            metadata.pop("namespace", None)
        for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "selfLink"):
            metadata.pop(field, None)
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = self.stamp()
        metadata.pop("generation", None)
        if kind.generation:
            metadata["generation"] = 1
        if kind.has_status and kind.plural != "nodes":
            new.pop("status", None)

    def _check_namespace(self, kind: Kind, metadata: Obj) -> None:
        namespace = self.get("namespaces", "", metadata["namespace"])
        if namespace["metadata"].get("deletionTimestamp"):
            name = metadata["namespace"]
            why = f"unable to create new content in namespace {name} because it is being terminated"
            raise forbidden(kind.plural, metadata["name"], why, kind.group)

    @staticmethod
    def _check_current(kind: Kind, obj: Obj, current: Obj) -> None:
        told, now = obj["metadata"], current["metadata"]
        if told.get("resourceVersion") not in {None, "", now["resourceVersion"]}:
            why = "the object has been modified; please apply your changes to the latest version and try again"
            raise conflict(kind.plural, now["name"], kind.group, why)
        if told.get("uid") not in {None, "", now["uid"]}:
            why = f"Precondition failed: UID in precondition: {told['uid']}, UID in object meta: {now['uid']}"
            raise conflict(kind.plural, now["name"], kind.group, why)

    def _commit(self, kind: Kind, event: str, obj: Obj, previous: Obj | None) -> None:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        if event == "DELETED":
            self._objects[kind.plural].pop(_key(obj), None)
        else:
            self._objects[kind.plural][_key(obj)] = obj
        change = Change(self.version, event, obj, previous)
        self._history[kind.plural].append(change)
        self._pending.append((kind.plural, change))
        self._drain()

    def _remove(self, kind: Kind, obj: Obj) -> Obj:
        self._commit(kind, "DELETED", obj, self._objects[kind.plural].get(_key(obj)))
        return obj

    def _drain(self) -> None:
        if self._draining:
            return
        self._draining = True
        try:
            while self._pending:
                plural, change = self._pending.popleft()
                for notify in tuple(self._changes):
                    _guarded(notify, plural, change)
                for subscriber in tuple(self._subscribers[plural]):
                    _guarded(subscriber, change.event, change.obj)
        finally:
            self._draining = False


def _key(obj: Obj) -> tuple[str, str]:
    metadata = obj.get("metadata") or {}
    if not metadata.get("name"):
        raise bad_request("metadata.name is required")
    return metadata.get("namespace") or "", metadata["name"]


def _is_held(kind: Kind, obj: Obj) -> bool:
    metadata = obj["metadata"]
    waits = kind.plural == "pods" and metadata.get("deletionGracePeriodSeconds", 0) > 0
    return bool(metadata.get("finalizers")) or waits or kind.plural == "namespaces"


def _merged(kind: Kind, obj: Obj, current: Obj, subresource: str) -> Obj:
    """The next object: what the caller may change is the caller's, the rest stays."""
    if subresource == "status":
        return {**current, "status": obj.get("status") or {}, "metadata": dict(current["metadata"])}
    if subresource == "trusted":
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": current["metadata"]["resourceVersion"]}}
    new: Obj = copied(obj)
    new["apiVersion"], new["kind"] = current["apiVersion"], current["kind"]
    for field in KEPT_METADATA:
        new["metadata"].pop(field, None)
        if field in current["metadata"]:
            new["metadata"][field] = current["metadata"][field]
    new["metadata"]["resourceVersion"] = current["metadata"]["resourceVersion"]
    if kind.has_status:
        new.pop("status", None)
        if "status" in current:
            new["status"] = copied(current["status"])
    return new


def _prepare(kind: Kind, new: Obj, old: Obj | None, subresource: str) -> None:
    """Defaults, then rules; a field of the wrong shape is a 400, as from a typed decoder."""
    try:
        kind.default(new, old)
        kind.check(new, old, subresource)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, StatusError):
            raise
        told = f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {error}'
        raise bad_request(told) from None


def _guarded(callback: Callable[..., None], *arguments: Any) -> None:
    """A subscriber's fault is its own: the write stands, the others hear of it."""
    try:
        callback(*arguments)
    except Exception:
        logger.exception("a subscriber failed on %s", arguments[0])
