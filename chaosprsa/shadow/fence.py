"""What keeps a shadow apart and within bounds: NetworkPolicies and a ResourceQuota."""

import copy
import math
from collections.abc import Callable, Sequence

from chaosprsa.manifests import LINEAGE, SHADOW_OF, WORKLOAD_KINDS, Manifest, name_of, pod_spec
from chaosprsa.quantities import cpu_text, mebibytes, memory_text, millicores
from chaosprsa.shadow.cutting import Shape

REACHES = "chaosprsa.io/reaches-shadows"
"""Label of a namespace whose pods may call into shadows: the load generator's, Prometheus'."""
APART = "chaosprsa-apart"
ENTRY = "chaosprsa-entry"
QUOTA = "chaosprsa"


def policies(objects: Sequence[Manifest], shape: Shape) -> list[Manifest]:
    """Apart: traffic within the namespace, DNS, and callers from namespaces labelled for it. Entry: users outside."""
    dns = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    within: Manifest = {"podSelector": {}}
    apart = {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [within, {"namespaceSelector": {"matchLabels": {REACHES: "true"}}}]}],
        "egress": [{"to": [within]}, {"ports": dns}],
    }
    entries = [item["spec"] for item in objects if item["kind"] == "Service" and item["spec"].get("type") == "NodePort"]
    policies = [_made("networking.k8s.io/v1", "NetworkPolicy", APART, apart, shape)]
    for number, spec in enumerate(spec for spec in entries if spec.get("selector")):
        ports = [
            {"protocol": port.get("protocol", "TCP"), "port": port.get("targetPort", port["port"])}
            for port in spec["ports"]
        ]
        entry = {
            "podSelector": {"matchLabels": spec["selector"]},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": ports}],
        }
        policies.append(_made("networking.k8s.io/v1", "NetworkPolicy", f"{ENTRY}-{number}", entry, shape))
    shape.notes.append("whether the NetworkPolicies are enforced depends on the cluster's network plugin")
    return policies


def quota(objects: Sequence[Manifest], headroom: float, shape: Shape) -> Manifest:
    """Headroom times what the shadow requests at its largest (HPAs at their maximum); room for one pod more each."""
    workloads = [item for item in objects if item["kind"] in WORKLOAD_KINDS]
    most = {
        (item["spec"]["scaleTargetRef"]["kind"], item["spec"]["scaleTargetRef"]["name"]): item["spec"]["maxReplicas"]
        for item in objects
        if item["kind"] == "HorizontalPodAutoscaler"
    }
    counts = [max(item["spec"]["replicas"], most.get((item["kind"], name_of(item)), 0)) for item in workloads]
    hard = {"pods": str(max(sum(counts) + len(counts), math.ceil(sum(counts) * headroom)))}
    for resource, unit, text in (("cpu", millicores, cpu_text), ("memory", mebibytes, memory_text)):
        needs = [_request(item, resource, unit) for item in workloads]
        known = [need for need in needs if need is not None]
        if len(known) < len(needs):
            shape.notes.append(f"the quota leaves {resource} open: some container has no {resource} request")
        else:
            total = sum(need * count for need, count in zip(known, counts, strict=True))
            hard[f"requests.{resource}"] = text(max(total + sum(known), math.ceil(total * headroom)))
    return _made("v1", "ResourceQuota", QUOTA, {"hard": hard}, shape)


def _request(workload: Manifest, resource: str, unit: Callable[[str], int]) -> int | None:
    """A pod's request; None where a container (the init ones too) has none, as a quota would then refuse the pod."""
    pod = pod_spec(workload)
    every = [
        (item.get("resources") or {}).get("requests") or {}
        for item in (*pod["containers"], *(pod.get("initContainers") or []))
    ]
    if any(resource not in requests for requests in every):
        return None
    return sum(unit(requests[resource]) for requests in every)


def _made(version: str, kind: str, name: str, spec: Manifest, shape: Shape) -> Manifest:
    annotations = {SHADOW_OF: shape.production, **({LINEAGE: shape.lineage} if shape.lineage else {})}
    metadata = {
        "name": name,
        "namespace": shape.shadow,
        "labels": {SHADOW_OF: shape.production},
        "annotations": annotations,
    }
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": copy.deepcopy(spec)}
