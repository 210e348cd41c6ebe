"""The kinds that the lab serves: one table. What is not in it is answered 404, as an API server does."""

from collections.abc import Callable
from functools import partial
from typing import Any

from chaosprsa.lab import defaults, validation, workload_validation
from chaosprsa.lab.kinds import Kind, Obj
from chaosprsa.lab.status import invalid

APPS, CHAOS_MESH = "apps", "chaos-mesh.org"


def _no_causes(_new: Obj, _old: Obj | None, _subresource: str) -> validation.Causes:
    return iter(())


def _check(kind: str, plural: str, group: str, rule: validation.Rule, new: Obj, old: Obj | None, sub: str) -> None:
    causes = [*validation.metadata(new, plural), *rule(new, old, sub)]
    if causes:
        raise invalid(kind, new["metadata"].get("name") or "", group, causes)


def _checked(kind: str, plural: str, group: str, rule: validation.Rule) -> Callable[[Obj, Obj | None, str], None]:
    return partial(_check, kind, plural, group, rule)


def _kind(kind: str, plural: str, group: str = "", rule: validation.Rule = _no_causes, **columns: Any) -> Kind:
    return Kind(kind=kind, plural=plural, group=group, check=_checked(kind, plural, group, rule), **columns)


POD_FIELDS = (
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
    "status.nominatedNodeName",
)
EVENT_FIELDS = (
    *(f"involvedObject.{field}" for field in ("kind", "namespace", "name", "uid", "apiVersion", "fieldPath")),
    "reason",
    "reportingComponent",
    "source",
    "type",
)
SPEC_STATUS: dict[str, Any] = {"has_status": True, "generation": True}
WORKLOAD: dict[str, Any] = {**SPEC_STATUS, "scale": True}

TABLE: tuple[Kind, ...] = (
    _kind(
        "Namespace",
        "namespaces",
        default=defaults.namespace,
        has_status=True,
        namespaced=False,
        short=("ns",),
        fields=("status.phase",),
    ),
    _kind("Node", "nodes", has_status=True, namespaced=False, short=("no",), fields=("spec.unschedulable",)),
    _kind(
        "Pod",
        "pods",
        rule=workload_validation.pod,
        default=defaults.pod,
        **SPEC_STATUS,
        short=("po",),
        fields=POD_FIELDS,
        subresources=("log", "eviction", "resize", "binding"),
    ),
    _kind(
        "Service",
        "services",
        rule=validation.service,
        default=defaults.service,
        has_status=True,
        short=("svc",),
        fields=("spec.clusterIP", "spec.type"),
    ),
    _kind("Endpoints", "endpoints", short=("ep",)),
    _kind("ConfigMap", "configmaps", rule=validation.config_data, short=("cm",)),
    _kind("Secret", "secrets", rule=validation.config_data, default=defaults.secret, fields=("type",)),
    _kind("ServiceAccount", "serviceaccounts", short=("sa",)),
    _kind("Event", "events", short=("ev",), fields=EVENT_FIELDS),
    _kind(
        "ResourceQuota",
        "resourcequotas",
        rule=validation.quota,
        default=defaults.quota,
        has_status=True,
        short=("quota",),
    ),
    _kind(
        "Deployment",
        "deployments",
        APPS,
        workload_validation.deployment,
        default=defaults.deployment,
        **WORKLOAD,
        short=("deploy",),
    ),
    _kind(
        "ReplicaSet",
        "replicasets",
        APPS,
        workload_validation.workload,
        default=defaults.replicaset,
        **WORKLOAD,
        short=("rs",),
        fields=("status.replicas",),
    ),
    _kind(
        "StatefulSet",
        "statefulsets",
        APPS,
        workload_validation.statefulset,
        default=defaults.statefulset,
        **WORKLOAD,
        short=("sts",),
    ),
    _kind("ControllerRevision", "controllerrevisions", APPS),
    _kind(
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "autoscaling",
        validation.autoscaler,
        version="v2",
        default=defaults.autoscaler,
        has_status=True,
        short=("hpa",),
    ),
    _kind(
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "policy",
        validation.disruption_budget,
        default=defaults.status_only,
        **SPEC_STATUS,
        needs_version=True,
        short=("pdb",),
    ),
    _kind(
        "NetworkPolicy",
        "networkpolicies",
        "networking.k8s.io",
        default=defaults.network_policy,
        generation=True,
        short=("netpol",),
    ),
    _kind("Lease", "leases", "coordination.k8s.io", validation.lease, needs_version=True),
    _kind("EndpointSlice", "endpointslices", "discovery.k8s.io", generation=True),
    _kind(
        "NetworkChaos",
        "networkchaos",
        CHAOS_MESH,
        version="v1alpha1",
        generation=True,
        needs_version=True,
        strategic=False,
    ),
    _kind(
        "HTTPChaos", "httpchaos", CHAOS_MESH, version="v1alpha1", generation=True, needs_version=True, strategic=False
    ),
)

KINDS: dict[str, Kind] = {kind.plural: kind for kind in TABLE}
"""By plural."""

OF_KIND: dict[str, Kind] = {kind.kind: kind for kind in TABLE}
"""By kind, for owner references and scale targets."""
