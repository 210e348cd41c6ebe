"""Event objects, as `kubectl get events` shows them: repeated ones are counted, old ones forgotten."""

from collections import OrderedDict

from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.objects import suffix
from chaosprsa.lab.status import StatusError
from chaosprsa.lab.store import Store

KEPT = 500  # events in all; Kubernetes keeps an hour's


class EventRecorder:
    """Writes events about objects on behalf of one component of the lab."""

    def __init__(self, store: Store, component: str) -> None:
        self._store = store
        self._component = component
        self._names: OrderedDict[tuple[str, ...], tuple[str, str]] = OrderedDict()

    def record(self, about: Obj, reason: str, message: str, kind: str = "Normal") -> None:
        """Say that something happened to an object; nothing happens where its namespace is going away."""
        metadata = about["metadata"]
        namespace = metadata.get("namespace") or "default"
        key = (metadata.get("uid", ""), reason, message)
        now = self._store.stamp()
        known = self._names.get(key)
        event = self._store.find("events", *known) if known else None
        try:
            if event is not None:
                self._store.update("events", {**event, "count": event["count"] + 1, "lastTimestamp": now})
                return
            event = self._store.create("events", self._event(about, namespace, reason, message, kind, now))
        except StatusError:
            return
        self._names[key] = (namespace, event["metadata"]["name"])
        if len(self._names) > KEPT:
            _, oldest = self._names.popitem(last=False)
            self._store.remove("events", *oldest)

    def _event(self, about: Obj, namespace: str, reason: str, message: str, kind: str, now: str) -> Obj:
        metadata = about["metadata"]
        return {
            "metadata": {"name": f"{metadata['name']}.{suffix()}{suffix()}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": about.get("apiVersion"),
                "kind": about.get("kind"),
                "name": metadata["name"],
                **({"namespace": metadata["namespace"]} if metadata.get("namespace") else {}),
                "uid": metadata.get("uid"),
                "resourceVersion": metadata.get("resourceVersion"),
            },
            "reason": reason,
            "message": message,
            "type": kind,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "eventTime": None,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "",
        }
