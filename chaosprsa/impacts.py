"""What an issue would do at the entry: latency as a multiple of normal and share of failed requests, with intervals.

A sketch by queueing formulas (M/M/1 with processor sharing: an answer takes 1 / (1 - utilisation) of its work) from the
call graph and what is normal; the rehearsal measures it afterwards. Where the history shows what past incidents of the
fault did at the entry, that moves the middle and narrows the interval (normal-normal, in logarithms).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from chaosprsa.history.frame import History
from chaosprsa.models.bundle import Bundle
from chaosprsa.types import Fault, Impact, Interval, Topology

Z90 = 1.6449  # the normal distribution's 95 % point
SKETCH_SIGMA = 0.5  # the sketch's own error, logarithm: a factor of 1.65 either way two times in three
LEAST_DOUBT = 0.2  # of SKETCH_SIGMA, where the sketch sees no effect at all
MAX_RATIO = 50.0  # above it requests time out and are errors
RESTART_S = 30.0  # from a pod's end to its successor's first answer, where nothing is known
USUAL_UTILISATION = 0.4
USUAL_LATENCY_MS = 20.0
USUAL_MEMORY = 0.6
ERROR_SIGMA = 0.6
BEFORE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Sketch:
    """The middle of an impact, before intervals. utilisation: of the component while the fault lasts."""

    latency_ratio: float
    error_share: float
    utilisation: float


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is normal around one component.

    visits: calls to it for each request at the entry. share: of the entry's latency that is spent there. memory: used
    share of the limit. entry_ms: the entry's 99th percentile. entry_spread: its spread, relative. measured: the history
    tells the utilisation; a usual one stands in otherwise.
    """

    visits: float
    share: float
    utilisation: float
    busiest: float
    memory: float
    entry_ms: float
    entry_spread: float
    measured: bool = False

    @property
    def reach(self) -> float:
        """The share of the entry's requests that pass through it."""
        return min(1.0, self.visits)


def visits_per_request(topology: Topology) -> dict[str, float]:
    """Calls to each service for one request at the entry: sums along the call edges, cycles cut off."""
    found = dict.fromkeys(topology.services, 0.0)
    frontier = {topology.entry: 1.0}
    for _ in topology.services:
        reached: dict[str, float] = {}
        for caller, calls in frontier.items():
            found[caller] += calls
            for edge in topology.callees(caller):
                reached[edge.callee] = reached.get(edge.callee, 0.0) + calls * edge.calls_per_request
        frontier = reached
    return found


def surroundings(bundle: Bundle) -> dict[str, Surroundings]:
    """For every service of the topology; usual values stand in where the history has no such metric."""
    entry, normals = bundle.topology.entry, bundle.normals
    visits = visits_per_request(bundle.topology)
    use = {name: _utilisation(normals.get(name, {})) for name in bundle.topology.services}
    entry_ms, spread = _first(normals.get(entry, {}), ("latency_p99_ms", "latency_p90_ms", "latency_p50_ms"))
    entry_mid = _first(normals.get(entry, {}), ("latency_p50_ms", "latency_p90_ms", "latency_p99_ms"))[0]
    return {
        name: Surroundings(
            visits=visits[name],
            share=_share(normals.get(name, {}), visits[name], entry_mid, name == entry),
            utilisation=use[name],
            busiest=max(use.values()),
            memory=_memory(normals.get(name, {})),
            entry_ms=entry_ms,
            entry_spread=min(spread / entry_ms, 1.0),
            measured={"cpu_usage_cores", "cpu_limit_cores"} <= set(normals.get(name, {})),
        )
        for name in bundle.topology.services
    }


def _first(normal: Mapping[str, tuple[float, float]], metrics: Sequence[str]) -> tuple[float, float]:
    found = [normal[metric] for metric in metrics if metric in normal and normal[metric][0] > 0]
    return found[0] if found else (USUAL_LATENCY_MS, 0.2 * USUAL_LATENCY_MS)


def _ratio(normal: Mapping[str, tuple[float, float]], used: str, limit: str, usual: float) -> float:
    if used not in normal or normal.get(limit, (0.0, 0.0))[0] <= 0:
        return usual
    return min(max(normal[used][0] / normal[limit][0], 0.01), 0.99)


def _utilisation(normal: Mapping[str, tuple[float, float]]) -> float:
    return _ratio(normal, "cpu_usage_cores", "cpu_limit_cores", USUAL_UTILISATION)


def _memory(normal: Mapping[str, tuple[float, float]]) -> float:
    return _ratio(normal, "memory_bytes", "memory_limit_bytes", USUAL_MEMORY)


def _share(normal: Mapping[str, tuple[float, float]], visits: float, entry_ms: float, is_entry: bool) -> float:
    if is_entry:
        return 1.0
    own = _first(normal, ("latency_p50_ms", "latency_p90_ms", "latency_p99_ms"))[0]
    return float(min(max(own * max(visits, 0.05) / entry_ms, 0.05), 1.0))


def sketch(fault: Fault, strength: float, duration_s: float, around: Surroundings) -> Sketch:
    """The middle. strength: in the fault's unit (faults.py)."""
    use = around.utilisation
    if fault in {Fault.CPU_SQUEEZE, Fault.REPLICA_LOSS}:
        return _crowded(around, use, use / max(1 - strength, 0.02), gone=fault is Fault.REPLICA_LOSS and strength >= 1)
    if fault is Fault.POD_KILL:
        crowded = _crowded(around, use, use / max(1 - strength, 0.02), gone=strength >= 1)
        away = min(RESTART_S / duration_s, 1.0)
        lost = away * max(crowded.error_share, around.reach * strength * 0.1)
        return Sketch(1 + (crowded.latency_ratio - 1) * away, min(lost, 1.0), crowded.utilisation)
    if fault is Fault.TRAFFIC_SURGE:
        whole = Surroundings(
            1.0, 1.0, around.busiest, around.busiest, around.memory, around.entry_ms, around.entry_spread
        )
        return _crowded(whole, around.busiest, around.busiest * strength, gone=False)
    if fault is Fault.MEMORY_SQUEEZE:
        killed = around.memory > 1 - strength
        return Sketch(1.2 if killed else 1.0, around.reach * 0.5 if killed else 0.0, use)
    if fault is Fault.DEPENDENCY_SLOW:
        calls = max(around.visits, 1.0) if around.visits > 0 else 0.0
        return Sketch(min((around.entry_ms + calls * strength) / around.entry_ms, MAX_RATIO), 0.0, use)
    return Sketch(1.0, around.reach * strength, use)


def _crowded(around: Surroundings, before: float, after: float, gone: bool) -> Sketch:
    """More work for what is left: slower below saturation, the excess fails above it."""
    if gone:
        return Sketch(1.0, around.reach, 1.0)
    slower = min((1 - before) / (1 - after), MAX_RATIO) if after < 1 - (1 - before) / MAX_RATIO else MAX_RATIO
    failed = around.reach * (1 - 1 / after) if after > 1 else 0.0
    return Sketch(1 + around.share * (slower - 1), failed, min(after, 1.0))


def observed_impacts(
    history: History, entry: str, faults: Mapping[str, Fault]
) -> dict[Fault, list[tuple[float, float]]]:
    """What past incidents did at the entry: (latency ratio, error share) of each that the history has metrics for.

    faults: which fault a kind is. While it lasted against the half hour before it; what overlapped, overlapped.
    """
    if not len(history.metrics):
        return {}
    latency, success = history.table("latency_p99_ms"), history.table("success_ratio")
    found: dict[Fault, list[tuple[float, float]]] = {}
    for incident in history.incidents:
        end = incident.likely_end or incident.start
        during = (latency.index >= incident.start) & (latency.index <= end)
        before = (latency.index < incident.start) & (latency.index >= incident.start - BEFORE)
        if entry not in latency or incident.kind not in faults:
            continue
        then, usual = latency[entry][during].dropna(), latency[entry][before].dropna()
        if then.empty or usual.empty or usual.median() <= 0 or then.median() <= 0:
            continue
        good = success[entry][during].dropna() if entry in success else then[:0]
        errors = 1 - float(good.mean()) if len(good) else 0.0
        shown = float(then.median() / usual.median()), min(max(errors, 0.0), 1.0)
        found.setdefault(faults[incident.kind], []).append(shown)
    return found


def impact(middle: Sketch, spread: float, past: Sequence[tuple[float, float]]) -> Impact:
    """The sketch with its 90 % interval, drawn towards what past incidents of the fault did."""
    log_ratio = math.log(middle.latency_ratio)
    sigma = math.hypot(SKETCH_SIGMA * min(1.0, LEAST_DOUBT + abs(log_ratio)), spread)
    errors, error_sigma = middle.error_share, ERROR_SIGMA
    if past:
        logs = [math.log(ratio) for ratio, _ in past]  # a handful: plain Python is ten times faster than arrays
        usual = sum(logs) / len(logs)
        between = max(math.sqrt(sum((each - usual) ** 2 for each in logs) / len(logs)), 0.1)
        weight = len(past) / (len(past) + (between / sigma) ** 2)
        log_ratio = (1 - weight) * log_ratio + weight * usual
        sigma = math.hypot(sigma * math.sqrt(1 - weight), between)
        errors = (1 - weight) * errors + weight * sum(share for _, share in past) / len(past)
    ratio = Interval(
        low=math.exp(log_ratio - Z90 * sigma), mid=math.exp(log_ratio), high=math.exp(log_ratio + Z90 * sigma)
    )
    return Impact(latency_ratio=_rounded(ratio), error_share=_share_interval(errors, error_sigma))


def _share_interval(share: float, sigma: float) -> Interval:
    """On the logit scale; a share of nothing may still turn out a little."""
    inner = min(max(share, 0.002), 0.98)
    logit = math.log(inner / (1 - inner))
    low, high = (1 / (1 + math.exp(-(logit + side * Z90 * sigma))) for side in (-1, 1))
    return _rounded(Interval(low=min(low if share > 0.002 else 0.0, share), mid=share, high=max(high, share)))


def _rounded(interval: Interval) -> Interval:
    return Interval(low=round(interval.low, 4), mid=round(interval.mid, 4), high=round(interval.high, 4))
