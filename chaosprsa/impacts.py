"""What an issue would do at the entry: latency as a multiple of normal and share of failed requests.

A sketch by queueing formulas (M/M/1 with processor sharing: an answer takes 1 / (1 - utilisation) of its work, done at
the speed that the limit leaves) from the call graph and what is normal. It leans: to the better or the worse end of
what isn't known exactly (how busy, how many pods, which requests pass). reckoning.py makes intervals of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaosprsa.models.bundle import Bundle
from chaosprsa.types import Fault, Topology

MAX_RATIO = 50.0  # above it requests time out and are errors
RESTART_S = 30.0  # from a pod's end to its successor's first answer, where nothing is known
SLOW_RESTART_S = 180.0  # the same where images are pulled and caches are filled
TIMEOUT_MS = 1500.0  # callers may give up on answers that take longer
TAIL = 1.3  # exponent: at the worse end the entry's slow requests are those that the squeezed service works longest on
USUAL_UTILISATION = 0.4
USUAL_LATENCY_MS = 20.0
USUAL_MEMORY = 0.6
MOST_USED = 0.98
LEANS = (-1, 0, 1)  # better, middle, worse
_DOUBT = {-1: (0.75, 0.6, 1.3, 0.85), 0: (1.0, 1.0, 1.0, 1.0), 1: (1.35, 1.6, 0.6, 1.2)}  # use, share, entry_ms, memory
_KILLED = {-1: (1.0, 0.0), 0: (1.2, 0.1), 1: (3.0, 0.3)}  # latency, failing: while containers are killed and restart
_GONE_RATIO = {-1: 0.5, 0: 1.0, 1: 3.0}  # who fails at once is fast, who waits for it is slow


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
    tells the utilisation; a usual one stands in otherwise. replicas, limit_cores (of a pod): 0 where it isn't known.
    """

    visits: float
    share: float
    utilisation: float
    busiest: float
    memory: float
    entry_ms: float
    entry_spread: float
    measured: bool = False
    replicas: float = 0.0
    limit_cores: float = 0.0

    @property
    def reach(self) -> float:
        """The share of the entry's requests that pass through it."""
        return min(1.0, self.visits)

    def failing(self, share: float, lean: int) -> float:
        """The share of the entry's requests that fail with so many of its answers: called by chance, or by each."""
        by_chance, certain = 1 - math.exp(-self.visits * share), min(1.0, self.visits * share)
        return {-1: by_chance, 0: certain if self.visits <= 1 else by_chance, 1: certain}[lean]

    def leaning(self, lean: int) -> "Surroundings":
        """What isn't known exactly, at its better (-1) or worse (1) end."""
        if not lean:
            return self
        use, share, entry, memory = _DOUBT[lean]
        used = use if self.measured else use**1.5
        return self._under(used, min(self.share * share, 1.0), self.memory * memory, self.entry_ms * entry)

    def busier(self, factor: float) -> "Surroundings":
        """The same under another load."""
        return self if factor == 1.0 else self._under(factor, self.share, self.memory, self.entry_ms)

    def _under(self, load: float, share: float, memory: float, entry_ms: float) -> "Surroundings":
        """So much busier, and with these; made in place: dataclasses.replace takes ten times as long."""
        utilisation, busiest = min(self.utilisation * load, MOST_USED), min(self.busiest * load, MOST_USED)
        known = (self.entry_spread, self.measured, self.replicas, self.limit_cores)
        return Surroundings(self.visits, share, utilisation, busiest, memory, entry_ms, *known)


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
            replicas=(pods := round(normals.get(name, {}).get("replicas", (0.0, 0.0))[0])),
            limit_cores=normals.get(name, {}).get("cpu_limit_cores", (0.0, 0.0))[0] / max(pods, 1),
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


def sketch(fault: Fault, strength: float, duration_s: float, around: Surroundings, lean: int = 0) -> Sketch:
    """strength: in the fault's unit (faults.py). lean: -1, 0 or 1, to the better or worse end of what isn't known."""
    here = around.leaning(lean)
    use = here.utilisation
    if fault is Fault.CPU_SQUEEZE:
        slowed = _slowed(here.limit_cores, strength, lean)
        return _crowded(here.share, here.reach, use, use / max(1 - strength, 0.02), slowed)
    if fault is Fault.REPLICA_LOSS:
        return _fewer(here, strength, lean)
    if fault is Fault.POD_KILL:
        back = min((RESTART_S if lean < 1 else SLOW_RESTART_S) / duration_s, 1.0)
        lost = _fewer(here, strength, lean)
        killed = min(back * max(lost.error_share, here.reach * strength * 0.1), 1.0)
        away = 1.0 if lean > 0 else back  # what is left may stay crowded as long as pods come and go
        return Sketch(1 + (lost.latency_ratio - 1) * away, killed, lost.utilisation)
    if fault is Fault.TRAFFIC_SURGE:
        return _crowded(1.0, 1.0, here.busiest, here.busiest * strength, 1.0)
    if fault is Fault.MEMORY_SQUEEZE:
        slow, failing = _KILLED[lean] if here.memory > 1 - strength else (1.0, 0.0)
        return Sketch(slow, here.reach * failing, use)
    added_ms = _calls(here.visits, lean) * strength if fault is Fault.DEPENDENCY_SLOW else 0.0
    failing = here.failing(strength, lean) if fault is Fault.DEPENDENCY_FAILING else 0.0
    if fault is Fault.DEPENDENCY_SLOW and lean > 0 and strength >= TIMEOUT_MS:
        failing = here.reach
    return Sketch(min(1 + added_ms / here.entry_ms, MAX_RATIO), failing, use)


def _calls(visits: float, lean: int) -> float:
    """Calls that a slow request makes one after the other; a service that hardly any request passes slows none."""
    if visits < (0.03 if lean < 0 else 0.005):
        return 0.0
    return {-1: max(0.8 * visits, 1.0), 0: max(visits, 1.0), 1: max(visits, 1.0) + 1.5 * math.sqrt(visits)}[lean]


def _slowed(limit_cores: float, strength: float, lean: int) -> float:
    """How much longer a request's own work takes: with less than a core it can't use one."""
    if limit_cores <= 0:
        return {-1: 1.0, 0: 1 / (1 - strength), 1: 1 / (1 - strength)}[lean]
    slowed = min(limit_cores, 1.0) / min(max(limit_cores * (1 - strength), 0.02), 1.0)
    return slowed**TAIL if lean > 0 else slowed


def _fewer(around: Surroundings, strength: float, lean: int) -> Sketch:
    """Pods gone: a share of whole ones, rounded up (down, leaning to the better); where none is left, all fails."""
    share = strength
    if around.replicas >= 1:
        count = strength * around.replicas
        share = (math.floor(count) if lean < 0 else math.ceil(count - 1e-9)) / around.replicas
    if share >= 1:
        return Sketch(_GONE_RATIO[lean], around.failing(1.0, lean), 1.0)
    use = around.utilisation
    return _crowded(around.share, around.reach, use, use / (1 - share), 1.0)


def _crowded(share: float, reach: float, before: float, after: float, slowed: float) -> Sketch:
    """More work for what is left: slower below saturation, the excess fails above it. slowed: the work itself.

    share, reach: of the surroundings.
    """
    queues = (1 - before) / (1 - after) if after < 1 - (1 - before) / MAX_RATIO else MAX_RATIO
    slower = min(slowed * queues, MAX_RATIO)
    failed = reach * (1 - 1 / after) if after > 1 else 0.0
    return Sketch(1 + share * (slower - 1), failed, min(after, 1.0))


def together(sketches: Sequence[Sketch]) -> Sketch:
    """Faults that are on together: latencies multiply, what the one leaves the other may fail."""
    if len(sketches) == 1:
        return sketches[0]
    return Sketch(
        latency_ratio=min(math.prod(one.latency_ratio for one in sketches), MAX_RATIO),
        error_share=1.0 - math.prod(1.0 - one.error_share for one in sketches),
        utilisation=sketches[0].utilisation,
    )
