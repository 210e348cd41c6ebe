"""Points that an adversary may choose: of a fault at a component its strength, duration and the load at the time.

Each is judged on the twin and by the incident process: how badly it ends, how likely it is, whether it is plausible.
"""

from dataclasses import dataclass

import numpy as np

from chaosprsa.allocation.scores import shares_used
from chaosprsa.allocation.space import Floats, Ints
from chaosprsa.issues.law import NONE, Draws, Law
from chaosprsa.twin import Capacity, Parameters, Rehearsal, Twin
from chaosprsa.twin.trials import MOST_ENVIRONMENTS, Worlds
from chaosprsa.types import Fault, SimulatedIssue, Slo

STEP_S = 6.0


@dataclass(frozen=True, slots=True)
class Points:
    """pair: shape (points,), a hazard's number; at: shape (points, 3), quantiles of strength, duration and load."""

    pair: Ints
    at: Floats

    def only(self, rows: Ints) -> "Points":
        """These, in this order."""
        return Points(self.pair[rows], self.at[rows])


@dataclass(frozen=True, slots=True)
class Shown:
    """What becomes of points; shape (points,) each, harm and margin as a Weakness has them.

    probability: that one at least as strong and as long comes within the horizon, at this load or more.
    """

    harm: Floats
    margin: Floats
    plausibility: Floats
    probability: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is attacked. present: shape (1, services), in the twin's order; phases_s: a trial's fault, and after it."""

    twin: Twin
    present: Capacity
    slo: Slo
    phases_s: tuple[float, float] = (120.0, 60.0)


class Range:
    """Plays points. load_per_s: the entry's forecast in each cell of the law's grid; issues: one of each pair."""

    def __init__(self, target: Target, law: Law, load_per_s: Floats) -> None:
        self.target, self.law, self.load_per_s = target, law, load_per_s
        self.issues: dict[int, SimulatedIssue] = {}
        self._by_load = np.argsort(load_per_s, kind="stable")
        self.pairs = _likeliest(law)
        self._expected = _expected(law)
        rates = np.array([law.hazards[pair].rate_per_s[self._by_load] for pair in self.pairs.tolist()])
        above = np.cumsum(rates[:, ::-1], axis=1)[:, ::-1]
        self._busier = dict(zip(self.pairs.tolist(), above / above[:, :1], strict=True))

    def shown(self, points: Points) -> Shown:
        """By the twin as it was calibrated."""
        nominal = self.target.twin.nominal
        same = Parameters(*(np.tile(getattr(nominal, name), (len(points.pair), 1)) for name in Parameters.__slots__))
        latency, failed, margin = self.played(points, same)
        slo = self.target.slo
        slower = np.log10(np.maximum(latency * 1000 / slo.latency_ms, 1.0))
        return Shown(
            harm=np.maximum(failed - (1 - slo.success_ratio), 0.0) + slower,
            margin=margin,
            plausibility=self.law.plausibility(self.draws(points)),
            probability=self._probability(points),
        )

    def played(self, points: Points, parameters: Parameters) -> tuple[Floats, Floats, Floats]:
        """(latency in seconds, share that fails, margin), shape (points,) each; parameters: one row a point."""
        draws = self.draws(points)
        pairs, rows = np.unique(points.pair, return_inverse=True)
        worlds = Worlds(
            issue=rows,
            nominal=np.ones(len(rows), dtype=bool),
            strength=self.law.strengths(draws.which, draws.strength_u),
            duration_s=self.law.durations(draws.which, draws.duration_u),
            load_per_s=self.load_per_s[self._cells(points)],
            parameters=parameters,
        )
        target = self.target
        issues = tuple(self.issues[pair] for pair in pairs.tolist())
        rehearsal = Rehearsal(target.twin, target.slo, issues, worlds, target.phases_s, STEP_S)
        parts = [
            rehearsal.only(np.arange(low, min(low + MOST_ENVIRONMENTS, len(rows))))(target.present)
            for low in range(0, len(rows), MOST_ENVIRONMENTS)
        ]
        latency = np.concatenate([part.latency_s[0] for part in parts])
        failed = np.concatenate([part.failed[0] for part in parts])
        used = np.concatenate([shares_used(part, target.slo)[0] for part in parts])
        return latency, failed, 1.0 - used

    def draws(self, points: Points) -> Draws:
        """The points as draws of the law, beginning when the load is what they say."""
        strength, duration, _ = points.at.T
        nothing, middle = np.full(len(points.pair), NONE), np.full(len(points.pair), 0.5)
        return Draws(
            which=points.pair,
            start_s=self.law.grid.starts_s[self._cells(points)],
            strength_u=strength.copy(),
            duration_u=duration.copy(),
            severity_u=strength.copy(),
            ramp_u=middle,
            edge=nothing,
            other=nothing,
            other_u=middle,
            parent=nothing,
        )

    def load_at(self, points: Points) -> Floats:
        """Requests a second at the entry; shape (points,)."""
        return np.asarray(self.load_per_s[self._cells(points)])

    def _cells(self, points: Points) -> Ints:
        return np.asarray(self._by_load[self._ranks(points)])

    def _ranks(self, points: Points) -> Ints:
        last = len(self.load_per_s) - 1
        return np.minimum((points.at[:, 2] * len(self.load_per_s)).astype(np.int64), last)

    def _probability(self, points: Points) -> Floats:
        strength, duration, _ = points.at.T
        pairs = points.pair.tolist()
        busier = [self._busier[pair][rank] for pair, rank in zip(pairs, self._ranks(points).tolist(), strict=True)]
        hazards = self.law.hazards
        usual = np.array([self._expected[hazards[pair].component, hazards[pair].fault] for pair in pairs])
        expected = usual * (1 - strength) * (1 - duration) * np.array(busier)
        return np.asarray(np.maximum(-np.expm1(-expected), 1e-12))


def _likeliest(law: Law) -> Ints:
    """Of each pair of component and fault the hazard with the largest weight, in the law's order."""
    best: dict[tuple[str, Fault], int] = {}
    for at, hazard in enumerate(law.hazards):
        key = hazard.component, hazard.fault
        if key not in best or law.weight[at] > law.weight[best[key]]:
            best[key] = at
    return np.array(sorted(best.values()), dtype=np.int64)


def _expected(law: Law) -> dict[tuple[str, Fault], float]:
    """How many of each pair the horizon has on average, all its kinds."""
    total: dict[tuple[str, Fault], float] = {}
    for hazard, weight in zip(law.hazards, law.weight.tolist(), strict=True):
        key = hazard.component, hazard.fault
        total[key] = total.get(key, 0.0) + weight
    return total
