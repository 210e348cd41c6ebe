"""Chaos Toolkit probes: is it a shadow, is it ready, is the objective kept; and what an experiment must know first."""

# mypy: disable-error-code="type-arg"
# dict and list stay bare: `chaos discover` shows dict[str, Any] as "object" and dict as "mapping".

import math
import time
from pathlib import Path

import numpy as np
from chaoslib.exceptions import ActivityFailed
from chaoslib.types import Configuration, Secrets

from chaosprsa.activity import activity, cluster_for
from chaosprsa.errors import NotAShadow, require
from chaosprsa.loadtest import runner
from chaosprsa.loadtest.log import read_requests

MIN_REQUESTS = 20  # fewer say nothing about a percentile
__all__ = [
    "container_port",
    "namespace_is_shadow",
    "percent_of_pods",
    "replicas_left",
    "replicas_now",
    "services_ready",
    "share_of_pods",
    "slo",
    "steady_state_is_back",
]

POLL_S = 0.5


@activity
def namespace_is_shadow(namespace: str, configuration: Configuration = None, secrets: Secrets = None) -> bool:
    """Whether the namespace is labelled chaosprsa.io/shadow-of: the gate of every generated experiment."""
    try:
        cluster_for(configuration, secrets).shadow(namespace)
    except NotAShadow:
        return False
    return True


@activity
def services_ready(
    namespace: str, services: list, configuration: Configuration = None, secrets: Secrets = None
) -> bool:
    """Whether each service has as many ready pods as it should have, and at least one."""
    return not _unready(namespace, services, configuration, secrets)


@activity
def steady_state_is_back(
    namespace: str,
    services: list,
    timeout_s: float = 60.0,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> dict:
    """Waits until each service has all its pods ready again; fails, naming those that don't, after `timeout_s`."""
    began = time.monotonic()
    while unready := _unready(namespace, services, configuration, secrets):
        if time.monotonic() - began > timeout_s:
            raise ActivityFailed(
                f'namespace "{namespace}": not ready {timeout_s:g} s after the rollbacks: {", ".join(unready)}. '
                "Look at their pods; chaos prsa restore puts the shadow back"
            )
        time.sleep(POLL_S)
    return {"namespace": namespace, "ready": list(services), "after_s": round(time.monotonic() - began, 2)}


def _unready(namespace: str, services: list, configuration: Configuration, secrets: Secrets) -> list[str]:
    cluster = cluster_for(configuration, secrets)
    workloads = {workload.service: workload for workload in cluster.workloads(namespace)}
    return [
        service
        for service in services
        if service not in workloads
        or not _complete(cluster.api.get(workloads[service].kind, namespace, workloads[service].name))
    ]


def _complete(manifest: dict) -> bool:
    """All replicas that the spec wants are ready and of the current template, as of the current generation."""
    status, wanted = manifest.get("status") or {}, manifest["spec"].get("replicas", 1)
    seen = status.get("observedGeneration", 0) >= manifest["metadata"].get("generation", 0)
    ready, updated = status.get("readyReplicas") or 0, status.get("updatedReplicas") or 0
    return bool(seen and wanted > 0 and ready == wanted and updated == wanted)


@activity
def slo(
    folder: str,
    latency_ms: float,
    latency_percentile: float,
    success_ratio: float,
    start_s: float,
    end_s: float,
    min_requests: int = MIN_REQUESTS,
) -> dict:
    """Whether the requests that arrived in [start_s, end_s) of the load kept the objective.

    `met` is true when both hold: the latency percentile of good answers, and the share of good answers. Before this
    experiment has started a load there is nothing to judge: `met` is true and `judged` false (the steady state before
    the method needs no load). Once a load was asked for, a missing or too short log fails the probe.
    """
    require(end_s > start_s, f"slo: the window ends ({end_s} s) before it starts ({start_s} s)")
    if not runner.was_asked_for(Path(folder)):
        return {"met": True, "judged": False, "because": "no load was played yet"}
    requests = read_requests(Path(folder)).between(start_s, end_s)
    if len(requests) < max(min_requests, 1):
        raise ActivityFailed(
            f"{folder}: {len(requests)} requests between {start_s:g} and {end_s:g} s, at least {min_requests} are "
            "needed to judge; play a longer or denser load ([trial] fault_s, after_s)"
        )
    good = requests.latency_ms[requests.ok]
    latency = float(np.percentile(good, latency_percentile)) if len(good) else None
    ratio = float(requests.ok.mean())
    return {
        "met": latency is not None and latency <= latency_ms and ratio >= success_ratio,
        "judged": True,
        "requests": len(requests),
        "latency_ms": latency,
        "success_ratio": ratio,
    }


@activity
def replicas_now(namespace: str, service: str, configuration: Configuration = None, secrets: Secrets = None) -> int:
    """How many replicas the service should have now."""
    return int(cluster_for(configuration, secrets).workload(namespace, service).replicas)


@activity
def replicas_left(
    namespace: str, service: str, share: float, configuration: Configuration = None, secrets: Secrets = None
) -> int:
    """How many replicas are left when a share of them is lost, at least one of them."""
    now = replicas_now(namespace, service, configuration, secrets)
    return max(0, now - max(1, round(now * share)))


@activity
def share_of_pods(
    namespace: str, service: str, share: float, configuration: Configuration = None, secrets: Secrets = None
) -> str:
    """How many pods a share of the service's pods is, rounded up; as text, the form that Chaos Mesh wants."""
    return str(_pods(namespace, service, share, configuration, secrets)[0])


@activity
def percent_of_pods(
    namespace: str, service: str, share: float, configuration: Configuration = None, secrets: Secrets = None
) -> str:
    """The percentage of calls to fail on the pods of share_of_pods, so that `share` of all calls fail; as text."""
    hit, total = _pods(namespace, service, share, configuration, secrets)
    return f"{min(100.0, 100 * share * total / hit):.1f}"


def _pods(
    namespace: str, service: str, share: float, configuration: Configuration, secrets: Secrets
) -> tuple[int, int]:
    require(0 < share <= 1, f"share is {share}, expected above 0 and at most 1")
    total = max(1, replicas_now(namespace, service, configuration, secrets))
    return max(1, math.ceil(share * total)), total


@activity
def container_port(namespace: str, service: str, configuration: Configuration = None, secrets: Secrets = None) -> int:
    """The port on which the service's container answers: the first that it declares."""
    cluster = cluster_for(configuration, secrets)
    workload = cluster.workload(namespace, service)
    template = cluster.api.get(workload.kind, namespace, workload.name)["spec"]["template"]
    for container in template["spec"]["containers"]:
        if container["name"] == workload.container and container.get("ports"):
            return int(container["ports"][0]["containerPort"])
    raise ActivityFailed(f'namespace "{namespace}": {service} declares no containerPort, so its calls can\'t be failed')
