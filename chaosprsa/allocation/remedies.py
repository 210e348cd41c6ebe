"""What surviving a further issue would cost: the same question again, with that issue as a must. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from chaosprsa.allocation.dimensions import DIMENSIONS
from chaosprsa.allocation.engine import SEARCH_STEP_S, Engine
from chaosprsa.allocation.greedy import Found, found_at, greedy
from chaosprsa.allocation.scores import Objective, Scores
from chaosprsa.allocation.space import Ints, Space
from chaosprsa.allocation.survival import Verdicts
from chaosprsa.twin import Rehearsal
from chaosprsa.types import Remedy

MOST_SEARCHED = 12  # the likeliest: each is a search of its own
_NOT_SEARCHED = Remedy(allocation=None, cost_month=None, words="not looked for: less likely than those that were")
_BY_OTHERS = {
    "shadow": "only the shadow's trial misses it, the twin expects it to be survived already",
    "exact": "only the exact twin misses it, the fluid one, which searches, expects it to be survived already",
}


@dataclass(frozen=True, slots=True)
class Must:
    """Scores of a question in which one issue must be survived as predicted. allowed: risk that is there anyway."""

    objective: Objective
    issue: Rehearsal
    allowed: float = 0.0

    def __call__(self, points: Ints) -> Scores:
        """points: shape (candidates, services, parts)."""
        scores = self.objective(points)
        judged = self.issue(self.objective.space.capacity(points))
        missed = np.maximum(judged.violation, 0.0).sum(axis=1)
        rising = np.where(judged.violation > 0, judged.potential, 0.0).sum(axis=1)
        return replace(
            scores,
            violation=np.maximum(scores.violation - self.allowed, missed),
            potential=scores.potential + missed + rising,
        )


def remedies(engine: Engine, point: Ints, verdicts: Verdicts) -> Mapping[str, Remedy]:
    """By issue id, of those that are not survived at `point`; none of those where nobody can tell (verdicts)."""
    lost = [issue for issue in engine.case.issues if verdicts.survived[issue.id] is False]
    if not lost:
        return {}
    objective = engine.objective(point, SEARCH_STEP_S)
    allowed = max(float(objective(point[None]).violation[0]), 0.0)
    found = {issue.id: _NOT_SEARCHED for issue in lost}
    for issue in sorted(lost, key=lambda one: (-one.probability, one.id))[:MOST_SEARCHED]:
        must = Must(objective, engine.predicted(issue.id), allowed)
        found[issue.id] = _remedy(must, point, verdicts.by[issue.id], engine.twin.fit.trusted)
    return found if engine.twin.fit.trusted else {issue: _doubted(one) for issue, one in found.items()}


def _doubted(remedy: Remedy) -> Remedy:
    return replace(remedy, words=f"{remedy.words}; by a twin that is not trusted")


def _remedy(must: Must, point: Ints, by: str, trusted: bool) -> Remedy:
    """by: who says that it isn't survived. trusted: something may be taken elsewhere, if that alone is no saving."""
    space = must.objective.space
    if _survived(must, space, point):
        return Remedy(allocation=None, cost_month=None, words=f"not known: {_BY_OTHERS[by]}")
    if not _survived(must, space, space.generous):
        return Remedy(allocation=None, cost_month=None, words="nothing within [safety]'s limits survives it")
    cost = float(space.cost_month(point[None])[0])
    best = cheapest(must, point, space if trusted else replace(space, low=point))
    if best.feasible and best.cost_month < cost:
        best = cheapest(must, point, replace(space, low=point))
    if not best.feasible:
        return Remedy(allocation=None, cost_month=None, words=f"nothing survives it within {_limits(must, best)}")
    return Remedy(
        allocation=space.allocation(best.point),
        cost_month=round(best.cost_month - cost, 4),
        words=moved(space, point, best.point),
    )


def cheapest(must: Must, start: Ints, space: Space) -> Found:
    """The cheapest that greedy search finds in `space` from `start`, else the most that may be tried."""
    found = greedy(space, must, start)
    generous = found_at(space.generous, must(space.generous[None]), 0)
    return min(found, generous, key=lambda one: (not one.feasible, one.violation))


def _survived(must: Must, space: Space, point: Ints) -> bool:
    return bool((must.issue(space.capacity(point[None])).violation <= 0).all())


def _limits(must: Must, best: Found) -> str:
    """Which of the hard limits stand in the way; the risk of the others where none does."""
    space = must.objective.space
    names = [name for name, share in space.excesses(space.high[None]).items() if share[0] > 0]
    missed = not _survived(must, space, best.point)
    return ", ".join(names) if names and missed else "the risk that is allowed of the other issues"


def moved(space: Space, before: Ints, after: Ints) -> str:
    """web: 3 -> 5 replicas, 250 -> 500m CPU; cart: ..."""
    told = []
    for at, service in enumerate(space.services):
        parts = [
            " -> ".join(str(space.said(at, part, int(point[at, part]))) for point in (before, after)) + dimension.short
            for part, dimension in enumerate(DIMENSIONS[: before.shape[1]])
            if before[at, part] != after[at, part]
        ]
        told += [f"{service} {', '.join(parts)}"] if parts else []
    return "; ".join(told)
