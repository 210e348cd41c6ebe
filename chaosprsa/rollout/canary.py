"""A canary: one pod with the target's resources, behind the same Service as the workload's own pods. Pure."""

import copy

from chaosprsa.errors import BadInput
from chaosprsa.manifests import CANARY, Manifest, main_container, name_of, resources_json
from chaosprsa.types import ServiceChange

SUFFIX = "-canary"
_TEMPLATE_KEEPS = ("labels", "annotations")


def canary_name(service: str) -> str:
    """The canary's Deployment."""
    return f"{service}{SUFFIX}"


def is_canary_pod(service: str, pod: str) -> bool:
    """Whether a pod of this name is the service's canary: Deployments name pods after themselves."""
    return pod.startswith(f"{canary_name(service)}-")


def is_stable_pod(service: str, pod: str) -> bool:
    """Whether it is another one."""
    return not is_canary_pod(service, pod)


def canary_manifest(workload: Manifest, change: ServiceChange, plan_hash: str) -> Manifest:
    """A Deployment of one pod from the workload's own template, with the resources of change.after.

    Its pods carry the workload's labels, so that the Service sends them their share, and a label of their own, which is
    all that its selector names: it never claims the workload's pods, nor they it. Raises BadInput for a StatefulSet
    with volumes of its own: a pod without its data is no canary.
    """
    where = f"{workload['kind']} {name_of(workload)}"
    if workload["spec"].get("volumeClaimTemplates"):
        raise BadInput(
            f"{where}: its pods have volumes of their own, so no canary can stand beside them; change it by hand"
        )
    template = copy.deepcopy(workload["spec"]["template"])
    metadata = {key: template.get("metadata", {}).get(key) or {} for key in _TEMPLATE_KEEPS}
    metadata["labels"] = {**metadata["labels"], CANARY: plan_hash}
    template["metadata"] = metadata
    labels = {**(workload["metadata"].get("labels") or {}), CANARY: plan_hash}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": {CANARY: plan_hash, **_own_label(workload)}},
        "template": template,
    }
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": canary_name(change.service),
            "namespace": workload["metadata"]["namespace"],
            "labels": labels,
        },
        "spec": spec,
    }
    main_container(manifest, change.service)["resources"] = resources_json(change.after.resources)
    return manifest


def _own_label(workload: Manifest) -> dict[str, str]:
    """The workload's own selector too: two canaries of one plan must not claim each other's pods."""
    labels: dict[str, str] = workload["spec"]["selector"].get("matchLabels") or {}
    if not labels:
        raise BadInput(f"{workload['kind']} {name_of(workload)}: its selector is empty; name labels")
    return labels
