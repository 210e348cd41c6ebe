"""Owner references: what is left when an owner goes. Background, foreground and orphaning, as upstream."""

from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.resources import KINDS
from chaosprsa.lab.store import Change, Store
from chaosprsa.lab.work import Key, WorkQueue

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"


class GarbageCollector:
    """Follows owner references; its keys are ("", an owner's uid)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.queue = WorkQueue(self._sync, store.turn)
        self._living: dict[str, tuple[str, Key]] = {}  # uid: plural, key
        self._dependents: dict[str, set[str]] = {}  # owner's uid: its dependents'
        store.on_change(self._changed)
        for plural in KINDS:
            for obj in store.list(plural):
                self._learn(plural, obj)

    def _learn(self, plural: str, obj: Obj) -> None:
        metadata = obj["metadata"]
        self._living[metadata["uid"]] = (plural, (metadata.get("namespace") or "", metadata["name"]))
        for reference in metadata.get("ownerReferences") or ():
            self._dependents.setdefault(reference["uid"], set()).add(metadata["uid"])
            if reference["uid"] not in self._living:
                self.queue.add(("", reference["uid"]))

    def _changed(self, plural: str, change: Change) -> None:
        if plural == "events":
            return
        metadata = change.obj["metadata"]
        if change.event == "DELETED":
            self._living.pop(metadata["uid"], None)
            for reference in metadata.get("ownerReferences") or ():
                self._dependents.get(reference["uid"], set()).discard(metadata["uid"])
                self.queue.add(("", reference["uid"]))
            if metadata["uid"] in self._dependents:
                self.queue.add(("", metadata["uid"]))
            return
        self._learn(plural, change.obj)
        if metadata.get("deletionTimestamp") and {FOREGROUND, ORPHAN} & set(metadata.get("finalizers") or ()):
            self.queue.add(("", metadata["uid"]))

    def _sync(self, key: Key) -> None:
        uid = key[1]
        owner = self._found(uid)
        if owner is None:
            for plural, dependent in self._of(uid):
                self._collect(plural, dependent, uid)
            if not self._dependents.get(uid):
                self._dependents.pop(uid, None)
            return
        plural, obj = owner
        finalizers = obj["metadata"].get("finalizers") or ()
        if not obj["metadata"].get("deletionTimestamp"):
            return
        if ORPHAN in finalizers:
            for each, dependent in self._of(uid):
                self._disown(each, dependent, uid)
            self._finish(plural, obj, ORPHAN)
        elif FOREGROUND in finalizers:
            self._delete_first(self._of(uid))
            if not self._of(uid):
                self._finish(plural, obj, FOREGROUND)

    def _delete_first(self, dependents: list[tuple[str, Obj]]) -> None:
        """Foreground: what depends goes before what it depends on."""
        for plural, dependent in dependents:
            metadata = dependent["metadata"]
            if not metadata.get("deletionTimestamp"):
                namespace = metadata.get("namespace") or ""
                self._store.delete(plural, namespace, metadata["name"], propagation="Foreground")

    def _found(self, uid: str) -> tuple[str, Obj] | None:
        plural, key = self._living.get(uid, ("", ("", "")))
        obj = self._store.find(plural, *key) if plural else None
        return (plural, obj) if obj is not None and obj["metadata"]["uid"] == uid else None

    def _of(self, uid: str) -> list[tuple[str, Obj]]:
        """The owner's dependents that are still there and still say so."""
        found = [self._found(each) for each in sorted(self._dependents.get(uid, ()))]
        return [
            each
            for each in found
            if each and any(one["uid"] == uid for one in each[1]["metadata"].get("ownerReferences") or ())
        ]

    def _collect(self, plural: str, dependent: Obj, gone: str) -> None:
        """An owner is gone: without another owner the dependent goes too."""
        metadata = dependent["metadata"]
        others = [each for each in metadata["ownerReferences"] if each["uid"] != gone]
        if any(each["uid"] in self._living for each in others):
            self._disown(plural, dependent, gone)
        elif not metadata.get("deletionTimestamp"):
            self._store.delete(plural, metadata.get("namespace") or "", metadata["name"])

    def _disown(self, plural: str, dependent: Obj, owner: str) -> None:
        metadata = {key: item for key, item in dependent["metadata"].items() if key != "ownerReferences"}
        kept = [each for each in dependent["metadata"]["ownerReferences"] if each["uid"] != owner]
        metadata |= {"ownerReferences": kept} if kept else {}
        self._store.update(plural, {**dependent, "metadata": metadata}, subresource="trusted")
        self._dependents.get(owner, set()).discard(metadata["uid"])

    def _finish(self, plural: str, obj: Obj, finalizer: str) -> None:
        kept = [each for each in obj["metadata"]["finalizers"] if each != finalizer]
        self._store.update(plural, {**obj, "metadata": {**obj["metadata"], "finalizers": kept}}, subresource="trusted")
