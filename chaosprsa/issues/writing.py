"""Draws -> issues: each with who feels it, how badly, how likely, how new, how plausible, and the evidence."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import NamedTuple

import numpy as np

from chaosprsa.documents import lineage
from chaosprsa.faults import strength_in_words
from chaosprsa.hazards import FloatArray, Hazard
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
        self._places: dict[tuple[str, Fault], _Place] = {}
        self._marks: dict[str, tuple[float, ...]] = {}
        self._seen = Seen(bundle.incidents, bundle.past, self._load)

    def issues(self, draws: Draws) -> list[SimulatedIssue]:
        """All of them, in the draws' order."""
        law = self._law
        durations = law.durations(draws.which, draws.duration_u).round(1)
        strengths = law.strengths(draws.which, draws.strength_u).round(4).tolist()
        companions = self._companions(draws)
        columns = zip(
            [law.hazards[which] for which in draws.which.tolist()],
            strengths,
            draws.start_s.tolist(),
            durations.tolist(),
            law.ramps(draws.which, draws.ramp_u, durations).round(1).tolist(),
            companions,
            self._impacts(draws, strengths, durations, companions),
            draws.strength_u.tolist(),
            draws.severity_u.tolist(),
            (np.maximum(draws.strength_u, draws.duration_u) > TAIL[0]).tolist(),
            novelty(self._distance(draws, durations)).round(3).tolist(),
            _figures(law.plausibility(draws)),
            draws.edge.tolist(),
            strict=True,
        )
        written: list[SimulatedIssue] = []
        for number, (drawn, parent) in enumerate(zip(starmap(_Drawn, columns), draws.parent.tolist(), strict=True)):
            written.append(self._issue(number, drawn, written[parent] if parent >= 0 else None))
        return written

    def _issue(self, number: int, drawn: "_Drawn", parent: SimulatedIssue | None) -> SimulatedIssue:
        """One issue, whole."""
        hazard = drawn.hazard
        place = self._place(hazard)
        content = [
            self._seed, number, hazard.component, hazard.kind, drawn.strength, drawn.duration_s, drawn.start_s,
        ]  # fmt: skip
        origins = (self._bundle.lineage,) if parent is None else (self._bundle.lineage, parent.lineage)
        come_from = lineage("issue", content, origins)
        return SimulatedIssue(
            id=f"{place.slug}-{come_from.id.rsplit('-', 1)[1]}",
            kind=hazard.kind,
            fault=hazard.fault,
            strength=drawn.strength,
            components=place.components,
            origin=self._law.grid.origin,
            start_s=round(drawn.start_s, 3),
            duration_s=drawn.duration_s,
            severity=self._severity(drawn),
            probability=place.probability,
            impact=drawn.felt,
            novelty=drawn.novelty,
            evidence=self._evidence(drawn, place, parent),
            lineage=come_from,
            ramp_s=drawn.ramp_s,
            plausibility=drawn.plausibility,
            edge_case=EDGES[drawn.edge] if drawn.edge >= 0 else None,
            companions=drawn.also,
            raised_by="" if parent is None else parent.id,
        )

    def _place(self, hazard: Hazard) -> "_Place":
        """What all issues of a fault at a component share."""
        key = hazard.component, hazard.fault
        if key not in self._places:
            expected = self._expected[key]
            self._places[key] = _Place(
                slug=f"{_slug(hazard.component)}-{hazard.fault.value}",
                components=(hazard.component, *self._felt_by(hazard.component)),
                probability=float(max(min(-np.expm1(-expected), 1.0), 1e-12)),
                often=f"{expected:.2f} such issues are to be expected within the horizon.",
                known=tuple(self._about_the_component(hazard.fault, hazard.component)),
            )
        return self._places[key]

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

    def _companions(self, draws: Draws) -> list[tuple[Companion, ...]]:
        found: list[tuple[Companion, ...]] = [()] * len(draws)
        rows = np.flatnonzero(draws.other >= 0)
        strengths = self._law.strengths(draws.other[rows], draws.other_u[rows]).round(4).tolist()
        for row, at, strength in zip(rows.tolist(), draws.other[rows].tolist(), strengths, strict=True):
            other = self._law.hazards[at]
            found[row] = (Companion(fault=other.fault, component=other.component, strength=strength),)
        return found

    def _impacts(
        self,
        draws: Draws,
        strengths: Sequence[float],
        durations_s: FloatArray,
        companions: Sequence[tuple[Companion, ...]],
    ) -> list[Impact]:
        hazards = self._law.hazards
        faults = [
            (
                (hazards[which].fault, hazards[which].component, strength),
                *((one.fault, one.component, one.strength) for one in also),
            )
            for which, strength, also in zip(draws.which.tolist(), strengths, companions, strict=True)
        ]
        return self._reckoning.impacts(faults, durations_s, self._law.grid.origin.timestamp() + draws.start_s)

    def _severity(self, drawn: "_Drawn") -> Severity:
        model, kind = self._bundle.incidents, drawn.hazard.kind
        if not model.total:
            return marks.severity_of(drawn.felt)
        if kind not in self._marks:
            self._marks[kind] = marks.severity_marks(model.severity_shares(kind))
        return marks.severity_at(self._marks[kind], drawn.strength_u, drawn.severity_u)

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

    def _evidence(self, drawn: "_Drawn", place: "_Place", parent: SimulatedIssue | None) -> tuple[str, ...]:
        lines = [*drawn.hazard.evidence, place.often]
        if drawn.beyond:
            words = strength_in_words(drawn.hazard.fault, drawn.strength)
            lines.append(f"Beyond the usual: {words}, for {drawn.duration_s / 60:.0f} min.")
        lines += (
            f"Together with it, {one.component}: {strength_in_words(one.fault, one.strength)}." for one in drawn.also
        )
        if parent is not None:
            lines.append(f"It follows from {parent.kind} on {parent.component} ({parent.id}).")
        return (*lines, *place.known)

    def _about_the_component(self, fault: Fault, component: str) -> list[str]:
        lines, around = [], self._reckoning.around[component]
        if count := self._reckoning.past.get(fault, 0):
            lines.append(f"The width of its impact leans on {count} past ones seen in the metrics.")
        if fault in _BUSY:
            known = "Usually" if around.measured else "The history doesn't say how busy it is; it is taken that"
            lines.append(f"{known} {around.utilisation:.0%} of {component}'s CPU limit is used.")
        return lines


@dataclass(frozen=True, slots=True)
class _Place:
    """What all issues of a fault at a component share. often, known: words of the evidence."""

    slug: str
    components: tuple[str, ...]
    probability: float
    often: str
    known: tuple[str, ...]


class _Drawn(NamedTuple):
    """One draw, in units. felt: its predicted impact; beyond: stronger or longer than is usual; edge: see Draws."""

    hazard: Hazard
    strength: float
    start_s: float
    duration_s: float
    ramp_s: float
    also: tuple[Companion, ...]
    felt: Impact
    strength_u: float
    severity_u: float
    beyond: bool
    novelty: float
    plausibility: float
    edge: int


def _figures(values: FloatArray) -> list[float]:
    """Three significant digits."""
    return [float(f"{value:.3g}") for value in values.tolist()]


def _slug(name: str) -> str:
    """A component's name as a part of a file's or an object's name."""
    return _SLUG.sub("-", name.lower()).strip("-")[:24].strip("-") or "component"
