"""How the lab's services behave: a call graph with work, waits, memory and start times.

A pod's label `app` names its service, so a shadow's pods behave like production's. The values are the lab's own;
`lab up --topology FILE` takes others from a JSON file (`write_lab_topology` writes one to start from).
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chaosprsa.documents import from_json, to_json, write_text
from chaosprsa.errors import InvalidDocument, require
from chaosprsa.types import Allocation, Edge, EndpointShare, Resources, ServiceAllocation, Topology

SCHEMA = "chaosprsa/lab-topology/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A service calls another while it answers; 2.5 calls are two, and a third every other time."""

    callee: str
    calls_per_request: float = 1.0
    path: str = "/"

    def __post_init__(self) -> None:
        require(
            0 < self.calls_per_request <= 50,
            f"call of {self.callee}: calls_per_request is {self.calls_per_request}, expected above 0, at most 50",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One path of a service: its share of the requests from outside, and whom it calls, one after the other.

    cpu_factor: its work as a multiple of the service's cpu_ms.
    """

    path: str = "/"
    weight: float = 1.0
    cpu_factor: float = 1.0
    calls: tuple[Call, ...] = ()

    def __post_init__(self) -> None:
        require(self.path.startswith("/"), f"endpoint {self.path!r}: a path starts with /")
        require(self.weight > 0, f"endpoint {self.path}: weight is {self.weight}, expected above 0")
        require(self.cpu_factor > 0, f"endpoint {self.path}: cpu_factor is {self.cpu_factor}, expected above 0")


_RESOURCES = Resources(
    cpu_request_millicores=250, cpu_limit_millicores=500, memory_request_mib=128, memory_limit_mib=256
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabService:
    """One service's physics, and the allocation that production starts with.

    cpu_ms: mean work of a request in core-milliseconds; cpu_cv: its standard deviation over its mean (lognormal).
    wait_ms: time a request spends waiting for a disk or a third party: neither CPU nor load changes it.
    concurrency: requests a pod works on at a time; queue: how many more may wait, beyond that it answers 503.
    timeout_ms: how long callers wait for it. leak_mib_per_request: memory that never comes back.
    """

    name: str
    kind: str = "Deployment"
    cpu_ms: float = 4.0
    cpu_cv: float = 0.7
    wait_ms: float = 0.0
    memory_base_mib: float = 64.0
    memory_per_request_mib: float = 0.5
    leak_mib_per_request: float = 0.0
    start_s: float = 1.0
    concurrency: int = 64
    queue: int = 128
    timeout_ms: float = 2000.0
    endpoints: tuple[Endpoint, ...] = (Endpoint(),)
    replicas: int = 1
    resources: Resources = _RESOURCES

    def __post_init__(self) -> None:
        require(self.kind in {"Deployment", "StatefulSet"}, f"{self.name}: kind is {self.kind!r}")
        require(
            math.isfinite(self.cpu_ms) and self.cpu_ms > 0, f"{self.name}: cpu_ms is {self.cpu_ms}, expected above 0"
        )
        require(0 <= self.cpu_cv <= 5, f"{self.name}: cpu_cv is {self.cpu_cv}, expected 0 to 5")
        require(
            min(self.wait_ms, self.memory_base_mib, self.memory_per_request_mib, self.leak_mib_per_request) >= 0,
            f"{self.name}: a wait or a memory size is below 0",
        )
        require(0 <= self.start_s <= 600, f"{self.name}: start_s is {self.start_s}, expected 0 to 600")
        require(self.concurrency >= 1 and self.queue >= 0, f"{self.name}: concurrency from 1, queue from 0")
        require(self.timeout_ms > 0, f"{self.name}: timeout_ms is {self.timeout_ms}, expected above 0")
        require(bool(self.endpoints), f"{self.name}: needs at least one endpoint")

    def endpoint(self, path: str) -> Endpoint:
        """The endpoint of this path; an unknown path is answered as the first one."""
        for endpoint in self.endpoints:
            if endpoint.path == path:
                return endpoint
        return self.endpoints[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabTopology:
    """The whole system. rate_per_s: production's own load at the entry on a usual day's peak; steady: at any hour.

    notes: what was guessed or mended where the topology was made from a history.
    """

    services: tuple[LabService, ...]
    entry: str
    namespace: str = "shop"
    rate_per_s: float = 60.0
    steady: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = [service.name for service in self.services]
        require(len(names) == len(set(names)), "a lab topology names a service twice")
        require(self.entry in names, f"the entry {self.entry!r} is not among the services")
        require(
            0 <= self.rate_per_s <= 2000, f"rate_per_s is {self.rate_per_s}, expected 0 to 2000: one process plays it"
        )
        callees = {call.callee for service in self.services for end in service.endpoints for call in end.calls}
        require(callees <= set(names), f"calls to services that are not there: {sorted(callees - set(names))}")
        calls_first(self)

    def __getitem__(self, name: str) -> LabService:
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(service.name == name for service in self.services)

    @property
    def mix(self) -> tuple[EndpointShare, ...]:
        """What users ask of the entry."""
        return tuple(EndpointShare(path=end.path, weight=end.weight) for end in self[self.entry].endpoints)

    @property
    def topology(self) -> Topology:
        """The call graph as the other rooms know it; calls a request averaged over the endpoints."""
        edges = tuple(
            Edge(caller=service.name, callee=callee, calls_per_request=calls)
            for service in self.services
            for callee, calls in mean_calls(service).items()
        )
        return Topology(services=tuple(service.name for service in self.services), edges=edges, entry=self.entry)

    @property
    def allocation(self) -> Allocation:
        """What production starts with."""
        return Allocation(
            services=tuple(
                ServiceAllocation(service=service.name, replicas=service.replicas, resources=service.resources)
                for service in self.services
            )
        )


def mean_calls(service: LabService) -> Mapping[str, float]:
    """Callee -> calls a request, averaged over the endpoints by weight."""
    total = sum(endpoint.weight for endpoint in service.endpoints)
    calls: dict[str, float] = {}
    for endpoint in service.endpoints:
        for call in endpoint.calls:
            calls[call.callee] = calls.get(call.callee, 0.0) + call.calls_per_request * endpoint.weight / total
    return calls


def calls_first(topology: LabTopology) -> tuple[LabService, ...]:
    """Services with callees before their callers. Raises InvalidNoun where calls go round in a circle."""
    done: dict[str, LabService] = {}
    waiting = {service.name: service for service in topology.services}
    while waiting:
        ready = [name for name, service in waiting.items() if set(mean_calls(service)) <= set(done)]
        require(bool(ready), f"calls go round in a circle among {sorted(waiting)}")
        for name in ready:
            done[name] = waiting.pop(name)
    return tuple(done.values())


def visits(topology: LabTopology) -> Mapping[str, float]:
    """Requests each service sees for one request at the entry."""
    seen = dict.fromkeys((service.name for service in topology.services), 0.0)
    seen[topology.entry] = 1.0
    for service in reversed(calls_first(topology)):
        for callee, calls in mean_calls(service).items():
            seen[callee] += seen[service.name] * calls
    return seen


def write_lab_topology(path: Path, topology: LabTopology) -> Path:
    """Write it as JSON, atomically."""
    text = json.dumps({"schema": SCHEMA, **to_json(topology)}, indent=1, ensure_ascii=False)
    return write_text(path, text + "\n")


def read_lab_topology(path: Path) -> LabTopology:
    """Read it. Raises InvalidDocument, which says what is wrong and where."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidDocument(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise InvalidDocument(f"{path}: not a JSON file: {error}") from None
    if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
        raise InvalidDocument(f"{path}: expected a JSON object with schema {SCHEMA!r}")
    return from_json(values, LabTopology, str(path))
