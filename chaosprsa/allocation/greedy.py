"""Greedy search: up to feasible by the best move for its money, then down by every saving that stays feasible.

Each round tries all moves in one batch, so a round costs about as much as a single candidate. Ends where no single
move and no exchange (less here, more there) saves: a local optimum of that neighbourhood.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chaosprsa.allocation.dimensions import MIXING
from chaosprsa.allocation.scores import Scores
from chaosprsa.allocation.space import REPLICAS, Ints, Space

Evaluate = Callable[[Ints], Scores]
SIZES = (1, 2, 4, 8, 16)
EXCHANGED = (1, 2, 4)
REPAIRS = (1, 4, 16)
MOST_ROUNDS = 60
MOST_REPAIRS = 400  # twenty services that all need some steps
MOST_EXCHANGES = 8
MOST_PAIRS = 60
MOST_PODS = 4  # more at once are no small step
FREE = 0.002  # of the SLO: a cut that takes less costs no latency


@dataclass(frozen=True, slots=True)
class Found:
    """A point with its scores."""

    point: Ints
    cost_month: float
    price_month: float
    violation: float

    @property
    def feasible(self) -> bool:
        return self.violation <= 0.0


def greedy(space: Space, evaluate: Evaluate, start: Ints) -> Found:
    """The cheapest feasible point on the way from start; where there is none, the one that comes closest."""
    begin = fitted(space, space.clipped(start))
    ready = repaired(space, evaluate, begin)
    if not ready.feasible:
        generous = found_at(space.generous, evaluate(space.generous[None]), 0)
        if not generous.feasible:
            return min(ready, generous, key=lambda found: found.violation)
        ready = generous
    return lowered(space, evaluate, ready)


def repaired(space: Space, evaluate: Evaluate, start: Ints) -> Found:
    """Up, by the move that brings the most for its money, until the constraints hold or nothing helps."""
    here, scores = start, evaluate(start[None])
    for _ in range(MOST_REPAIRS):
        if scores.feasible[0]:
            break
        moves = _moves(space, here, 1, REPAIRS)
        if not len(moves):
            break
        tried = evaluate(moves)
        gain = scores.potential[0] - tried.potential
        price = np.maximum(tried.price_month - scores.price_month[0], 1e-6)
        worth = np.where(gain > 1e-9, gain / price, -np.inf)
        best = int(worth.argmax())
        if not np.isfinite(worth[best]):
            break
        here, scores = moves[best], _row(tried, best)
    return found_at(here, scores, 0)


def lowered(space: Space, evaluate: Evaluate, start: Found, sizes: tuple[int, ...] = SIZES) -> Found:
    """Down, in ever smaller steps, then by exchanges, as long as something saves and the constraints hold."""
    here = start
    for _ in range(MOST_EXCHANGES):
        for size in sorted(sizes, reverse=True):
            here = _cut_all(space, evaluate, here, size)
        cheaper = _exchanged(space, evaluate, here)
        if cheaper is None:
            break
        here = cheaper
    return here


def trimmed(space: Space, evaluate: Evaluate, start: Found) -> Found:
    """Feasible first, then down by single steps until none is left."""
    ready = start if start.feasible else repaired(space, evaluate, start.point)
    return _cut_all(space, evaluate, ready, 1) if ready.feasible else ready


def _cut_all(space: Space, evaluate: Evaluate, start: Found, size: int) -> Found:
    """Cuts of one size: those that cost no latency at once together, else the one that saves most for its latency."""
    here = start
    for _ in range(MOST_ROUNDS):
        moves = _moves(space, here.point, -1, (size,))
        if not len(moves):
            break
        tried = evaluate(np.concatenate((here.point[None], moves)))
        saving = np.where(tried.feasible, here.price_month - tried.price_month, 0.0)[1:]
        dearer = np.maximum(tried.tightness[1:] - tried.tightness[0], 0.0)
        useful = saving > 1e-9
        if not useful.any():
            break
        free = moves[useful & (dearer < FREE)]
        if len(free) > 1:
            together = np.minimum.reduce(free)
            scores = evaluate(together[None])
            if scores.feasible[0]:
                here = found_at(together, scores, 0)
                continue
        best = int(np.where(useful, saving / (dearer + FREE), -1.0).argmax())
        here = found_at(moves[best], tried, best + 1)
    return here


def _exchanged(space: Space, evaluate: Evaluate, here: Found) -> Found | None:
    """One down and one up, the same service's or another's: those tried whose single moves together promise to fit."""
    downs, ups = _moves(space, here.point, -1, EXCHANGED), _moves(space, here.point, 1, EXCHANGED)
    if not len(downs) or not len(ups):
        return None
    tried = evaluate(np.concatenate((here.point[None], downs, ups)))
    now = tried.tightness[0]
    dearer, cheaper = tried.tightness[1 : len(downs) + 1] - now, tried.tightness[len(downs) + 1 :] - now
    saving = here.price_month - tried.price_month[1 : len(downs) + 1]
    price = tried.price_month[len(downs) + 1 :] - here.price_month
    worth = saving[:, None] - price[None]
    promising = np.where(dearer[:, None] + cheaper[None] < 0.05, worth, 0.0)
    order = np.argsort(-promising, axis=None, kind="stable")[:MOST_PAIRS]
    pairs = np.stack([downs[at // len(ups)] + ups[at % len(ups)] - here.point for at in order])
    pairs = pairs[space.cost_month(pairs) < here.price_month - 1e-9]
    inside = (pairs >= space.low).all(axis=(1, 2)) & (pairs <= space.high).all(axis=(1, 2))
    pairs = pairs[inside]
    pairs = pairs[space.excess(pairs) <= 0]
    return _cheapest(pairs, evaluate(pairs), here) if len(pairs) else None


def _moves(space: Space, point: Ints, sign: int, sizes: tuple[int, ...]) -> Ints:
    """Every coordinate moved by so many steps, as far as the space and its hard limits reach."""
    count = len(point)
    parts = np.arange(min(point.shape[1], MIXING))
    at, part, size = (each.ravel() for each in np.meshgrid(np.arange(count), parts, sizes, indexing="ij"))
    to = point[at, part] + sign * size * space.step[at, part]
    fits = (space.low[at, part] <= to) & (to <= space.high[at, part]) & ((part != REPLICAS) | (size <= MOST_PODS))
    at, part, to = at[fits], part[fits], to[fits]
    moved = np.repeat(point[None], len(at), axis=0)
    moved[np.arange(len(at)), at, part] = to
    within = space.excess(moved) <= space.excess(point[None])[0]
    return np.asarray(moved[within], dtype=np.int64)


def fitted(space: Space, start: Ints) -> Ints:
    """Down, by what brings it closest to the hard limits, until they hold; as close as that gets where they can't."""
    here = start
    while (over := float(space.excess(here[None])[0])) > 0:
        moves = _moves(space, here, -1, REPAIRS)
        if not len(moves):
            break
        excess = space.excess(moves)
        total = np.sum(list(space.excesses(moves).values()), axis=0)
        best = int(np.lexsort((total, excess))[0])
        if excess[best] >= over and total[best] >= np.sum([each[0] for each in space.excesses(here[None]).values()]):
            break
        here = moves[best]
    return here


def _cheapest(points: Ints, scores: Scores, than: Found) -> Found | None:
    price = np.where(scores.feasible, scores.price_month, np.inf)
    best = int(price.argmin())
    return found_at(points[best], scores, best) if price[best] < than.price_month - 1e-9 else None


def found_at(point: Ints, scores: Scores, at: int) -> Found:
    """The point with its row of the scores."""
    return Found(point, *(float(getattr(scores, name)[at]) for name in ("cost_month", "price_month", "violation")))


def _row(scores: Scores, at: int) -> Scores:
    which = slice(at, at + 1)
    return Scores(*(getattr(scores, name)[which] for name in Scores.__slots__))
