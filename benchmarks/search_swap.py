"""Swap search on the sketch, the local search that greedy is measured against.

It starts from the least multiple of the present that holds, takes the best single step down, else the exchange of any
two steps that saves most, and ends where none is left.
"""

from collections.abc import Iterator

import numpy as np

from chaosprsa.allocation.sketch import EXCHANGED, SIZES, Sketch
from chaosprsa.allocation.space import Ints

GROWN = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)
AT_ONCE = 256


def swap(sketch: Sketch) -> Iterator[float]:
    """Exchange local search on the sketch, the best of all neighbours each time; ends where none saves and holds."""
    space = sketch.space
    grown = np.stack([on_grid(sketch, space.present * factor) for factor in GROWN] + [space.generous])
    here = grown[int(sketch(grown).feasible.argmax())]
    while True:
        yield cheapest_of(sketch, here[None])[1]
        moves, tried = sketch.moves(here, -SIZES)
        price = np.where(tried[:, 0] <= 0, tried[:, 3], 0.0)
        if price.min(initial=0.0) < -1e-9:
            at, part, steps = moves[price.argmin()]
            here = here.copy()
            here[at, part] += steps * space.step[at, part]
            continue
        better = exchanged(sketch, here)
        if better is None:
            return
        here = better


def exchanged(sketch: Sketch, here: Ints) -> Ints | None:
    """The exchange of two steps, of any services, that saves most and holds; in the order of what they save."""
    (downs, cut), (ups, raised) = sketch.moves(here, -EXCHANGED), sketch.moves(here, EXCHANGED)
    saving = -(cut[:, 3, None] + raised[:, 3]).ravel()
    order = np.argsort(-saving, kind="stable")[: int((saving > 1e-9).sum())]
    for begin in range(0, len(order), AT_ONCE):
        which = order[begin : begin + AT_ONCE]
        pairs = np.repeat(here[None], len(which), axis=0)
        for moves in (downs[which // len(ups)], ups[which % len(ups)]):
            pairs[np.arange(len(which)), moves[:, 0], moves[:, 1]] += (
                moves[:, 2] * sketch.space.step[moves[:, 0], moves[:, 1]]
            )
        best, price = cheapest_of(sketch, pairs)
        if price < cheapest_of(sketch, here[None])[1] - 1e-9:
            return best
    return None


def cheapest_of(sketch: Sketch, points: Ints) -> tuple[Ints, float]:
    """The cheapest that holds, infinite where none does."""
    inside = ((points >= sketch.space.low) & (points <= sketch.space.high)).all(axis=(1, 2))
    scores = sketch(sketch.space.clipped(points))
    price = np.where(inside & scores.feasible, scores.price_month, np.inf)
    return points[int(price.argmin())], float(price.min())


def on_grid(sketch: Sketch, point: np.ndarray) -> Ints:
    space = sketch.space
    return space.clipped(space.low + np.rint((point - space.low) / space.step).astype(np.int64) * space.step)
