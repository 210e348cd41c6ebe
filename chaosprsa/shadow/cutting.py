"""One object's copy for a shadow, a maker a kind. What would reach back into production, or out, is cut and noted."""

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from chaosprsa.manifests import (
    CANARY,
    LEASE_NAME,
    LINEAGE,
    MADE,
    SHADOW_OF,
    SNAPSHOT,
    STOP_NAME,
    Manifest,
    annotations_of,
    labels_of,
    name_of,
    pod_spec,
    without_server_fields,
)
from chaosprsa.quantities import cpu_text, mebibytes, memory_text, millicores
from chaosprsa.shadow.scaling import share

COPIED_KINDS = (
    "ConfigMap",
    "Secret",
    "Service",
    "StatefulSet",
    "Deployment",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
)
PLACEHOLDER = "placeholder: chaosprsa never copies a Secret"
_HARMLESS_ANNOTATIONS = ("prometheus.io/", "chaosprsa.io/")
_OWN_VOLUMES = {"configMap", "secret", "emptyDir", "downwardAPI", "projected"}  # what leads to nobody else's data


@dataclass(frozen=True, slots=True)
class Shape:
    """What a copy depends on. replicas: production's, by (kind, name). notes: grows with every cut."""

    production: str
    shadow: str
    scale: float
    lineage: str
    services: tuple[str, ...]
    replicas: Mapping[tuple[str, str], int]
    notes: list[str]


def is_copied(manifest: Manifest) -> bool:
    """Whether a shadow has a copy of it: not what the cluster or this package put there itself."""
    kind, name = manifest["kind"], name_of(manifest)
    if kind not in COPIED_KINDS or CANARY in labels_of(manifest) or SNAPSHOT in labels_of(manifest):
        return False
    if kind == "ConfigMap" and name in {"kube-root-ca.crt", "openshift-service-ca.crt", STOP_NAME, LEASE_NAME}:
        return False
    if kind == "Secret" and manifest.get("type") in {"kubernetes.io/service-account-token", "helm.sh/release.v1"}:
        return False
    if kind in {"ConfigMap", "Secret"} and "control-plane.alpha.kubernetes.io/leader" in annotations_of(manifest):
        return False
    controllers = manifest["metadata"].get("ownerReferences") or []
    return not any(owner.get("controller") for owner in controllers)


def shadowed(manifest: Manifest, shape: Shape) -> list[Manifest]:
    """One object's copy, or none; _MAKERS is the table of kinds."""
    made = without_server_fields(manifest)
    metadata = made["metadata"]
    metadata["namespace"] = shape.shadow
    metadata["labels"] = {**(metadata.get("labels") or {}), SHADOW_OF: shape.production}
    annotations = {key: value for key, value in annotations_of(made).items() if key != MADE}
    metadata["annotations"] = {**annotations, SHADOW_OF: shape.production}
    if shape.lineage:
        metadata["annotations"][LINEAGE] = shape.lineage
    return [made] if _MAKERS[made["kind"]](made, shape) else []


def _config_map(made: Manifest, shape: Shape) -> bool:
    made.pop("immutable", None)
    if made.get("data"):
        made["data"] = {key: _renamed(value, shape) for key, value in made["data"].items()}
    return True


def _secret(made: Manifest, shape: Shape) -> bool:
    """The same keys without the values; a registry's stays well-formed, as the server checks it."""
    keys = sorted({**(made.pop("data", None) or {}), **(made.pop("stringData", None) or {})})
    made.pop("immutable", None)
    made["metadata"]["annotations"].pop("kubectl.kubernetes.io/last-applied-configuration", None)
    empty = {".dockerconfigjson": '{"auths":{}}', ".dockercfg": "{}"}
    made["data"] = {key: base64.b64encode(empty.get(key, PLACEHOLDER).encode()).decode() for key in keys}
    shape.notes.append(f"Secret {name_of(made)}: not copied; a placeholder has its keys ({', '.join(keys) or 'none'})")
    return True


def _service(made: Manifest, shape: Shape) -> bool:
    spec, annotations = made["spec"], made["metadata"]["annotations"]
    # A name server or a mesh that reads an annotation would send production's users to the shadow.
    foreign = sorted(key for key in annotations if not key.startswith(_HARMLESS_ANNOTATIONS))
    for key in foreign:
        del annotations[key]
    if foreign:
        shape.notes.append(f"Service {name_of(made)}: without its annotations {', '.join(foreign)}")
    if spec.get("type") == "ExternalName":
        shape.notes.append(f"Service {name_of(made)}: not copied, it leads out of the cluster ({spec['externalName']})")
        return False
    headless = spec.get("clusterIP") == "None"
    for key in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort", "externalIPs"):
        spec.pop(key, None)
    for key in ("loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges", "allocateLoadBalancerNodePorts"):
        spec.pop(key, None)
    if headless:
        spec["clusterIP"] = "None"
    if spec.get("type") == "LoadBalancer":
        spec["type"] = "NodePort"
        shape.notes.append(f"Service {name_of(made)}: a NodePort instead of a LoadBalancer, which would cost")
    spec.pop("externalTrafficPolicy", None)
    for port in spec.get("ports") or []:
        port.pop("nodePort", None)
    if not spec.get("selector"):
        shape.notes.append(f"Service {name_of(made)}: it has no selector, so in the shadow it leads nowhere")
    return True


def _workload(made: Manifest, shape: Shape) -> bool:
    spec = made["spec"]
    replicas = spec.get("replicas", 1)
    spec["replicas"] = share(replicas, shape.scale) if replicas else 0
    spec.pop("paused", None)
    template = spec["template"].setdefault("metadata", {})
    template.pop("creationTimestamp", None)
    template["labels"] = {**(template.get("labels") or {}), SHADOW_OF: shape.production}
    _cut_pod(pod_spec(made), f"{made['kind']} {name_of(made)}", shape)
    for claim in spec.get("volumeClaimTemplates") or []:
        claim.pop("status", None)
        claim["metadata"] = {key: claim["metadata"][key] for key in ("name", "labels") if key in claim["metadata"]}
    return True


def _cut_pod(pod: Manifest, where: str, shape: Shape) -> None:
    """A pod that can't reach production: no foreign rights, no host, no storage of others, smaller requests."""
    account = pod.pop("serviceAccountName", None)
    pod.pop("serviceAccount", None)
    if account not in {None, "", "default"}:
        shape.notes.append(f"{where}: runs as the default service account, not as {account}")
    for key in ("hostNetwork", "hostPID", "hostIPC", "nodeName"):
        if pod.pop(key, None):
            shape.notes.append(f"{where}: without {key}")
    for key in ("priorityClassName", "priority", "preemptionPolicy"):
        if pod.pop(key, None) is not None:
            shape.notes.append(f"{where}: without {key}, so that it never takes production's place")
    for volume in pod.get("volumes") or []:
        for key in sorted(set(volume) - _OWN_VOLUMES - {"name"}):
            if volume.pop(key, None) is not None:
                volume["emptyDir"] = {}
                shape.notes.append(f"{where}: volume {volume['name']} starts empty instead of as production's {key}")
    for container in (*(pod.get("initContainers") or []), *pod["containers"]):
        _cut_container(container, shape)


def _cut_container(container: Manifest, shape: Shape) -> None:
    (container.get("securityContext") or {}).pop("privileged", None)
    for port in container.get("ports") or []:
        port.pop("hostPort", None)
    for key in ("command", "args"):
        if key in container:
            container[key] = [_renamed(value, shape) for value in container[key]]
    for variable in container.get("env") or []:
        if "value" in variable:
            variable["value"] = _renamed(variable["value"], shape)
    given = container.get("resources") or {}
    requests = {**(given.get("limits") or {}), **(given.get("requests") or {})}
    if requests:
        smaller = {key: _smaller(key, value, shape.scale) for key, value in requests.items()}
        container["resources"] = {**given, "requests": smaller}


def _smaller(resource: str, value: str, scale: float) -> str:
    """A request at the shadow's size; what isn't CPU or memory (devices, disk) can't be shared out and stays."""
    if resource == "cpu":
        return cpu_text(share(millicores(value), scale))
    if resource == "memory":
        return memory_text(share(mebibytes(value), scale))
    return value


def _renamed(text: str, shape: Shape) -> str:
    """`cart.shop`, `cart.shop.svc...` and `.shop.svc` name production's services: the shadow's have its own name."""
    production, shadow = re.escape(shape.production), shape.shadow
    renamed = re.sub(rf"(?<=\.){production}(?=\.svc\b)", shadow, text)
    if shape.services:
        names = "|".join(sorted(map(re.escape, shape.services), key=len, reverse=True))
        renamed = re.sub(rf"(?<![\w-])({names})\.{production}(?![\w-]|\.(?!svc)\w)", rf"\1.{shadow}", renamed)
    if renamed != text:
        shape.notes.append(f"names of services in {shape.production} now lead to {shadow}")
    return renamed


def _autoscaler(made: Manifest, shape: Shape) -> bool:
    spec = made["spec"]
    for key in ("minReplicas", "maxReplicas"):
        if spec.get(key):
            spec[key] = share(spec[key], shape.scale)
    return True


def _budget(made: Manifest, shape: Shape) -> bool:
    """A count shrinks with the replicas, rounded down: a budget that forbids every eviction would stop a drain."""
    spec = made["spec"]
    for key, least in (("minAvailable", 0), ("maxUnavailable", 1)):
        if isinstance(spec.get(key), int):
            spec[key] = max(least, math.floor(spec[key] * Fraction(str(shape.scale))))
    return True


_MAKERS = {
    "ConfigMap": _config_map,
    "Secret": _secret,
    "Service": _service,
    "Deployment": _workload,
    "StatefulSet": _workload,
    "HorizontalPodAutoscaler": _autoscaler,
    "PodDisruptionBudget": _budget,
}
