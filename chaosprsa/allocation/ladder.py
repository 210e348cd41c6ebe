"""The ladder of fidelity: what the fluid twin proposes is raced on the exact one before the shadow is asked.

A candidate that misses there an issue that the fluid twin says it survives is mended: the search is asked to hold a
smaller share of the SLO, by the measured difference, and to go less far from an allocation that is known, by the same
(a trust region: Alexandrov, Dennis, Lewis and Torczon 1998). Production is known, since trials were at its own
allocation; so is what has passed on the exact rung.
"""

from dataclasses import replace

import numpy as np

from chaosprsa.allocation.climb import Climb, Told, begun
from chaosprsa.allocation.engine import Candidate
from chaosprsa.allocation.run import Run
from chaosprsa.allocation.space import Ints, Space
from chaosprsa.allocation.threats import in_words
from chaosprsa.progress import Progress

MOST_MENDS = 3
CLOSE = 0.05  # of the SLO: less between what holds and what doesn't saves next to nothing
LEAST_ROOM, MOST_ROOM = 0.5, 0.98


def climbed(run: Run, candidate: Candidate, refuted: tuple[Ints, ...], progress: Progress) -> Candidate:
    """The cheapest that holds on the exact rung too: the candidate, one beside it, one that mends it, or production.

    Where none does, the one that misses by the least.
    """
    progress("racing on the exact twin", 0.94)
    climb = begun(run.engine, candidate, refuted)
    if isinstance(climb, str):
        run.notes.append(f"not played on the exact twin: {climb}")
        return candidate
    run.climbs.append(climb)
    climb.race()
    if not _passed(climb) and run.engine.missed(candidate.point, {})[0] <= 0:
        _mend(run, climb, candidate.point, refuted)
    return _settled(run, climb, candidate)


def _passed(climb: Climb) -> bool:
    """Something new has."""
    return climb.best is not None and not np.array_equal(climb.best, climb.engine.space.present)


def _mend(run: Run, climb: Climb, last: Ints, refuted: tuple[Ints, ...]) -> None:
    """With less of the SLO and of the way until one passes, then half of that back: least is known to hold."""
    least, most, space = 0.0, 1.0, run.engine.space
    for _ in range(MOST_MENDS):
        told = climb.told(last)
        room = (least + most) / 2 if least or told is None else min(most, room_after(told))
        if least == 0.0 and told:
            run.notes.append(_words(told, room))
        mended = run.engine.roomier(last, (*refuted, *climb.missed), room, nearer(space, space.present, last, room))
        if not mended.feasible or climb.at(mended.point) is not None:
            break
        climb.steps.append(room)
        climb.add([mended.point])
        climb.race()
        holds = climb.holds(mended.point)
        least, most = (room, most) if holds else (least, room)
        last = last if holds else mended.point
        if least and most - least < CLOSE:
            break


def room_after(told: Told) -> float:
    """The share of the SLO to search for next: the fluid twin's word over the exact one's, where that misses most."""
    worst = int(told.shares.mean(axis=0).argmax())
    return float(np.clip(told.ratio[worst], LEAST_ROOM, MOST_ROOM))


def nearer(space: Space, known: Ints, failed: Ints, reach: float) -> Space:
    """The space for the next step: of what `failed` took away from what is known, this share may go."""
    least = known - reach * np.maximum(known - failed, 0)
    on_grid = space.low + np.floor((least - space.low) / space.step).astype(np.int64) * space.step
    return replace(space, low=np.clip(on_grid, space.low, space.high))


def _words(told: Told, room: float) -> str:
    means = told.shares.mean(axis=0)
    worst = int(means.argmax())
    return (
        f"{in_words(told.issues[worst])}: by the exact twin what was searched uses {means[worst]:.0%} of the SLO, the "
        f"fluid twin said {told.below[worst]:.0%}; the next is searched to hold {room:.0%} of it, and goes {room:.0%} "
        "of the way from production at most"
    )


def _settled(run: Run, climb: Climb, candidate: Candidate) -> Candidate:
    """The winner in the candidate's place, and in words where that is another."""
    point = climb.nearest if climb.best is None else climb.best
    if climb.best is None:
        run.notes.append("no candidate holds every issue on the exact twin that it holds on the fluid one")
    equal = [climb.points[at] for at in climb.found.equal]
    if any(np.array_equal(one, candidate.point) for one in equal) and not np.array_equal(point, candidate.point):
        run.notes.append("on the exact twin another candidate is equal to the searched one, within chance, and cheaper")
    if np.array_equal(point, candidate.point):
        return candidate
    if candidate.others and np.array_equal(point, candidate.others[0]) and candidate.policy.kept:
        run.notes.append("the exact twin puts the searched allocation before the fine-tuned one")
    policy = replace(candidate.policy, kept=False, reason=_OTHERWISE) if candidate.policy.kept else candidate.policy
    return replace(candidate, point=point, policy=policy)


_OTHERWISE = "better on the situations it was judged on, but another allocation is preferred by the exact twin"
