"""Single writes that can be repeated: read, change, write back, and again when somebody else wrote in between."""

import copy
import time
from collections.abc import Callable, Iterator

from chaosprsa.cluster.api import Api
from chaosprsa.errors import ClusterRefused
from chaosprsa.manifests import BEFORE, MADE, Manifest, name_of, pod_spec

# Controllers write a status several times a second while pods come and go, and where a read and its write are slow each
# try may meet one: eight tries in six seconds were not enough on a machine with twenty times the work it can do.
_PATIENCE_S = 30.0
_LONGEST_WAIT_S = 0.5
_CARRIED = ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort")


def modify(api: Api, kind: str, namespace: str, name: str, change: Callable[[Manifest], None]) -> Manifest:
    """The object after `change` was done to it; nothing is written where nothing changed. Raises ClusterRefused."""
    for last in _tries():
        found = api.get(kind, namespace, name)
        wanted = copy.deepcopy(found)
        change(wanted)
        if wanted == found:
            return found
        try:
            return api.replace(wanted)
        except ClusterRefused as refused:
            if refused.status != 409 or last:
                raise
    raise AssertionError  # the last attempt returns or raises


def put(api: Api, manifest: Manifest, recreate: bool = False) -> Manifest:
    """The object as the manifest says, created or replaced; what only the server may choose is carried over.

    recreate: delete and create it where a field that can't change differs (a selector, a StatefulSet's volumes).
    """
    kind, namespace, name = manifest["kind"], manifest["metadata"]["namespace"], name_of(manifest)
    for last in _tries():
        found = api.find(kind, namespace, name)
        try:
            if found is None:
                return api.create(manifest)
            return api.replace(_over(found, manifest))
        except ClusterRefused as refused:
            if refused.status == 422 and recreate and found is not None and not last:
                api.delete(kind, namespace, name, found["metadata"]["uid"])
            elif refused.status not in {404, 409} or last:
                raise
    raise AssertionError  # the last attempt returns or raises


def _tries() -> Iterator[bool]:
    """Attempts with growing waits between them; True for the last one, once patience is at its end."""
    end, wait_s = time.monotonic() + _PATIENCE_S, 0.05
    while time.monotonic() < end:
        yield False
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
    yield True


def _over(found: Manifest, manifest: Manifest) -> Manifest:
    wanted = copy.deepcopy(manifest)
    wanted["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
    if "status" in found:
        wanted["status"] = found["status"]
    if manifest["kind"] == "Service":
        carried = {key: found["spec"][key] for key in _CARRIED if key in found["spec"]}
        wanted["spec"] = {**carried, **wanted["spec"]}
        _carry_node_ports(found, wanted)
    revision = (found["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision")
    if revision:
        wanted["metadata"].setdefault("annotations", {})["deployment.kubernetes.io/revision"] = revision
    return wanted


def _carry_node_ports(found: Manifest, wanted: Manifest) -> None:
    taken = {port.get("name", ""): port["nodePort"] for port in found["spec"].get("ports") or [] if "nodePort" in port}
    if wanted["spec"].get("type", "ClusterIP") != "ClusterIP":
        for port in wanted["spec"].get("ports") or []:
            if port.get("name", "") in taken:
                port.setdefault("nodePort", taken[port.get("name", "")])


def marked(manifest: Manifest, namespace: str) -> Manifest:
    """The manifest as something of ours in this namespace."""
    wanted = copy.deepcopy(manifest)
    wanted["metadata"]["namespace"] = namespace
    wanted["metadata"]["annotations"] = {**(wanted["metadata"].get("annotations") or {}), MADE: "yes"}
    return wanted


def set_resources(manifest: Manifest, container: str, resources: Manifest) -> None:
    """Give a container of a workload's template these CPU and memory requests and limits; others stay."""
    for found in pod_spec(manifest)["containers"]:
        if found["name"] == container:
            found["resources"] = merged(found.get("resources") or {}, resources)


def merged(given: Manifest, wanted: Manifest) -> Manifest:
    """Resources with other CPU and memory; storage and devices as they were."""
    return {**given, **{part: {**(given.get(part) or {}), **wanted[part]} for part in ("requests", "limits")}}


def annotate(manifest: Manifest, key: str, value: str | None) -> None:
    """Set an annotation, or (None) take it away."""
    annotations = {**(manifest["metadata"].get("annotations") or {})}
    if value is None:
        annotations.pop(key, None)
    else:
        annotations[key] = value
    if annotations:
        manifest["metadata"]["annotations"] = annotations
    else:
        manifest["metadata"].pop("annotations", None)


__all__ = ["BEFORE", "annotate", "marked", "merged", "modify", "put", "set_resources"]
