"""Moves on steady states, compiled: what each would do, and the lazy ways down and up.

A move's worth is the cost it saves for the room it takes. Room gets dearer as the point goes down, so what a move was
worth before is a bound: only the move that leads by its bound is judged again (accelerated greedy: Minoux 1978). Up it
is what a move brings for its money, mostly less after another; where no bound is left all are judged once more.
"""

from typing import NamedTuple

import numpy as np

from chaosprsa.allocation.dimensions import MIXING
from chaosprsa.allocation.greedy import FREE, MOST_PODS
from chaosprsa.allocation.space import REPLICAS, Floats, Ints
from chaosprsa.allocation.steady import FULLEST, MEAN, POD, USED, Model, State, look, settle, settle_all
from chaosprsa.allocation.weighing import HIGH, LOW, STEP, Bill, Stakes, beaten, excess, price_month, weigh
from chaosprsa.compiled import compiled, inner
from chaosprsa.types.recommendation import BROKEN

NONE = 1e-9
ANEW = 4  # moves up after which all are judged again: what one brings may be more once another is made
LEAST_PRICE = 1e-6  # a move that costs nothing is worth a lot, not everything


class Question(NamedTuple):
    """What is searched."""

    model: Model
    stakes: Stakes
    bill: Bill


@inner
def judged(question: Question, state: State) -> tuple[float, float, float]:
    """(violation, potential, tightness) of a settled point."""
    look(question.model, state)
    used, rising = state.worlds[USED], np.zeros(state.worlds.shape[1])
    for world in range(len(used)):
        if used[world] > 1.0:
            rising[world] = np.log(used[world]) + max(state.worlds[FULLEST, world] - 1.0, 0.0)
    violation, potential, tightness = weigh(question.stakes, used, rising)
    failed, over = beaten(question.stakes, state.point), excess(question.bill, state.point)
    if failed > 0:
        violation, potential = max(violation, 0.01), potential + failed
    if over > 0.0:
        violation += BROKEN + over
    return violation, potential, tightness


@inner
def _copy(model: Model, source: State, to: State, at: int) -> None:
    """What a move of this service changes."""
    for column in range(to.point.shape[1]):
        to.point[at, column] = source.point[at, column]
    for row in model.order:
        if model.above[at, row]:
            first = 0 if model.rows[row, POD] == at else MEAN
            for part in range(first, len(to.each)):
                for k in range(to.each.shape[2]):
                    to.each[part, row, k] = source.each[part, row, k]


@compiled
def lowered(question: Question, state: State, kept: State, sizes: Ints) -> None:
    """Down from a settled point that holds, until no move saves that the constraints allow."""
    model, parts = question.model, min(state.point.shape[1], MIXING)
    _, _, tight = judged(question, state)
    worth = np.full(len(state.point) * parts * len(sizes), np.inf)
    while True:
        move = worth.argmax()
        at, part, size = move // len(sizes) // parts, move // len(sizes) % parts, sizes[move % len(sizes)]
        if worth[move] <= 0.0:
            return
        worth[move] = -1.0  # never again
        if not _moved(question, state, kept, at, part, -size):
            continue
        saving = price_month(question.bill, kept.point, at) - price_month(question.bill, state.point, at)
        if saving <= NONE:
            worth[move] = 0.0
        else:
            settle(model, state, at)
            violation, _, now = judged(question, state)
            if violation <= 0.0:
                worth[move] = saving / (max(now - tight, 0.0) + FREE)
                if worth.argmax() == move:
                    tight = now
                    for other in range(at * parts * len(sizes), (at + 1) * parts * len(sizes)):
                        worth[other] = -1.0 if worth[other] < 0.0 else np.inf
                    continue
        _copy(model, kept, state, at)


@inner
def _moved(question: Question, state: State, kept: State, at: int, part: int, steps: int) -> bool:
    """Keep what is there and take a move, not settled yet; whether the grid and the size of a step allow it."""
    to = state.point[at, part] + steps * question.bill.grid[STEP, at, part]
    if to < question.bill.grid[LOW, at, part] or to > question.bill.grid[HIGH, at, part]:
        return False
    if part == REPLICAS and abs(steps) > MOST_PODS:
        return False
    _copy(question.model, state, kept, at)
    state.point[at, part] = to
    return True


@compiled
def repaired(question: Question, state: State, kept: State, sizes: Ints, most: int) -> bool:
    """Up from a settled point until it holds, by at most so many moves; whether it does."""
    model, bill, parts = question.model, question.bill, min(state.point.shape[1], MIXING)
    violation, here, _ = judged(question, state)
    over, anew = excess(bill, state.point), True
    worth = np.full(len(state.point) * parts * len(sizes), np.inf)
    while violation > 0.0 and most > 0:
        move = worth.argmax()
        at, part, size = move // len(sizes) // parts, move // len(sizes) % parts, sizes[move % len(sizes)]
        if worth[move] <= 0.0:
            if anew:
                return False
            worth[:], anew = np.inf, True
            continue
        worth[move] = 0.0
        if not _moved(question, state, kept, at, part, size):
            continue
        settle(model, state, at)
        missed, potential, _ = judged(question, state)
        beyond = excess(bill, state.point)
        if here - potential > NONE and beyond <= over:
            price = price_month(bill, state.point, at) - price_month(bill, kept.point, at)
            worth[move] = (here - potential) / max(price, LEAST_PRICE)
            if worth.argmax() == move:
                violation, here, over, anew, most = missed, potential, beyond, False, most - 1
                if most % ANEW == 0:
                    worth[:], anew = np.inf, True
                worth[at * parts * len(sizes) : (at + 1) * parts * len(sizes)] = np.inf
                continue
        _copy(model, kept, state, at)
    return violation <= 0.0


@compiled
def tried(question: Question, state: State, kept: State, moves: Ints, found: Floats) -> None:
    """Violation, potential and tightness after each single move, the price that it adds; written to found: (moves, 4).

    moves: (moves, 3), service, part, steps. The state is as before in the end.
    """
    for move in range(len(moves)):
        at, part = moves[move, 0], moves[move, 1]
        _copy(question.model, state, kept, at)
        state.point[at, part] += moves[move, 2] * question.bill.grid[STEP, at, part]
        settle(question.model, state, at)
        found[move, 0], found[move, 1], found[move, 2] = judged(question, state)
        before, after = price_month(question.bill, kept.point, at), price_month(question.bill, state.point, at)
        found[move, 3] = after - before
        _copy(question.model, kept, state, at)


@compiled
def scores_of(question: Question, state: State, points: Ints, found: Floats) -> None:
    """Violation, potential and tightness of each point, written to found: (points, 3)."""
    for row in range(len(points)):
        for at in range(points.shape[1]):
            for part in range(points.shape[2]):
                state.point[at, part] = points[row, at, part]
        settle_all(question.model, state)
        found[row, 0], found[row, 1], found[row, 2] = judged(question, state)
