"""How candidates do: what they cost, and how much risk is left that the SLO is missed."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from chaosprsa.allocation.risk import SPARE, Risk, cvar, tail_weights
from chaosprsa.allocation.space import Floats, Ints, Space
from chaosprsa.allocation.threats import USUAL
from chaosprsa.allocation.weighing import Stakes, weigh
from chaosprsa.twin import Rehearsal
from chaosprsa.twin.judge import Judged
from chaosprsa.types import Declared, Slo
from chaosprsa.types.recommendation import BROKEN

ALLOWING = 0.05
HARD_WORLD = 0.8  # what stands for an issue outside the tail: harder than four of five of its worlds
WIDER = 1.5  # so much more than the tail is looked at, since another allocation has another tail
WHOLE = 1.0  # of the SLO missed: more is no worse where evidence of two kinds is weighed


@dataclass(frozen=True, slots=True)
class Scores:
    """Shape (candidates,). price_month: what is minimised, cost and the price on change.

    violation: how far the risk is above what is allowed, above BROKEN where a hard limit is passed; potential: falls
    on the way to feasible. tightness: how much of the SLO is used, a soft maximum over the worlds; 1 is all of it.
    """

    cost_month: Floats
    price_month: Floats
    violation: Floats
    potential: Floats
    tightness: Floats

    @property
    def feasible(self) -> NDArray[np.bool_]:
        return self.violation <= 0.0


class Objective:
    """Cost, and the risk of missing the SLO: over the issues by their probability, and at the usual peak by itself.

    Risk looks at the worst few worlds only, and which those are depends on the allocation: they are looked up at
    `reference` (the present where None), and again where a search has ended, see hardened(). One world stands for what
    is left of an issue. What the most generous allocation misses by in a world is allowed there; an issue whose
    predicted world it does not survive is hopeless and left out, unless all are.

    among: ids of the issues that are looked at, all where None. refuted: points that failed in the shadow or were
    rolled back; more of everything never does worse, so whatever they dominate fails too.
    """

    def __init__(
        self,
        space: Space,
        rehearsal: Rehearsal,
        refuted: tuple[Ints, ...] = (),
        among: frozenset[str] | None = None,
        reference: Ints | None = None,
        risk: Risk | None = None,
    ) -> None:
        self.space, self.refuted, self.risk = space, refuted, risk or Risk()
        self.evaluated = self.played = 0  # points, and those times the worlds that each met
        self._whole = rehearsal
        at = space.clipped(space.present) if reference is None else reference
        judged = rehearsal(space.capacity(np.stack((space.generous, at))))
        used = shares_used(judged, rehearsal.slo)
        self._most = used[0]
        self._allowance = np.maximum(used[0] - 1.0, 0.0) * (1.0 + ALLOWING)
        worlds, issues = rehearsal.worlds, rehearsal.issues
        lived = [bool(used[0][worlds.nominal & (worlds.issue == number)][0] <= 1) for number in range(len(issues))]
        self.survivable = tuple(issue for issue, lives in zip(issues, lived, strict=True) if lives)
        self.hopeless = tuple(issue for issue, lives in zip(issues, lived, strict=True) if not lives)
        wanted = [number for number, issue in enumerate(issues) if among is None or issue.id in among]
        self._numbers = [number for number in wanted if lived[number] or not any(lived)]
        self._groups = self._grouped()
        self._bind(self._worst(used[1]))

    def _grouped(self) -> list[tuple[NDArray[np.int64], Floats]]:
        """(worlds, weights that sum to 1) of the usual peak and of the issues: two risks that are held apart."""
        issues = self._whole.issues
        usual = [number for number in self._numbers if issues[number].id == USUAL]
        others = [number for number in self._numbers if issues[number].id != USUAL]
        return [self._weighted(numbers) for numbers in (usual, others) if numbers]

    def _weighted(self, numbers: list[int]) -> tuple[NDArray[np.int64], Floats]:
        rows = np.flatnonzero(np.isin(self._whole.worlds.issue, numbers))
        issue = self._whole.worlds.issue[rows]
        weight = np.array([self._whole.issues[at].probability for at in issue]) / np.bincount(issue)[issue]
        return rows, np.asarray(weight / weight.sum(), dtype=np.float64)

    def _losses(self, used: Floats, rows: NDArray[np.int64]) -> Floats:
        return np.asarray(np.maximum(used - 1.0 - self._allowance[rows], -SPARE), dtype=np.float64)

    def _worst(self, used: Floats) -> list[dict[int, float]]:
        """Of each group the worlds of a wider tail, and one for each issue that is left: world -> weight."""
        found = []
        for rows, weight in self._groups:
            tail = tail_weights(self._losses(used[rows], rows), weight, max(1 - WIDER * (1 - self.risk.level), 0.0)) > 0
            chosen = dict(zip(rows[tail].tolist(), weight[tail].tolist(), strict=True))
            found.append(self._with_the_rest(chosen, rows, weight, used))
        return found

    def _with_the_rest(
        self, chosen: dict[int, float], rows: NDArray[np.int64], weight: Floats, used: Floats
    ) -> dict[int, float]:
        """A world beside the chosen ones for what is left of every issue, at the quantile of hardness among those."""
        issue = self._whole.worlds.issue
        found = dict(chosen)
        for number in np.unique(issue[rows]).tolist():
            own = rows[issue[rows] == number]
            left = np.array([row for row in own.tolist() if row not in chosen], dtype=np.int64)
            if len(left):
                order = left[np.argsort(used[left], kind="stable")]
                stands = int(order[int(np.ceil(HARD_WORLD * len(order))) - 1])
                found[stands] = float(weight[np.isin(rows, left)].sum())
        return found

    def _bind(self, groups: list[dict[int, float]]) -> None:
        self._bound = groups
        rows = np.array([row for group in groups for row in group], dtype=np.int64)
        self._rows, self.rehearsal = rows, self._whole.only(rows)
        self._weights = [np.array(list(group.values())) for group in groups]

    def hardened(self, point: Ints) -> bool:
        """Look at all worlds again; where the risk is too high there, add those that are worst at this point."""
        used = shares_used(self._whole(self.space.capacity(point[None])), self._whole.slo)[0]
        if self._risk_of(used) <= self.risk.limit:
            return False
        known = {row for group in self._bound for row in group}
        worst = self._worst(used)
        if all(row in known for group in worst for row in group):
            return False
        merged = []
        for (rows, weight), old, new in zip(self._groups, self._bound, worst, strict=True):
            every = dict(zip(rows.tolist(), weight.tolist(), strict=True))
            merged.append(self._with_the_rest({row: every[row] for row in (*old, *new)}, rows, weight, used))
        self._bind(merged)
        return True

    def _risk_of(self, used: Floats) -> float:
        each = [cvar(self._losses(used[rows], rows), weight, self.risk.level) for rows, weight in self._groups]
        return float(max(each, default=np.float64(-1.0)))

    def risk_at(self, point: Ints, told: Mapping[str, bool] | None = None) -> float:
        """CVaR over all worlds, the worse of the issues' and the usual peak's; see missed()."""
        each = [cvar(losses, weight, self.risk.level) for losses, weight in self._told_losses(point, told or {})]
        return float(max(each, default=np.float64(-1.0)))

    def missed(self, point: Ints, told: Mapping[str, bool]) -> tuple[float, float]:
        """(risk above what is allowed, the mean of what is missed where that is above 0), each 0 where it is held.

        A miss counts up to a whole SLO. told: by issue id whether the shadow saw it survived; that outweighs the twin.
        """
        over = max(self.risk_at(point, told) - self.risk.limit, 0.0)
        mean = sum(float(np.maximum(losses, 0.0) @ weight) for losses, weight in self._told_losses(point, told))
        return over, mean if over > 0 else 0.0

    def _told_losses(self, point: Ints, told: Mapping[str, bool]) -> list[tuple[Floats, Floats]]:
        used = shares_used(self._whole(self.space.capacity(point[None])), self._whole.slo)[0]
        return [(self._told(self._losses(used[rows], rows), rows, told), weight) for rows, weight in self._groups]

    def _told(self, losses: Floats, rows: NDArray[np.int64], told: Mapping[str, bool]) -> Floats:
        found = np.minimum(losses, WHOLE)
        issue = self._whole.worlds.issue[rows]
        for number, one in enumerate(self._whole.issues):
            if one.id in told:
                own = issue == number
                found[own] = np.minimum(found[own], 0.0) if told[one.id] else WHOLE
        return found

    def mixed_risk(self, points: Ints, shares: Floats) -> float:
        """CVaR where each issue meets each of the points with a share of its probability.

        points: (points, services, parts); shares: (points, issues of the rehearsal), columns sum to 1.
        """
        used = shares_used(self._whole(self.space.capacity(points)), self._whole.slo)
        issue = self._whole.worlds.issue
        found = [-1.0]
        for rows, weight in self._groups:
            losses = np.minimum(self._losses(used[:, rows], rows), WHOLE)
            found.append(float(cvar(losses.ravel(), (weight * shares[:, issue[rows]]).ravel(), self.risk.level)))
        return max(found)

    @property
    def mark(self) -> str:
        """Of all that scores depend on besides the space: two with the same mark score alike."""
        whole, worlds = self._whole, self._whole.worlds
        told = sha256(repr((whole.slo, whole.phases_s, whole.step_s, self.risk, self._numbers)).encode())
        for part in (worlds.strength, worlds.duration_s, worlds.load_per_s, worlds.parameters.demand_s, self._rows):
            told.update(np.ascontiguousarray(part).tobytes())
        for failed in (*self.refuted, self.space.low, self.space.high):
            told.update(failed.tobytes())
        told.update(repr([issue.id for issue in whole.issues] + [self.space.limits, self.space.prices]).encode())
        if self.space.declared != Declared():
            told.update(repr(self.space.declared).encode())
        return told.hexdigest()[:16]

    @property
    def least_used(self) -> Floats:
        """Shares of the SLO that the most generous allocation uses, shape (worlds that are looked at,)."""
        return np.asarray(self._most[self._rows])

    def used(self, points: Ints) -> Floats:
        """Shares of the SLO that are used, shape (candidates, worlds that are looked at)."""
        self._counted(points)
        return shares_used(self.rehearsal(self.space.capacity(points)), self.rehearsal.slo)

    def __call__(self, points: Ints) -> Scores:
        """points: shape (candidates, services, columns)."""
        self._counted(points)
        judged = self.rehearsal(self.space.capacity(points))
        return self.scored(points, shares_used(judged, self.rehearsal.slo), judged.potential)

    def _counted(self, points: Ints) -> None:
        self.evaluated += len(points)
        self.played += len(points) * len(self._rows)

    def scored(self, points: Ints, used: Floats, rising: Floats) -> Scores:
        """Scores of points that use so much of the SLO; rising falls where a miss gets smaller."""
        stakes, excess = self.stakes, self.space.excess(points)
        weighed = np.array([weigh(stakes, *row) for row in zip(used, rising, strict=True)]).reshape(-1, 3)
        violation, potential, tightness = weighed.T
        for failed in self.refuted:
            beaten = self.space.covered(points, failed)
            violation = np.where(beaten, np.maximum(violation, 0.01), violation)
            potential = np.where(beaten, potential + 1.0, potential)
        violation = np.where(excess > 0, violation + BROKEN + excess, violation)
        return Scores(*self.prices(points), violation, potential, tightness)

    def prices(self, points: Ints) -> tuple[Floats, Floats]:
        """(cost, cost and the price on change) a month, shape (candidates,)."""
        cost = self.space.cost_month(points)
        return cost, cost + self.space.change_month(points, self.risk.change_share)

    @property
    def stakes(self) -> Stakes:
        """How the worlds that are looked at are weighed."""
        shape = self.space.present.shape
        return Stakes(
            allowance=self._allowance[self._rows],
            weight=np.concatenate([np.zeros(0), *self._weights]),
            ends=np.cumsum([len(weights) for weights in self._weights], dtype=np.int64),
            level=float(self.risk.level),
            limit=float(self.risk.limit),
            spare=SPARE,
            refuted=np.array(self.refuted, dtype=np.int64).reshape(-1, *shape),
        )


def shares_used(judged: Judged, slo: Slo) -> Floats:
    """Share of the SLO's latency or failures that is used, whichever is more."""
    used = np.maximum(judged.latency_s * 1000 / slo.latency_ms, judged.failed / max(1 - slo.success_ratio, 1e-3))
    return np.asarray(used, dtype=np.float64)
