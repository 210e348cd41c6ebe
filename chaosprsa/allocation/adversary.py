"""The adversary: issues that the present allocation survives least, searched for on the twin, yet plausible.

First each pair of component and fault at its strongest and longest that is plausible, at the peak (who survives that
survives what is weaker), then a grid over strength, duration and load, then compass search around each pair's best
(Hooke and Jeeves 1961). Twice: for risk, the way structural reliability looks for the most probable point of failure
(Hasofer and Lind 1974), and for harm alone. Nothing below the floor of plausibility is taken.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from chaosprsa.allocation.attacks import Points, Range, Shown, Target
from chaosprsa.allocation.space import Floats, Ints
from chaosprsa.errors import require
from chaosprsa.faults import strength_in_words
from chaosprsa.hazards import Grid, hazards
from chaosprsa.issues import FLOOR
from chaosprsa.issues.cascades import Raising
from chaosprsa.issues.law import Law
from chaosprsa.issues.writing import Writer
from chaosprsa.models.bundle import Bundle
from chaosprsa.twin import Parameters
from chaosprsa.types import EdgeCase, Impact, Interval, SimulatedIssue, Weakness, Weaknesses

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 0.99, 0.999)  # quantiles of strength that are tried
LASTING = (0.1, 0.5, 0.9, 0.99)  # of duration
LOADS = (0.1, 0.5, 0.9, 1.0)  # of the load within the horizon
EXTREMES = (0.5, 0.7, 0.9, 0.95, 0.999)  # each pair is first tried at the highest that is plausible
LOW, HIGH = np.array([0.02, 0.02, 0.0]), np.array([0.9995, 0.9995, 1.0])
FIRST_STEP, SHRINK, ROUNDS = 0.15, 0.6, 7
MOST_PAIRS = 60  # that are searched closely: those that lose most at their strongest
DOUBT_PAIRS = 8  # mirrored draws of the twin's parameters, for intervals
IMPLAUSIBLE = -1e9


def weaknesses(
    bundle: Bundle, horizon: timedelta, count: int, now: datetime, seed: int, target: Target, floor: float = FLOOR
) -> Weaknesses:
    """At most `count` in each ranking. target: the present allocation at production's scale, on a calibrated twin.

    Raises NotEnoughHistory where the bundle has no load of the entry, BadInput where bundle and twin share no service.
    Same arguments, same answer.
    """
    grid = Grid.over(now, horizon)
    services = target.twin.graph.services
    known = [hazard for hazard in hazards(bundle, grid) if hazard.component in services]
    require(bool(known), f"adversary: the bundle knows none of the twin's services ({', '.join(services)}); learn anew")
    law = Law(bundle.incidents, grid, known, Raising(bundle.incidents).within)
    search = _Search(bundle, Range(target, law, bundle.entry_rate(grid.middles).mean), floor, seed)
    pairs = search.promising()
    risky, harmful = search.told(search.refined(pairs, _risk)), search.told(search.refined(pairs, _harm))
    return Weaknesses(
        by_risk=tuple(sorted(risky, key=lambda one: (-one.risk, -one.harm, one.margin))[:count]),
        by_harm=tuple(sorted(harmful, key=lambda one: (-one.harm, one.margin))[:count]),
    )


def _risk(shown: Shown) -> Floats:
    """Probability times harm; where nothing is lost, the thinner the margin the better."""
    return np.where(shown.harm > 0, shown.probability * shown.harm, -np.maximum(shown.margin, 0.0))


def _harm(shown: Shown) -> Floats:
    """Harm alone; of equal harm the likelier."""
    return np.where(shown.harm > 0, shown.harm + 1e-6 * np.log(shown.probability), -np.maximum(shown.margin, 0.0) - 1)


class _Search:
    def __init__(self, bundle: Bundle, attacked: Range, floor: float, seed: int) -> None:
        self._range, self._floor, self._seed = attacked, floor, seed
        usual = bundle.normals.get(bundle.topology.entry, {}).get("latency_p99_ms", (0.0, 0.0))[0]
        self._usual_ms = usual or attacked.target.slo.latency_ms
        self._writer = Writer(bundle, attacked.law, seed)
        pairs = attacked.pairs
        median = self._writer.issues(attacked.draws(Points(pairs, np.full((len(pairs), 3), 0.5))))
        attacked.issues.update(zip(pairs.tolist(), median, strict=True))

    def promising(self) -> Ints:
        """The pairs whose strongest plausible issue, at the peak, hurts most; at most MOST_PAIRS."""
        pairs = self._range.pairs
        at = np.ones((len(pairs), 3))
        at[:, :2] = EXTREMES[0]
        for level in EXTREMES[1:]:
            tried = at.copy()
            tried[:, :2] = level
            good = self._range.law.plausibility(self._range.draws(Points(pairs, tried))) >= self._floor
            at[good] = tried[good]
        shown = self._range.shown(Points(pairs, at))
        return np.asarray(pairs[np.lexsort((shown.margin, -shown.harm))[:MOST_PAIRS]])

    def refined(self, pairs: Ints, aim: Callable[[Shown], Floats]) -> Points:
        """Each pair's best point by the aim: the grid's, then moved as long as it gets better."""
        mesh = np.stack(np.meshgrid(LEVELS, LASTING, LOADS, indexing="ij"), axis=-1).reshape(-1, 3)
        best, value = self._best(pairs, np.broadcast_to(mesh, (len(pairs), *mesh.shape)), aim)
        moves = np.array([move for move in itertools.product((-1, 0, 1), repeat=3) if any(move)])
        for number in range(ROUNDS):
            step = FIRST_STEP * SHRINK**number
            tried, reached = self._best(pairs, np.clip(best[:, None] + step * moves, LOW, HIGH), aim)
            best = np.where((reached > value)[:, None], tried, best)
            value = np.maximum(value, reached)
        return Points(pairs, best)

    def _best(self, pairs: Ints, tried: Floats, aim: Callable[[Shown], Floats]) -> tuple[Floats, Floats]:
        """tried: shape (pairs, points, 3). (the best point of each pair, its value)."""
        shown = self._range.shown(Points(np.repeat(pairs, tried.shape[1]), tried.reshape(-1, 3)))
        plausible = shown.plausibility >= self._floor
        values = np.where(plausible, aim(shown), IMPLAUSIBLE + np.log(shown.plausibility))
        values = values.reshape(tried.shape[:2])
        rows = np.arange(len(pairs)), values.argmax(axis=1)
        return tried[rows], values[rows]

    def told(self, points: Points) -> list[Weakness]:
        """As issues, in the points' order; pairs of which nothing is plausible are left out."""
        shown = self._range.shown(points)
        points = points.only(np.flatnonzero(shown.plausibility >= self._floor))
        shown = self._range.shown(points)
        felt, loads = self._felt(points), self._range.load_at(points).tolist()
        found = []
        for at, issue in enumerate(self._writer.issues(self._range.draws(points))):
            probability, margin = float(f"{shown.probability[at]:.3g}"), round(float(shown.margin[at]), 4)
            hurting = replace(
                issue,
                edge_case=EdgeCase.ADVERSARIAL,
                probability=probability,
                impact=felt[at],
                evidence=(*issue.evidence, *self._words(issue, loads[at], margin, probability)),
            )
            found.append(Weakness(issue=hurting, harm=round(float(shown.harm[at]), 4), margin=margin))
        return found

    def _felt(self, points: Points) -> list[Impact]:
        """By the twin, as unsure as it is: the 5th and the 95th of a hundred over draws of its parameters."""
        count, worlds = len(points.pair), 1 + 2 * DOUBT_PAIRS
        drawn = self._range.target.twin.drawn(np.random.default_rng(self._seed), DOUBT_PAIRS)
        each = Parameters(*(np.tile(getattr(drawn, name), (count, 1)) for name in Parameters.__slots__))
        latency, failed, _ = self._range.played(points.only(np.repeat(np.arange(count), worlds)), each)
        ratio = (latency * 1000 / self._usual_ms).reshape(count, worlds)
        lost = np.clip(failed, 0.0, 1.0).reshape(count, worlds)
        return [Impact(latency_ratio=_interval(a), error_share=_interval(b)) for a, b in zip(ratio, lost, strict=True)]

    def _words(self, issue: SimulatedIssue, load_per_s: float, margin: float, probability: float) -> tuple[str, str]:
        fit = self._range.target.twin.fit
        ends = (
            f"is missed, {1 - margin:.1f} times what it allows" if margin < 0 else f"holds with {margin:.0%} to spare"
        )
        trusted = "" if fit.trusted else f" The twin is not trusted ({fit.reason}): let the shadow say."
        found = (
            f"Searched for on the twin: {strength_in_words(issue.fault, issue.strength)} for "
            f"{issue.duration_s / 60:.0f} min at {load_per_s:.0f} requests a second, and the objective {ends}.{trusted}"
        )
        likely = f"One at least as strong and as long, at that load or more, has probability {probability:.2g}."
        return found, likely


def _interval(worlds: Floats) -> Interval:
    """worlds: the calibrated twin's value first, then draws around it."""
    low, high = np.quantile(worlds, (0.05, 0.95))
    mid = float(worlds[0])
    return Interval(low=round(min(float(low), mid), 4), mid=round(mid, 4), high=round(max(float(high), mid), 4))
