"""Resizing running pods without a restart (pods/resize, Kubernetes 1.33 or newer), for changes that are to go away.

It changes the pods only: a pod that is replaced comes back with its owner's template. That is what a fault in a shadow
wants, and why the way back needs no memory: the template says what the pods are to have.
"""

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from chaosprsa.cluster.api import STRATEGIC
from chaosprsa.cluster.writing import merged
from chaosprsa.errors import ClusterRefused
from chaosprsa.manifests import Manifest, Workload, name_of, pod_spec
from chaosprsa.quantities import quantity
from chaosprsa.types import Resources

if TYPE_CHECKING:
    from chaosprsa.cluster.reading import Cluster

_PARTS = ("requests", "limits")
_NOT_HERE = frozenset({403, 404, 405, 422, 400})


def resize_pods(
    cluster: "Cluster", namespace: str, workload: Workload, resources: Manifest, timeout_s: float
) -> tuple[tuple[str, ...], str]:
    """(the pods that have the resources now, why not all of them; "" when all): asked, then waited for."""
    pods = cluster.pods(namespace, workload.kind, workload.name)
    for pod in pods:
        refusal = _ask(cluster, pod, workload.container, resources)
        if refusal:
            return (), refusal
    deadline = time.monotonic() + timeout_s
    while True:
        pods = cluster.pods(namespace, workload.kind, workload.name)
        waiting = [pod for pod in pods if not has_now(pod, workload.container, resources)]
        if not waiting or time.monotonic() >= deadline:
            there = tuple(name_of(pod) for pod in pods if pod not in waiting)
            return there, "; ".join(f"{name_of(pod)}: {_why(pod)}" for pod in waiting)
        time.sleep(0.2)


def same_quality(now: Resources | None, wanted: Resources) -> Resources:
    """The wanted resources with the pods' quality of service (Guaranteed: requests are limits) as it is.

    Kubernetes refuses a resize that changes it ("Pod QOS Class may not change as a result of resizing", seen on 1.34).
    """
    if now is None or is_guaranteed(now) == is_guaranteed(wanted):
        return wanted
    if is_guaranteed(now):
        return replace(
            wanted,
            cpu_request_millicores=wanted.cpu_limit_millicores,
            memory_request_mib=wanted.memory_limit_mib,
        )
    return replace(wanted, cpu_request_millicores=max(1, wanted.cpu_request_millicores - 1))


def is_guaranteed(resources: Resources) -> bool:
    """Whether requests and limits are the same, for CPU and memory."""
    cpu = resources.cpu_request_millicores == resources.cpu_limit_millicores
    return cpu and resources.memory_request_mib == resources.memory_limit_mib


def reset_pods(cluster: "Cluster", namespace: str, kind: str, name: str) -> tuple[str, ...]:
    """Give the pods back what their owner's template says; those that were changed, by name. Idempotent.

    A pod that can't take it back in place is deleted, and its controller makes a new one from the template.
    """
    template = cluster.api.get(kind, namespace, name)
    wanted = {item["name"]: item.get("resources") or {} for item in pod_spec(template)["containers"]}
    done = []
    for pod in cluster.pods(namespace, kind, name):
        odd = [item["name"] for item in _containers(pod) if not _same(item.get("resources"), wanted.get(item["name"]))]
        if not odd:
            continue
        if any(_ask(cluster, pod, name, wanted[name]) for name in odd):
            cluster.api.delete("Pod", namespace, name_of(pod), pod["metadata"]["uid"])
        done.append(name_of(pod))
    return tuple(done)


def has_now(pod: Manifest, container: str, resources: Manifest) -> bool:
    """Whether the container runs with these resources (its status says so), not only is asked to.

    A status without resources (before 1.33) leaves the spec to say it.
    """
    spec = next((item for item in _containers(pod) if item["name"] == container), {})
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    running = next((item.get("resources") for item in statuses if item["name"] == container), None)
    return _covers(spec.get("resources"), resources) and (running is None or _covers(running, resources))


def _ask(cluster: "Cluster", pod: Manifest, container: str, resources: Manifest) -> str:
    """Why the server refuses it; "" when it doesn't, or when the pod is gone."""
    namespace, name = pod["metadata"]["namespace"], name_of(pod)
    now = next((item.get("resources") or {} for item in _containers(pod) if item["name"] == container), {})
    change = {"spec": {"containers": [{"name": container, "resources": _only(merged(now, _parts(resources)))}]}}
    try:
        cluster.api.patch("Pod", namespace, name, change, STRATEGIC, "resize")
    except ClusterRefused as refused:
        if refused.status not in _NOT_HERE:
            raise
        return "" if refused.status == 404 and cluster.api.find("Pod", namespace, name) is None else str(refused)
    return ""


def _containers(pod: Manifest) -> list[Manifest]:
    found: list[Manifest] = pod["spec"]["containers"]
    return found


def _parts(resources: Manifest) -> Manifest:
    return {part: resources.get(part) or {} for part in _PARTS}


def _only(resources: Manifest) -> Manifest:
    """CPU and memory: nothing else can be resized."""
    return {part: {key: resources[part][key] for key in ("cpu", "memory") if key in resources[part]} for part in _PARTS}


def _values(resources: Manifest | None, part: str) -> dict[str, object]:
    given = (resources or {}).get(part) or {}
    return {key: quantity(value) for key, value in given.items() if key in ("cpu", "memory")}


def _covers(given: Manifest | None, wanted: Manifest) -> bool:
    return all(_values(given, part).items() >= _values(wanted, part).items() for part in _PARTS)


def _same(given: Manifest | None, template: Manifest | None) -> bool:
    """A pod's request that the template doesn't have is the limit's default."""
    limits = _values(template, "limits")
    return _values(given, "limits") == limits and _values(given, "requests") == {
        **limits,
        **_values(template, "requests"),
    }


def _why(pod: Manifest) -> str:
    conditions: Iterable[Manifest] = (pod.get("status") or {}).get("conditions") or []
    for condition in conditions:
        if condition["type"] in {"PodResizePending", "PodResizeInProgress"}:
            return f"{condition['type']}: {condition.get('message') or condition.get('reason') or 'not done yet'}"
    return "the resize isn't done yet"
