"""Greedy search on the sketch, corrected by the fluid twin where it arrives, until both agree there.

Each look at the fluid twin is one candidate. The measured difference between the two rungs corrects the lower one, and
the search goes on from there in small steps.
"""

from collections.abc import Sequence

import numpy as np

from chaosprsa.allocation.blended import BlendedSketch, blended, sketch_of
from chaosprsa.allocation.greedy import Found, fitted, found_at
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.sketch import Sketch
from chaosprsa.allocation.space import Ints, Space

MOST_LOOKS = 6


def swift(objective: Objective, starts: Sequence[Ints]) -> Found:
    """The cheapest that the fluid twin confirmed, else the closest it came to."""
    sketch = sketch_of(objective)
    best = blended(objective.space, sketch, sketched(objective.space, sketch, starts), rank)
    return confirmed(sketch, best.point)


def sketched(space: Space, sketch: Sketch | BlendedSketch, starts: Sequence[Ints]) -> Found:
    """The best that greedy search on the sketch comes to from these and from the most generous."""
    begins = [fitted(space, space.clipped(start)) for start in (*starts, space.generous)]
    return min((sketch.search(begin) for begin in begins), key=rank)


def confirmed(sketch: Sketch | BlendedSketch, point: Ints) -> Found:
    """From an answer of the sketch to one of the fluid twin."""
    seen: list[Found] = []
    for _ in range(MOST_LOOKS):
        seen.append(found_at(point, sketch.correct(point), 0))
        point = sketch.search(point).point
        if any(np.array_equal(point, one.point) for one in seen):
            break
    return min(seen, key=rank)


def rank(found: Found) -> tuple[bool, float, float]:
    """Feasible first, then the closest, then the cheapest."""
    return not found.feasible, found.violation, found.price_month
