"""Deployments: rollouts through ReplicaSets, with maxSurge and maxUnavailable, revisions and conditions."""

from datetime import datetime, timedelta

from chaosprsa.lab.controllers import rolling
from chaosprsa.lab.controllers.deployment_status import status_of
from chaosprsa.lab.controllers.replicasets import claimed, key_of, owner_reference
from chaosprsa.lab.controllers.rolling import DESIRED, HASH_LABEL, LARGEST, REVISION, replicas_of, revision_of
from chaosprsa.lab.events import EventRecorder
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.objects import controller_of, copied
from chaosprsa.lab.store import Store
from chaosprsa.lab.work import Key, WorkQueue


class Deployments:
    """The controller; its keys are Deployments."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events = EventRecorder(store, "deployment-controller")
        self.queue = WorkQueue(self._sync, store.turn)
        store.subscribe("deployments", lambda _event, each: self.queue.add(key_of(each)), replay=True)
        store.subscribe("replicasets", self._replicaset_changed, replay=True)
        store.subscribe("pods", self._pod_changed)

    def _replicaset_changed(self, _event: str, replicaset: Obj) -> None:
        owner = controller_of(replicaset)
        if owner is not None and owner["kind"] == "Deployment":
            self.queue.add_soon((replicaset["metadata"]["namespace"], owner["name"]))
        elif owner is None:
            for each in self._store.list("deployments", replicaset["metadata"]["namespace"]):
                self.queue.add(key_of(each))

    def _pod_changed(self, event: str, pod: Obj) -> None:
        """A Recreate waits until the last old pod is gone."""
        owner = controller_of(pod)
        if event != "DELETED" or owner is None or owner["kind"] != "ReplicaSet":
            return
        replicaset = self._store.find("replicasets", pod["metadata"]["namespace"], owner["name"])
        if replicaset is not None:
            self._replicaset_changed(event, replicaset)

    def _sync(self, key: Key) -> float | None:
        deployment = self._store.find("deployments", *key)
        if deployment is None or deployment["metadata"].get("deletionTimestamp"):
            return None
        everyone = claimed(self._store, "replicasets", deployment)
        new = self._newest(deployment, everyone)
        several = new is None or len(_active(everyone)) > 1
        if deployment["spec"].get("paused") or (several and self._was_scaled(deployment, everyone)):
            self._scale_proportionally(deployment, everyone)
        elif deployment["spec"]["strategy"]["type"] == "Recreate":
            new = self._recreate(deployment, everyone, new)
        else:
            new = self._roll(deployment, everyone, new)
        self._forget_old(deployment, new)
        return self._tell(key, new)

    @staticmethod
    def _newest(deployment: Obj, everyone: list[Obj]) -> Obj | None:
        """The ReplicaSet of the template as it is now, if there is one."""
        wanted = rolling.bare(deployment["spec"]["template"])
        same = (each for each in everyone if rolling.bare(each["spec"]["template"]) == wanted)
        return min(same, key=lambda each: each["metadata"]["creationTimestamp"], default=None)

    def _roll(self, deployment: Obj, everyone: list[Obj], new: Obj | None) -> Obj:
        old = [each for each in everyone if new is None or each["metadata"]["uid"] != new["metadata"]["uid"]]
        new = self._current(deployment, old, new)
        new = self._scaled(deployment, new, rolling.new_size(deployment, new, [*old, new]))
        for each in old:
            size = rolling.old_sizes(deployment, new, old)[each["metadata"]["name"]]
            self._scaled(deployment, each, size)
        return new

    def _recreate(self, deployment: Obj, everyone: list[Obj], new: Obj | None) -> Obj | None:
        old = [each for each in everyone if new is None or each["metadata"]["uid"] != new["metadata"]["uid"]]
        for each in old:
            self._scaled(deployment, each, 0)
        uids = {each["metadata"]["uid"] for each in old}
        pods = self._store.list("pods", deployment["metadata"]["namespace"])
        if any((controller_of(pod) or {}).get("uid") in uids for pod in pods):
            return new
        new = self._current(deployment, old, new)
        return self._scaled(deployment, new, int(deployment["spec"]["replicas"]))

    def _current(self, deployment: Obj, old: list[Obj], new: Obj | None) -> Obj:
        """The new ReplicaSet, made or brought back, with the newest revision; the Deployment tells it too."""
        revision = str(max(map(revision_of, old), default=0) + 1)
        if new is None:
            new = self._store.create("replicasets", self._replicaset(deployment, old, revision))
        elif revision_of(new) < int(revision):
            new = self._annotated(new, {REVISION: revision}, "replicasets")
        current = self._store.find("deployments", *key_of(deployment))
        if current is not None:
            annotation = (new["metadata"].get("annotations") or {})[REVISION]
            self._annotated(current, {REVISION: annotation}, "deployments")
        return new

    def _replicaset(self, deployment: Obj, old: list[Obj], revision: str) -> Obj:
        spec = deployment["spec"]
        template: Obj = copied(spec["template"])
        digest = rolling.template_hash(template)
        labels = {**(template["metadata"].get("labels") or {}), HASH_LABEL: digest}
        template["metadata"]["labels"] = labels
        selector: Obj = copied(spec["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH_LABEL: digest}
        empty: Obj = {"spec": {"replicas": 0}}
        size = rolling.new_size(deployment, empty, [*old, empty])
        kept = copied(deployment["metadata"].get("annotations") or {})
        kept.pop("kubectl.kubernetes.io/last-applied-configuration", None)
        name = f"{deployment['metadata']['name']}-{digest}"
        self._events.record(deployment, "ScalingReplicaSet", f"Scaled up replica set {name} from 0 to {size}")
        return {
            "metadata": {
                "name": name,
                "namespace": deployment["metadata"]["namespace"],
                "labels": labels,
                "annotations": kept | self._sizes(deployment) | {REVISION: revision},
                "ownerReferences": [owner_reference(deployment)],
            },
            "spec": {
                "replicas": size,
                "selector": selector,
                "template": template,
                **({"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {}),
            },
        }

    @staticmethod
    def _sizes(deployment: Obj) -> dict[str, str]:
        wanted = int(deployment["spec"]["replicas"])
        return {DESIRED: str(wanted), LARGEST: str(wanted + rolling.bounds(deployment)[0])}

    def _scaled(self, deployment: Obj, replicaset: Obj, size: int) -> Obj:
        before = replicas_of(replicaset)
        metadata = replicaset["metadata"]
        annotations = {**(metadata.get("annotations") or {}), **self._sizes(deployment)}
        spec = {**replicaset["spec"], "replicas": size}
        wait = deployment["spec"].get("minReadySeconds")
        if wait or "minReadySeconds" in spec:
            spec["minReadySeconds"] = wait or 0
        if before != size:
            told = f"Scaled {'up' if size > before else 'down'} replica set {metadata['name']} from {before} to {size}"
            self._events.record(deployment, "ScalingReplicaSet", told)
        wanted = {**replicaset, "metadata": {**metadata, "annotations": annotations}, "spec": spec}
        return self._store.update("replicasets", wanted, subresource="trusted")

    def _annotated(self, obj: Obj, annotations: dict[str, str], plural: str) -> Obj:
        merged = {**(obj["metadata"].get("annotations") or {}), **annotations}
        wanted = {**obj, "metadata": {**obj["metadata"], "annotations": merged}}
        return self._store.update(plural, wanted, subresource="trusted")

    @staticmethod
    def _was_scaled(deployment: Obj, everyone: list[Obj]) -> bool:
        wanted = str(deployment["spec"]["replicas"])
        told = [(each["metadata"].get("annotations") or {}).get(DESIRED) for each in _active(everyone)]
        return any(each is not None and each != wanted for each in told)

    def _scale_proportionally(self, deployment: Obj, everyone: list[Obj]) -> None:
        active = _active(everyone) or sorted(everyone, key=revision_of)[-1:]
        if len(active) == 1:
            self._scaled(deployment, active[0], int(deployment["spec"]["replicas"]))
            return
        sizes = rolling.proportional_sizes(deployment, active)
        for each in active:
            self._scaled(deployment, each, sizes[each["metadata"]["name"]])

    def _forget_old(self, deployment: Obj, new: Obj | None) -> None:
        """Keep as many empty old ReplicaSets as revisionHistoryLimit says: the material of a rollback."""
        kept_uid = new["metadata"]["uid"] if new else None
        empty = [
            each
            for each in claimed(self._store, "replicasets", deployment)
            if each["metadata"]["uid"] != kept_uid
            and replicas_of(each) == 0
            and not (each.get("status") or {}).get("replicas")
        ]
        spare = len(empty) - int(deployment["spec"].get("revisionHistoryLimit", 10))
        for each in sorted(empty, key=revision_of)[: max(0, spare)]:
            self._store.delete("replicasets", *key_of(each))

    def _tell(self, key: Key, new: Obj | None) -> float | None:
        """Write the status; returns seconds until the rollout would be late."""
        deployment = self._store.find("deployments", *key)
        if deployment is None:
            return None
        everyone = claimed(self._store, "replicasets", deployment)
        if new is not None:
            new = self._store.find("replicasets", *key_of(new))
        now = self._store.now()
        status = status_of(deployment, everyone, new, now)
        self._store.set_status("deployments", deployment, **status)
        progress = next((each for each in status["conditions"] if each["type"] == "Progressing"), None)
        if progress is None or progress["status"] != "True" or progress["reason"] == "NewReplicaSetAvailable":
            return None
        limit_s = deployment["spec"].get("progressDeadlineSeconds", 600)
        due = datetime.fromisoformat(progress["lastUpdateTime"]) + timedelta(seconds=limit_s)
        return max(0.2, (due - now).total_seconds() + 0.1)


def _active(replicasets: list[Obj]) -> list[Obj]:
    return [each for each in replicasets if replicas_of(each) > 0]
