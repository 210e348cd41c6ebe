"""One calibrated twin, one space, all issues: proposes candidates. What recommend() does before it asks the shadow."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np

from chaosprsa.allocation.greedy import Found, lowered, repaired
from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.policy import fine_tune
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.search import search
from chaosprsa.allocation.space import Ints, Space, build_space
from chaosprsa.allocation.threats import representatives, usual_load
from chaosprsa.progress import Progress
from chaosprsa.settings import SafetyTable
from chaosprsa.twin import Noise, Rehearsal, Twin, calibrate, draw_worlds
from chaosprsa.types import (
    Allocation,
    Outcome,
    PolicyResult,
    Prices,
    SearchTrial,
    SimulatedIssue,
    Slo,
    Topology,
)

SEARCH_STEP_S = 6.0
FINAL_STEP_S = 1.0
PAIRS = 4  # nine worlds an issue


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that a recommendation is made for, at production's scale."""

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


@dataclass(frozen=True, slots=True)
class Candidate:
    """point: what to try; search, policy: how it was found."""

    point: Ints
    search: tuple[SearchTrial, ...]
    policy: PolicyResult


class Engine:
    """Proposes the cheapest allocation that holds. final: every issue and the usual peak, in fine steps."""

    def __init__(self, case: Case, outcomes: Sequence[Outcome]) -> None:
        self.case = case
        self.twin: Twin = calibrate(outcomes, case.topology, case.slo, case.timeout_s)
        self.space: Space = build_space(case.production, self.twin, case.safety, case.prices)
        self._usual = usual_load(case.topology.entry, case.now)
        self.final = self._rehearsal((*case.issues, self._usual), case.slo, FINAL_STEP_S)
        self._most = Objective(self.space, self.final)

    @property
    def hopeless(self) -> tuple[SimulatedIssue, ...]:
        """Issues that no allowed allocation survives."""
        return self._most.hopeless

    @property
    def survivable(self) -> tuple[SimulatedIssue, ...]:
        return self._most.survivable

    def holding(self) -> Rehearsal:
        """The final rehearsal of those issues only that can be survived."""
        return self._most.rehearsal

    def propose(
        self,
        storage: Path | None,
        progress: Progress,
        refuted: tuple[Ints, ...] = (),
        latency_share: float = 1.0,
        trials: int | None = None,
    ) -> Candidate:
        """refuted: counterexamples. latency_share: of the SLO's latency, below 1 after a counterexample."""
        case = self.case
        slo = replace(case.slo, latency_ms=case.slo.latency_ms * latency_share)
        threats = (*representatives(self.survivable_faults()), self._usual)
        coarse = Objective(self.space, self._rehearsal(threats, slo, SEARCH_STEP_S), refuted)
        count = case.trials if trials is None else trials
        result = search(coarse, case.seed, count, storage, progress)
        progress("checking against every issue", 0.9)
        every = Objective(self.space, replace(self.final, slo=slo), refuted)
        best = self._held(every, result.best)
        progress("fine-tuning by fitted Q iteration", 0.93)
        tuned = fine_tune(coarse, best.point, case.load, case.seed)
        point = tuned.point if self._still_holds(every, tuned.point, best) else best.point
        policy = tuned.result if point is tuned.point else replace(tuned.result, kept=False, reason=_FINER)
        return Candidate(point, result.trials, policy)

    def survivable_faults(self) -> tuple[SimulatedIssue, ...]:
        """Without the usual load; everything where nothing can be survived, so that the least is lost."""
        faults = tuple(issue for issue in self.survivable if issue.id != self._usual.id)
        return faults if self.survivable else self.case.issues

    def _held(self, every: Objective, found: Found) -> Found:
        """Mended where finer steps or further issues ask for more."""
        scores = every(found.point[None])
        if scores.feasible[0]:
            return found
        mended = repaired(self.space, every, found.point)
        return lowered(self.space, every, mended, sizes=(2, 1)) if mended.feasible else mended

    def _still_holds(self, every: Objective, point: Ints, best: Found) -> bool:
        if np.array_equal(point, best.point):
            return True
        return bool(every(point[None]).violation[0] <= max(best.violation, 0.0))

    def _rehearsal(self, issues: tuple[SimulatedIssue, ...], slo: Slo, step_s: float) -> Rehearsal:
        case = self.case
        worlds = draw_worlds(self.twin, issues, case.load.peak_per_s, case.seed, PAIRS, Noise())
        return Rehearsal(self.twin, slo, issues, worlds, case.phases_s, step_s)


_FINER = "better on the situations it was judged on, but it misses the SLO in an issue that the searched one survives"
