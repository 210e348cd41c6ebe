"""What autoscalers are played on: three systems, pieces of traces, and issues drawn by a seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from load_traces import Trace, means, traces

from chaosprsa.autoscalers.sizing import visits_of
from chaosprsa.twin.exact.network import Call, Network, Service
from chaosprsa.twin.graph import call_graph
from chaosprsa.twin.parameters import Parameters, Spread, Twin
from chaosprsa.types import (
    Edge,
    Fault,
    Impact,
    Interval,
    Lineage,
    Severity,
    SimulatedIssue,
    Topology,
    TwinFit,
)

FloatArray = npt.NDArray[np.float64]
MOST_PODS, CFS_S, NODE_CORES = 64, 0.1, 8.0
BEGIN_AT = 0.6  # utilisation at the beginning, for every policy
COUNTED = 100.0  # requests in a window on average, before a trace is scaled: else counting noise would be scaled, too


@dataclass(frozen=True)
class Piece:
    """A stretch of a trace, scaled: requests a second, one value a second."""

    name: str
    load: FloatArray


@dataclass(frozen=True)
class Pair:
    """A piece that is scored, and those that settings for it are tuned on."""

    score: Piece
    tune: tuple[Piece, ...]


def systems() -> dict[str, Network]:
    """Pods of one core under CFS quotas, on nodes of eight."""
    return {"tandem": tandem(5, 0.011), "boutique": boutique(), "twenty": twenty()}


def tandem(count: int, demand_s: float) -> Network:
    """Each calls the next."""
    names = [f"s{at}" for at in range(count)]
    calls = {name: (Call(callee=after),) for name, after in pairwise(names)}
    return Network(services=tuple(pod(name, demand_s, calls.get(name, ())) for name in names), entry=names[0])


def boutique() -> Network:
    """Online Boutique: its ten services, calls of its frontend's pages in the mix of its load generator.

    Of 19 requests ten are for a product, three for the cart, three for the home page, two add to the cart, one buys.
    """
    front = (
        *[Call(callee="currency", group=at) for at in range(3)],
        Call(callee="productcatalog", chance=0.95, group=3),
        Call(callee="cart", chance=0.95, group=4),
        Call(callee="recommendation", chance=0.74, group=5),
        Call(callee="ad", chance=0.68, group=5),
        Call(callee="shipping", chance=0.16, group=6),
        Call(callee="checkout", chance=0.05, group=7),
    )
    buys = ("cart", "productcatalog", "currency", "shipping", "payment", "shipping", "cart", "email")
    return Network(
        services=(
            pod("frontend", 0.008, front),
            pod("currency", 0.0015),
            pod("productcatalog", 0.004),
            pod("cart", 0.005),
            pod("recommendation", 0.008, (Call(callee="productcatalog"),)),
            pod("ad", 0.005),
            pod("shipping", 0.006),
            pod("checkout", 0.015, tuple(Call(callee=name, group=at) for at, name in enumerate(buys))),
            pod("payment", 0.008),
            pod("email", 0.008),
        ),
        entry="frontend",
    )


def twenty() -> Network:
    """A gateway, four services that it calls one after the other, and below each callees side by side, three deep."""
    rng = np.random.default_rng(20)
    names = [f"s{at:02d}" for at in range(20)]
    below = {
        0: (1, 2, 3, 4),
        1: (5, 6, 7),
        2: (8, 9),
        3: (10, 11, 12),
        4: (13, 14),
        5: (15, 16),
        8: (17,),
        10: (18, 19),
    }
    services = []
    for at, name in enumerate(names):
        calls = tuple(
            Call(callee=names[callee], chance=round(float(rng.uniform(0.4, 0.9)), 2), group=place if at == 0 else 0)
            for place, callee in enumerate(below.get(at, ()))
        )
        services.append(pod(name, round(float(rng.uniform(0.004, 0.012)), 4), calls))
    return Network(services=tuple(services), entry=names[0])


def pod(name: str, demand_s: float, calls: tuple[Call, ...] = ()) -> Service:
    return Service(
        name=name,
        demand_s=demand_s,
        replicas=1,
        most_replicas=MOST_PODS,
        quota_period_s=CFS_S,
        node_cores=NODE_CORES,
        memory_mib=200.0,
        memory_per_job_mib=1.0,
        calls=calls,
    )


def twin_of(network: Network) -> Twin:
    """The fluid twin of the same services, as a calibration without any error would find it."""
    calls: dict[tuple[str, str], float] = {}
    for service in network.services:
        for call in service.calls:
            calls[service.name, call.callee] = calls.get((service.name, call.callee), 0.0) + call.chance
    edges = tuple(Edge(caller=a, callee=b, calls_per_request=number) for (a, b), number in calls.items())
    names = tuple(service.name for service in network.services)
    none, ready_s = np.zeros(len(names)), np.full(len(names), 30.0)
    demand = np.array([service.demand_s for service in network.services])
    return Twin(
        graph=call_graph(Topology(services=names, entry=network.entry, edges=edges)),
        nominal=Parameters(demand, none, none, none, ready_s, none),
        spread=Spread(none, none, none, none),
        work_cv2=1.0,
        timeout_s=30.0,
        fit=TwinFit(trusted=True, latency_ratio=1.0, error_share_gap=0.0, trials=0, reason=""),
    )


def begun(network: Network, load: FloatArray, utilisation: float = BEGIN_AT) -> Network:
    """The network with as many replicas as hold this utilisation in the load's first minute."""
    work = float(load[:60].mean()) * visits_of(network)
    services = tuple(
        replace(each, replicas=max(1, math.ceil(work[at] * each.demand_s / (each.cores * utilisation))))
        for at, each in enumerate(network.services)
    )
    return replace(network, services=services)


def pairs(tune: Sequence[Path], score: Sequence[Path], seconds: int, peak: float) -> list[Pair]:
    """Each trace that is scored, `seconds` of it, and half as long pieces of its folder's that are tuned on but itself.

    Where nothing else is left there, the same trace in time: tuned on its first 60 %, scored on the rest. Where the
    folder has nothing to tune on, every other trace.
    """
    tuned, found = read(tune), []
    for where, trace in read(score):
        here = [one for folder, one in tuned if folder == where]
        others = [one for one in here if one.name != trace.name] or ([] if here else [one for _, one in tuned])
        scored = trace
        if not others:
            cut = int(len(trace.rates) * 0.6)
            others = [replace(trace, rates=trace.rates[:cut])]
            scored = replace(trace, rates=trace.rates[cut:])
        pieces = tuple(piece(one, seconds // 2, peak) for one in others)
        found.append(Pair(piece(scored, seconds, peak), pieces))
    return found


def read(paths: Sequence[Path]) -> list[tuple[str, Trace]]:
    """(folder's name, trace) of every file below or among the paths that has requests in it."""
    files = sorted({file for path in paths for file in ([path] if path.is_file() else path.rglob("*.txt*"))})
    found = [(file.parent.name, trace) for file in files for trace in traces([file]) if np.nansum(trace.rates) > 0]
    if not found:
        raise SystemExit(f"no trace in {', '.join(map(str, paths))}: expected .txt or .txt.gz, a number a line")
    return found


def piece(trace: Trace, seconds: int, peak: float) -> Piece:
    """The stretch without gaps whose minutes differ most, scaled so that its busiest 15 s have `peak` a second."""
    rates = smooth(trace.rates)
    length = min(seconds, len(rates)) // 15 * 15
    step = max(60, length // 4)
    starts = range(0, max(1, len(rates) - length + 1), step)
    moved = [float(np.std(means(rates[at : at + length], 60))) for at in starts]
    best = starts[int(np.argmax(np.where(np.isfinite(moved), moved, -1.0)))]
    part = rates[best : best + length]
    known = np.isfinite(part)
    part = np.interp(np.arange(length), np.flatnonzero(known), part[known]) if known.any() else np.ones(length)
    return Piece(trace.name, part * (peak / max(float(means(part, 15).max()), 1e-9)))


def smooth(rates: FloatArray) -> FloatArray:
    """Rates by the window in which `COUNTED` requests are usual, linear between the windows' middles."""
    window = max(1, math.ceil(COUNTED / max(float(np.nanmean(rates)), 1e-9)))
    if window == 1:
        return rates
    coarse = means(rates, window)
    found = np.interp(np.arange(len(rates)), (np.arange(len(coarse)) + 0.5) * window, coarse)
    return np.where(np.isnan(rates), np.nan, found)


def issues_for(network: Network, seconds: int, seed: int) -> tuple[SimulatedIssue, ...]:
    """A surge, killed pods, a slow answer and less CPU, one after the other, where and how badly by the seed."""
    rng = np.random.default_rng(seed)
    names = [service.name for service in network.services]
    busy = np.argsort(
        [-visits * each.demand_s for visits, each in zip(visits_of(network), network.services, strict=True)]
    )
    drawn = (
        (Fault.TRAFFIC_SURGE, rng.uniform(1.2, 1.5), 180.0),
        (Fault.POD_KILL, rng.uniform(0.2, 0.5), 30.0),
        (Fault.DEPENDENCY_SLOW, rng.uniform(50.0, 200.0), 180.0),
        (Fault.CPU_SQUEEZE, rng.uniform(0.1, 0.25), 180.0),
    )
    order = rng.permutation(len(drawn))
    found = []
    for place, at in enumerate(order.tolist()):
        fault, strength, lasts_s = drawn[at]
        start = seconds * (0.15 + 0.2 * place) + float(rng.uniform(0, 60))
        where = network.entry if fault is Fault.TRAFFIC_SURGE else names[int(busy[int(rng.integers(0, 4))])]
        found.append(issue(f"{fault}-{place}", fault, float(strength), where, start, min(lasts_s, seconds * 0.1)))
    return tuple(found)


def issue(name: str, fault: Fault, strength: float, where: str, start_s: float, lasts_s: float) -> SimulatedIssue:
    nothing = Interval(low=0.0, mid=0.0, high=0.0)
    return SimulatedIssue(
        id=name,
        kind=str(fault),
        fault=fault,
        strength=strength,
        components=(where,),
        origin=datetime(2026, 1, 1, tzinfo=UTC),
        start_s=start_s,
        duration_s=lasts_s,
        severity=Severity.MAJOR,
        probability=0.5,
        impact=Impact(latency_ratio=nothing, error_share=nothing),
        novelty=0.0,
        evidence=(),
        lineage=Lineage(id=name),
    )
