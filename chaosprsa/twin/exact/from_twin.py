"""The calibrated twin as an exact network: the same services, played request by request."""

import math
from collections.abc import Mapping

from chaosprsa.errors import require
from chaosprsa.twin.exact.network import Call, Network, Service
from chaosprsa.twin.fluid import Capacity
from chaosprsa.twin.graph import CallGraph
from chaosprsa.twin.mixes import MixedCapacity
from chaosprsa.twin.parameters import Parameters, Twin


def network_of(
    twin: Twin,
    capacity: Capacity,
    row: int = 0,
    parameters: Parameters | None = None,
    most_replicas: Mapping[str, int] | None = None,
    quota_period_s: float = 0.0,
) -> Network:
    """One row of `capacity` as pods; parameters: one draw, shape (services,), the nominal ones by default.

    most_replicas: where a service may be scaled to, its present pods by default. quota_period_s: 0 shares a CPU limit
    evenly as the fluid twin does, 0.1 is Linux CFS. Stations become their pods' network and storage. Callers give up
    after the twin's timeout; a user's is left to who judges the latencies. Raises InvalidNoun for a row that is not
    there.
    """
    rows = len(capacity.replicas)
    require(0 <= row < rows, f"capacity: row {row} was asked for, there are {rows}, counted from 0")
    known, most, graph = parameters or twin.nominal, most_replicas or {}, twin.graph
    mix = capacity.mixes[capacity.which[row]] if isinstance(capacity, MixedCapacity) else None
    if mix is not None:
        known, graph = mix.of_a_miss(known, graph)
    services, cores = [], twin.usable(capacity.cores[row])
    stations = _station_times(graph, known, capacity, row)
    for at, name in enumerate(twin.graph.named):
        services.append(
            Service(
                name=name,
                demand_s=float(known.demand_s[at]),
                demand_cv2=twin.work_cv2,
                replicas=max(round(float(capacity.replicas[row, at])), 0),
                most_replicas=most.get(name, 0),
                cores=float(cores[at]),
                quota_period_s=quota_period_s,
                wait_s=float(known.wait_s[at]),
                wait_cv2=twin.work_cv2,
                error_share=float(known.error_share[at]),
                start_delay_s=float(known.start_delay_s[at]),
                memory_mib=float(known.memory_mib[at]),
                memory_per_job_mib=float(known.memory_per_job_mib[at]),
                memory_limit_mib=float(capacity.memory_mib[row, at]),
                network_s=stations.get((at, "network"), 0.0),
                storage_s=stations.get((at, "storage"), 0.0),
                hit_share=float(mix.hit[at]) if mix else 0.0,
                hit_work=float(mix.hit_work[at]) if mix else 1.0,
                cache_fill=float(mix.fill[at]) if mix else 0.0,
                calls=_calls(graph, at, twin.timeout_s),
            )
        )
    return Network(services=tuple(services), entry=twin.graph.services[twin.graph.entry])


def _station_times(graph: CallGraph, known: Parameters, capacity: Capacity, row: int) -> dict[tuple[int, str], float]:
    """(owner, kind) -> seconds that a request takes there by itself."""
    return {
        (station.owner, station.kind): float(known.demand_s[at] / capacity.cores[row, at])
        for at, station in enumerate(graph.stations, start=len(graph.named))
    }


def _calls(graph: CallGraph, caller: int, timeout_s: float) -> tuple[Call, ...]:
    """2.3 calls are two and one with a chance of 0.3; the less of them is waited for, the more go out side by side."""
    chances: list[tuple[str, float]] = []
    for callee, number in zip(graph.named, graph.calls[caller, : len(graph.named)].tolist(), strict=True):
        whole = math.floor(number)
        chances += [(callee, 1.0)] * whole
        if number > whole:
            chances.append((callee, number - whole))
    rounds = max(1, round(float(graph.overlap[caller]) * len(chances)))
    return tuple(
        Call(callee=callee, chance=chance, group=at * rounds // len(chances), timeout_s=timeout_s)
        for at, (callee, chance) in enumerate(chances)
    )
