"""Where a backlog stands, answers are told by when they were asked for; elsewhere by their cumulants.

A backlog is work of more than a tenth of a step at a service that holds several times what it would in a steady state.
It is followed (cohorts) from the step it begins in until hardly anybody of it is left.
"""

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType

import numpy as np

from chaosprsa.twin.ages import REPLACED, SOON, TIMES_USUAL, Ages
from chaosprsa.twin.graph import CallGraph
from chaosprsa.twin.queueing import Floats
from chaosprsa.twin.tails import Waited

_TINY = 1e-9
_WORK = 0.1  # of a step
_GONE = 1e-3  # share of answers that are older than two steps


@dataclass(frozen=True, slots=True)
class Levels:
    """One step, a pod each, shape (services, environments); deviation: of the level, before and after."""

    before: Floats
    after: Floats
    came: Floats
    drain: Floats
    pods: Floats
    usual: Floats  # level of a steady state with these arrivals; 0 where there is none
    deviations: tuple[Floats, Floats]

    @property
    def in_order(self) -> tuple[Floats, ...]:
        """As `cohorts` names them."""
        return self.before, self.after, self.came, self.drain, self.pods, self.usual, self.deviations[1]

    def without_backlogs(self, ages: Ages, step_s: Floats, at: np.ndarray) -> Ages:
        """In these environments as in a steady state, 0 where a backlog stands."""
        after, came, first = self.after[:, at], self.came[:, at], ages.first.copy()
        usual = (SOON * after <= came) & (after <= TIMES_USUAL * self.usual[:, at])
        stands = (REPLACED * after > came) & ~usual
        first[:, at] = np.where(stands, 0.0, after * step_s[at] / np.maximum(came, _TINY))
        apart, steady = np.zeros(first.shape[1], dtype=bool), Ages.steady(first)
        apart[at] = True
        return Ages(*(np.where(apart, getattr(steady, part), getattr(ages, part)) for part in Ages.__slots__))


class Backlogs:
    """What is followed for answers of one service."""

    def __init__(self, graph: CallGraph, target: int, timeout_s: float) -> None:
        visits = np.linalg.inv(np.eye(len(graph.calls)) - graph.calls)[target]
        self._below = np.array([at for at in reversed(graph.order) if visits[at] > 0])
        self._visits = visits[self._below]
        self._calls = np.ascontiguousarray(graph.calls[np.ix_(self._below, self._below)])
        self._timeout_s = timeout_s
        self._rows = np.zeros(0, dtype=np.int64)  # environments that are followed; their state is in the same order
        self._state: tuple[np.ndarray, ...] = ()

    @cached_property
    def _cohorts(self) -> ModuleType:
        """Late: compiling takes a second that who never sees a backlog is spared."""
        from chaosprsa.twin import cohorts

        return cohorts

    def follow(self, step_s: Floats, flow: Floats, levels: Levels) -> Waited | None:
        """One step; flow: answers asked for a second, shape (environments,)."""
        work = np.maximum(levels.before, levels.after)
        long = work > _WORK * levels.drain
        if not len(self._rows) and not long.any():
            return None
        begun = (long & (work > TIMES_USUAL * levels.usual))[self._below].any(axis=0)
        self._begin(np.setdiff1d(np.flatnonzero(begun), self._rows), levels, step_s)
        if not len(self._rows):
            return None
        rows = self._rows
        kernel = self._cohorts
        moved = np.stack([self._of(part) for part in levels.in_order], axis=1)
        ages = np.zeros((len(rows), kernel.TOLD))
        older = np.zeros_like(ages)
        kernel.followed(step_s[rows], flow[rows], moved, self._visits, self._calls, *self._state, ages, older)
        lasting = np.where(ages > 2.0 * step_s[rows, None], older, 0.0).max(axis=1)
        kept = begun[rows] | (lasting > _GONE)
        if not kept.all():  # else nothing is copied
            self._rows, self._state = rows[kept], tuple(part[kept] for part in self._state)
        return Waited.within(rows, ages, older, self._timeout_s)

    def _of(self, part: Floats) -> Floats:
        """Shape (rows, services), of what is followed."""
        return np.ascontiguousarray(part[self._below][:, self._rows].T)

    def _begin(self, rows: np.ndarray, levels: Levels, step_s: Floats) -> None:
        """State of more environments, all of whose requests came just now."""
        if not len(rows):
            return
        kernel = self._cohorts
        before, came = levels.before[self._below][:, rows], levels.came[self._below][:, rows]
        count, services, nodes = len(rows), len(self._below), len(kernel.NODES)
        fresh = (
            np.zeros(count),
            np.zeros(count, dtype=np.int64),
            np.zeros(count, dtype=np.int64),
            2.0 * (self._visits @ (before * step_s[rows] / np.maximum(came, 1.0))) + _TINY,
            np.zeros((count, kernel.COHORTS)),
            np.ascontiguousarray(levels.deviations[0][self._below][:, rows].T),
            np.repeat(before.T[:, None], nodes, axis=1),
            np.zeros((count, nodes, services, kernel.COHORTS)),
        )
        self._rows = np.concatenate([self._rows, rows])
        self._state = tuple(map(np.concatenate, zip(self._state, fresh, strict=True))) if self._state else fresh
