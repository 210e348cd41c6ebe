"""What a point costs and how it is judged, compiled: the price, hard limits, and the risk over worlds.

The same rules as space.cost_month, limits.excesses and risk.cvar, of one point at a time.
"""

from typing import NamedTuple

import numpy as np

from chaosprsa.allocation.dimensions import WEIGHT
from chaosprsa.allocation.further import restarting
from chaosprsa.allocation.limits import rooms
from chaosprsa.allocation.space import CPU, MEMORY, REPLICAS, Floats, Ints, Space
from chaosprsa.compiled import compiled, inner

SOFT = 12.0  # the higher, the closer the soft maximum is to the maximum
LOW, HIGH, STEP = range(3)
MOST_USED = 10.0  # of the SLO: more is no harder


class Stakes(NamedTuple):
    """Losses are shares of the SLO used, less all of it and the allowance (worlds,), and no less than -spare.

    Worlds lie in groups that are held apart, each up to its end; weight: (worlds,), sums to 1 in each. level, limit: of
    CVaR. refuted: (points, services, columns), what they dominate fails.
    """

    allowance: Floats
    weight: Floats
    ends: Ints
    level: float
    limit: float
    spare: float
    refuted: Ints


class Bill(NamedTuple):
    """grid: (3, services, columns), lowest, highest and step; pod_month: (services, columns, values), by grid cell.

    present: (services, columns); restarting: the same shape, whether a change restarts pods; change_month: (services,),
    the price where they restart, half of it where they don't. ratio: (services, 2), rooms: see limits.rooms; nodes:
    (nodes, 2), millicores and MiB; limited: whether there is a hard limit at all.
    """

    grid: Ints
    pod_month: Floats
    present: Ints
    restarting: Ints
    change_month: Floats
    ratio: Floats
    rooms: Floats
    nodes: Floats
    limited: bool


def bill_of(space: Space, change_share: float) -> Bill:
    """Prices and hard limits of a space; change_share: of what a service costs at present, where its pods restart."""
    count, columns = space.present.shape
    cells = int(((space.high - space.low) // space.step).max()) + 1
    pod_month, room = np.zeros((count, columns, cells)), rooms(space.limits, space.ignored)
    for column in range(CPU, columns):
        values = np.minimum(
            space.low[:, column] + np.arange(cells)[:, None] * space.step[:, column], space.high[:, column]
        )
        pod_month[:, column] = space.pod_month(column, values).T
    return Bill(
        grid=np.stack((space.low, space.high, space.step)),
        pod_month=pod_month,
        present=space.present,
        restarting=restarting(space.declared, space.services, columns).astype(np.int64),
        change_month=space.present_month * change_share,
        ratio=space.ratio,
        rooms=room,
        nodes=np.array(space.limits.nodes, dtype=np.float64).reshape(-1, 2),
        limited=bool(np.isfinite(room).any()),
    )


@inner
def _shares(losses: Floats, weight: Floats, tail: float, begin: int, end: int, found: Floats) -> None:
    """How much of a group's tail each loss is, written to found, zeros before: risk.tail_weights of one row."""
    left = tail
    for _ in range(begin, end):
        worst = -1
        for at in range(begin, end):
            if found[at] <= 0.0 and (worst < 0 or losses[at] > losses[worst]):
                worst = at
        part = min(left, weight[worst])
        found[worst] = part / tail
        left -= part
        if left <= 0.0:
            return


@compiled
def weigh(stakes: Stakes, used: Floats, rising: Floats) -> tuple[float, float, float]:
    """(violation, potential, tightness) of shares of the SLO used; rising falls where a miss gets smaller."""
    violation, potential, soft, begin = 0.0, 0.0, 0.0, 0
    losses, share = np.empty(len(used)), np.zeros(len(used))
    for world in range(len(used)):
        losses[world] = max(used[world] - 1.0 - stakes.allowance[world], -stakes.spare)
        soft += min(used[world], MOST_USED) ** SOFT
    for end in stakes.ends:
        _shares(losses, stakes.weight, 1.0 - stakes.level, begin, end, share)
        at_risk = -stakes.limit
        for at in range(begin, end):
            at_risk += share[at] * losses[at]
            if losses[at] > 0.0:
                potential += (share[at] + stakes.weight[at]) * rising[at]
        violation, potential, begin = max(violation, at_risk), potential + max(at_risk, 0.0), end
    return violation, potential, soft ** (1.0 / SOFT)


@inner
def beaten(stakes: Stakes, point: Ints) -> int:
    """How many refuted points cover this one: Space.covered."""
    count = 0
    for failed in range(stakes.refuted.shape[0]):
        less = True
        for at in range(point.shape[0]):
            for column in range(point.shape[1]):
                here, there = point[at, column], stakes.refuted[failed, at, column]
                less = less and (here <= there if column < WEIGHT else here == there)
        count += less
    return count


@inner
def price_month(bill: Bill, point: Ints, at: int) -> float:
    """What one service costs a month, with the price on change: Space.cost_month and change_month."""
    pod, moved, restarts = 0.0, False, point[at, MEMORY] < bill.present[at, MEMORY]
    for column in range(point.shape[1]):
        cell = (point[at, column] - bill.grid[LOW, at, column]) // bill.grid[STEP, at, column]
        pod += bill.pod_month[at, column, cell]
        if point[at, column] != bill.present[at, column]:
            moved, restarts = True, restarts or bill.restarting[at, column] > 0
    change = bill.change_month[at] * (1.0 if restarts else 0.5 if moved else 0.0)
    return float(point[at, REPLICAS] * pod + change)


@inner
def _request(bill: Bill, point: Ints, at: int, column: int) -> float:
    return float(max(np.rint(point[at, column] * bill.ratio[at, column - CPU]), 1.0))


@inner
def excess(bill: Bill, point: Ints) -> float:
    """The worst share by which a hard limit is passed, 0 where all hold: Space.excess."""
    if not bill.limited:
        return 0.0
    used = np.zeros(len(bill.rooms))
    for at in range(len(point)):
        replicas = float(point[at, REPLICAS])
        cpu, memory = _request(bill, point, at, CPU), _request(bill, point, at, MEMORY)
        used[0] += replicas * cpu
        used[1] += replicas * memory
        used[2] += replicas * point[at, CPU]
        used[3] += replicas * point[at, MEMORY]
        used[4] += replicas
        fitting = 0.0
        for node in range(len(bill.nodes)):
            fitting += np.floor(min(bill.nodes[node, 0] / cpu, bill.nodes[node, 1] / memory))
        used[7] = max(used[7], replicas / max(fitting, 0.5))
    used[5], used[6], over = used[0], used[1], 0.0
    for limit in range(len(used)):
        over = max(over, used[limit] / max(bill.rooms[limit], 1e-9) - 1.0)
    return over
