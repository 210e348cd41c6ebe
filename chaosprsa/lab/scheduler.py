"""Binds pods to nodes: the emptiest that has room for the requests; else the pod waits and says why."""

from chaosprsa.lab import conditions, podstatus
from chaosprsa.lab.events import EventRecorder
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.podstatus import requested
from chaosprsa.lab.quantities import value
from chaosprsa.lab.store import Store
from chaosprsa.lab.work import Key, WorkQueue

COUNTED = ("cpu", "memory")
ROUNDING = 1e-6  # sums of cores as floats


class Scheduler:
    """A controller over the pods that have no node."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events = EventRecorder(store, "default-scheduler")
        self._unbound: set[Key] = set()
        self._taken: dict[str, tuple[str, dict[str, float]]] = {}  # by a bound pod's uid: its node, its requests
        self._used: dict[str, dict[str, float]] = {}  # by node
        self.queue = WorkQueue(self._schedule, store.turn)
        store.subscribe("pods", self._pod_changed, replay=True)
        store.subscribe("nodes", lambda _event, _node: self._retry())

    def _pod_changed(self, event: str, pod: Obj) -> None:
        self._account(event, pod)
        if event == "DELETED" or not podstatus.is_active(pod):
            self._retry()
        elif not pod["spec"].get("nodeName"):
            self.queue.add((pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def _account(self, event: str, pod: Obj) -> None:
        """Keep the sums of what bound pods request, a step a change."""
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        is_over = event == "DELETED" or (pod.get("status") or {}).get("phase") in podstatus.TERMINAL
        news = {} if is_over or not node else {name: requested(pod, "requests", name) for name in COUNTED}
        if uid in self._taken:
            before, amounts = self._taken.pop(uid)
            for name, amount in amounts.items():
                self._used[before][name] -= amount
        if news:
            self._taken[uid] = (node, news)
            used = self._used.setdefault(node, dict.fromkeys(COUNTED, 0.0))
            for name, amount in news.items():
                used[name] += amount

    def _retry(self) -> None:
        for key in self._unbound:
            self.queue.add(key)
        self._unbound.clear()

    def _schedule(self, key: Key) -> float | None:
        pod = self._store.find("pods", *key)
        if pod is None or pod["spec"].get("nodeName") or not podstatus.is_active(pod):
            return None
        name, why = self._fitting(pod)
        scheduled: Obj = {"type": "PodScheduled", "lastProbeTime": None}
        if name:
            scheduled["status"] = "True"
            pod = {**pod, "spec": {**pod["spec"], "nodeName": name}, "status": self._told(pod, scheduled)}
            self._store.update("pods", pod, subresource="trusted")
            self._events.record(pod, "Scheduled", f"Successfully assigned {'/'.join(key)} to {name}")
            return None
        self._unbound.add(key)
        if (conditions.of(pod, "PodScheduled") or {}).get("message") != why:
            scheduled |= {"status": "False", "reason": "Unschedulable", "message": why}
            self._store.update_status("pods", {**pod, "status": self._told(pod, scheduled)})
            self._events.record(pod, "FailedScheduling", why, "Warning")
        return None

    def _told(self, pod: Obj, news: Obj) -> Obj:
        before = pod.get("status") or {}
        return {**before, "conditions": conditions.laid(before.get("conditions"), self._store.stamp(), news)}

    def _fitting(self, pod: Obj) -> tuple[str, str]:
        """(the node with most CPU left, "") or ("", why there is none)."""
        nodes = self._store.list("nodes")
        wanted = {name: requested(pod, "requests", name) for name in COUNTED}
        reasons: dict[str, int] = {}
        fitting: list[tuple[float, str]] = []
        for node in nodes:
            free = free_on(node, self._used.get(node["metadata"]["name"], {}))
            short = next((name for name in COUNTED if wanted[name] > free[name] + ROUNDING), None)
            if node.get("spec", {}).get("unschedulable"):
                reasons["node(s) were unschedulable"] = reasons.get("node(s) were unschedulable", 0) + 1
            elif short:
                reasons[f"Insufficient {short}"] = reasons.get(f"Insufficient {short}", 0) + 1
            else:
                fitting.append((-free["cpu"], node["metadata"]["name"]))
        if fitting:
            return min(fitting)[1], ""
        told = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        return "", f"0/{len(nodes)} nodes are available: {told}."


def free_on(node: Obj, used: dict[str, float]) -> dict[str, float]:
    """Allocatable less used, in cores and bytes."""
    allocatable = node["status"]["allocatable"]
    return {name: value(allocatable[name]) - used.get(name, 0.0) for name in COUNTED}
