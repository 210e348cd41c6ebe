"""What an issue would do at the entry: latency as a multiple of normal and share of failed requests.

A sketch by queueing formulas (M/M/1 with processor sharing: an answer takes 1 / (1 - utilisation) of its work, done at
the speed that the limit leaves) from the call graph and what is normal. It leans: to the better or the worse end of
what isn't known exactly (how busy, how many pods, which requests pass). reckoning.py makes intervals of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from chaosprsa.models.bundle import Bundle
from chaosprsa.types import Fault, Topology

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
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
class Sketches:
    """The same of many; shape (issues,) each."""

    latency_ratio: FloatArray
    error_share: FloatArray
    utilisation: FloatArray


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


@dataclass(frozen=True, slots=True)
class Places:
    """Surroundings of many; shape (issues,) each."""

    visits: FloatArray
    share: FloatArray
    utilisation: FloatArray
    busiest: FloatArray
    memory: FloatArray
    entry_ms: FloatArray
    measured: FloatArray
    replicas: FloatArray
    limit_cores: FloatArray

    @classmethod
    def of(cls, around: Iterable[Surroundings]) -> "Places":
        """One after the other."""
        rows = list(around)
        return cls(*(np.array([getattr(row, part.name) for row in rows], dtype=float) for part in fields(cls)))

    def at(self, rows: IntArray) -> "Places":
        """These, in this order."""
        return Places(*(getattr(self, part.name)[rows] for part in fields(self)))

    @property
    def reach(self) -> FloatArray:
        """The share of the entry's requests that pass through it."""
        return np.minimum(1.0, self.visits)

    def failing(self, share: FloatArray, lean: int) -> FloatArray:
        """The share of the entry's requests that fail with so many of its answers: called by chance, or by each."""
        by_chance, certain = 1 - np.exp(-self.visits * share), np.minimum(1.0, self.visits * share)
        return {-1: by_chance, 0: np.where(self.visits <= 1, certain, by_chance), 1: certain}[lean]

    def leaning(self, lean: int) -> "Places":
        """What isn't known exactly, at its better (-1) or worse (1) end."""
        if not lean:
            return self
        use, share, entry, memory = _DOUBT[lean]
        return replace(
            self.busier(np.where(self.measured > 0, use, use**1.5)),
            share=np.minimum(self.share * share, 1.0),
            entry_ms=self.entry_ms * entry,
            memory=self.memory * memory,
        )

    def busier(self, factor: FloatArray) -> "Places":
        """The same under another load."""
        usual = factor == 1.0
        return replace(
            self,
            utilisation=np.where(usual, self.utilisation, np.minimum(self.utilisation * factor, MOST_USED)),
            busiest=np.where(usual, self.busiest, np.minimum(self.busiest * factor, MOST_USED)),
        )


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
    told = sketches(fault, np.array([strength]), np.array([duration_s]), Places.of([around]), lean)
    return Sketch(float(told.latency_ratio[0]), float(told.error_share[0]), float(told.utilisation[0]))


def sketches(fault: Fault, strength: FloatArray, duration_s: FloatArray, around: Places, lean: int) -> Sketches:
    """Of one fault at many places; shape (issues,) each."""
    here = around.leaning(lean)
    use = here.utilisation
    if fault is Fault.CPU_SQUEEZE:
        left = np.maximum(1 - strength, 0.02)
        return _crowded(here.share, here.reach, (use, use / left), _slowed(here.limit_cores, left, lean))
    if fault is Fault.REPLICA_LOSS:
        return _fewer(here, strength, lean)
    if fault is Fault.POD_KILL:
        return _killed(here, strength, duration_s, lean)
    if fault is Fault.TRAFFIC_SURGE:
        whole = np.ones_like(use)
        return _crowded(whole, whole, (here.busiest, here.busiest * strength), whole)
    if fault is Fault.MEMORY_SQUEEZE:
        slow, failing = _KILLED[lean]
        killed = here.memory > 1 - strength
        return Sketches(np.where(killed, slow, 1.0), np.where(killed, here.reach * failing, 0.0), use)
    return _answering(fault, strength, here, lean)


def _answering(fault: Fault, strength: FloatArray, here: Places, lean: int) -> Sketches:
    """A dependency that answers late, or with errors."""
    if fault is Fault.DEPENDENCY_FAILING:
        return Sketches(np.ones_like(strength), here.failing(strength, lean), here.utilisation)
    slower = np.minimum(1 + _calls(here.visits, lean) * strength / here.entry_ms, MAX_RATIO)
    given_up = (strength >= TIMEOUT_MS) & (lean > 0)
    return Sketches(slower, np.where(given_up, here.reach, 0.0), here.utilisation)


def _calls(visits: FloatArray, lean: int) -> FloatArray:
    """Calls that a slow request makes one after the other; a service that hardly any request passes slows none."""
    once = np.maximum(visits, 1.0)
    calls = {-1: np.maximum(0.8 * visits, 1.0), 0: once, 1: once + 1.5 * np.sqrt(visits)}[lean]
    return np.where(visits < (0.03 if lean < 0 else 0.005), 0.0, calls)


def _slowed(limit_cores: FloatArray, left: FloatArray, lean: int) -> FloatArray:
    """How much longer a request's own work takes: with less than a core it can't use one. left: share of the limit."""
    known = np.minimum(limit_cores, 1.0) / np.minimum(np.maximum(limit_cores * left, 0.02), 1.0)
    guessed = np.ones_like(left) if lean < 0 else 1 / left
    return np.where(limit_cores > 0, known**TAIL if lean > 0 else known, guessed)


def _killed(here: Places, strength: FloatArray, duration_s: FloatArray, lean: int) -> Sketches:
    """Pods end, and are back after a while; leaning to the worse, what is left stays crowded meanwhile and after."""
    back = np.minimum((RESTART_S if lean < 1 else SLOW_RESTART_S) / duration_s, 1.0)
    lost = _fewer(here, strength, lean)
    failing = np.minimum(back * np.maximum(lost.error_share, here.reach * strength * 0.1), 1.0)
    away = np.ones_like(back) if lean > 0 else back  # what is left may stay crowded as long as pods come and go
    return Sketches(1 + (lost.latency_ratio - 1) * away, failing, lost.utilisation)


def _fewer(around: Places, strength: FloatArray, lean: int) -> Sketches:
    """Pods gone: a share of whole ones, rounded up (down, leaning to the better); where none is left, all fails."""
    count = strength * around.replicas
    whole = np.floor(count) if lean < 0 else np.ceil(count - 1e-9)
    share = np.where(around.replicas >= 1, whole / np.maximum(around.replicas, 1.0), strength)
    none_left = share >= 1
    use = around.utilisation
    after = use / np.where(none_left, 1.0, 1 - share)
    some = _crowded(around.share, around.reach, (use, after), np.ones_like(use))
    return Sketches(
        np.where(none_left, _GONE_RATIO[lean], some.latency_ratio),
        np.where(none_left, around.failing(np.ones_like(use), lean), some.error_share),
        np.where(none_left, 1.0, some.utilisation),
    )


def _crowded(share: FloatArray, reach: FloatArray, use: tuple[FloatArray, FloatArray], slowed: FloatArray) -> Sketches:
    """More work for what is left: slower below saturation, the excess fails above it.

    share, reach: of the place. use: utilisation before and after. slowed: the work itself.
    """
    before, after = use
    waits = after < 1 - (1 - before) / MAX_RATIO
    queues = np.where(waits, (1 - before) / np.where(waits, 1 - after, 1.0), MAX_RATIO)
    slower = np.minimum(slowed * queues, MAX_RATIO)
    return Sketches(1 + share * (slower - 1), reach * (1 - 1 / np.maximum(after, 1.0)), np.minimum(after, 1.0))


def together(one: Sketches, other: Sketches) -> Sketches:
    """Faults that are on together: latencies multiply, what the one leaves the other may fail."""
    return Sketches(
        np.minimum(one.latency_ratio * other.latency_ratio, MAX_RATIO),
        1.0 - (1.0 - one.error_share) * (1.0 - other.error_share),
        one.utilisation,
    )
