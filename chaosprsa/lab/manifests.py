"""Production's objects, as a team would keep them: workloads, Services, configuration, an autoscaler, budgets."""

import base64
import json
from typing import Any

from chaosprsa.lab.topology import LabService, LabTopology

Manifest = dict[str, Any]
IMAGE = "lab.chaosprsa.io/emulated:1"
PORT = 8080


def production_objects(topology: LabTopology) -> tuple[tuple[str, Manifest], ...]:
    """(plural, object) in the order in which they are to be created."""
    namespace = topology.namespace
    found: list[tuple[str, Manifest]] = [
        ("namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        ("configmaps", _config(topology)),
        ("secrets", _secret(topology)),
    ]
    for service in topology.services:
        found.append(("services", _service(topology, service)))
        found.append((f"{service.kind.lower()}s", _workload(topology, service)))
    found.extend(("horizontalpodautoscalers", autoscaler) for autoscaler in _autoscalers(topology))
    guarded = [service for service in topology.services if service.replicas > 1]
    found.extend(("poddisruptionbudgets", _budget(namespace, service)) for service in guarded)
    return tuple(found)


def _metadata(topology: LabTopology, name: str, app: str = "") -> Manifest:
    labels = {"app.kubernetes.io/part-of": topology.namespace} | ({"app": app} if app else {})
    return {"name": name, "namespace": topology.namespace, "labels": labels}


def _config(topology: LabTopology) -> Manifest:
    data = {"LOG_LEVEL": "info", "REQUEST_TIMEOUT_MS": f"{topology[topology.entry].timeout_ms:g}"}
    metadata = _metadata(topology, f"{topology.namespace}-config")
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _secret(topology: LabTopology) -> Manifest:
    data = {"token": base64.b64encode(b"lab-only").decode()}
    metadata = _metadata(topology, f"{topology.namespace}-credentials")
    return {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}


def _service(topology: LabTopology, service: LabService) -> Manifest:
    spec = {
        "type": "NodePort" if service.name == topology.entry else "ClusterIP",
        "selector": {"app": service.name},
        "ports": [{"name": "http", "port": PORT, "targetPort": PORT, "protocol": "TCP"}],
    }
    metadata = _metadata(topology, service.name, service.name)
    if service.name == topology.entry:
        mix = [{"path": share.path, "weight": share.weight} for share in topology.mix]
        metadata["annotations"] = {"chaosprsa.io/endpoints": json.dumps(mix)}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _workload(topology: LabTopology, service: LabService) -> Manifest:
    spec: Manifest = {
        "replicas": service.replicas,
        "selector": {"matchLabels": {"app": service.name}},
        "template": {
            "metadata": {"labels": {"app": service.name}},
            "spec": {"terminationGracePeriodSeconds": 2, "containers": [_container(topology, service)]},
        },
    }
    if service.kind == "StatefulSet":
        spec |= {"serviceName": service.name, "podManagementPolicy": "Parallel"}
    else:
        spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    metadata = _metadata(topology, service.name, service.name)
    return {"apiVersion": "apps/v1", "kind": service.kind, "metadata": metadata, "spec": spec}


def _container(topology: LabTopology, service: LabService) -> Manifest:
    given = service.resources
    return {
        "name": service.name,
        "image": IMAGE,
        "ports": [{"name": "http", "containerPort": PORT}],
        "envFrom": [{"configMapRef": {"name": f"{topology.namespace}-config"}}],
        "env": [_credentials(topology)] if service.name == topology.services[-1].name else [],
        "resources": {
            "requests": {"cpu": f"{given.cpu_request_millicores}m", "memory": f"{given.memory_request_mib}Mi"},
            "limits": {"cpu": f"{given.cpu_limit_millicores}m", "memory": f"{given.memory_limit_mib}Mi"},
        },
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": PORT}, "periodSeconds": 1},
    }


def _credentials(topology: LabTopology) -> Manifest:
    source = {"secretKeyRef": {"name": f"{topology.namespace}-credentials", "key": "token"}}
    return {"name": "TOKEN", "valueFrom": source}


def _autoscalers(topology: LabTopology) -> list[Manifest]:
    """On the last Deployment: up when its pods use 80 % of what they request; down only by people or by a rollout."""
    names = [service.name for service in topology.services if service.kind == "Deployment"]
    return [_autoscaler(topology, name) for name in names[-1:]]


def _autoscaler(topology: LabTopology, name: str) -> Manifest:
    utilisation = {"type": "Utilization", "averageUtilization": 80}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "minReplicas": 1,
        "maxReplicas": max(4, topology[name].replicas * 2),
        "behavior": {"scaleDown": {"selectPolicy": "Disabled"}},
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": utilisation}}],
    }
    metadata = _metadata(topology, name, name)
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}


def _budget(namespace: str, service: LabService) -> Manifest:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": service.name, "namespace": namespace, "labels": {"app": service.name}},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": service.name}}},
    }
