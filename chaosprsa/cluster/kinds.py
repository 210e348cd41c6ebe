"""Where each kind of object lives in the Kubernetes API: one table. What isn't in it isn't touched."""

from dataclasses import dataclass

from chaosprsa.errors import BadInput


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind's place in the API. order: when it is created within a namespace, what others need comes first."""

    version: str
    plural: str
    order: int = 0
    namespaced: bool = True

    @property
    def prefix(self) -> str:
        return f"/api/{self.version}" if "/" not in self.version else f"/apis/{self.version}"


KINDS = {
    "Namespace": Kind("v1", "namespaces", namespaced=False),
    "Node": Kind("v1", "nodes", namespaced=False),
    "NetworkPolicy": Kind("networking.k8s.io/v1", "networkpolicies", 1),
    "ResourceQuota": Kind("v1", "resourcequotas", 2),
    "ConfigMap": Kind("v1", "configmaps", 3),
    "Secret": Kind("v1", "secrets", 3),
    "Service": Kind("v1", "services", 4),
    "StatefulSet": Kind("apps/v1", "statefulsets", 5),
    "Deployment": Kind("apps/v1", "deployments", 5),
    "PodDisruptionBudget": Kind("policy/v1", "poddisruptionbudgets", 6),
    "HorizontalPodAutoscaler": Kind("autoscaling/v2", "horizontalpodautoscalers", 6),
    "ReplicaSet": Kind("apps/v1", "replicasets"),
    "Pod": Kind("v1", "pods"),
    "Lease": Kind("coordination.k8s.io/v1", "leases"),
    "NetworkChaos": Kind("chaos-mesh.org/v1alpha1", "networkchaos"),
    "HTTPChaos": Kind("chaos-mesh.org/v1alpha1", "httpchaos"),
}
APPLICABLE = tuple(sorted((name for name, kind in KINDS.items() if kind.order), key=lambda name: KINDS[name].order))
"""What a handle may create, replace and delete, in the order of creation."""
FAULTS = ("NetworkChaos", "HTTPChaos")
"""Chaos Mesh's objects: an interrupted experiment may leave them in a shadow."""


def path_of(kind: str, namespace: str = "", name: str = "", sub: str = "") -> str:
    """The object's path below the API server's address. Raises BadInput for a kind that isn't in the table."""
    if kind not in KINDS:
        raise BadInput(f"kind {kind}: not one this package touches ({', '.join(KINDS)})")
    place = KINDS[kind]
    within = f"/namespaces/{namespace}" if place.namespaced and namespace else ""
    tail = "".join(f"/{part}" for part in (name, sub) if part)
    return f"{place.prefix}{within}/{place.plural}{tail}"
