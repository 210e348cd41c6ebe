"""Greedy search on the sketch, corrected by the fluid twin where it arrives, until both agree there.

Each look at the fluid twin is one candidate. The measured difference between the two rungs corrects the lower one, and
the search goes on from there in small steps.
"""

from collections.abc import Sequence

import numpy as np

from chaosprsa.allocation.blended import BlendedSketch, blended, sketch_of
from chaosprsa.allocation.greedy import Found, found_at, greedy, lowered, repaired
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.sketch import Sketch
from chaosprsa.allocation.space import Ints

MOST_LOOKS = 6
NEAR = (2, 1)  # steps of the grid, once a point was looked at


def swift(objective: Objective, starts: Sequence[Ints]) -> Found:
    """The cheapest that the fluid twin confirmed, else the closest it came to."""
    sketch = sketch_of(objective)
    ends = [greedy(objective.space, sketch, start) for start in starts]
    return confirmed(objective, sketch, blended(objective.space, sketch, min(ends, key=rank), rank))


def confirmed(objective: Objective, sketch: Sketch | BlendedSketch, here: Found) -> Found:
    """From an answer of the sketch to one of the fluid twin."""
    seen: list[Found] = []
    for _ in range(MOST_LOOKS):
        seen.append(found_at(here.point, sketch.correct(here.point), 0))
        sketched = found_at(here.point, sketch(here.point[None]), 0)
        ready = sketched if sketched.feasible else repaired(objective.space, sketch, here.point)
        here = lowered(objective.space, sketch, ready, NEAR) if ready.feasible else ready
        if any(np.array_equal(here.point, one.point) for one in seen):
            break
    return min(seen, key=rank)


def rank(found: Found) -> tuple[bool, float, float]:
    """Feasible first, then the closest, then the cheapest."""
    return not found.feasible, found.violation, found.price_month
