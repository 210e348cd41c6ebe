"""Candidates in the shadow: one that fails there is a counterexample, and a more generous one is tried."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from chaosprsa.types import Allocation, Outcome, Slo, Verdict

# (an allocation at the shadow's scale, ids of the issues it is meant to survive, the most binding first) -> outcomes
Check = Callable[[Allocation, tuple[str, ...]], tuple[Outcome, ...]]
MOST_CHECKS = 2


@dataclass(frozen=True, slots=True)
class Checked:
    """What the shadow said of one candidate. refuted: it missed the SLO in an issue that it should have survived.

    reach: the share of the SLO, and of the way from production, that the next candidate may use after it; 1: all.
    """

    outcomes: tuple[Outcome, ...]
    words: tuple[str, ...]
    passed: int
    failed: tuple[Outcome, ...]
    reach: float = 1.0

    @property
    def refuted(self) -> bool:
        return bool(self.failed)

    @property
    def conclusive(self) -> bool:
        return self.passed > 0 or self.refuted


def checked(number: int, outcomes: Sequence[Outcome], expected: frozenset[str], slo: Slo) -> Checked:
    """expected: ids of the issues that the candidate is meant to survive."""
    words = tuple(_words(number, outcome) for outcome in outcomes)
    failed = tuple(one for one in outcomes if one.verdict is Verdict.FAILED and one.issue.id in expected)
    passed = sum(outcome.verdict is Verdict.PASSED for outcome in outcomes)
    nothing = (f"check {number}: the shadow returned no outcome",) if not outcomes else ()
    return Checked(tuple(outcomes), words + nothing, passed, failed, tightened(slo, failed) if failed else 1.0)


def _words(number: int, outcome: Outcome) -> str:
    issue = outcome.issue
    why = f": {outcome.reasons[0]}" if outcome.reasons and outcome.verdict is not Verdict.PASSED else ""
    return f"check {number}: {issue.fault.value} on {issue.component} {outcome.verdict.value}{why} ({outcome.id})"


def tightened(slo: Slo, failed: Sequence[Outcome]) -> float:
    """The share of the SLO's latency to search for next: as far below as the counterexample was above, 0.5 to 0.9."""
    measured = [
        statistics.latency_slo_ms
        for outcome in failed
        for statistics in outcome.load.values()
        if statistics.latency_slo_ms is not None
    ]
    worst = max(measured, default=slo.latency_ms)
    return float(np.clip(slo.latency_ms / max(worst, 1e-9), 0.5, 0.9))
