"""The kernel's three heaps: stations by their next event, timers, and each station's jobs by what is left of them."""

from chaosprsa.compiled import compiled
from chaosprsa.twin.exact.fields import (
    CHILD,
    HEAP,
    KEY,
    PLACE,
    SIBLING,
    STATIONS,
    TIMER,
    TIMER_CELLS,
    TIMERS,
)
from chaosprsa.twin.exact.memory import Floats, Ints


@compiled
def put_due(F: Floats, I: Ints, station: int, time: float) -> None:
    """Move a station to where its new time belongs: an indexed binary heap, times in F, stations in I.

    Behind the last place stands a time that never comes, so that each place has a right neighbour to look at.
    """
    heap = I[HEAP]
    at = I[station + PLACE]
    if time < F[heap + at]:
        while at > 0:
            up = (at - 1) >> 1
            if F[heap + up] <= time:
                break
            _move_station(F, I, heap, up, at)
            at = up
    else:
        size = I[STATIONS]
        down = 2 * at + 1
        while down < size:
            down += int(F[heap + down + 1] < F[heap + down])
            if F[heap + down] >= time:
                break
            _move_station(F, I, heap, down, at)
            at = down
            down = 2 * at + 1
    F[heap + at] = time
    I[heap + at] = station
    I[station + PLACE] = at


@compiled
def _move_station(F: Floats, I: Ints, heap: int, source: int, target: int) -> None:
    F[heap + target] = F[heap + source]
    station = I[heap + source]
    I[heap + target] = station
    I[station + PLACE] = target


@compiled
def push_timer(F: Floats, I: Ints, time: float, what: int, whom: int, stamp: int) -> None:
    """Set a timer; there is always room for one (the loop stops before the memory is full)."""
    base, at = I[TIMER], I[TIMERS]
    I[TIMERS] = at + 1
    while at > 0:
        up = (at - 1) >> 1
        if F[base + up] <= time:
            break
        _move_timer(F, I, base, up, at)
        at = up
    F[base + at] = time
    cell = base + TIMER_CELLS * at
    I[cell], I[cell + 1], I[cell + 2] = what, whom, stamp


@compiled
def drop_timer(F: Floats, I: Ints) -> None:
    """Take the earliest timer away; its values must have been read."""
    base, size = I[TIMER], I[TIMERS] - 1
    I[TIMERS] = size
    time = F[base + size]
    at = 0
    while True:
        down = 2 * at + 1
        if down >= size:
            break
        if down + 1 < size and F[base + down + 1] < F[base + down]:
            down += 1
        if F[base + down] >= time:
            break
        _move_timer(F, I, base, down, at)
        at = down
    _move_timer(F, I, base, size, at)


@compiled
def _move_timer(F: Floats, I: Ints, base: int, source: int, target: int) -> None:
    F[base + target] = F[base + source]
    a, b = base + TIMER_CELLS * target, base + TIMER_CELLS * source
    I[a], I[a + 1], I[a + 2] = I[b], I[b + 1], I[b + 2]


@compiled
def joined(F: Floats, I: Ints, a: int, b: int) -> int:
    """The root of two pairing heaps (Fredman et al. 1986) of jobs by KEY; -1 is an empty one."""
    if a < 0:
        return b
    if b < 0:
        return a
    if F[b + KEY] < F[a + KEY]:
        a, b = b, a
    I[b + SIBLING] = I[a + CHILD]
    I[a + CHILD] = b
    return a


@compiled
def without_root(F: Floats, I: Ints, root: int) -> int:
    """The root that is left when the least is taken away: children in pairs, then from the last pair back."""
    first = I[root + CHILD]
    pairs = -1
    while first >= 0:
        second = I[first + SIBLING]
        I[first + SIBLING] = -1
        rest = -1
        if second >= 0:
            rest = I[second + SIBLING]
            I[second + SIBLING] = -1
        pair = joined(F, I, first, second)
        I[pair + SIBLING] = pairs
        pairs, first = pair, rest
    found = -1
    while pairs >= 0:
        rest = I[pairs + SIBLING]
        I[pairs + SIBLING] = -1
        found = joined(F, I, found, pairs)
        pairs = rest
    I[root + CHILD] = -1
    return found
