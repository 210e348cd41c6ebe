"""Which component began it, and how: its own deviations, less what its callees explain.

Latency and errors travel from a callee to its callers, so what a caller shows beyond its callees is its own; CPU,
memory and restarts don't travel. Decades of improbability add up over independent parts, as logarithms of likelihoods.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chaosprsa.models.detection.signals import EDGE, shown, signal_of
from chaosprsa.models.detection.system import Evidence
from chaosprsa.types import Fault, Topology

FloatArray = npt.NDArray[np.float64]
EXPLAINED = 0.9  # of a callee's decades, what a caller's are lessened by
BEFORE = 5  # samples before the start that say what was off already
OWN = ("restarts", "cpu", "memory")  # what makes others comes first: a restart fills memory, a busy loop allocates


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One series that moved: decades of improbability; value and what it was before."""

    component: str
    metric: str
    decades: float
    value: float
    before: float

    def in_words(self) -> str:
        """Read as: cart latency_p99_ms 240 (12 before)."""
        return f"{self.component} {self.metric} {self.value:.4g} ({self.before:.4g} before)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A component that may have begun it, how, and why it is suspected. score: decades."""

    component: str
    score: float
    kind: str
    fault: Fault
    signs: tuple[Sign, ...]


_KINDS: Mapping[str, tuple[str, Fault]] = {
    "cpu": ("cpu", Fault.CPU_SQUEEZE),
    "memory": ("memory", Fault.MEMORY_SQUEEZE),
    "restarts": ("restarts", Fault.POD_KILL),
    "network": ("network-delay", Fault.DEPENDENCY_SLOW),
    "latency": ("slow", Fault.DEPENDENCY_SLOW),
    "errors": ("errors", Fault.DEPENDENCY_FAILING),
    "traffic": ("load-surge", Fault.TRAFFIC_SURGE),
}


def suspects(
    evidence: Evidence, start_ms: int, until_ms: int, topology: Topology | None = None, most: int = 5
) -> tuple[Suspect, ...]:
    """The components most likely to have begun what goes on from start_ms to until_ms, likeliest first."""
    grew, now, before = growth(evidence, start_ms, until_ms)
    graph = _callees(evidence, topology)
    parts = _with_broken_calls(_parts(evidence, grew), _silence(evidence, start_ms, until_ms), graph)
    scored = [(_score(name, parts, graph), name) for name in sorted(parts)]
    scored.sort(key=lambda each: (-each[0][0], each[1]))
    found = []
    for (score, family), name in scored[:most]:
        kind, fault = _KINDS.get(family, ("unknown", Fault.DEPENDENCY_FAILING))
        signs = _signs(evidence, grew, now, before, name)
        found.append(Suspect(component=name, score=score, kind=kind, fault=fault, signs=signs))
    return tuple(found)


def _silence(evidence: Evidence, start_ms: int, until_ms: int) -> Mapping[str, float]:
    """Component -> decades by which its work fell off: less traffic, fewer system calls and bytes."""
    during = (evidence.times_ms >= start_ms) & (evidence.times_ms <= until_ms)
    found: dict[str, float] = {}
    for place, (component, metric) in enumerate(evidence.keys):
        if signal_of(metric).family in {"traffic", "other"} and during.any():
            fell = max(-float(np.median(evidence.surprise[during, place])), 0.0)
            found[shown(component)] = max(found.get(shown(component), 0.0), fell)
    return found


def growth(evidence: Evidence, start_ms: int, until_ms: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of each series: bad decades while it goes on less those just before; its value then, and before. Shape (S,)."""
    times = evidence.times_ms
    during = (times >= start_ms) & (times <= until_ms)
    earlier = np.flatnonzero(times < start_ms)[-BEFORE:]
    bad = evidence.bad
    there = np.isfinite(evidence.samples)
    counts = np.maximum((there & during[:, None]).sum(axis=0), 1)
    mean = np.where(during[:, None], bad, 0.0).sum(axis=0) / counts
    was = np.median(bad[earlier], axis=0) if len(earlier) else np.zeros(len(evidence.keys))
    return np.maximum(mean - was, 0.0), _middle(evidence.samples[during]), _middle(evidence.samples[earlier])


def _middle(values: FloatArray) -> FloatArray:
    """The median of each column; NaN where there is no sample."""
    return np.array(
        [float(np.median(kept)) if len(kept := column[np.isfinite(column)]) else np.nan for column in values.T]
    )


def _parts(evidence: Evidence, grew: FloatArray) -> Mapping[str, Mapping[str, float]]:
    """Component -> family -> decades, the loudest metric's; an edge's are its callee's."""
    found: dict[str, dict[str, float]] = {}
    for (component, metric), decades in zip(evidence.keys, grew, strict=True):
        families = found.setdefault(shown(component), {})
        family = signal_of(metric).family
        families[family] = max(families.get(family, 0.0), float(decades))
    return found


def _with_broken_calls(
    parts: Mapping[str, Mapping[str, float]], silence: Mapping[str, float], graph: Mapping[str, Sequence[str]]
) -> Mapping[str, Mapping[str, float]]:
    """A caller whose callees fell silent, and that itself did not, breaks off before it calls them: it fails."""
    found = {}
    for name, families in parts.items():
        broken = max((silence.get(callee, 0.0) for callee in graph.get(name, ())), default=0.0) - silence.get(name, 0.0)
        found[name] = {**families, "broken": max(broken, 0.0)}
    return found


def _callees(evidence: Evidence, topology: Topology | None) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    pairs = [(edge.caller, edge.callee) for edge in topology.edges] if topology else []
    pairs += [(caller, callee) for name, _ in evidence.keys for caller, mark, callee in [name.partition(EDGE)] if mark]
    for caller, callee in pairs:
        found.setdefault(caller, []).append(callee)
    return {caller: sorted(set(callees)) for caller, callees in found.items()}


def _score(
    name: str, parts: Mapping[str, Mapping[str, float]], graph: Mapping[str, Sequence[str]]
) -> tuple[float, str]:
    """Decades that are a component's own, and the family that tells the kind."""
    own = parts[name]
    callees = [parts[callee] for callee in graph.get(name, ()) if callee in parts and callee != name]

    def beyond(families: Sequence[str]) -> float:
        mine = max((own.get(family, 0.0) for family in families), default=0.0)
        theirs = max((callee.get(family, 0.0) for callee in callees for family in families), default=0.0)
        return max(mine - EXPLAINED * theirs, 0.0)

    slow = beyond(("latency", "network"))
    failing = max((max(callee.get("errors", 0.0), callee.get("broken", 0.0)) for callee in callees), default=0.0)
    errors = own.get("errors", 0.0) * (PASSED_ON if failing >= CAUSE else 1.0) + own.get("broken", 0.0)
    resources = max((own.get(family, 0.0) for family in OWN), default=0.0)
    rest = max(own.get("traffic", 0.0), own.get("other", 0.0), 0.5 * own.get("waiting", 0.0))
    score = resources + slow + errors + 0.25 * rest + 0.1 * own.get("node", 0.0)
    return score, _family(own, slow, errors)


def _family(own: Mapping[str, float], slow: float, errors: float) -> str:
    """What tells the kind: a cause before its effects. CPU, memory and restarts make answers late; not the reverse."""
    causes = [family for family in OWN if own.get(family, 0.0) >= CAUSE]
    if causes:
        return causes[0]
    if slow >= max(errors, own.get("traffic", 0.0)) and slow > 0:
        return "network" if own.get("network", 0.0) > 2 * own.get("latency", 0.0) else "latency"
    if errors > 0 and errors >= own.get("traffic", 0.0):
        return "errors"
    return max(_KINDS, key=lambda family: own.get(family, 0.0))


CAUSE = 1.5  # decades of a resource, or of a callee's errors, that make it the cause
PASSED_ON = 0.25  # of a caller's errors that are its own where a callee fails: how often says nothing of whose they are


def _signs(
    evidence: Evidence, grew: FloatArray, now: FloatArray, before: FloatArray, name: str, most: int = 3
) -> tuple[Sign, ...]:
    places = [
        place for place, (component, _) in enumerate(evidence.keys) if shown(component) == name and grew[place] > 0
    ]
    places.sort(key=lambda place: -grew[place])
    return tuple(
        Sign(
            component=evidence.keys[place][0],
            metric=evidence.keys[place][1],
            decades=float(grew[place]),
            value=float(now[place]),
            before=float(before[place]),
        )
        for place in places[:most]
    )
