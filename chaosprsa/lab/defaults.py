"""What the API server fills in: read by clients, so written as a real 1.34 does."""

import base64
from typing import Any

from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.quantities import canonical

POD = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "terminationGracePeriodSeconds": 30,
}
POD_ALONE = {"enableServiceLinks": True, "preemptionPolicy": "PreemptLowerPriority", "priority": 0}
PROBE = {"failureThreshold": 3, "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1}
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
SERVICE = {"internalTrafficPolicy": "Cluster", "sessionAffinity": "None", "type": "ClusterIP"}


def fill(obj: Obj, values: Obj) -> Obj:
    """Set what is missing or null."""
    for key, item in values.items():
        if obj.get(key) is None:
            obj[key] = item
    return obj


def section(obj: Obj, key: str) -> Obj:
    """The dict under a key, made where it is missing or null."""
    if obj.get(key) is None:
        obj[key] = {}
    found: Obj = obj[key]
    return found


def pod_spec(spec: Obj) -> None:
    """Defaults of a pod's spec, in a template or in a pod."""
    fill(spec, POD)
    section(spec, "securityContext")
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        _container(container)
    for volume in spec.get("volumes") or ():
        for source in ("configMap", "secret", "projected"):
            if volume.get(source) is not None:
                fill(volume[source], {"defaultMode": 420})


def _container(container: Obj) -> None:
    image = str(container.get("image") or "")
    tagged = ":" in image.rsplit("/", 1)[-1] and not image.endswith(":latest")
    fill(
        container,
        {
            "imagePullPolicy": "IfNotPresent" if tagged or "@" in image else "Always",
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        },
    )
    for port in container.get("ports") or ():
        fill(port, {"protocol": "TCP"})
    for name in PROBES:
        if container.get(name) is not None:
            fill(container[name], PROBE)
            if container[name].get("httpGet") is not None:
                fill(container[name]["httpGet"], {"path": "/", "scheme": "HTTP"})
    resources = section(container, "resources")
    for part in ("limits", "requests"):
        if resources.get(part) is not None:
            resources[part] = quantities(resources[part])


def quantities(amounts: Obj) -> Obj:
    """A resource list in its canonical form."""
    return {name: canonical(str(amount)) for name, amount in amounts.items()}


def pod(new: Obj, old: Obj | None) -> None:
    """A bare pod: also requests from limits, quality of service, the first status."""
    spec = section(new, "spec")
    pod_spec(spec)
    fill(spec, POD_ALONE)
    fill(spec, {"serviceAccountName": spec.get("serviceAccount") or "default"})
    spec["serviceAccount"] = spec["serviceAccountName"]
    for container in spec.get("containers") or ():
        resources = container["resources"]
        if resources.get("limits"):
            section(resources, "requests")
            fill(resources["requests"], resources["limits"])
    if old is None:
        new["status"] = {"phase": "Pending", "qosClass": quality(spec)}


def quality(spec: Obj) -> str:
    """The pod's quality-of-service class."""
    resources = [container.get("resources") or {} for container in spec.get("containers") or ()]
    if not any(each.get("requests") or each.get("limits") for each in resources):
        return "BestEffort"
    names = ("cpu", "memory")
    guaranteed = all(
        (each.get("limits") or {}).get(name) is not None
        and (each.get("requests") or {}).get(name) == each["limits"][name]
        for each in resources
        for name in names
    )
    return "Guaranteed" if guaranteed else "Burstable"


def _template(spec: Obj) -> None:
    fill(spec, {"replicas": 1})
    template = section(spec, "template")
    section(template, "metadata")
    pod_spec(section(template, "spec"))


def replicaset(new: Obj, _old: Obj | None) -> None:
    """A ReplicaSet takes its labels from its template, as a real one does."""
    spec = section(new, "spec")
    _template(spec)
    labels = spec["template"]["metadata"].get("labels")
    if labels and not new["metadata"].get("labels"):
        new["metadata"]["labels"] = dict(labels)
    section(new, "status").setdefault("replicas", 0)


def deployment(new: Obj, _old: Obj | None) -> None:
    """Defaults of a Deployment: a rolling update of 25 %."""
    spec = section(new, "spec")
    _template(spec)
    fill(spec, {"revisionHistoryLimit": 10, "progressDeadlineSeconds": 600})
    strategy = fill(section(spec, "strategy"), {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        fill(section(strategy, "rollingUpdate"), {"maxSurge": "25%", "maxUnavailable": "25%"})
    section(new, "status")


def statefulset(new: Obj, _old: Obj | None) -> None:
    """Defaults of a StatefulSet: one after another."""
    spec = section(new, "spec")
    _template(spec)
    fill(spec, {"revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady", "serviceName": ""})
    fill(section(spec, "persistentVolumeClaimRetentionPolicy"), {"whenDeleted": "Retain", "whenScaled": "Retain"})
    strategy = fill(section(spec, "updateStrategy"), {"type": "RollingUpdate"})
    if strategy["type"] == "RollingUpdate":
        fill(section(strategy, "rollingUpdate"), {"partition": 0})
    fill(section(new, "status"), {"replicas": 0})


def service(new: Obj, old: Obj | None) -> None:
    """Defaults of a Service; addresses and node ports are allocated elsewhere, and kept from what was."""
    spec = fill(section(new, "spec"), SERVICE)
    for port in spec.get("ports") or ():
        fill(port, {"protocol": "TCP"})
        fill(port, {"targetPort": port.get("port")})
    if spec["type"] != "ExternalName":
        fill(spec, {"ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"})
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        fill(spec, {"externalTrafficPolicy": "Cluster"})
    if old is not None and spec["type"] != "ExternalName":
        kept = {key: old["spec"].get(key) for key in ("clusterIP", "clusterIPs")}
        fill(spec, {key: item for key, item in kept.items() if item})
        _keep_node_ports(spec, old["spec"])
    fill(section(new, "status"), {"loadBalancer": {}})


def _keep_node_ports(spec: Obj, old: Obj) -> None:
    if spec["type"] not in {"NodePort", "LoadBalancer"}:
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
        return
    before = {(port.get("port"), port.get("protocol")): port.get("nodePort") for port in old.get("ports") or ()}
    for port in spec.get("ports") or ():
        kept = before.get((port.get("port"), port.get("protocol")))
        fill(port, {"nodePort": kept} if kept else {})


def autoscaler(new: Obj, _old: Obj | None) -> None:
    """An HPA without metrics aims at 80 % of the requested CPU; behaviour as upstream's."""
    spec = fill(section(new, "spec"), {"minReplicas": 1})
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    for metric in spec["metrics"]:
        for part in metric.values():
            if isinstance(part, dict):
                _canonical_target(part.get("target") or {})
    for direction in ("scaleUp", "scaleDown"):
        behaviour = spec.get("behavior")
        if behaviour is not None:
            _scaling_rules(behaviour, direction)


def _canonical_target(target: Obj) -> None:
    for field in ("averageValue", "value"):
        if target.get(field) is not None:
            target[field] = canonical(str(target[field]))


def _scaling_rules(behaviour: Obj, direction: str) -> None:
    percent: Obj = {"type": "Percent", "value": 100, "periodSeconds": 15}
    rules = section(behaviour, direction)
    if direction == "scaleUp":
        pods = {"type": "Pods", "value": 4, "periodSeconds": 15}
        fill(rules, {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [pods, percent]})
    else:
        fill(rules, {"selectPolicy": "Max", "policies": [percent]})


def network_policy(new: Obj, _old: Obj | None) -> None:
    """The policy types follow from what is there."""
    spec = section(new, "spec")
    section(spec, "podSelector")
    kinds = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]
    fill(spec, {"policyTypes": kinds})
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            fill(port, {"protocol": "TCP"})


def namespace(new: Obj, old: Obj | None) -> None:
    """The label that selects a namespace by its name, and its finalizer."""
    fill(section(new["metadata"], "labels"), {"kubernetes.io/metadata.name": new["metadata"]["name"]})
    fill(section(new, "spec"), {"finalizers": ["kubernetes"]})
    if old is None:
        new["status"] = {"phase": "Active"}


def secret(new: Obj, _old: Obj | None) -> None:
    """Plain stringData goes into data, in base64."""
    fill(new, {"type": "Opaque"})
    plain: dict[str, Any] = new.pop("stringData", None) or {}
    if plain:
        section(new, "data").update({key: base64.b64encode(text.encode()).decode() for key, text in plain.items()})


def quota(new: Obj, _old: Obj | None) -> None:
    """Amounts in their canonical form."""
    spec = section(new, "spec")
    if spec.get("hard"):
        spec["hard"] = quantities(spec["hard"])
    section(new, "status")


def status_only(new: Obj, _old: Obj | None) -> None:
    """Kinds whose status shows up empty at once."""
    section(new, "status")
