"""One calibrated twin, one space, all issues: proposes candidates. What recommend() does before it asks the shadow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from chaosprsa.allocation.binding import binding, in_the_way
from chaosprsa.allocation.further import devices
from chaosprsa.allocation.greedy import Found, found_at, trimmed
from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.policy import Tuned, fine_tune
from chaosprsa.allocation.ranges import build_space
from chaosprsa.allocation.risk import Risk
from chaosprsa.allocation.scores import Objective, shares_used
from chaosprsa.allocation.search import search, starts
from chaosprsa.allocation.space import Floats, Ints, Space
from chaosprsa.allocation.swift import swift
from chaosprsa.allocation.threats import representatives, usual_load
from chaosprsa.progress import Progress
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.twin import Noise, Rehearsal, Twin, calibrate, draw_worlds
from chaosprsa.twin.stations import equipped
from chaosprsa.types import (
    Allocation,
    Declared,
    Limits,
    Outcome,
    PolicyResult,
    Prices,
    SearchTrial,
    SimulatedIssue,
    Slo,
    Topology,
)

SEARCH_STEP_S = 6.0
FINAL_STEP_S = 2.0
MOST_HARDENINGS = 4
PAIRS = 4  # nine worlds an issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that a recommendation is made for, at production's scale. draws: of the Issue Simulator, for times."""

    issues: tuple[SimulatedIssue, ...]
    production: Allocation
    load: EntryLoad
    topology: Topology
    slo: Slo
    prices: Prices
    safety: SafetyTable
    seed: int
    now: datetime
    phases_s: tuple[float, float] = (120.0, 60.0)
    trials: int = 64
    timeout_s: float = 10.0
    risk: Risk = field(default_factory=Risk)
    limits: Limits = field(default_factory=Limits)
    frontier: bool = False
    study: str = ""
    declared: Declared = field(default_factory=Declared)
    draws: tuple[SimulatedIssue, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """point: what to try; search, policy: how it was found. notes: what the reader must know of that.

    others: what else holds by the fluid twin, the searched one before it was tuned and the cheapest that Optuna saw.
    looked, played: points that the fluid twin looked at, and those times the worlds that each met.
    """

    point: Ints
    search: tuple[SearchTrial, ...]
    policy: PolicyResult
    notes: tuple[str, ...] = ()
    others: tuple[Ints, ...] = ()
    looked: int = 0
    played: int = 0


class Engine:
    """Proposes the cheapest allocation that holds. final: every issue and the usual peak, in fine steps."""

    def __init__(self, case: Case, outcomes: Sequence[Outcome]) -> None:
        self.case = case
        twin = calibrate(outcomes, case.topology, case.slo, case.timeout_s)
        self.space: Space = build_space(case.production, twin, case.safety, case.prices, case.limits, case.declared)
        self.twin: Twin = equipped(twin, devices(case.declared))
        self._usual = usual_load(case.topology.entry, case.now)
        self.final = self._rehearsal((*case.issues, self._usual), case.slo, FINAL_STEP_S)
        self._most = Objective(self.space, self.final, risk=case.risk)

    @property
    def hopeless(self) -> tuple[SimulatedIssue, ...]:
        """Issues that no allowed allocation survives."""
        return self._most.hopeless

    @property
    def survivable(self) -> tuple[SimulatedIssue, ...]:
        return self._most.survivable

    def missed(self, point: Ints, seen: Mapping[str, bool]) -> tuple[float, float]:
        """(risk above what is allowed, mean of what is missed), with what the shadow saw of issues above the twin."""
        return self._most.missed(point, seen)

    def risk_at(self, point: Ints, seen: Mapping[str, bool]) -> float:
        return self._most.risk_at(point, seen)

    def mixed_risk(self, points: Ints, shares: Floats) -> float:
        """Where each issue meets each of the points with a share of its probability; shares: (points, issues)."""
        return self._most.mixed_risk(points, shares)

    def price_month(self, point: Ints) -> float:
        """Cost and the price on change."""
        cost = self.space.cost_month(point[None]) + self.space.change_month(point[None], self.case.risk.change_share)
        return float(cost[0])

    def holding(self, point: Ints) -> Rehearsal:
        """The issues that can be survived, each in the world that is hard for this point."""
        return self.objective(point).rehearsal

    def objective(self, point: Ints, step_s: float = FINAL_STEP_S) -> Objective:
        """What a point is judged by once it is found: every issue, in the worlds that are hard for it."""
        return Objective(self.space, replace(self.final, step_s=step_s), reference=point, risk=self.case.risk)

    @property
    def usual(self) -> Rehearsal:
        """The usual peak load in all its worlds, without a fault."""
        return self.final.only(np.flatnonzero(self.final.worlds.issue == len(self.final.issues) - 1))

    def predicted(self, issue_id: str) -> Rehearsal:
        """One issue, just as it was predicted."""
        number = next(at for at, issue in enumerate(self.final.issues) if issue.id == issue_id)
        worlds = self.final.worlds
        return self.final.only(np.flatnonzero(worlds.nominal & (worlds.issue == number)))

    def most_binding(self, point: Ints) -> tuple[str, ...]:
        """Ids of the issues, as predicted, by how much of the SLO each uses at this point; the most first."""
        predicted = self.final.only(np.flatnonzero(self.final.worlds.nominal))
        used = shares_used(predicted(self.space.capacity(point[None])), self.case.slo)[0]
        order = [predicted.issues[predicted.worlds.issue[row]].id for row in np.argsort(-used, kind="stable")]
        return tuple(issue for issue in order if issue != self._usual.id)

    def propose(
        self,
        storage: Path | str | None,
        progress: Progress,
        refuted: tuple[Ints, ...] = (),
        latency_share: float = 1.0,
        trials: int | None = None,
        near: Space | None = None,
    ) -> Candidate:
        """refuted: counterexamples. latency_share: of the SLO's latency, below 1 after a counterexample.

        near: how far the search may go after one; None: as far as the limits.
        """
        case, space = self.case, near or self.space
        final = self._with_room(latency_share)
        among = frozenset(issue.id for issue in (*representatives(self._faults()), self._usual))
        coarse = Objective(space, replace(final, step_s=SEARCH_STEP_S), refuted, among, risk=case.risk)
        count = case.trials if trials is None else trials
        result = search(coarse, case.seed, count, storage, progress, frontier=case.frontier, name=case.study)
        progress("checking against every issue", 0.9)
        every, best = self._held(space, final, refuted, result.best)
        notes = result.notes if best.feasible else (*result.notes, self._why_not(every, final, refuted, best))
        progress("fine-tuning by fitted Q iteration", 0.93)
        tuned = fine_tune(every, best.point, case.load, case.seed)
        if not np.array_equal(tuned.point, best.point) and every.hardened(tuned.point):
            tuned = Tuned(best.point, replace(tuned.result, kept=False, reason=_FINER))
        others = (best.point, *_holding(every, result.near))
        return Candidate(
            tuned.point,
            result.trials,
            tuned.result,
            notes,
            tuple(point for point in others if not np.array_equal(point, tuned.point)),
            looked=coarse.evaluated + every.evaluated,
            played=coarse.played + every.played,
        )

    def roomier(self, point: Ints, refuted: tuple[Ints, ...], latency_share: float, near: Space) -> Found:
        """From a point that a higher rung refuted to the cheapest nearby that holds this share of the SLO's latency."""
        start = Found(near.clipped(point), 0.0, 0.0, np.inf)
        return self._held(near, self._with_room(latency_share), refuted, start)[1]

    def _with_room(self, latency_share: float) -> Rehearsal:
        slo = self.case.slo
        return replace(self.final, slo=replace(slo, latency_ms=slo.latency_ms * latency_share))

    def _why_not(self, every: Objective, final: Rehearsal, refuted: tuple[Ints, ...], best: Found) -> str:
        """Which limit binds, where nothing that may be tried holds the risk."""

        def pose(space: Space) -> Objective:
            return Objective(
                space, replace(final, step_s=SEARCH_STEP_S), refuted, reference=best.point, risk=every.risk
            )

        return in_the_way(self.space, binding(self.space, pose, [*starts(self.space), best.point]), every, best.point)

    def _faults(self) -> tuple[SimulatedIssue, ...]:
        """Without the usual load; everything where nothing can be survived, so that the least is lost."""
        faults = tuple(issue for issue in self.survivable if issue.id != self._usual.id)
        return faults if self.survivable else self.case.issues

    def _held(self, space: Space, final: Rehearsal, refuted: tuple[Ints, ...], found: Found) -> tuple[Objective, Found]:
        """Mended where finer steps, further issues, or the worlds that are hard for this very point ask for more."""
        every = Objective(space, final, refuted, reference=found.point, risk=self.case.risk)
        for _ in range(MOST_HARDENINGS):
            found = found_at(found.point, every(found.point[None]), 0)
            if not found.feasible:
                found = trimmed(space, every, swift(every, [found.point]))
            if not every.hardened(found.point):
                break
        return every, found

    def _rehearsal(self, issues: tuple[SimulatedIssue, ...], slo: Slo, step_s: float) -> Rehearsal:
        case = self.case
        worlds = draw_worlds(self.twin, issues, case.load.peak_per_s, case.seed, PAIRS, Noise())
        return Rehearsal(self.twin, slo, issues, worlds, case.phases_s, step_s)


def _holding(every: Objective, points: tuple[Ints, ...]) -> list[Ints]:
    """Those that hold in fine steps and against every issue, too."""
    return [point for point in points if every(point[None]).feasible[0] and not every.hardened(point)]


_FINER = "better on the situations it was judged on, but it misses the SLO in an issue that the searched one survives"
