"""What `init` learns from a namespace: services, who is reachable from outside, what they are given. Read only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaosprsa.manifests import Manifest, Workload, annotations_of, name_of, read_allocation
from chaosprsa.types import Allocation

if TYPE_CHECKING:
    from chaosprsa.cluster.reading import Cluster

_ENTRY_NAMES = ("gateway", "frontend", "front-end", "web", "ingress", "edge", "proxy", "ui", "www")


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """services: the workloads' service names. exposed: those with a Service that leads out of the cluster.

    entry: the most likely one that users reach, "" where nothing hints at it. annotations: the entry's Service's.
    allocation: of the services that have requests or limits. notes: what is missing, in words.
    """

    namespace: str
    workloads: tuple[Workload, ...]
    services: tuple[str, ...]
    exposed: tuple[str, ...]
    entry: str
    annotations: Mapping[str, Mapping[str, str]]
    allocation: Allocation
    notes: tuple[str, ...]


def discover_system(cluster: "Cluster", namespace: str) -> System:
    """Look at a namespace. Call edges are not here: they come from metrics. Raises BadInput: no such namespace."""
    workloads = cluster.workloads(namespace)
    services = tuple(dict.fromkeys(workload.service for workload in workloads))
    fronts = cluster.objects(namespace, ("Service",))
    led = {name_of(front): _led_to(front, workloads, cluster.service_label) for front in fronts}
    open_fronts = [front for front in fronts if front["spec"].get("type") in {"NodePort", "LoadBalancer"}]
    exposed = tuple(dict.fromkeys(led[name_of(front)] for front in open_fronts if led[name_of(front)]))
    known = [workload for workload in workloads if workload.resources is not None]
    notes = [
        f"{workload.kind} {workload.name}: no CPU or no memory request or limit, so it can't be sized"
        for workload in workloads
        if workload.resources is None
    ]
    return System(
        namespace=namespace,
        workloads=workloads,
        services=services,
        exposed=exposed,
        entry=_entry(services, exposed),
        annotations={led[name_of(front)]: annotations_of(front) for front in fronts if led[name_of(front)]},
        allocation=read_allocation(known, tuple(dict.fromkeys(item.service for item in known)), namespace),
        notes=tuple(notes),
    )


def _led_to(front: Manifest, workloads: tuple[Workload, ...], label: str) -> str:
    """The service a Service leads to: by its selector's service label, else by its name; "" where none is known."""
    names = ((front["spec"].get("selector") or {}).get(label), name_of(front))
    known = {workload.service for workload in workloads}
    return next((name for name in names if name in known), "")


def _entry(services: tuple[str, ...], exposed: tuple[str, ...]) -> str:
    """The one exposed; among several, or with none, the one whose name says so."""
    candidates = exposed or services
    if len(candidates) == 1:
        return candidates[0]
    hinted = [name for hint in _ENTRY_NAMES for name in candidates if hint in name]
    return next(iter((*hinted, *exposed)), "")
