"""The lab's one kubelet: takes pods through their lives and tells the runtime what to serve.

Pending (ContainerCreating) -> Running and Ready after the runtime's start delay -> Terminating -> gone. A container
that outgrew its memory is restarted: at once the first time, then after a growing while (CrashLoopBackOff).
"""

import asyncio
from dataclasses import dataclass, field

from chaosprsa.lab import conditions, podstatus
from chaosprsa.lab.events import EventRecorder
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.podstatus import ContainerState
from chaosprsa.lab.runtime import PodRuntime
from chaosprsa.lab.scheduler import Scheduler, free_on
from chaosprsa.lab.store import Store
from chaosprsa.lab.work import Key, WorkQueue

BACKOFF_S = (0.0, 2.0, 4.0, 8.0, 15.0)  # by recent restarts; upstream's 10 s to 5 min are shortened
CALM_S = 60.0  # a container that ran so long begins anew with its restarts; upstream: 10 min
DRAIN_S = 0.3  # how long a well-behaved process takes to end after SIGTERM


@dataclass(slots=True, kw_only=True)
class Running:
    """A pod that this kubelet has taken on."""

    pod: Obj
    address: str
    resources: list[Obj]
    containers: ContainerState = field(
        default_factory=lambda: ContainerState(state=podstatus.waiting("ContainerCreating"))
    )
    phase: str = "Pending"
    began: str = ""
    recent: int = 0  # restarts since it was last calm
    ready_since: float = 0.0
    serving: bool = False
    stopping: bool = False
    timer: asyncio.TimerHandle | None = None

    def later(self, delay_s: float, call: "asyncio.Handle | object", *arguments: object) -> None:
        """The one thing this pod waits for."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = asyncio.get_running_loop().call_later(delay_s, call, *arguments)  # type: ignore[arg-type]


class Kubelet:
    """Drives pods. `start` it inside the event loop; `report_oom` is the data plane's to call."""

    def __init__(self, store: Store, runtime: PodRuntime, drain_s: float = DRAIN_S) -> None:
        self._store = store
        self._runtime = runtime
        self._drain_s = drain_s
        self._pods: dict[Key, Running] = {}
        self._addresses = 0
        self._events = EventRecorder(store, "kubelet")
        self.queue = WorkQueue(self._sync, store.turn)

    def start(self) -> list[asyncio.Task[None]]:
        """The kubelet and the scheduler; cancel the tasks to stop them."""
        scheduler = Scheduler(self._store)
        self._store.subscribe("pods", self._changed, replay=True)
        return [asyncio.create_task(queue.run()) for queue in (self.queue, scheduler.queue)]

    def report_oom(self, namespace: str, name: str) -> None:
        """The pod's memory outgrew its limit: its container is killed and, by its restart policy, started again."""
        known = self._pods.get((namespace, name))
        if known is None or known.stopping or not known.serving:
            return
        self._events.record(known.pod, "OOMKilling", "Memory cgroup out of memory: killed process", "Warning")
        self._end((namespace, name), known, "OOMKilled", 137)

    def _changed(self, _event: str, pod: Obj) -> None:
        self.queue.add((pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def _sync(self, key: Key) -> None:
        pod, known = self._store.find("pods", *key), self._pods.get(key)
        if known is not None and (pod is None or pod["metadata"]["uid"] != known.pod["metadata"]["uid"]):
            self._forget(key, known)
            known = None
        if pod is None or not pod["spec"].get("nodeName"):
            return
        if known is None:
            if podstatus.is_active(pod):
                self._begin(key, pod)
            elif pod["metadata"].get("deletionTimestamp"):
                self._gone(key, pod["metadata"]["uid"])
            return
        known.pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._terminate(key, known)
        elif known.resources != podstatus.resources_of(pod):
            self._resize(key, known)

    def _begin(self, key: Key, pod: Obj) -> None:
        known = self._pods[key] = Running(pod=pod, address=self._address(), resources=podstatus.resources_of(pod))
        self._tell(known)
        known.later(self._runtime.start_delay_s(pod), self._started, key, known)

    def _address(self) -> str:
        """A loopback address of its own, so that endpoints differ."""
        self._addresses += 1
        return f"127.97.{self._addresses // 254 % 254 + 1}.{self._addresses % 254 + 1}"

    def _started(self, key: Key, known: Running) -> None:
        now = self._store.stamp()
        if known.phase == "Pending":
            self._events.record(known.pod, "Started", "Started container")
        if "running" not in known.containers.state:
            known.containers.state, known.began = podstatus.running(now), now
        known.phase, known.containers.ready, known.serving = "Running", True, True
        known.ready_since = asyncio.get_running_loop().time()
        known.resources = podstatus.resources_of(known.pod)
        self._tell(known)
        pod = self._store.find("pods", *key)
        self._runtime.started(pod or known.pod)

    def _end(self, key: Key, known: Running, reason: str, exit_code: int) -> None:
        """The container ended by itself, or was ended for a resize: what follows is the restart policy's."""
        self._stop_serving(known)
        now = self._store.stamp()
        ended = podstatus.terminated(reason, exit_code, known.began, now)
        known.containers.ready = False
        policy = known.pod["spec"].get("restartPolicy", "Always")
        if policy == "Never" or (policy == "OnFailure" and exit_code == 0):
            known.containers.state = ended
            known.phase = "Failed" if exit_code else "Succeeded"
            self._tell(known)
            return
        calm = asyncio.get_running_loop().time() - known.ready_since > CALM_S
        known.recent = 0 if calm else known.recent
        backoff_s = BACKOFF_S[min(known.recent, len(BACKOFF_S) - 1)] if exit_code else 0.0
        known.recent += 1
        known.containers.last = ended
        if backoff_s:
            name = known.pod["spec"]["containers"][0]["name"]
            message = f"back-off {backoff_s:g}s restarting failed container={name} pod={key[1]}_{key[0]}"
            known.containers.state = podstatus.waiting("CrashLoopBackOff", message)
            self._events.record(known.pod, "BackOff", f"Back-off restarting failed container {name}", "Warning")
            self._tell(known)
        known.later(backoff_s, self._restart, key, known)

    def _restart(self, key: Key, known: Running) -> None:
        known.began = self._store.stamp()
        known.containers.restarts += 1
        known.containers.state = podstatus.running(known.began)
        self._tell(known)
        known.later(self._runtime.start_delay_s(known.pod), self._started, key, known)

    def _resize(self, key: Key, known: Running) -> None:
        """In place: the new resources are in force from now on, unless no node could ever give them."""
        pod, now = known.pod, self._store.stamp()
        node = self._store.find("nodes", "", pod["spec"]["nodeName"])
        room = free_on(node, {}) if node else {}
        if any(podstatus.requested(pod, "requests", name) > amount for name, amount in room.items()):
            told = {"type": "PodResizePending", "status": "True", "reason": "Infeasible", "lastProbeTime": None}
            message = f"Node didn't have enough capacity: {podstatus.resources_of(pod)}"
            status = pod["status"]
            laid = conditions.laid(status["conditions"], now, {**told, "message": message})
            self._store.set_status("pods", pod, conditions=laid)
            return
        before, known.resources = known.resources, podstatus.resources_of(pod)
        if known.serving and _wants_restart(pod, before):
            self._end(key, known, "Completed", 0)
            return
        self._tell(known)
        if known.serving:
            self._runtime.resized(pod)

    def _terminate(self, key: Key, known: Running) -> None:
        if known.stopping:
            grace_s = known.pod["metadata"].get("deletionGracePeriodSeconds", 30)
            if grace_s < self._drain_s:
                known.later(grace_s, self._gone, key, known.pod["metadata"]["uid"])
            return
        known.stopping = True
        self._events.record(known.pod, "Killing", "Stopping container")
        drains = known.serving
        self._stop_serving(known)
        grace_s = known.pod["metadata"].get("deletionGracePeriodSeconds", 30)
        known.later(min(grace_s, self._drain_s) if drains else 0.0, self._gone, key, known.pod["metadata"]["uid"])

    def _gone(self, key: Key, uid: str) -> None:
        """The API's last word: without finalizers the pod goes."""
        pod = self._store.find("pods", *key)
        if pod is None or pod["metadata"]["uid"] != uid:
            return
        if pod["metadata"].get("finalizers"):
            self._store.update(
                "pods",
                {**pod, "metadata": {**pod["metadata"], "deletionGracePeriodSeconds": 0}},
                subresource="trusted",
            )
            return
        self._store.remove("pods", *key)

    def _forget(self, key: Key, known: Running) -> None:
        self._stop_serving(known)
        if known.timer is not None:
            known.timer.cancel()
        self._pods.pop(key, None)

    def _stop_serving(self, known: Running) -> None:
        if known.serving:
            known.serving = False
            self._runtime.stopped(known.pod)

    def _tell(self, known: Running) -> None:
        """Write the pod's status as this kubelet knows it."""
        pod = self._store.find("pods", known.pod["metadata"]["namespace"], known.pod["metadata"]["name"])
        if pod is None or pod["metadata"]["uid"] != known.pod["metadata"]["uid"]:
            return
        now = self._store.stamp()
        status = podstatus.status(pod, known.phase, known.containers, known.address, now, known.resources)
        status["conditions"] = conditions.without(status["conditions"], "PodResizePending")
        known.pod = self._store.update_status("pods", {**pod, "status": status})


def _wants_restart(pod: Obj, before: list[Obj]) -> bool:
    """A container's resizePolicy asks for a restart for a resource that changed."""
    for container, was in zip(pod["spec"]["containers"], before, strict=True):
        now = container.get("resources") or {}
        for policy in container.get("resizePolicy") or ():
            name = policy.get("resourceName")
            changed = any((now.get(p) or {}).get(name) != (was.get(p) or {}).get(name) for p in ("limits", "requests"))
            if policy.get("restartPolicy") == "RestartContainer" and changed:
                return True
    return False
