"""Namespaces: what each is born with, and that nothing stays in one that goes."""

from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.resources import KINDS
from chaosprsa.lab.status import StatusError
from chaosprsa.lab.store import Change, Store
from chaosprsa.lab.work import Key, WorkQueue

BORN_WITH = {
    "configmaps": {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": ""}},
    "serviceaccounts": {"metadata": {"name": "default"}},
}


class Namespaces:
    """The controller; its keys are ("", namespace)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.queue = WorkQueue(self._sync, store.turn)
        store.subscribe("namespaces", self._changed, replay=True)
        store.on_change(self._inside)

    def _changed(self, event: str, namespace: Obj) -> None:
        if event == "ADDED":
            self._furnish(namespace["metadata"]["name"])
        self.queue.add(("", namespace["metadata"]["name"]))

    def _inside(self, _plural: str, change: Change) -> None:
        name = change.obj["metadata"].get("namespace")
        namespace = self._store.find("namespaces", "", name) if name else None
        if change.event == "DELETED" and namespace and namespace["metadata"].get("deletionTimestamp"):
            self.queue.add(("", namespace["metadata"]["name"]))

    def _furnish(self, name: str) -> None:
        for plural, born in BORN_WITH.items():
            try:
                self._store.create(plural, {**born, "metadata": {**born["metadata"], "namespace": name}})
            except StatusError:
                continue  # it is there, or the namespace is going already

    def _sync(self, key: Key) -> None:
        name = key[1]
        namespace = self._store.find("namespaces", "", name)
        if namespace is None or not namespace["metadata"].get("deletionTimestamp"):
            return
        contents = [
            (plural, obj) for plural, kind in KINDS.items() if kind.namespaced for obj in self._store.list(plural, name)
        ]
        if not contents:
            self._store.remove("namespaces", "", name)
        for plural, obj in contents:
            if not obj["metadata"].get("deletionTimestamp"):
                self._store.delete(plural, name, obj["metadata"]["name"])
