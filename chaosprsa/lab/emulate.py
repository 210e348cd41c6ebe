"""Any call graph made playable: plausible work, waits, memory and an allocation, from a history where there is one.

What the history measures is taken (work from CPU per request, memory, calls from the ratio of rates, waits from
latency); what is missing or can't be is set to usual values; every guess and every clamp is a note.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from chaosprsa.history.frame import History
from chaosprsa.lab.topology import Call, Endpoint, LabService, LabTopology, calls_first, visits
from chaosprsa.types import Edge, Resources, Topology

USUAL_CPU_MS, USUAL_MEMORY_MIB, USUAL_RATE_PER_S = 4.0, 96.0, 30.0
CPU_MS, WAIT_MS, MEMORY_MIB, CALLS, RATE_PER_S = (0.2, 40.0), (0.0, 60.0), (16.0, 2048.0), (0.02, 10.0), (5.0, 200.0)
CALLS_IN_ALL = 40.0  # calls that one request at the entry causes at most: the lab plays them all in one process
THIN, ROOMY = 0.5, 0.2  # utilisation of the hardest-worked service, and of the others
_STATEFUL = ("redis", "cart", "mongo", "mysql", "-db", "database", "kafka", "rabbit")


@dataclass(frozen=True, slots=True)
class _Seen:
    """Medians of what a history shows: metric -> component -> value. peak_ratio: busy hours at the entry to them."""

    medians: Mapping[str, Mapping[str, float]]
    peak_ratio: float = 1.0

    def of(self, metric: str, component: str) -> float | None:
        value = self.medians.get(metric, {}).get(component)
        return value if value is not None and math.isfinite(value) and value > 0 else None


def emulate(topology: Topology, history: History | None = None, rate_per_s: float | None = None) -> LabTopology:
    """A lab that behaves like this call graph. rate_per_s: production's load, at any hour; None: the history's median.

    The allocation holds the history's busy hours at that load with the hardest-worked service at half its limit and
    the others at a fifth. Raises InvalidNoun for a rate that one process can't play.
    """
    notes: list[str] = []
    seen = _seen(topology, history)
    edges = _calls(topology, seen, notes)
    services = [_behaviour(name, edges, seen, notes) for name in topology.services]
    rate = _rate(rate_per_s, topology.entry, seen, notes)
    plain = LabTopology(services=tuple(services), entry=topology.entry, rate_per_s=rate)
    waits = _waits(plain, seen, notes)
    sized = tuple(_sized(service, plain, waits[service.name], seen.peak_ratio) for service in services)
    return replace(plain, services=sized, steady=True, notes=tuple(notes))


def _seen(topology: Topology, history: History | None) -> _Seen:
    if history is None or not len(history.metrics):
        return _Seen({})
    medians = history.metrics.groupby(["metric", "component"], sort=False)["value"].median().reset_index()
    by_metric: dict[str, dict[str, float]] = {}
    for metric, component, value in medians.itertuples(index=False):
        by_metric.setdefault(str(metric), {})[str(component)] = float(value)
    rates = history.table("request_rate_per_s")
    ratio = (
        float(rates[topology.entry].quantile(0.98) / rates[topology.entry].median()) if topology.entry in rates else 1
    )
    return _Seen(by_metric, min(ratio, 4.0) if ratio >= 1 else 1.0)


def _clamped(value: float, bounds: tuple[float, float], what: str, notes: list[str]) -> float:
    kept = min(max(value, bounds[0]), bounds[1])
    if kept != value:
        notes.append(f"{what}: the history says {value:.3g}; {kept:g} is played")
    return kept


def _rate(given: float | None, entry: str, seen: _Seen, notes: list[str]) -> float:
    if given is not None:
        return given
    usual = seen.of("request_rate_per_s", entry)
    if usual is None:
        notes.append(f"load: the history shows none at the entry; {USUAL_RATE_PER_S:g} requests/s are played")
        return USUAL_RATE_PER_S
    return _clamped(usual, RATE_PER_S, "load at the entry, requests/s", notes)


def _calls(topology: Topology, seen: _Seen, notes: list[str]) -> tuple[Edge, ...]:
    """Edges without circles, with calls a request from the ratio of rates where the graph says nothing."""
    edges = _without_circles(topology, notes)
    guessed = [_measured(edge, edges, seen, notes) if edge.calls_per_request == 1 else edge for edge in edges]
    return _bounded(topology, guessed, notes)


def _measured(edge: Edge, edges: list[Edge], seen: _Seen, notes: list[str]) -> Edge:
    caller, between = seen.of("request_rate_per_s", edge.caller), f"{edge.caller}->{edge.callee}"
    seen_between = seen.of("request_rate_per_s", between)
    if caller and seen_between:
        return replace(edge, calls_per_request=_clamped(seen_between / caller, CALLS, f"{between}: calls", notes))
    callers = [seen.of("request_rate_per_s", each.caller) for each in edges if each.callee == edge.callee]
    rate = seen.of("request_rate_per_s", edge.callee)
    if rate is None or None in callers:
        return edge
    calls = rate / sum(each or 0.0 for each in callers)
    return replace(edge, calls_per_request=_clamped(calls, CALLS, f"{between}: calls", notes))


def _without_circles(topology: Topology, notes: list[str]) -> list[Edge]:
    kept: list[Edge] = []
    reach: dict[str, set[str]] = {name: {name} for name in topology.services}
    for edge in sorted(topology.edges, key=lambda edge: edge.caller != topology.entry):
        if edge.caller in reach[edge.callee]:
            notes.append(f"{edge.caller} -> {edge.callee}: left out, it closes a circle of calls")
            continue
        kept.append(edge)
        for name in [name for name, reached in reach.items() if edge.caller in reached]:
            reach[name] |= reach[edge.callee]
    return kept


def _bounded(topology: Topology, edges: list[Edge], notes: list[str]) -> tuple[Edge, ...]:
    """Fewer calls where one request would cause too many: all scaled alike until they fit."""
    for attempt in range(40):
        services = tuple(LabService(name=name, endpoints=_endpoints(name, edges)) for name in topology.services)
        in_all = sum(visits(LabTopology(services=services, entry=topology.entry)).values())
        if in_all <= CALLS_IN_ALL:
            break
        if not attempt:
            notes.append(f"calls: one request would cause {in_all:.0f}; they are scaled down to {CALLS_IN_ALL:g}")
        edges = [replace(edge, calls_per_request=edge.calls_per_request * 0.9) for edge in edges]
    return tuple(edges)


def _endpoints(name: str, edges: list[Edge] | tuple[Edge, ...]) -> tuple[Endpoint, ...]:
    calls = [
        Call(callee=edge.callee, calls_per_request=edge.calls_per_request) for edge in edges if edge.caller == name
    ]
    return (Endpoint(calls=tuple(calls)),)


def _behaviour(name: str, edges: tuple[Edge, ...], seen: _Seen, notes: list[str]) -> LabService:
    cores, rate = seen.of("cpu_usage_cores", name), seen.of("request_rate_per_s", name)
    cpu_ms = USUAL_CPU_MS
    if cores is None or rate is None:
        notes.append(f"{name}: no CPU per request in the history; {USUAL_CPU_MS:g} ms are played")
    else:
        cpu_ms = _clamped(1000 * cores / rate, CPU_MS, f"{name}: CPU per request, ms", notes)
    memory = seen.of("memory_bytes", name)
    base = USUAL_MEMORY_MIB
    if memory is None:
        notes.append(f"{name}: no memory in the history; {USUAL_MEMORY_MIB:g} MiB are played")
    else:
        pods = max(1.0, seen.of("replicas", name) or 1.0)
        base = _clamped(memory / pods / 2**20, MEMORY_MIB, f"{name}: memory, MiB", notes)
    return LabService(
        name=name,
        kind="StatefulSet" if any(word in name for word in _STATEFUL) else "Deployment",
        cpu_ms=cpu_ms,
        memory_base_mib=round(base, 1),
        memory_per_request_mib=max(0.2, round(base / 200, 2)),
        endpoints=_endpoints(name, edges),
    )


def _waits(topology: LabTopology, seen: _Seen, notes: list[str]) -> Mapping[str, float]:
    """What is left of each service's latency after its own work and its callees' answers."""
    waits: dict[str, float] = {}
    latency: dict[str, float] = {}
    for service in calls_first(topology):
        calls = sum(call.calls_per_request * latency[call.callee] for call in service.endpoints[0].calls)
        busy = 2 * service.cpu_ms
        measured = _mean_latency_ms(service.name, seen)
        wait = 1.0 if measured is None else max(0.0, measured - busy - calls)
        if measured is not None and calls > 3 * measured:
            notes.append(
                f"{service.name}: answers in {measured:.3g} ms while its calls alone take {calls:.3g} ms one after the "
                "other; the calls' time is played"
            )
        waits[service.name] = round(_clamped(wait, WAIT_MS, f"{service.name}: wait, ms", notes), 2)
        latency[service.name] = busy + waits[service.name] + calls
    return waits


def _mean_latency_ms(name: str, seen: _Seen) -> float | None:
    """From a percentile, as if latency were exponential."""
    for metric, share in (("latency_p50_ms", 0.5), ("latency_p90_ms", 0.9), ("latency_p99_ms", 0.99)):
        if (value := seen.of(metric, name)) is not None:
            return value / -math.log(1 - share)
    return None


def _sized(service: LabService, topology: LabTopology, wait_ms: float, peak_ratio: float) -> LabService:
    seen, busy_per_s = visits(topology), topology.rate_per_s * peak_ratio
    cores = {each.name: busy_per_s * seen[each.name] * each.cpu_ms / 1000 for each in topology.services}
    hardest = max(cores, key=lambda name: cores[name])
    is_entry = service.name == topology.entry
    replicas = 3 if is_entry else 2
    wanted = cores[service.name] / (THIN if service.name == hardest else ROOMY) / replicas
    while wanted > 1.0:
        replicas, wanted = replicas + 1, wanted * replicas / (replicas + 1)
    limit = max(150 if service.name == hardest else 200, math.ceil(wanted * 20) * 50)
    base = math.ceil(service.memory_base_mib)
    return LabService(
        name=service.name,
        kind=service.kind,
        cpu_ms=service.cpu_ms,
        wait_ms=wait_ms,
        memory_base_mib=service.memory_base_mib,
        memory_per_request_mib=service.memory_per_request_mib,
        concurrency=256 if is_entry else 64,
        timeout_ms=5000 if is_entry else 2000,
        endpoints=service.endpoints,
        replicas=replicas,
        resources=Resources(
            cpu_request_millicores=max(100, limit // 2),
            cpu_limit_millicores=limit,
            memory_request_mib=base + base // 4 + 32,
            memory_limit_mib=base + base // 2 + 96,
        ),
    )
