"""StatefulSets: numbered pods, one after another or all at once, updated from the highest number down."""

from chaosprsa.lab import podstatus
from chaosprsa.lab.controllers.replicasets import available_in_s, claimed, key_of, owned, owner_reference, pod_from
from chaosprsa.lab.controllers.rolling import template_hash
from chaosprsa.lab.events import EventRecorder
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.objects import controller_of, copied
from chaosprsa.lab.status import StatusError
from chaosprsa.lab.store import Store
from chaosprsa.lab.work import Key, WorkQueue

REVISION_LABEL = "controller-revision-hash"
RETRY_S = 2.0


class StatefulSets:
    """The controller; its keys are StatefulSets."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events = EventRecorder(store, "statefulset-controller")
        self.queue = WorkQueue(self._sync, store.turn)
        store.subscribe("statefulsets", lambda _event, each: self.queue.add(key_of(each)), replay=True)
        store.subscribe("pods", self._pod_changed)

    def _pod_changed(self, _event: str, pod: Obj) -> None:
        owner = controller_of(pod)
        if owner is not None and owner["kind"] == "StatefulSet":
            self.queue.add_soon((pod["metadata"]["namespace"], owner["name"]))

    def _sync(self, key: Key) -> float | None:
        found = self._store.find("statefulsets", *key)
        if found is None:
            return None
        again_s = None
        revision = self._revision(found)
        if not found["metadata"].get("deletionTimestamp"):
            try:
                self._move(found, self._pods(found), revision)
            except StatusError as error:
                self._events.record(found, "FailedCreate", f"create Pod failed error: {error}", "Warning")
                again_s = RETRY_S
        soon_s = self._tell(found, revision)
        return min((each for each in (again_s, soon_s) if each is not None), default=None)

    def _pods(self, owner: Obj) -> dict[int, Obj]:
        """By ordinal."""
        pods = claimed(self._store, "pods", owner)
        return {ordinal: pod for pod in pods if (ordinal := ordinal_of(pod)) is not None}

    def _revision(self, owner: Obj) -> str:
        """The name of the revision of the template as it is now, recorded as a ControllerRevision."""
        digest = template_hash(owner["spec"]["template"])
        name = f"{owner['metadata']['name']}-{digest}"
        namespace = owner["metadata"]["namespace"]
        known = owned(self._store, "controllerrevisions", owner)
        newest = max((each["revision"] for each in known), default=0)
        found = self._store.find("controllerrevisions", namespace, name)
        if found is None and not owner["metadata"].get("deletionTimestamp"):
            labels = owner["spec"]["template"]["metadata"].get("labels") or {}
            self._store.create(
                "controllerrevisions",
                {
                    "metadata": {
                        "name": name,
                        "namespace": namespace,
                        "labels": {**labels, "controller.kubernetes.io/hash": digest},
                        "ownerReferences": [owner_reference(owner)],
                    },
                    "data": {"spec": {"template": {**copied(owner["spec"]["template"]), "$patch": "replace"}}},
                    "revision": newest + 1,
                },
            )
        elif found is not None and found["revision"] < newest:
            self._store.update("controllerrevisions", {**found, "revision": newest + 1})
        return name

    def _move(self, owner: Obj, pods: dict[int, Obj], revision: str) -> None:
        """One step: make what is missing, end what is too much, then update; in order where order is asked for."""
        spec = owner["spec"]
        replicas, in_order = int(spec["replicas"]), spec["podManagementPolicy"] == "OrderedReady"
        for ordinal in range(replicas):
            pod = pods.get(ordinal)
            if pod is not None and (pod.get("status") or {}).get("phase") in podstatus.TERMINAL:
                self._delete(owner, pod)
            elif pod is None:
                self._create(owner, ordinal, revision)
            if in_order and (pod is None or not _is_healthy(pod)):
                return
        surplus = sorted((ordinal for ordinal in pods if ordinal >= replicas), reverse=True)
        for ordinal in surplus:
            if not pods[ordinal]["metadata"].get("deletionTimestamp"):
                self._delete(owner, pods[ordinal])
            if in_order:
                return
        if spec["updateStrategy"]["type"] == "RollingUpdate":
            self._update(owner, pods, revision)

    def _update(self, owner: Obj, pods: dict[int, Obj], revision: str) -> None:
        """End the highest pod of an older revision, once those above it are healthy."""
        partition = (owner["spec"]["updateStrategy"].get("rollingUpdate") or {}).get("partition", 0)
        for ordinal in range(int(owner["spec"]["replicas"]) - 1, partition - 1, -1):
            pod = pods.get(ordinal)
            if pod is None:
                return
            if revision_label(pod) != revision and not pod["metadata"].get("deletionTimestamp"):
                self._delete(owner, pod)
                return
            if not _is_healthy(pod):
                return

    def _create(self, owner: Obj, ordinal: int, revision: str) -> None:
        spec, metadata = owner["spec"], owner["metadata"]
        partition = (spec["updateStrategy"].get("rollingUpdate") or {}).get("partition", 0)
        current = (owner.get("status") or {}).get("currentRevision") or revision
        chosen = current if ordinal < partition else revision
        stored = self._store.find("controllerrevisions", metadata["namespace"], chosen)
        pod = pod_from(owner, stored["data"]["spec"]["template"] if stored else spec["template"])
        name = f"{metadata['name']}-{ordinal}"
        pod["metadata"] |= {
            "name": name,
            "labels": {
                **pod["metadata"].get("labels", {}),
                "apps.kubernetes.io/pod-index": str(ordinal),
                REVISION_LABEL: chosen if stored else revision,
                "statefulset.kubernetes.io/pod-name": name,
            },
        }
        pod["spec"] |= {"hostname": name, "subdomain": spec.get("serviceName") or ""}
        self._store.create("pods", pod)
        told = f"create Pod {name} in StatefulSet {metadata['name']} successful"
        self._events.record(owner, "SuccessfulCreate", told)

    def _delete(self, owner: Obj, pod: Obj) -> None:
        self._store.delete("pods", *key_of(pod))
        told = f"delete Pod {pod['metadata']['name']} in StatefulSet {owner['metadata']['name']} successful"
        self._events.record(owner, "SuccessfulDelete", told)

    def _tell(self, owner: Obj, revision: str) -> float | None:
        pods = [pod for pod in owned(self._store, "pods", owner) if ordinal_of(pod) is not None]
        ready = [pod for pod in pods if podstatus.is_ready(pod) and podstatus.is_active(pod)]
        now, wait_s = self._store.now(), owner["spec"].get("minReadySeconds") or 0
        delays = [available_in_s(pod, wait_s, now) for pod in ready]
        current = (owner.get("status") or {}).get("currentRevision") or revision
        updated = sum(revision_label(pod) == revision for pod in pods)
        if updated == len(ready) == len(pods) == owner["spec"]["replicas"]:
            current = revision
        self._store.set_status(
            "statefulsets",
            owner,
            replicas=len(pods),
            readyReplicas=len(ready) or None,
            availableReplicas=sum(delay <= 0 for delay in delays),
            currentReplicas=sum(revision_label(pod) == current for pod in pods) or None,
            updatedReplicas=updated or None,
            currentRevision=current,
            updateRevision=revision,
            observedGeneration=owner["metadata"]["generation"],
            collisionCount=0,
        )
        return min((delay for delay in delays if delay > 0), default=None)


def ordinal_of(pod: Obj) -> int | None:
    """The number at the end of the pod's name."""
    number = pod["metadata"]["name"].rpartition("-")[2]
    return int(number) if number.isdecimal() else None


def revision_label(pod: Obj) -> str:
    """The revision a pod was made from."""
    return str((pod["metadata"].get("labels") or {}).get(REVISION_LABEL, ""))


def _is_healthy(pod: Obj) -> bool:
    return podstatus.is_ready(pod) and podstatus.is_active(pod)
