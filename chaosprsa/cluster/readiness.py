"""Waiting, within bounds, until workloads run what they were told to; and saying in words why they don't."""

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from chaosprsa.errors import Unavailable
from chaosprsa.manifests import WORKLOAD_KINDS, Manifest, name_of

if TYPE_CHECKING:
    from chaosprsa.cluster.reading import Cluster

_EVERY_S = 0.25


def wait_ready(cluster: "Cluster", namespace: str, timeout_s: float, names: Collection[str] = ()) -> None:
    """Raises Unavailable when they aren't ready in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        workloads = cluster.objects(namespace, WORKLOAD_KINDS)
        waiting = [item for item in workloads if (not names or name_of(item) in names) and lacks(item)]
        if not waiting:
            return
        if time.monotonic() >= deadline:
            reasons = [f"{item['kind']} {name_of(item)} ({lacks(item)}{_why(cluster, item)})" for item in waiting]
            raise Unavailable(f'namespace "{namespace}": not ready after {timeout_s:g} s: {"; ".join(reasons)}')
        time.sleep(_EVERY_S)


def lacks(workload: Manifest) -> str:
    """What a workload still lacks, in words; "" when it runs its latest template with all its replicas ready."""
    status, wanted = workload.get("status") or {}, workload["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return "its controller hasn't seen the change yet"
    if workload["kind"] == "Deployment" or _rolls(workload):
        updated = status.get("updatedReplicas", 0)
        if workload["kind"] == "StatefulSet" and status.get("currentRevision") == status.get("updateRevision"):
            updated = status.get("replicas", 0)
        if updated < wanted:
            return f"{updated} of {wanted} pods have the latest template"
    if status.get("replicas", 0) > wanted:
        return f"{status['replicas'] - wanted} old pods are still there"
    ready = status.get("readyReplicas", 0)
    return "" if ready >= wanted else f"{ready} of {wanted} pods are ready"


def _rolls(workload: Manifest) -> bool:
    return bool((workload["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate")


def _why(cluster: "Cluster", workload: Manifest) -> str:
    """The first reason that its pods or its conditions give."""
    pods = cluster.pods(workload["metadata"]["namespace"], workload["kind"], name_of(workload))
    waiting = [
        item["state"]["waiting"]
        for pod in pods
        for item in (pod.get("status") or {}).get("containerStatuses") or []
        if "waiting" in (item.get("state") or {})
    ]
    told = [item for item in _conditions(workload) if item["type"] == "ReplicaFailure" and item["status"] == "True"]
    told += [
        item
        for pod in pods
        for item in _conditions(pod)
        if item["type"] == "PodScheduled" and item["status"] == "False"
    ]
    reasons = [str(item.get("message") or item.get("reason")) for item in (*waiting, *told)]
    return f": {reasons[0]}" if reasons else ""


def _conditions(manifest: Manifest) -> list[Manifest]:
    return (manifest.get("status") or {}).get("conditions") or []


__all__ = ["lacks", "wait_ready"]
