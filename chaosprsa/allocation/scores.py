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

    Which world that is, the present allocation says. Where the most generous allocation does not survive it, an easier
    one stands in; an issue whose predicted world it does not survive is hopeless and left out. refuted: points that
    failed in the shadow. More of everything never does worse, so whatever they dominate fails too.
    """

    def __init__(self, space: Space, rehearsal: Rehearsal, refuted: tuple[Ints, ...] = ()) -> None:
        self.space, self.refuted = space, refuted
        self.evaluated = 0
        both = np.stack((space.high, space.clipped(space.present)))
        judged = rehearsal(space.capacity(both))
        most = judged.violation[0]
        worlds = rehearsal.worlds
        lived = {int(at): bool(most[worlds.nominal & (worlds.issue == at)][0] <= 0) for at in np.unique(worlds.issue)}
        self.survivable = tuple(issue for at, issue in enumerate(rehearsal.issues) if lived[at])
        self.hopeless = tuple(issue for at, issue in enumerate(rehearsal.issues) if not lived[at])
        used = _used(judged, rehearsal.slo)[1]
        rows = [
            _hard_world(at, worlds.issue, worlds.nominal, used, most)
            for at in lived
            if lived[at] or not any(lived.values())
        ]
        self.rehearsal = rehearsal.only(np.array(rows, dtype=np.int64))
        least = most[rows] if rows else np.zeros(0)
        self._allowance = np.where(least > 0, least * (1 + ALLOWING), 0.0)

    def __call__(self, points: Ints) -> Scores:
        """points: shape (candidates, services, 3)."""
        self.evaluated += len(points)
        judged = self.rehearsal(self.space.capacity(points))
        missed = np.maximum(judged.violation - self._allowance, 0.0)
        violation = missed.max(axis=1, initial=0.0)
        potential = np.where(missed > 0, judged.potential, 0.0).sum(axis=1)
        tightness = (np.minimum(_used(judged, self.rehearsal.slo), 10.0) ** SOFT).sum(axis=1) ** (1 / SOFT)
        for failed in self.refuted:
            beaten = (points <= failed).all(axis=(1, 2))
            violation = np.where(beaten, np.maximum(violation, 0.01), violation)
            potential = np.where(beaten, potential + 1.0, potential)
        return Scores(self.space.cost_month(points), violation, potential, tightness)


def _used(judged: Judged, slo: Slo) -> Floats:
    """Share of the SLO's latency or failures that is used, whichever is more."""
    used = np.maximum(judged.latency_s * 1000 / slo.latency_ms, judged.failed / max(1 - slo.success_ratio, 1e-3))
    return np.asarray(used, dtype=np.float64)


def _hard_world(at: int, issue: Ints, nominal: NDArray[np.bool_], used: Floats, most: Floats) -> int:
    """The world at the quantile of hardness, or the hardest below it that can be survived; else the predicted one."""
    own = np.flatnonzero(issue == at)
    order = own[np.argsort(used[own], kind="stable")]
    upto = order[: int(np.ceil(HARD_WORLD * len(order)))][::-1]
    survived = upto[most[upto] <= 0]
    return int(survived[0]) if len(survived) else int(own[nominal[own]][0])
