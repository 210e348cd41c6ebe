"""Draws -> issues: each with who feels it, how badly, how likely, how new, how plausible, and the evidence."""

import re
from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from chaosprsa.documents import lineage
from chaosprsa.faults import strength_in_words
from chaosprsa.hazards import FloatArray
from chaosprsa.impacts import Surroundings
from chaosprsa.issues import marks
from chaosprsa.issues.edge_cases import TAIL
from chaosprsa.issues.law import EDGES, Draws, Law
from chaosprsa.issues.novelty import Seen, novelty
from chaosprsa.models.bundle import Bundle
from chaosprsa.reckoning import reckoning
from chaosprsa.types import Companion, Fault, Impact, Severity, SimulatedIssue

_SLUG = re.compile(r"[^a-z0-9]+")
_BUSY = frozenset({Fault.CPU_SQUEEZE, Fault.REPLICA_LOSS, Fault.POD_KILL})


class Writer:
    """Turns draws into issues; what depends only on component, fault or kind is worked out once."""

    def __init__(self, bundle: Bundle, law: Law, seed: int) -> None:
        self._bundle, self._law, self._seed = bundle, law, seed
        self._reckoning = reckoning(bundle)
        self._callers: dict[str, list[str]] = {}
        for edge in bundle.topology.edges:
            self._callers.setdefault(edge.callee, []).append(edge.caller)
        self._felt: dict[str, tuple[str, ...]] = {}
        self._expected: dict[tuple[str, Fault], float] = {}
        for hazard, weight in zip(law.hazards, law.weight.tolist(), strict=True):
            key = hazard.component, hazard.fault
            self._expected[key] = self._expected.get(key, 0.0) + weight
        self._marks: dict[str, tuple[float, ...]] = {}
        self._seen = Seen(bundle.incidents, bundle.past, self._load)

    def issues(self, draws: Draws) -> list[SimulatedIssue]:
        """All of them, in the draws' order."""
        law = self._law
        strengths = law.strengths(draws.which, draws.strength_u).round(4).tolist()
        durations = law.durations(draws.which, draws.duration_u).round(1)
        ramps = law.ramps(draws.which, draws.ramp_u, durations).round(1).tolist()
        others = np.where(draws.other >= 0, draws.other, 0)
        beside = law.strengths(others, draws.other_u).round(4).tolist()
        plausible = _figures(law.plausibility(draws))
        new = novelty(self._distance(draws, durations)).round(3).tolist()
        written: list[SimulatedIssue] = []
        lasts, parents = durations.tolist(), draws.parent.tolist()
        for number, parent in enumerate(parents):
            written.append(
                self._issue(
                    draws,
                    number,
                    (strengths[number], lasts[number], ramps[number], beside[number]),
                    (new[number], plausible[number]),
                    written[parent] if parent >= 0 else None,
                )
            )
        return written

    def _issue(
        self,
        draws: Draws,
        number: int,
        size: tuple[float, float, float, float],
        likeness: tuple[float, float],
        parent: SimulatedIssue | None,
    ) -> SimulatedIssue:
        """One issue, whole. size: strength, duration, ramp, companion's strength; likeness: novelty, plausibility."""
        strength, duration_s, ramp_s, beside = size
        hazard = self._law.hazards[draws.which[number]]
        start_s = float(draws.start_s[number])
        also = self._companions(draws, number, beside)
        felt = self._impact(hazard.component, hazard.fault, (strength, duration_s), start_s, also)
        expected = self._expected[hazard.component, hazard.fault]
        content = [self._seed, number, hazard.component, hazard.kind, strength, duration_s, start_s]
        origins = (self._bundle.lineage,) if parent is None else (self._bundle.lineage, parent.lineage)
        come_from = lineage("issue", content, origins)
        edge = int(draws.edge[number])
        return SimulatedIssue(
            id=f"{_slug(hazard.component)}-{hazard.fault.value}-{come_from.id.rsplit('-', 1)[1]}",
            kind=hazard.kind,
            fault=hazard.fault,
            strength=strength,
            components=(hazard.component, *self._felt_by(hazard.component)),
            origin=self._law.grid.origin,
            start_s=round(start_s, 3),
            duration_s=duration_s,
            severity=self._severity(hazard.kind, draws, number, felt),
            probability=float(max(min(-np.expm1(-expected), 1.0), 1e-12)),
            impact=felt,
            novelty=likeness[0],
            evidence=self._evidence(draws, number, strength, duration_s, also, parent),
            lineage=come_from,
            ramp_s=ramp_s,
            plausibility=likeness[1],
            edge_case=EDGES[edge] if edge >= 0 else None,
            companions=also,
            raised_by="" if parent is None else parent.id,
        )

    def _felt_by(self, component: str) -> tuple[str, ...]:
        """Who feels it: callers, then their callers, nearest first."""
        if component not in self._felt:
            found: dict[str, None] = {}
            frontier = [component]
            while frontier:
                callers = dict.fromkeys(caller for name in frontier for caller in self._callers.get(name, ()))
                frontier = [name for name in callers if name not in found and name != component]
                found.update(dict.fromkeys(frontier))
            self._felt[component] = tuple(found)
        return self._felt[component]

    def _companions(self, draws: Draws, number: int, strength: float) -> tuple[Companion, ...]:
        if draws.other[number] < 0:
            return ()
        other = self._law.hazards[draws.other[number]]
        return (Companion(fault=other.fault, component=other.component, strength=strength),)

    def _impact(
        self, component: str, fault: Fault, size: tuple[float, float], start_s: float, also: Sequence[Companion]
    ) -> Impact:
        """Size: strength, duration."""
        faults = ((fault, component, size[0]), *((one.fault, one.component, one.strength) for one in also))
        return self._reckoning.impact(component, faults, size[1], self._law.grid.origin + timedelta(seconds=start_s))

    def _severity(self, kind: str, draws: Draws, number: int, felt: Impact) -> Severity:
        model = self._bundle.incidents
        if not model.total:
            return marks.severity_of(felt)
        if kind not in self._marks:
            self._marks[kind] = marks.severity_marks(model.severity_shares(kind))
        return marks.severity_at(self._marks[kind], float(draws.strength_u[number]), float(draws.severity_u[number]))

    def _distance(self, draws: Draws, durations_s: FloatArray) -> FloatArray:
        hazards = self._law.hazards
        where = [(hazards[at].component, hazards[at].kind) for at in draws.which.tolist()]
        starts = self._law.grid.origin.timestamp() + draws.start_s
        return self._seen.distance(where, starts, durations_s, draws.strength_u, (draws.other >= 0).astype(float))

    def _load(self, times_s: FloatArray) -> FloatArray:
        """Multiples of the horizon's mean load; 1 where no load is known."""
        bundle = self._bundle
        if bundle.topology.entry not in bundle.load:
            return np.ones_like(times_s)
        usual = float(bundle.entry_rate(self._law.grid.middles).mean.mean())
        return np.asarray(bundle.entry_rate(times_s).mean / usual) if usual > 0 else np.ones_like(times_s)

    def _evidence(
        self,
        draws: Draws,
        number: int,
        strength: float,
        duration_s: float,
        also: Sequence[Companion],
        parent: SimulatedIssue | None,
    ) -> tuple[str, ...]:
        hazard = self._law.hazards[draws.which[number]]
        around, lines = self._reckoning.around[hazard.component], list(hazard.evidence)
        lines.append(
            f"{self._expected[hazard.component, hazard.fault]:.2f} such issues are to be expected within the horizon."
        )
        if max(draws.strength_u[number], draws.duration_u[number]) > TAIL[0]:
            text = f"Beyond the usual: {strength_in_words(hazard.fault, strength)}, for {duration_s / 60:.0f} min."
            lines.append(text)
        lines += (f"Together with it, {one.component}: {strength_in_words(one.fault, one.strength)}." for one in also)
        if parent is not None:
            lines.append(f"It follows from {parent.kind} on {parent.component} ({parent.id}).")
        lines += self._about_the_component(hazard.fault, hazard.component, around)
        return tuple(lines)

    def _about_the_component(self, fault: Fault, component: str, around: Surroundings) -> list[str]:
        lines = []
        if count := self._reckoning.past.get(fault, 0):
            lines.append(f"The width of its impact leans on {count} past ones seen in the metrics.")
        if fault in _BUSY:
            known = "Usually" if around.measured else "The history doesn't say how busy it is; it is taken that"
            lines.append(f"{known} {around.utilisation:.0%} of {component}'s CPU limit is used.")
        return lines


def _figures(values: FloatArray) -> list[float]:
    """Three significant digits."""
    return [float(f"{value:.3g}") for value in values.tolist()]


def _slug(name: str) -> str:
    """A component's name as a part of a file's or an object's name."""
    return _SLUG.sub("-", name.lower()).strip("-")[:24].strip("-") or "component"
