"""Where no allocation holds the risk: which hard limits stand in the way."""

from collections.abc import Callable, Sequence

from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.space import Ints, Space
from chaosprsa.allocation.swift import swift

Pose = Callable[[Space], Objective]  # the same question over another space


def binding(space: Space, pose: Pose, starts: Sequence[Ints]) -> tuple[str, ...]:
    """Each limit without which the risk could be held; all together where no single one is enough; none: no limit is.

    A search for each limit, so only asked where a search has failed.
    """
    names = tuple(space.excesses(space.low[None]))

    def holds(without: tuple[str, ...]) -> bool:
        return swift(pose(space.without(*without)), starts).feasible

    if not names or not holds(names):
        return ()
    alone = tuple(name for name in names if holds((name,)))
    return alone or names


def in_the_way(space: Space, names: tuple[str, ...], objective: Objective, point: Ints) -> str:
    """What the reader is told: the limits, by how much the risk is missed at the best point, and what to do."""
    risk = objective.risk
    missed = f"CVaR {risk.level:g} of what is missed is {objective.risk_at(point):.3g}, allowed {risk.limit:g}"
    if not names:
        return (
            f"nothing that may be tried holds the risk ({missed}): [safety]'s limits, what failed before, or "
            "[allocation] risk_limit bind"
        )
    if len(names) == 1:
        how = f"{names[0]} binds: without it it could be held"
    elif len(names) < len(space.excesses(space.low[None])):
        how = f"{', '.join(names)} bind: without any one of them it could be held"
    else:
        how = f"{', '.join(names)} bind together"
    return f"nothing within the hard limits holds the risk ({missed}); {how}. Raise it, or [allocation] risk_limit"
