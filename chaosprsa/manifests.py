"""Kubernetes objects as their API shows them (JSON), read as nouns: workloads, their services, what they are given.

Pure: dicts in, values out, nothing is changed in place. Labels and annotations of ours have their names here.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosprsa.errors import BadInput
from chaosprsa.quantities import cpu_text, mebibytes, memory_text, millicores
from chaosprsa.types import Allocation, Resources, ServiceAllocation

Manifest = dict[str, Any]

SHADOW_OF = "chaosprsa.io/shadow-of"  # label of a shadow namespace and of what is in it: production's name
CANARY = "chaosprsa.io/canary"  # label of what a rollout creates beside the real workload: never a service of its own
LINEAGE = "chaosprsa.io/lineage"  # annotation: the id of what this was made from
SCALE = "chaosprsa.io/scale"  # annotation of a shadow namespace: its share of production's replicas
SHADOW_STATE = "chaosprsa.io/shadow-state"  # annotation of a shadow namespace: creating or ready
MADE = "chaosprsa.io/made"  # annotation of what this package created; only such a thing is ever deleted again
BEFORE = "chaosprsa.io/resources-before"  # annotation: the resources that a temporary change of a template replaced
SNAPSHOT = "chaosprsa.io/snapshot"  # label of a snapshot's ConfigMap: open or closed
STOP_NAME = "chaosprsa-stop"
LEASE_NAME = "chaosprsa"
WORKLOAD_KINDS = ("Deployment", "StatefulSet")


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment or StatefulSet and what its pods are given.

    service: the value of the service label on its pods; container: the one that serves (named as the service, named by
    kubectl's default-container annotation, or the first); hpa: the autoscaler that owns its replicas, or "".
    resources: None where the container has neither requests nor limits. floor, ceiling: the autoscaler's minReplicas
    and maxReplicas, or 0. target: its averageUtilization of CPU, percent of the request; 0: it names none.
    """

    name: str
    kind: str
    service: str
    replicas: int
    container: str
    resources: Resources | None
    hpa: str = ""
    floor: int = 0
    ceiling: int = 0
    target: int = 0


def name_of(manifest: Manifest) -> str:
    """metadata.name."""
    return str(manifest["metadata"]["name"])


def labels_of(manifest: Manifest) -> Mapping[str, str]:
    """metadata.labels, or none."""
    return manifest.get("metadata", {}).get("labels") or {}


def annotations_of(manifest: Manifest) -> Mapping[str, str]:
    """metadata.annotations, or none."""
    return manifest.get("metadata", {}).get("annotations") or {}


def pod_spec(manifest: Manifest) -> dict[str, Any]:
    """The pod template's spec of a workload."""
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec


def service_of(manifest: Manifest, label: str) -> str:
    """The service that a workload's pods serve: their label, or the workload's name where they carry none."""
    template = manifest["spec"]["template"].get("metadata", {}).get("labels") or {}
    return str(template.get(label) or name_of(manifest))


def main_container(manifest: Manifest, service: str) -> dict[str, Any]:
    """The container that serves: sidecars come and go, this one is what an allocation speaks of."""
    containers: list[dict[str, Any]] = pod_spec(manifest)["containers"]
    annotations = manifest["spec"]["template"].get("metadata", {}).get("annotations") or {}
    wanted = (service, name_of(manifest), annotations.get("kubectl.kubernetes.io/default-container"))
    for name in wanted:
        for container in containers:
            if container["name"] == name:
                return container
    return containers[0]


def resources_of(container: Manifest, capacity: tuple[int, int] = (0, 0)) -> Resources | None:
    """Requests and limits of a container; None where it has none at all.

    A missing request is its limit (Kubernetes' own rule). A missing limit is what the node has: capacity, millicores
    and MiB of the largest one, and at least the request.
    """
    given = container.get("resources") or {}
    requests, limits = given.get("requests") or {}, given.get("limits") or {}
    cpu = _pair(requests.get("cpu"), limits.get("cpu"), capacity[0], millicores)
    memory = _pair(requests.get("memory"), limits.get("memory"), capacity[1], mebibytes)
    if cpu is None or memory is None:
        return None
    return Resources(
        cpu_request_millicores=cpu[0],
        cpu_limit_millicores=cpu[1],
        memory_request_mib=memory[0],
        memory_limit_mib=memory[1],
    )


def _pair(request: Any, limit: Any, capacity: int, unit: Any) -> tuple[int, int] | None:
    if request is None and limit is None:
        return None
    least = max(1, unit(request if request is not None else limit))
    return least, max(least, unit(limit) if limit is not None else capacity)


def resources_json(resources: Resources) -> dict[str, dict[str, str]]:
    """The noun as a container's `resources`."""
    return {
        "requests": {
            "cpu": cpu_text(resources.cpu_request_millicores),
            "memory": memory_text(resources.memory_request_mib),
        },
        "limits": {"cpu": cpu_text(resources.cpu_limit_millicores), "memory": memory_text(resources.memory_limit_mib)},
    }


def read_workloads(
    manifests: Iterable[Manifest], label: str, capacity: tuple[int, int] = (0, 0)
) -> tuple[Workload, ...]:
    """The workloads among the manifests (their HPAs included, if they are), by name; canaries are left out."""
    everything = tuple(manifests)
    owners = _owners(everything)
    found = [
        _workload(manifest, label, capacity, owners)
        for manifest in everything
        if manifest["kind"] in WORKLOAD_KINDS and CANARY not in labels_of(manifest)
    ]
    return tuple(sorted(found, key=lambda workload: workload.name))


def _owners(manifests: Sequence[Manifest]) -> dict[tuple[str, str], tuple[str, int, int, int]]:
    """(kind, name) of a workload -> the HPA that owns its replicas, its minReplicas, maxReplicas and target of CPU."""
    autoscalers = [manifest for manifest in manifests if manifest["kind"] == "HorizontalPodAutoscaler"]
    targets = [(manifest["spec"]["scaleTargetRef"], manifest) for manifest in autoscalers]
    return {
        (target["kind"], target["name"]): (
            name_of(manifest),
            manifest["spec"].get("minReplicas") or 1,
            manifest["spec"]["maxReplicas"],
            _target_of(manifest["spec"].get("metrics") or []),
        )
        for target, manifest in targets
    }


def _target_of(metrics: Sequence[Manifest]) -> int:
    """AverageUtilization of CPU, of pods or of one container; 0 where there is none."""
    sources = [one.get("resource") or one.get("containerResource") or {} for one in metrics]
    targets = [source["target"].get("averageUtilization") for source in sources if source.get("name") == "cpu"]
    return next((int(target) for target in targets if target), 0)


def _workload(
    manifest: Manifest,
    label: str,
    capacity: tuple[int, int],
    owners: Mapping[tuple[str, str], tuple[str, int, int, int]],
) -> Workload:
    service = service_of(manifest, label)
    container = main_container(manifest, service)
    hpa, floor, ceiling, target = owners.get((manifest["kind"], name_of(manifest)), ("", 0, 0, 0))
    return Workload(
        name=name_of(manifest),
        kind=manifest["kind"],
        service=service,
        replicas=manifest["spec"].get("replicas", 1),
        container=container["name"],
        resources=resources_of(container, capacity),
        hpa=hpa,
        floor=floor,
        ceiling=ceiling,
        target=target,
    )


def find_workload(workloads: Iterable[Workload], service: str, namespace: str) -> Workload:
    """The one workload that serves `service`, by its label, else by its name. Raises BadInput: none, several, or ""."""
    if not service.strip():
        raise BadInput(f'namespace "{namespace}": an empty service name selects everything; name one service')
    everything = tuple(workloads)
    found = [workload for workload in everything if workload.service == service]
    found = [workload for workload in found if workload.name == service] or found
    found = found or [workload for workload in everything if workload.name == service]
    if not found:
        known = ", ".join(sorted({workload.service for workload in everything})) or "none"
        raise BadInput(f'namespace "{namespace}": no Deployment or StatefulSet serves {service!r}; there are: {known}')
    if len(found) > 1:
        names = ", ".join(f"{workload.kind} {workload.name}" for workload in found)
        raise BadInput(
            f'namespace "{namespace}": {service!r} is served by several workloads ({names}); name one of them'
        )
    return found[0]


def read_allocation(workloads: Iterable[Workload], services: Sequence[str], namespace: str) -> Allocation:
    """What the services are given, in their order. Raises BadInput for one without requests and limits."""
    everything = tuple(workloads)
    return Allocation(services=tuple(_allocated(find_workload(everything, name, namespace), name) for name in services))


def _allocated(workload: Workload, service: str) -> ServiceAllocation:
    if workload.resources is None:
        raise BadInput(
            f"{workload.kind} {workload.name}, container {workload.container}: it has no CPU or no memory request or "
            "limit, so there is no allocation to learn from; give it both in its manifest"
        )
    return ServiceAllocation(service=service, replicas=workload.replicas, resources=workload.resources)


# What the server writes itself, and what tells one copy of an object from another; never compared, never sent.
SERVER_METADATA = frozenset(
    {
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
        "selfLink",
        "ownerReferences",
        "generateName",
        "finalizers",
    }
)
SERVER_ANNOTATIONS = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "deployment.kubernetes.io/",
    "autoscaling.alpha.kubernetes.io/",
    "control-plane.alpha.kubernetes.io/",
    "endpoints.kubernetes.io/",
    "pv.kubernetes.io/",
    "meta.helm.sh/",
    "field.cattle.io/",
)


def without_server_fields(manifest: Manifest) -> Manifest:
    """The object as somebody could have written it: no status, no uid, no resourceVersion, no server's annotations."""
    plain = {key: copy.deepcopy(value) for key, value in manifest.items() if key != "status"}
    metadata = {key: value for key, value in plain.get("metadata", {}).items() if key not in SERVER_METADATA}
    annotations = {
        key: value
        for key, value in (metadata.pop("annotations", None) or {}).items()
        if not key.startswith(SERVER_ANNOTATIONS)
    }
    if annotations:
        metadata["annotations"] = annotations
    plain["metadata"] = metadata
    return plain
