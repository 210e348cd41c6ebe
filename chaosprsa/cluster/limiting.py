"""What quota, nodes and disruption budgets leave for some services: read once, before an allocation is searched."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from chaosprsa.errors import ClusterRefused
from chaosprsa.manifests import WORKLOAD_KINDS, Manifest, labels_of, main_container, name_of, service_of
from chaosprsa.quantities import MIB, mebibytes, millicores, quantity
from chaosprsa.types import Limits

if TYPE_CHECKING:
    from chaosprsa.cluster.reading import Cluster

_QUOTAS: Mapping[str, tuple[tuple[str, ...], Fraction]] = {
    "cpu_requests_millicores": (("requests.cpu", "cpu"), Fraction(1000)),
    "cpu_limits_millicores": (("limits.cpu",), Fraction(1000)),
    "memory_requests_mib": (("requests.memory", "memory"), Fraction(1, MIB)),
    "memory_limits_mib": (("limits.memory",), Fraction(1, MIB)),
    "pods": (("pods", "count/pods"), Fraction(1)),
}
_CLOSED = ("NoSchedule", "NoExecute")
_OVER = ("Succeeded", "Failed")


def read_limits(cluster: "Cluster", namespace: str, services: Sequence[str]) -> tuple[Limits, tuple[str, ...]]:
    """Limits for these services together, and what of them could not be told, in words.

    What others use or ask for is taken off: of a quota by its own status, of the nodes by the pods that are on them.
    The containers that serve are what an allocation speaks of; sidecars beside them count as others.
    """
    owners = {
        service_of(item, cluster.service_label): item
        for item in cluster.objects(namespace, WORKLOAD_KINDS)
        if service_of(item, cluster.service_label) in services
    }
    notes: list[str] = []
    quotas = _asked(cluster, "ResourceQuota", namespace, notes)
    pods = _asked(cluster, "Pod", namespace, notes)
    own = [serving for pod in pods for serving in _serving(pod, owners)]
    given = _quotas(quotas, own, notes)
    budgets = _budgets(_asked(cluster, "PodDisruptionBudget", namespace, notes), owners, notes)
    return Limits(nodes=_nodes(cluster, own, notes), budgets=budgets, **given), tuple(notes)


def _asked(cluster: "Cluster", kind: str, namespace: str, notes: list[str]) -> tuple[Manifest, ...]:
    try:
        return cluster.api.items(kind, namespace)
    except ClusterRefused as refused:
        notes.append(f"limits: what every {kind} asks for is not looked at, as it may not be read ({refused})")
        return ()


def _serving(pod: Manifest, owners: Mapping[str, Manifest]) -> Iterator[Manifest]:
    """The pod with nothing but the container that serves, where it is one of these services'."""
    for service, owner in owners.items():
        selector = owner["spec"]["selector"].get("matchLabels") or {}
        if selector and selector.items() <= labels_of(pod).items():
            name = main_container(owner, service)["name"]
            containers = [each for each in pod["spec"]["containers"] if each["name"] == name]
            yield {**pod, "spec": {**pod["spec"], "containers": containers}}
            return


def _quotas(quotas: Iterable[Manifest], own: Sequence[Manifest], notes: list[str]) -> dict[str, Any]:
    """What each quota leaves; the least of several. Scoped ones count other pods than these, or not all of them."""
    held = _amounts(own)
    found: dict[str, Any] = {}
    for quota in quotas:
        spec = quota["spec"]
        if spec.get("scopes") or spec.get("scopeSelector"):
            notes.append(f"limits: ResourceQuota {name_of(quota)} is of some pods only (scopes), so it isn't looked at")
            continue
        used = (quota.get("status") or {}).get("used") or {}
        for name, (keys, unit) in _QUOTAS.items():
            for key in keys:
                if key in (spec.get("hard") or {}):
                    others = max(quantity(used.get(key, 0)) * unit - held[name], Fraction(0))
                    left = max(math.floor(quantity(spec["hard"][key]) * unit - others), 0)
                    found[name] = min(left, found.get(name, left))
    return found


def _amounts(pods: Sequence[Manifest]) -> dict[str, int]:
    """What these pods' containers count for in a quota."""
    alive = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in _OVER]
    containers = [container.get("resources") or {} for pod in alive for container in pod["spec"]["containers"]]

    def total(group: str, resource: str, unit: Any) -> int:
        given = [container.get(group) or {} for container in containers]
        return sum(int(unit(each[resource])) for each in given if resource in each)

    return {
        "cpu_requests_millicores": total("requests", "cpu", millicores),
        "cpu_limits_millicores": total("limits", "cpu", millicores),
        "memory_requests_mib": total("requests", "memory", mebibytes),
        "memory_limits_mib": total("limits", "memory", mebibytes),
        "pods": len(alive),
    }


def _nodes(cluster: "Cluster", own: Sequence[Manifest], notes: list[str]) -> tuple[tuple[int, int], ...]:
    """(millicores, MiB) that each node open to any pod has beside others' requests; none where that can't be told."""
    try:
        nodes = [node for node in cluster.api.items("Node") if _is_open(node)]
        pods = cluster.api.items("Pod")
    except ClusterRefused as refused:
        notes.append(f"limits: the nodes' room is not looked at, as nodes or others' pods may not be read ({refused})")
        return ()
    return tuple(_room(node, _amounts(_on(node, pods)), _amounts(_on(node, own))) for node in nodes)


def _on(node: Manifest, pods: Iterable[Manifest]) -> list[Manifest]:
    return [pod for pod in pods if pod["spec"].get("nodeName") == name_of(node)]


def _room(node: Manifest, taken: Mapping[str, int], own: Mapping[str, int]) -> tuple[int, int]:
    size = node["status"]["allocatable"]
    cpu = millicores(size["cpu"]) - taken["cpu_requests_millicores"] + own["cpu_requests_millicores"]
    memory = math.floor(quantity(size["memory"]) / MIB) - taken["memory_requests_mib"] + own["memory_requests_mib"]
    return max(cpu, 0), max(memory, 0)


def _is_open(node: Manifest) -> bool:
    spec = node.get("spec") or {}
    tainted = any(taint.get("effect") in _CLOSED for taint in spec.get("taints") or [])
    sized = {"cpu", "memory"} <= ((node.get("status") or {}).get("allocatable") or {}).keys()
    return sized and not tainted and not spec.get("unschedulable")


def _budgets(budgets: Iterable[Manifest], owners: Mapping[str, Manifest], notes: list[str]) -> dict[str, int]:
    """By service, how many pods stay available whatever happens; one that lets no pod go, ever, is a note."""
    found: dict[str, int] = {}
    for budget in budgets:
        selector = (budget["spec"].get("selector") or {}).get("matchLabels") or {}
        kept = _kept(budget["spec"])
        for service in _selected(selector, owners):
            if kept is None:
                notes.append(
                    f"{service}: its PodDisruptionBudget {name_of(budget)} lets no pod go at any number of replicas, "
                    "so no node with one can be drained; allow one pod to be unavailable"
                )
            elif kept > 0:
                found[service] = max(kept, found.get(service, 0))
    return found


def _selected(selector: Mapping[str, str], owners: Mapping[str, Manifest]) -> Iterator[str]:
    for service, owner in owners.items():
        labels = owner["spec"]["template"].get("metadata", {}).get("labels") or {}
        if selector and selector.items() <= labels.items():
            yield service


def _kept(spec: Mapping[str, Any]) -> int | None:
    """Pods that stay, in the smallest service that can lose one; None: it never can.

    A share is rounded up, both of what must stay and of what may go (Kubernetes' disruption controller): with a share
    p that stays, n - ceil(p n) >= 1 from n = ceil(1 / (1 - p)) on.
    """
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if most is not None:
        return None if str(most) in ("0", "0%") else 0
    if isinstance(least, str) and least.endswith("%"):
        share = Fraction(least[:-1]) / 100
        return None if share >= 1 else math.ceil(1 / (1 - share)) - 1
    return int(least or 0)
