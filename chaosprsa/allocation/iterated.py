"""Iterated greedy (Ruiz and Stützle 2007): take away at random, repair, lower again, keep what is cheaper.

Greedy search ends where no single move and no exchange saves; an answer that is cheaper by several moves at once is
found so. All on the sketch, corrected where the search stands, and confirmed by the fluid twin at the end.
"""

from collections.abc import Sequence

import numpy as np

from chaosprsa.allocation.blended import sketch_of
from chaosprsa.allocation.dimensions import MIXING
from chaosprsa.allocation.greedy import Found, fitted, found_at
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.space import REPLICAS, Ints, Space
from chaosprsa.allocation.swift import confirmed, rank

ROUNDS = 20
TAKEN = 4  # coordinates at once
MOST_STEPS = {True: 4, False: 8}  # of replicas, of anything else


def iterated(objective: Objective, start: Found, seed: int, rounds: int = ROUNDS, begins: Sequence[Ints] = ()) -> Found:
    """What is cheaper than `start`, or start itself; that too where it isn't feasible. begins: searched from first."""
    if not start.feasible:
        return start
    space, sketch, rng = objective.space, sketch_of(objective), np.random.default_rng(seed)
    sketch.correct(start.point)
    best = found_at(start.point, sketch(start.point[None]), 0)
    for begin in begins:
        best = min(best, sketch.search(fitted(space, space.clipped(begin))), key=rank)
    for _ in range(rounds):
        best = min(best, sketch.search(_less(space, best.point, rng)), key=rank)
    return start if best.point is start.point else min(start, confirmed(sketch, best.point), key=rank)


def _less(space: Space, point: Ints, rng: np.random.Generator) -> Ints:
    """A few coordinates some steps lower, each as far as the space reaches."""
    less = point.copy()
    columns = min(point.shape[1], MIXING)
    for one in rng.choice(len(point) * columns, size=min(TAKEN, len(point) * columns), replace=False):
        at, part = divmod(int(one), columns)
        steps = int(rng.integers(1, MOST_STEPS[part == REPLICAS] + 1))
        less[at, part] = max(point[at, part] - steps * space.step[at, part], min(space.low[at, part], point[at, part]))
    return less
