"""How candidates do: what they cost, and by how much they miss the SLO in the issues that must be survived."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chaosprsa.allocation.space import Floats, Ints, Space
from chaosprsa.twin import Rehearsal
from chaosprsa.twin.judge import Judged

ALLOWING = 0.05
SOFT = 12.0  # the higher, the closer the soft maximum is to the maximum


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
    """Cost, and the constraints: the SLO in every draw of every issue that the most generous allocation survives.

    refuted: points that failed in the shadow. More of everything never does worse, so whatever they dominate fails too.
    allowing: where nothing can be survived, the constraint is to miss the SLO hardly more than the most generous one.
    survivable, hopeless: issues by whether the most generous allocation survives them as predicted.
    """

    def __init__(
        self, space: Space, rehearsal: Rehearsal, refuted: tuple[Ints, ...] = (), *, allowing: bool = False
    ) -> None:
        self.space = space
        self.refuted = refuted
        generous = space.capacity(space.high[None])
        survived = rehearsal(generous).violation[0, :, 0] <= 0.0
        self.survivable = tuple(issue for issue, lived in zip(rehearsal.issues, survived, strict=True) if lived)
        self.hopeless = tuple(issue for issue in rehearsal.issues if issue not in self.survivable)
        self.rehearsal = rehearsal if allowing else replace(rehearsal, issues=self.survivable)
        least = self.rehearsal(generous).violation[0]  # (issues, draws)
        self._allowance = least * (1 + ALLOWING) if allowing else np.zeros_like(least)
        self._binding = least <= self._allowance
        self.evaluated = 0

    def __call__(self, points: Ints) -> Scores:
        """points: shape (candidates, services, 3)."""
        self.evaluated += len(points)
        judged = self.rehearsal(self.space.capacity(points))
        missed = np.maximum(judged.violation - self._allowance, 0.0)
        violation = np.where(self._binding, missed, 0.0).max(axis=(1, 2), initial=0.0)
        potential = np.where(self._binding & (missed > 0), judged.potential, 0.0).sum(axis=(1, 2))
        tightness = self._tightness(judged)
        for failed in self.refuted:
            beaten = (points <= failed).all(axis=(1, 2))
            violation = np.where(beaten, np.maximum(violation, 0.01), violation)
            potential = np.where(beaten, potential + 1.0, potential)
        return Scores(self.space.cost_month(points), violation, potential, tightness)

    def _tightness(self, judged: Judged) -> Floats:
        slo = self.rehearsal.slo
        used = np.maximum(judged.latency_s * 1000 / slo.latency_ms, judged.failed / max(1 - slo.success_ratio, 1e-3))
        used = np.where(self._binding, np.minimum(used, 10.0), 0.0) ** SOFT
        return np.asarray(used.sum(axis=(1, 2)) ** (1 / SOFT), dtype=np.float64)
