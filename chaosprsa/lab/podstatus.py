"""The status of a pod and of its containers in each state: values only, written as a kubelet writes them."""

from dataclasses import dataclass, field
from typing import Any

from chaosprsa.lab import conditions
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.quantities import value

TERMINAL = frozenset({"Succeeded", "Failed"})


@dataclass(slots=True, kw_only=True)
class ContainerState:
    """What the kubelet knows of a pod's containers: they start, restart and stop together here.

    state: the API's own form, {"waiting" | "running" | "terminated": ...}.
    """

    state: Obj
    ready: bool = False
    restarts: int = 0
    last: Obj = field(default_factory=dict)


def waiting(reason: str, message: str = "") -> Obj:
    """A container that does not run yet, or not now."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def running(since: str) -> Obj:
    """A container that runs since then."""
    return {"running": {"startedAt": since}}


def terminated(reason: str, exit_code: int, started: str, finished: str) -> Obj:
    """A container that ended."""
    times = {"startedAt": started, "finishedAt": finished}
    return {"terminated": {"exitCode": exit_code, "reason": reason, **times}}


def status(pod: Obj, phase: str, containers: ContainerState, address: str, now: str, resources: list[Obj]) -> Obj:
    """The whole status; resources: what is in force, one a container."""
    names = [container["name"] for container in pod["spec"]["containers"]]
    before = pod.get("status") or {}
    generation = pod["metadata"].get("generation", 1)
    unready: Obj = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(names)}]"}
    ready = {"status": "True"} if containers.ready else {"status": "False", **unready}
    started = "running" in containers.state or containers.ready
    news = [
        {"type": "PodReadyToStartContainers", "status": "True" if started or containers.restarts else "False"},
        {"type": "Initialized", "status": "True"},
        {"type": "Ready", **ready},
        {"type": "ContainersReady", **ready},
    ]
    common = {"lastProbeTime": None, "observedGeneration": generation}
    return {
        **before,
        "phase": phase,
        "observedGeneration": generation,
        "conditions": conditions.laid(before.get("conditions"), now, *(common | each for each in news)),
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": before.get("startTime") or now,
        "containerStatuses": [
            _container(container, containers, in_force)
            for container, in_force in zip(pod["spec"]["containers"], resources, strict=True)
        ],
    }


def _container(container: Obj, known: ContainerState, resources: Obj) -> Obj:
    requests = resources.get("requests")
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "" if "waiting" in known.state and not known.restarts else f"lab://{container['image']}",
        **({"allocatedResources": dict(requests)} if requests else {}),
        "resources": resources,
        "ready": known.ready,
        "started": "running" in known.state,
        "restartCount": known.restarts,
        "state": known.state,
        "lastState": known.last,
    }


def is_active(pod: Obj) -> bool:
    """It runs or will: neither finished nor going away."""
    return (pod.get("status") or {}).get("phase") not in TERMINAL and not pod["metadata"].get("deletionTimestamp")


def is_ready(pod: Obj) -> bool:
    """It serves, as far as its own condition says."""
    return conditions.is_true(pod, "Ready")


def resources_of(pod: Obj) -> list[Obj]:
    """Requests and limits as the spec has them, one a container."""
    return [container.get("resources") or {} for container in pod["spec"]["containers"]]


def requested(pod: Obj, part: str, name: str) -> Any:
    """The sum over the containers of requests or limits (part) of cpu, memory, ... (name), in base units."""
    amounts = [(each.get(part) or {}).get(name) for each in resources_of(pod)]
    return sum(value(amount) for amount in amounts if amount is not None)
