"""Candidates on the exact rung: which issues are played there, what each candidate used of the SLO, who wins."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chaosprsa.allocation.engine import Candidate, Engine
from chaosprsa.allocation.exact_rung import ExactRung
from chaosprsa.allocation.racing import Race, Rules, least_detectable, race, within, worst
from chaosprsa.allocation.scores import shares_used
from chaosprsa.allocation.space import Floats, Ints
from chaosprsa.allocation.threats import in_words
from chaosprsa.types import Measured, SimulatedIssue

MOST_ISSUES = 4
MOST_CANDIDATES = 4  # without those that a mend adds
MOST_VISITS = 8e6  # requests to all services in all plays: some 8 s
A_PLAY = 6e4
LEAST_PHASES_S = 20.0, 10.0  # a demo's trials are shorter: too few requests to tell candidates apart
SHARE = 0.01  # of the SLO: less is no number to divide by


@dataclass(frozen=True, slots=True)
class Told:
    """What one point used of the SLO, shape (issues,): by the fluid twin, and in each repeat (repeats, issues)."""

    issues: tuple[SimulatedIssue, ...]
    below: Floats
    shares: Floats

    @property
    def ratio(self) -> Floats:
        """The fluid twin's share over the exact one's, of each issue."""
        return np.asarray(np.maximum(self.below, SHARE) / np.maximum(self.shares.mean(axis=0), SHARE))

    @property
    def survived(self) -> dict[str, bool]:
        """By issue id; without those that chance hides."""
        low, high = within(self.shares)
        sure = zip(self.issues, low <= 1, high <= 1, strict=True)
        return {issue.id: bool(all_of_it) for issue, some, all_of_it in sure if some == all_of_it}

    @property
    def measured(self) -> tuple[Measured, ...]:
        """As nouns."""
        mean, spread = self.shares.mean(axis=0), self.shares.std(axis=0, ddof=1)
        return tuple(
            Measured(
                issue_id=issue.id,
                what=in_words(issue),
                below=round(float(self.below[at]), 4),
                here=round(float(mean[at]), 4),
                spread=round(float(spread[at]), 4),
                repeats=len(self.shares),
            )
            for at, issue in enumerate(self.issues)
        )


class Climb:
    """One candidate, those beside it and those that mend it. points: in the order they came, the candidate first."""

    def __init__(self, engine: Engine, rung: ExactRung, issues: tuple[SimulatedIssue, ...], rules: Rules) -> None:
        self.engine, self.rung, self.issues, self.rules = engine, rung, issues, rules
        self.points: list[Ints] = []
        self.steps: list[float] = []
        self._below: list[Floats] = []
        self._shares: dict[tuple[int, int], Floats] = {}
        self._race: Race | None = None

    def add(self, points: Iterable[Ints]) -> None:
        """Those that are not there yet."""
        for point in points:
            if self.at(point) is None:
                self.points.append(point)
                self._below.append(_shares_below(self.engine, self.rung, point, self.issues))

    def at(self, point: Ints) -> int | None:
        """A point's number."""
        return next((at for at, known in enumerate(self.points) if np.array_equal(point, known)), None)

    def race(self) -> Race:
        """What was played before isn't played again."""
        prices = [self.engine.price_month(point) for point in self.points]
        self._race = race(prices, self._measure, self.rules)
        return self._race

    @property
    def found(self) -> Race:
        """The last race."""
        return self._race or self.race()

    def _measure(self, at: int, repeat: int) -> Floats:
        if (at, repeat) not in self._shares:
            capacity = self.engine.space.capacity(self.points[at][None])
            played = [self.rung.share_used(capacity, issue, repeat) for issue in self.issues]
            self._shares[at, repeat] = np.array(played)
        return self._shares[at, repeat] - 1.0

    def told(self, point: Ints) -> Told | None:
        """Of a point that was played."""
        at = self.at(point)
        return None if at is None else Told(self.issues, self._below[at], self.found.values[at] + 1.0)

    def survived(self, point: Ints) -> Mapping[str, bool]:
        """By issue id; empty for a point that was not played."""
        told = self.told(point)
        return told.survived if told else {}

    def holds(self, point: Ints) -> bool:
        """Shown to, or by the mean where chance hides it."""
        at = self.at(point)
        known = None if at is None else self.found.holds[at]
        return at is not None and (self.found.misses[at] <= 0 if known is None else known)

    @property
    def missed(self) -> tuple[Ints, ...]:
        """Points that miss for sure."""
        return tuple(point for point, holds in zip(self.points, self.found.holds, strict=True) if holds is False)

    @property
    def best(self) -> Ints | None:
        """The point that won."""
        return None if self.found.chosen is None else self.points[self.found.chosen]

    @property
    def nearest(self) -> Ints:
        """Of those that all miss, the one that misses by the least."""
        return self.points[int(np.argmin(self.found.misses))]

    @property
    def plays(self) -> int:
        """Of one candidate under one issue."""
        return len(self._shares) * len(self.issues)

    @property
    def seconds(self) -> float:
        """Of the system's time, in all plays."""
        return len(self._shares) * sum(self.rung.seconds(issue) for issue in self.issues)

    def least_detectable(self, point: Ints) -> float | None:
        """Difference in the share of the SLO that chance doesn't hide, by the A/A repeats of this point."""
        told = self.told(point)
        if told is None:
            return None
        noise = float(worst(told.shares).std(ddof=1))
        return round(least_detectable(noise, len(told.shares), self.rules), 4)


def begun(engine: Engine, candidate: Candidate, refuted: tuple[Ints, ...]) -> Climb | str:
    """The candidate and those beside it, ready to race; or why the rung is left out, in words."""
    case = engine.case
    if not engine.twin.fit.trusted:
        return "the twin is not trusted"
    if case.slo.service != case.topology.entry:
        return f"the SLO is {case.slo.service}'s, and only users' requests at {case.topology.entry} are judged there"
    fault_s, after_s = (max(pair) for pair in zip(case.phases_s, LEAST_PHASES_S, strict=True))
    whole = ExactRung(
        twin=engine.twin, slo=case.slo, load_per_s=case.load.peak_per_s, phases_s=(fault_s, after_s), seed=case.seed
    )
    rung = whole.shortened(A_PLAY)
    issues = _binding(engine, rung, candidate.point)
    if not issues:
        return "the fluid twin expects it to survive no issue"
    points = [candidate.point, *candidate.others[: MOST_CANDIDATES - 2]]
    present = engine.space.present
    if engine.missed(present, {})[0] <= 0 and not any(engine.space.covered(present, failed) for failed in refuted):
        points.append(present)
    rules, affordable = Rules(), MOST_VISITS / max(rung.visits(issue) for issue in issues)
    fit = int(affordable // (len(points) * rules.first))
    if fit < 1:
        return f"{case.load.peak_per_s:g} requests a second are too many to be played in bounded time"
    issues = issues[:fit]
    most = int(affordable // (len(points) * len(issues)))
    climb = Climb(engine, rung, issues, replace(rules, most=int(np.clip(most, rules.first, rules.most))))
    climb.add(points)
    return climb


def _shares_below(engine: Engine, rung: ExactRung, point: Ints, issues: Sequence[SimulatedIssue]) -> Floats:
    """By the fluid twin, in the worlds that are played here."""
    whole, worlds = engine.final, engine.final.worlds
    numbers = {issue.id: number for number, issue in enumerate(whole.issues)}
    rows = [np.flatnonzero(worlds.nominal & (worlds.issue == numbers[issue.id]))[0] for issue in issues]
    below = rung.below(whole.only(np.array(rows)))
    return np.asarray(shares_used(below(engine.space.capacity(point[None])), engine.case.slo)[0])


def _binding(engine: Engine, rung: ExactRung, point: Ints) -> tuple[SimulatedIssue, ...]:
    """Of what the fluid twin says is survived, what uses most of the SLO, one of each fault and component."""
    every = engine.final.issues
    used = _shares_below(engine, rung, point, every)
    found: dict[tuple[str, str], SimulatedIssue] = {}
    for at in np.argsort(-used, kind="stable").tolist():
        if used[at] <= 1:
            found.setdefault((every[at].fault, every[at].component), every[at])
    return tuple(found.values())[:MOST_ISSUES]
