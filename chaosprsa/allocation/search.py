"""Greedy, iterated, then Optuna from there (TPE with constraints, ask and tell in batches), then greedy once more.

The study is kept where optuna-dashboard opens it (study.py), and what is kept there is not asked again.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chaosprsa.allocation.dimensions import EVERYWHERE
from chaosprsa.allocation.greedy import Found, trimmed
from chaosprsa.allocation.iterated import iterated
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.space import CPU, REPLICAS, Ints, Space
from chaosprsa.allocation.study import Study
from chaosprsa.allocation.swift import rank, swift
from chaosprsa.progress import Progress, silent
from chaosprsa.types import SearchTrial

BATCH = 8
NEAR = 1.25  # dearer ends of Optuna's are not worth a descent
MOST_NEAR = 3


@dataclass(frozen=True, slots=True)
class SearchResult:
    """best: the cheapest feasible point, or the closest where none is feasible. trials: in the order tried.

    near: the cheapest feasible of them, not much dearer. notes: what the reader must know of the storage.
    """

    best: Found
    trials: tuple[SearchTrial, ...]
    notes: tuple[str, ...] = ()
    near: tuple[Ints, ...] = ()


def search(
    objective: Objective,
    seed: int,
    count: int = 64,
    storage: Path | str | None = None,
    progress: Progress = silent,
    *,
    frontier: bool = False,
    name: str = "",
) -> SearchResult:
    """count: Optuna's own trials, in a box around what greedy search found and what is given at present.

    storage: a file, or any URL that Optuna knows, which several workers may share; trials that are there count.
    frontier: Optuna looks for the best of both cost and risk. name: the study's, there; after the question where empty.
    Raises BadInput for a named study of another space.
    """
    space = objective.space
    present = space.clipped(space.present)
    progress("greedy search", 0.0)
    best = iterated(objective, trimmed(space, objective, first_answer(objective)), seed, begins=starts(space))
    corner = box_around(space, best.point)
    study = Study(space, seed, corner, storage, frontier=frontier, question=objective.mark, name=name)
    study.add(present[None], objective(present[None]), "present")
    study.add(best.point[None], objective(best.point[None]), "greedy")
    while (done := study.done) < count:
        progress(f"Optuna trial {done + 1} of {count}", done / max(count, 1))
        study.round(objective, min(BATCH, count - done))
    best = _polished(objective, study, best)
    near = study.cheapest(MOST_NEAR, NEAR * best.price_month)
    study.close()
    return SearchResult(best, study.trials, tuple(study.notes), near)


def first_answer(objective: Objective) -> Found:
    """Down from the most generous: mostly the best, and the soonest; from every start where that isn't enough.

    Nor is it where more than pods and their sizes is searched: a dear class is left only by several moves at once.
    """
    begins = starts(objective.space)
    if objective.space.low.shape[1] > EVERYWHERE:
        return swift(objective, begins)
    first = swift(objective, ())
    return first if first.feasible else swift(objective, begins)


def box_around(space: Space, point: Ints) -> Ints:
    """The upper corner of what Optuna tries: twice the point, three replicas more, or what is given at present."""
    wider = point * 2
    wider[:, REPLICAS] = point[:, REPLICAS] + 3
    on_grid = space.low + (np.maximum(wider, space.present) - space.low) // space.step * space.step
    return np.clip(on_grid, space.low, space.high)


def starts(space: Space) -> list[Ints]:
    """The present, and the same cores in as few pods as allowed: replicas are the hardest to trade."""
    fewer = space.present.copy()
    fewer[:, REPLICAS] = space.low[:, REPLICAS]
    cores = space.present[:, CPU] * space.present[:, REPLICAS] / np.maximum(fewer[:, REPLICAS], 1)
    steps = np.ceil((cores - space.low[:, CPU]) / space.step[:, CPU]).astype(np.int64)
    fewer[:, CPU] = space.low[:, CPU] + steps * space.step[:, CPU]
    return [space.clipped(space.present), space.clipped(fewer)]


def _polished(objective: Objective, study: "Study", best: Found) -> Found:
    """The best of all, and greedy descent from what Optuna found where that is near."""
    ends = [best]
    leader = study.best
    if leader.cost_month < NEAR * best.cost_month:
        near = swift(objective, [leader.point])
        ends.append(trimmed(objective.space, objective, near) if near.feasible else near)
    cheapest = min(ends, key=rank)
    if cheapest is not best:
        study.add(cheapest.point[None], objective(cheapest.point[None]), "polish")
    return cheapest
