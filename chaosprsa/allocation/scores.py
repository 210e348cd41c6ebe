"""How candidates do: what they cost, and by how much they miss the SLO in the issues that must be survived."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chaosprsa.allocation.space import Floats, Ints, Space
from chaosprsa.twin import Rehearsal
from chaosprsa.twin.judge import Judged
from chaosprsa.types import Slo

ALLOWING = 0.05
SOFT = 12.0  # the higher, the closer the soft maximum is to the maximum
HARD_WORLD = 0.8  # an issue counts as survived where it is in four of five worlds


@dataclass(frozen=True, slots=True)
class Scores:
    """Shape (candidates,). violation: the worst over the constraints; potential: falls on the way to feasible.

    tightness: how much of the SLO's latency and failures is used, a soft maximum over the constraints; 1 is all of it.
    """

    cost_month: Floats
    violation: Floats
    potential: Floats
    tightness: Floats

    @property
    def feasible(self) -> NDArray[np.bool_]:
        return self.violation <= 0.0


class Objective:
    """Cost, and one constraint an issue: the SLO in a world that is harder than four of five that were drawn of it.

    Which world that is depends on the allocation, so it is looked up at `reference` (the present where None), and again
    where a search has ended: see hardened(). Where the most generous allocation does not survive that world, an easier
    one stands in; an issue whose predicted world it does not survive is hopeless and left out, unless all are.

    among: ids of the issues that become constraints, all where None. refuted: points that failed in the shadow; more of
    everything never does worse, so whatever they dominate fails too.
    """

    def __init__(
        self,
        space: Space,
        rehearsal: Rehearsal,
        refuted: tuple[Ints, ...] = (),
        among: frozenset[str] | None = None,
        reference: Ints | None = None,
    ) -> None:
        self.space, self.refuted, self.evaluated = space, refuted, 0
        self._whole = rehearsal
        at = space.clipped(space.present) if reference is None else reference
        judged = rehearsal(space.capacity(np.stack((space.high, at))))
        self._most = judged.violation[0]
        worlds, issues = rehearsal.worlds, rehearsal.issues
        lived = [bool(self._most[worlds.nominal & (worlds.issue == number)][0] <= 0) for number in range(len(issues))]
        self.survivable = tuple(issue for issue, lives in zip(issues, lived, strict=True) if lives)
        self.hopeless = tuple(issue for issue, lives in zip(issues, lived, strict=True) if not lives)
        used = shares_used(judged, rehearsal.slo)[1]
        wanted = [number for number, issue in enumerate(issues) if among is None or issue.id in among]
        self._bind([self._hard_world(number, used) for number in wanted if lived[number] or not any(lived)])

    def _bind(self, rows: list[int]) -> None:
        self._rows = rows
        self.rehearsal = self._whole.only(np.array(rows, dtype=np.int64))
        least = self._most[rows] if rows else np.zeros(0)
        self._allowance = np.where(least > 0, least * (1 + ALLOWING), 0.0)

    def hardened(self, point: Ints) -> bool:
        """Add the worlds that are hard for this point and that it does not survive; whether there were any."""
        judged = self._whole(self.space.capacity(point[None]))
        used, violation = shares_used(judged, self._whole.slo)[0], judged.violation[0]
        known = {int(self._whole.worlds.issue[row]) for row in self._rows}
        hard = [self._hard_world(number, used) for number in sorted(known)]
        more = [row for row in hard if violation[row] > 0 >= self._most[row] and row not in self._rows]
        if more:
            self._bind(self._rows + more)
        return bool(more)

    def _hard_world(self, number: int, used: Floats) -> int:
        """The world at the quantile of hardness, or the hardest below it that can be survived; else the predicted."""
        own = np.flatnonzero(self._whole.worlds.issue == number)
        order = own[np.argsort(used[own], kind="stable")]
        upto = order[: int(np.ceil(HARD_WORLD * len(order)))][::-1]
        survived = upto[self._most[upto] <= 0]
        return int(survived[0] if len(survived) else own[self._whole.worlds.nominal[own]][0])

    def __call__(self, points: Ints) -> Scores:
        """points: shape (candidates, services, 3)."""
        self.evaluated += len(points)
        judged = self.rehearsal(self.space.capacity(points))
        missed = np.maximum(judged.violation - self._allowance, 0.0)
        violation = missed.max(axis=1, initial=0.0)
        potential = np.where(missed > 0, judged.potential, 0.0).sum(axis=1)
        tightness = (np.minimum(shares_used(judged, self.rehearsal.slo), 10.0) ** SOFT).sum(axis=1) ** (1 / SOFT)
        for failed in self.refuted:
            beaten = (points <= failed).all(axis=(1, 2))
            violation = np.where(beaten, np.maximum(violation, 0.01), violation)
            potential = np.where(beaten, potential + 1.0, potential)
        return Scores(self.space.cost_month(points), violation, potential, tightness)


def shares_used(judged: Judged, slo: Slo) -> Floats:
    """Share of the SLO's latency or failures that is used, whichever is more."""
    used = np.maximum(judged.latency_s * 1000 / slo.latency_ms, judged.failed / max(1 - slo.success_ratio, 1e-3))
    return np.asarray(used, dtype=np.float64)
