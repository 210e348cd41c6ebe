"""Edge cases: issues beyond what was observed, yet plausible.

tail: stronger, longer, or both, than nineteen of twenty. unseen: a kind where it never was. together: a surge with a
fault, or two faults. Each is drawn from the process as far as it goes; what is less plausible than the floor is drawn
again, after half of ROUNDS as a tail, and in the end gives way to a mild tail of the likeliest hazard: the share of
edge cases holds whatever the floor.
"""

import numpy as np

from chaosprsa.errors import require
from chaosprsa.issues.law import EDGES, NONE, Draws, IntArray, Law
from chaosprsa.types import EdgeCase, Fault

EDGE_SHARE = 0.2  # of the issues: enough that a study of ten has some, few enough that most are what is to be expected
FLOOR = 1e-4  # plausibility: what is ten thousand times less likely than a median draw is not worth a rehearsal
MOST_FLOOR = 0.1  # above it no tail could pass
MIX = (0.3, 0.4, 0.3)  # of EDGES
WITH_SURGE = 0.7  # of what is on together: most overload is a surge that meets a fault
TAIL = (0.95, 0.999)  # quantiles
MILD = (0.95, 0.955)
ROUNDS = 20


def edge_cases(law: Law, count: int, rng: np.random.Generator, floor: float) -> Draws:
    """`count` of them, none less plausible than `floor`. Raises BadInput for a floor above MOST_FLOOR."""
    require(0 <= floor <= MOST_FLOOR, f"edge cases: the floor is {floor}, expected 0 to {MOST_FLOOR}")
    edges = rng.choice(len(EDGES), size=count, p=MIX)
    if law.seen.all() or not law.seen.any():
        edges[edges == EDGES.index(EdgeCase.UNSEEN)] = EDGES.index(EdgeCase.TAIL)
    draws = _drawn(law, edges, rng)
    poor = np.flatnonzero(law.plausibility(draws) < floor)
    for number in range(ROUNDS):
        if not len(poor):
            return draws
        if number == ROUNDS // 2:
            edges[poor] = EDGES.index(EdgeCase.TAIL)
        draws = _replaced(draws, poor, _drawn(law, edges[poor], rng))
        poor = poor[law.plausibility(draws.only(poor)) < floor]
    return _replaced(draws, poor, _mild(law, len(poor), rng)) if len(poor) else draws


def _drawn(law: Law, edges: IntArray, rng: np.random.Generator) -> Draws:
    usual = law.picks(law.usual, len(edges), rng)
    strange = law.picks(law.weight * ~law.seen if (~law.seen).any() else law.weight, len(edges), rng)
    which = np.where(edges == EDGES.index(EdgeCase.UNSEEN), strange, usual)
    draws = law.drawn(which, rng)
    draws.edge[:] = edges
    _make_tails(draws, edges == EDGES.index(EdgeCase.TAIL), rng)
    _make_pairs(law, draws, np.flatnonzero(edges == EDGES.index(EdgeCase.TOGETHER)), rng)
    return draws


def _make_tails(draws: Draws, tails: np.ndarray, rng: np.random.Generator) -> None:
    """Stronger, longer, or both: a third each."""
    low, high = TAIL
    way = rng.integers(0, 3, size=len(draws))
    for u, ways in ((draws.strength_u, (0, 2)), (draws.duration_u, (1, 2))):
        beyond = tails & np.isin(way, ways)
        u[beyond] = low + u[beyond] * (high - low)


def _make_pairs(law: Law, draws: Draws, rows: np.ndarray, rng: np.random.Generator) -> None:
    """A companion for each of these rows, of another kind or at another component: mostly a surge."""
    surge = law.faults == list(Fault).index(Fault.TRAFFIC_SURGE)
    faults = law.weight * ~surge
    if not faults.any():
        draws.edge[rows] = EDGES.index(EdgeCase.TAIL)
        _make_tails(draws, draws.edge == EDGES.index(EdgeCase.TAIL), rng)
        return
    first = np.where(surge[draws.which[rows]], law.picks(faults, len(rows), rng), draws.which[rows])
    with_surge = (rng.uniform(size=len(rows)) < WITH_SURGE) & surge.any()
    second = law.picks(faults, len(rows), rng)
    if surge.any():
        second = np.where(with_surge, law.picks(law.weight * surge, len(rows), rng), second)
    same = np.array([_alike(law, one, other) for one, other in zip(first, second, strict=True)], dtype=bool)
    draws.which[rows] = first
    draws.other[rows] = np.where(same, NONE, second)
    lonely = rows[same]
    draws.edge[lonely] = EDGES.index(EdgeCase.TAIL)
    beyond = np.zeros(len(draws), dtype=bool)
    beyond[lonely] = True
    _make_tails(draws, beyond, rng)


def _alike(law: Law, one: int, other: int) -> bool:
    """The same fault at the same component is one stronger fault, not two."""
    first, second = law.hazards[one], law.hazards[other]
    return (first.component, first.fault) == (second.component, second.fault)


def _mild(law: Law, count: int, rng: np.random.Generator) -> Draws:
    """Barely beyond the usual, of the likeliest hazard at its likeliest time: plausible whatever else is."""
    draws = law.drawn(np.full(count, int(np.argmax(law.usual))), rng)
    rate = law.hazards[int(np.argmax(law.usual))].rate_per_s
    draws.start_s[:] = law.grid.starts_s[int(np.argmax(rate))] + draws.severity_u * law.grid.cell_s
    draws.strength_u[:] = 0.5
    draws.duration_u[:] = MILD[0] + rng.uniform(size=count) * (MILD[1] - MILD[0])
    draws.edge[:] = EDGES.index(EdgeCase.TAIL)
    return draws


def _replaced(draws: Draws, rows: np.ndarray, fresh: Draws) -> Draws:
    for name in Draws.__slots__:
        getattr(draws, name)[rows] = getattr(fresh, name)
    return draws
