"""What failed before stays a constraint: allocations that failed a trial, or that a rollout put back.

More of everything never does worse, so whatever has no more of anything than a counterexample fails too.
"""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import numpy as np

from chaosprsa.allocation.run import Run
from chaosprsa.allocation.space import REPLICAS, Ints
from chaosprsa.types import Allocation, Outcome, Verdict


def counterexamples(run: Run, rolled_back: Sequence[Allocation]) -> tuple[Ints, ...]:
    """Points at production's scale; those that another one has more of everything of are left out.

    rolled_back: allocations that were in production and did worse there.
    """
    found = [*_of_trials(run), *(run.engine.space.point(allocation) for allocation in rolled_back)]
    return tuple(_greatest(found))


def production_point(run: Run, small: Allocation) -> Ints:
    """The most that production can have where the shadow has this: pods are whole, so several fit."""
    point = run.engine.space.point(small)
    point[:, REPLICAS] = [int(count / Fraction(str(run.scale))) for count in point[:, REPLICAS]]
    return point


def _of_trials(run: Run) -> Iterator[Ints]:
    """Failures in issues that should have been survived: not those that no allocation survives, by a trusted twin."""
    for small, failed in _failed(run.outcomes):
        point = production_point(run, small)
        if failed & run.expected(point):
            yield point


def _failed(outcomes: Iterable[Outcome]) -> Iterator[tuple[Allocation, frozenset[str]]]:
    """Each allocation that failed a trial, with the issues that it failed."""
    found: dict[Allocation, set[str]] = {}
    for outcome in outcomes:
        if outcome.verdict is Verdict.FAILED:
            found.setdefault(outcome.allocation, set()).add(outcome.issue.id)
    yield from ((allocation, frozenset(issues)) for allocation, issues in found.items())


def _greatest(points: Sequence[Ints]) -> Iterator[Ints]:
    """Without doubles, and without what another one covers."""
    different = np.unique(np.stack(points), axis=0) if points else ()
    for point in different:
        if sum((point <= other).all() for other in different) == 1:  # itself
            yield point
