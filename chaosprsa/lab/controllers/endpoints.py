"""Endpoints and EndpointSlices: where a Service's pods answer."""

from typing import Any

from chaosprsa.lab import podstatus
from chaosprsa.lab.controllers.replicasets import key_of, owner_reference
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.objects import owned_by
from chaosprsa.lab.selectors import matcher
from chaosprsa.lab.store import Change, Store
from chaosprsa.lab.work import Key, WorkQueue

MANAGED = "endpointslice-controller.k8s.io"


class EndpointsController:
    """Its keys are Services."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.queue = WorkQueue(self._sync, store.turn)
        store.subscribe("services", lambda _event, each: self.queue.add(key_of(each)), replay=True)
        store.on_change(self._changed)

    def _changed(self, plural: str, change: Change) -> None:
        if plural != "pods":
            return
        states = [_seen(pod) for pod in (change.previous, change.obj) if pod is not None]
        if change.event == "MODIFIED" and states[0] == states[1]:
            return
        namespace = change.obj["metadata"]["namespace"]
        for service in self._store.list("services", namespace):
            selected = matcher(service["spec"].get("selector"))
            if service["spec"].get("selector") and any(selected(dict(labels)) for labels, *_ in states):
                self.queue.add_soon(key_of(service))

    def _sync(self, key: Key) -> None:
        service = self._store.find("services", *key)
        if service is None:
            self._store.remove("endpoints", *key)
            return
        selector = service["spec"].get("selector")
        if not selector or service["spec"]["type"] == "ExternalName":
            return
        pods = [
            pod
            for pod in self._store.list("pods", key[0], selector)
            if (pod.get("status") or {}).get("podIP") and pod["status"].get("phase") not in podstatus.TERMINAL
        ]
        self._write_endpoints(service, [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")])
        self._write_slice(service, pods)

    def _write_endpoints(self, service: Obj, pods: list[Obj]) -> None:
        everyone = bool(service["spec"].get("publishNotReadyAddresses"))
        parts = {
            "addresses": [_address(pod) for pod in pods if everyone or podstatus.is_ready(pod)],
            "notReadyAddresses": [_address(pod) for pod in pods if not everyone and not podstatus.is_ready(pod)],
        }
        subset = {part: addresses for part, addresses in parts.items() if addresses}
        subsets = [{**subset, "ports": ports_of(service, pods)}] if subset else []
        wanted: Obj = {"subsets": subsets} if subsets else {}
        self._write("endpoints", service, service["metadata"]["name"], wanted, None)

    def _write_slice(self, service: Obj, pods: list[Obj]) -> None:
        known = owned_by(self._store.list("endpointslices", service["metadata"]["namespace"]), service)
        name = known[0]["metadata"]["name"] if known else ""
        wanted = {
            "addressType": "IPv4",
            "endpoints": [_endpoint(service, pod) for pod in pods],
            "ports": [{"name": "", **port} for port in ports_of(service, pods)],
        }
        self._write("endpointslices", service, name, wanted, owner_reference(service))

    def _write(self, plural: str, service: Obj, name: str, content: Obj, owner: Obj | None) -> None:
        namespace = service["metadata"]["namespace"]
        current = self._store.find(plural, namespace, name) if name else None
        if current is not None:
            fixed = {key: current[key] for key in ("apiVersion", "kind", "metadata")}
            self._store.update(plural, {**fixed, **content}, subresource="trusted")
            return
        labels = dict(service["metadata"].get("labels") or {})
        if owner is not None:
            labels |= {"endpointslice.kubernetes.io/managed-by": MANAGED}
            labels |= {"kubernetes.io/service-name": service["metadata"]["name"]}
        else:
            labels |= {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
        metadata: Obj = {"namespace": namespace, "labels": labels}
        metadata |= {"name": name} if name else {"generateName": f"{service['metadata']['name']}-"}
        metadata |= {"ownerReferences": [owner]} if owner else {}
        self._store.create(plural, {"metadata": metadata, **content})


def ports_of(service: Obj, pods: list[Obj]) -> list[Obj]:
    """The pods' ports behind a Service's; a named port is looked up in the first pod that has it."""
    result = []
    for port in service["spec"].get("ports") or ():
        target = _number(port.get("targetPort", port["port"]), pods)
        if target is not None:
            name = {"name": port["name"]} if port.get("name") else {}
            result.append({**name, "port": target, "protocol": port["protocol"]})
    return result


def _number(target: Any, pods: list[Obj]) -> int | None:
    if isinstance(target, int):
        return target
    ports = (
        port
        for pod in pods
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or ()
        if port.get("name") == target
    )
    return next((port["containerPort"] for port in ports), None)


def _seen(pod: Obj) -> tuple[Any, ...]:
    status = pod.get("status") or {}
    labels = tuple(sorted((pod["metadata"].get("labels") or {}).items()))
    going = bool(pod["metadata"].get("deletionTimestamp"))
    return labels, status.get("podIP"), status.get("phase"), podstatus.is_ready(pod), going


def _target(pod: Obj) -> Obj:
    metadata = pod["metadata"]
    return {"kind": "Pod", "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"]}


def _address(pod: Obj) -> Obj:
    return {"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": _target(pod)}


def _endpoint(service: Obj, pod: Obj) -> Obj:
    going = bool(pod["metadata"].get("deletionTimestamp"))
    serving = podstatus.is_ready(pod)
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not going)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": going},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": _target(pod),
    }
