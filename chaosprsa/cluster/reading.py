"""The cluster as it is: read only. Handles, the only way to a change, are given out here and nowhere else."""

import hmac
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from chaosprsa.cluster.api import Api, api_client
from chaosprsa.cluster.handles import Production, Shadow
from chaosprsa.cluster.limiting import read_limits
from chaosprsa.errors import BadInput, ClusterRefused, NotApproved, NotAShadow
from chaosprsa.manifests import (
    SHADOW_OF,
    WORKLOAD_KINDS,
    Manifest,
    Workload,
    find_workload,
    labels_of,
    name_of,
    read_allocation,
    read_workloads,
)
from chaosprsa.quantities import mebibytes, millicores
from chaosprsa.types import Allocation, Limits
from chaosprsa.workspace import Workspace

STATE_VARIABLE = "CHAOSPRSA_STATE"
"""Environment: the working folder's .chaosprsa, for activities that `chaos run` starts in another folder."""


class Cluster:
    """One Kubernetes cluster. state: the folder for snapshots and the local stop file (Workspace.state)."""

    def __init__(self, api: Api, state: Path, service_label: str = "app") -> None:
        self.api = api
        self.state = state
        self.service_label = service_label

    def version(self) -> tuple[int, int]:
        """The server's (major, minor)."""
        found = self.api.call("GET", "/version")
        return int(found["major"]), int("".join(filter(str.isdigit, found["minor"])))

    def namespaces(self) -> tuple[str, ...]:
        return tuple(name_of(item) for item in self.api.items("Namespace"))

    def namespace(self, name: str) -> Manifest:
        """The Namespace object. Raises BadInput: no name given, no such namespace."""
        if not name.strip():
            raise BadInput("no namespace was named, and there is no default one: name it")
        found = self.api.find("Namespace", "", name)
        if found is None:
            raise BadInput(f'namespace "{name}": there is none of that name at {self.api.url}')
        return found

    def objects(self, namespace: str, kinds: Iterable[str]) -> tuple[Manifest, ...]:
        """Every object of these kinds in the namespace, as the API shows it."""
        self.namespace(namespace)
        return tuple(item for kind in kinds for item in self.api.items(kind, namespace))

    def workloads(self, namespace: str) -> tuple[Workload, ...]:
        """Deployments and StatefulSets; a container without a limit may use what the largest node has."""
        manifests = self.objects(namespace, (*WORKLOAD_KINDS, "HorizontalPodAutoscaler"))
        return read_workloads(manifests, self.service_label, self._capacity())

    def workload(self, namespace: str, service: str) -> Workload:
        """The one workload that serves this service. Raises BadInput."""
        return find_workload(self.workloads(namespace), service, namespace)

    def allocation(self, namespace: str, services: Sequence[str]) -> Allocation:
        """What the services are given now, in their order."""
        return read_allocation(self.workloads(namespace), services, namespace)

    def limits(self, namespace: str, services: Sequence[str]) -> tuple[Limits, tuple[str, ...]]:
        """What quota, nodes and disruption budgets leave for the services, and what of it can't be told, in words."""
        return read_limits(self, namespace, services)

    def pods(self, namespace: str, kind: str, name: str) -> tuple[Manifest, ...]:
        """The workload's own pods that aren't going away: those that its selector names and its controllers own."""
        owner = self.api.get(kind, namespace, name)
        selector = owner["spec"]["selector"].get("matchLabels") or {}
        if not selector:
            raise BadInput(f"{kind} {namespace}/{name}: its selector is empty, so it is left alone")
        owners = {owner["metadata"]["uid"]}
        if kind == "Deployment":
            sets = self.api.items("ReplicaSet", namespace, selector)
            owners = {item["metadata"]["uid"] for item in sets if _owned_by(item, owners)}
        pods = self.api.items("Pod", namespace, selector)
        return tuple(pod for pod in pods if _owned_by(pod, owners) and "deletionTimestamp" not in pod["metadata"])

    def entry_url(self, namespace: str, service: str) -> str:
        """Where a load generator reaches the service: the node's port, else the load balancer's, else the ClusterIP's.

        The Service of that name, else the first whose selector has the service label. Raises BadInput without any.
        """
        chosen = self._entry_service(namespace, service)
        port = chosen["spec"]["ports"][0]
        balancers = ((chosen.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        if balancers:
            return f"http://{balancers[0].get('ip') or balancers[0].get('hostname')}:{port['port']}"
        if port.get("nodePort"):
            return f"http://{self._node_address()}:{port['nodePort']}"
        return f"http://{chosen['spec']['clusterIP']}:{port['port']}"

    def shadow(self, namespace: str) -> Shadow:
        """A handle that may change this shadow. Raises NotAShadow: the label isn't there."""
        found = self.namespace(namespace)
        production = labels_of(found).get(SHADOW_OF)
        if not production:
            raise NotAShadow(
                f'namespace "{namespace}": it isn\'t labelled {SHADOW_OF}, so nothing in it is touched. '
                "Create a shadow: chaos prsa shadow create"
            )
        return Shadow(self, namespace, str(found["metadata"]["uid"]), production)

    def production(self, namespace: str, plan_hash: str, approval: str) -> Production:
        """A handle that may change production, for one approved plan. Raises NotApproved."""
        found = self.namespace(namespace)
        if labels_of(found).get(SHADOW_OF):
            raise NotApproved(f'namespace "{namespace}": it is a shadow; a rollout goes to production')
        if not plan_hash or not hmac.compare_digest(plan_hash.encode(), approval.encode()):
            given = f"the approval is for {approval!r}" if approval else "there is no approval"
            raise NotApproved(
                f'namespace "{namespace}": {given}, the plan is {plan_hash!r}. '
                f"Read the plan, then: chaos prsa rollout --approve {plan_hash}"
            )
        return Production(self, namespace, str(found["metadata"]["uid"]), plan_hash)

    def _entry_service(self, namespace: str, service: str) -> Manifest:
        services = [item for item in self.objects(namespace, ("Service",)) if item["spec"].get("ports")]
        by_name = [item for item in services if name_of(item) == service]
        by_label = [
            item for item in services if (item["spec"].get("selector") or {}).get(self.service_label) == service
        ]
        for found in (*by_name, *by_label):
            if found["spec"].get("clusterIP", "None") != "None":
                return found
        raise BadInput(
            f'namespace "{namespace}": no Service leads to {service!r}, so no load can reach it; '
            "make one, or set [trial] entry_url"
        )

    def _node_address(self) -> str:
        for node in self.api.items("Node"):
            addresses = {item["type"]: item["address"] for item in (node.get("status") or {}).get("addresses") or []}
            if "InternalIP" in addresses:
                return str(addresses["InternalIP"])
        raise BadInput("no node says its InternalIP, so its node ports can't be reached; set [trial] entry_url")

    def _capacity(self) -> tuple[int, int]:
        """(millicores, MiB) of the largest node; (0, 0) where nodes may not be read."""
        try:
            nodes = self.api.items("Node")
        except ClusterRefused:
            return 0, 0
        sizes = [(node.get("status") or {}).get("allocatable") or {} for node in nodes]
        cpus = [millicores(size["cpu"]) for size in sizes if "cpu" in size]
        memories = [mebibytes(size["memory"]) for size in sizes if "memory" in size]
        return max(cpus, default=0), max(memories, default=0)


def _owned_by(manifest: Manifest, uids: Iterable[str]) -> bool:
    return any(owner.get("uid") in uids for owner in manifest["metadata"].get("ownerReferences") or [])


def connect(
    context: str = "",
    secrets: Mapping[str, Any] | None = None,
    state: Path | None = None,
    service_label: str = "app",
) -> Cluster:
    """The cluster that KUBECONFIG (or the pod we run in) names. Raises ClusterUnreachable when nothing answers.

    context: the kubeconfig's; empty, secrets' or the environment's KUBERNETES_CONTEXT, else the current one.
    secrets: Chaos Toolkit's, with the names chaosk8s gives them, so that its actions and ours reach the same cluster.
    state: where snapshots and the stop file lie; CHAOSPRSA_STATE, else .chaosprsa below the working folder.
    """
    known = {key: value for key, value in os.environ.items() if key.startswith("KUBERNETES_")} | dict(secrets or {})
    where = state or Path(os.environ.get(STATE_VARIABLE) or Workspace(Path.cwd()).state)
    cluster = Cluster(Api(api_client(context, known)), where, service_label)
    cluster.api.call("GET", "/version")
    return cluster
