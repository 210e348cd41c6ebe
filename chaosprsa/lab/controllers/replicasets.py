"""ReplicaSets: as many pods as asked for, from the template, and no more."""

from datetime import datetime, timedelta

from chaosprsa.lab import conditions, podstatus
from chaosprsa.lab.events import EventRecorder
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.objects import controller_of, copied
from chaosprsa.lab.selectors import label_selector
from chaosprsa.lab.status import StatusError
from chaosprsa.lab.store import Store
from chaosprsa.lab.work import Key, WorkQueue

BATCH = 4  # pods made or ended in one turn of the loop
RETRY_S = 2.0  # after a refusal, such as a quota's
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


class ReplicaSets:
    """The controller; its keys are ReplicaSets."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events = EventRecorder(store, "replicaset-controller")
        self.queue = WorkQueue(self._sync, store.turn)
        store.subscribe("replicasets", lambda _event, each: self.queue.add(key_of(each)), replay=True)
        store.subscribe("pods", self._pod_changed, replay=True)

    def _pod_changed(self, _event: str, pod: Obj) -> None:
        owner = controller_of(pod)
        namespace = pod["metadata"]["namespace"]
        if owner is not None and owner["kind"] == "ReplicaSet":
            self.queue.add_soon((namespace, owner["name"]))
        elif owner is None:
            for each in self._store.list("replicasets", namespace):
                if label_selector(each["spec"]["selector"])(pod["metadata"].get("labels") or {}):
                    self.queue.add_soon(key_of(each))

    def _sync(self, key: Key) -> float | None:
        replicaset = self._store.find("replicasets", *key)
        if replicaset is None:
            return None
        pods = [pod for pod in claimed(self._store, "pods", replicaset) if podstatus.is_active(pod)]
        again_s, failure = None, None
        if not replicaset["metadata"].get("deletionTimestamp"):
            again_s, failure = self._scale(replicaset, pods)
        pods = [pod for pod in owned(self._store, "pods", replicaset) if podstatus.is_active(pod)]
        soon_s = self._tell(replicaset, pods, failure)
        return min((each for each in (again_s, soon_s) if each is not None), default=None)

    def _scale(self, replicaset: Obj, pods: list[Obj]) -> tuple[float | None, Obj | None]:
        """(seconds until more is to do, the ReplicaFailure condition or None)."""
        missing = replicaset["spec"]["replicas"] - len(pods)
        try:
            for _ in range(min(missing, BATCH)):
                pod = self._store.create("pods", pod_from(replicaset, replicaset["spec"]["template"]))
                self._events.record(replicaset, "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
            for pod in sorted(pods, key=_worth)[: min(-missing, BATCH)] if missing < 0 else ():
                self._store.delete("pods", pod["metadata"]["namespace"], pod["metadata"]["name"])
                self._events.record(replicaset, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        except StatusError as error:
            self._events.record(replicaset, "FailedCreate", f"Error creating: {error}", "Warning")
            failed = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": str(error)}
            return RETRY_S, failed
        return (0.0 if abs(missing) > BATCH else None), None

    def _tell(self, replicaset: Obj, pods: list[Obj], failure: Obj | None) -> float | None:
        """Write the status; returns seconds until a pod counts as available."""
        now = self._store.now()
        wait_s = replicaset["spec"].get("minReadySeconds") or 0
        delays = [available_in_s(pod, wait_s, now) for pod in pods if podstatus.is_ready(pod)]
        kept = conditions.without((replicaset.get("status") or {}).get("conditions"), "ReplicaFailure")
        laid = conditions.laid(
            (replicaset.get("status") or {}).get("conditions"), self._store.stamp(), *((failure,) if failure else ())
        )
        self._store.set_status(
            "replicasets",
            replicaset,
            replicas=len(pods),
            fullyLabeledReplicas=len(pods) or None,
            readyReplicas=len(delays) or None,
            availableReplicas=sum(delay <= 0 for delay in delays) or None,
            observedGeneration=replicaset["metadata"]["generation"],
            conditions=(laid if failure else kept) or None,
        )
        return min((delay for delay in delays if delay > 0), default=None)


def key_of(obj: Obj) -> Key:
    """Namespace and name."""
    return obj["metadata"].get("namespace") or "", obj["metadata"]["name"]


def owner_reference(owner: Obj) -> Obj:
    """The reference by which the owner controls another object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_from(owner: Obj, template: Obj) -> Obj:
    """A pod of its owner, not yet named."""
    metadata = template.get("metadata") or {}
    kept = {field: copied(metadata[field]) for field in ("labels", "annotations", "finalizers") if metadata.get(field)}
    return {
        "metadata": {
            **kept,
            "generateName": f"{owner['metadata']['name']}-",
            "namespace": owner["metadata"]["namespace"],
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": copied(template["spec"]),
    }


def owned(store: Store, plural: str, owner: Obj) -> list[Obj]:
    """The objects of the namespace that the owner controls."""
    uid = owner["metadata"]["uid"]
    objects = store.list(plural, owner["metadata"]["namespace"])
    return [each for each in objects if (controller_of(each) or {}).get("uid") == uid]


def claimed(store: Store, plural: str, owner: Obj) -> list[Obj]:
    """What the owner controls, after it adopted what nobody controls and let go what it no longer selects."""
    selected = label_selector(owner["spec"]["selector"])
    result = []
    for each in store.list(plural, owner["metadata"]["namespace"]):
        controller = controller_of(each)
        matches = selected(each["metadata"].get("labels") or {})
        if controller is not None and controller["uid"] == owner["metadata"]["uid"]:
            if matches:
                result.append(each)
            else:
                references = [one for one in each["metadata"]["ownerReferences"] if one is not controller]
                store.update(plural, _with_owners(each, references), subresource="trusted")
        elif controller is None and matches and not (_is_going(each) or _is_going(owner)):
            references = [*each["metadata"].get("ownerReferences", ()), owner_reference(owner)]
            result.append(store.update(plural, _with_owners(each, references), subresource="trusted"))
    return result


def _is_going(obj: Obj) -> bool:
    return bool(obj["metadata"].get("deletionTimestamp"))


def _with_owners(obj: Obj, references: list[Obj]) -> Obj:
    kept = {key: item for key, item in obj["metadata"].items() if key != "ownerReferences"}
    return {**obj, "metadata": kept | ({"ownerReferences": references} if references else {})}


def available_in_s(pod: Obj, wait_s: float, now: datetime) -> float:
    """Seconds until a Ready pod has been so for long enough; 0 or less: it is available."""
    if not wait_s:
        return 0.0
    since = datetime.fromisoformat((conditions.of(pod, "Ready") or {})["lastTransitionTime"])
    return (since + timedelta(seconds=wait_s) - now).total_seconds()


def _worth(pod: Obj) -> tuple[bool, bool, bool, int, float]:
    """What goes first when there are too many: unbound, pending, unready, cheap, young."""
    metadata, status = pod["metadata"], pod.get("status") or {}
    cost = (metadata.get("annotations") or {}).get(DELETION_COST, "0")
    born = datetime.fromisoformat(metadata["creationTimestamp"]).timestamp()
    bound = bool(pod["spec"].get("nodeName"))
    number = int(cost) if cost.lstrip("-").isdecimal() else 0
    return bound, status.get("phase") == "Running", podstatus.is_ready(pod), number, -born
