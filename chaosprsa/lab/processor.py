"""One pod's CPU: processor sharing in real time.

A job with `work` core-seconds advances at min(1 core, limit / number of jobs). In virtual time (the work a job has
received since the beginning) every job ends at arrival + work, so one heap and one timer hold the whole pod: exact,
O(log n) a job. The event loop's timers are up to a millisecond late; departures are therefore worked off in order at
the times they were due, and callers are told that time rather than the time at which the loop woke up.
"""

import asyncio
import heapq
from collections.abc import Callable
from itertools import count

PERIOD_S = 0.1  # CFS's own period


class Killed(Exception):
    """The pod died (deleted without grace, out of memory) while a request was in it."""


class Expired(Exception):
    """Nobody waits for the answer any more."""


class Processor:
    """Jobs share a CPU limit in cores. Times are the event loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_cores: float) -> None:
        self._loop = loop
        self._limit = limit_cores
        self._heap: list[tuple[float, int, asyncio.Future[float]]] = []
        self._number = count()
        self._virtual = 0.0
        self._clock = loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._throttle = _Throttle(self._clock)
        self.active = 0
        self.used_core_s = 0.0

    @property
    def periods(self) -> int:
        """CFS periods in which the pod ran."""
        return self._throttle.periods

    @property
    def throttled_periods(self) -> int:
        """Periods in which it used up its quota."""
        return self._throttle.throttled

    async def run(self, work_core_s: float, at: float, deadline: float) -> float:
        """The time at which the work is done. Raises Expired at the deadline, Killed when the pod dies."""
        if deadline <= at:
            raise Expired
        job: asyncio.Future[float] = self._loop.create_future()
        self._advance(max(at, self._clock))
        heapq.heappush(self._heap, (self._virtual + work_core_s, next(self._number), job))
        self.active += 1
        self._arm()
        expiry = self._loop.call_at(deadline, self._expire, job)
        try:
            return await job
        except asyncio.CancelledError:
            self.advance()
            self.active -= 1
            self._arm()
            raise
        finally:
            expiry.cancel()

    def set_limit(self, limit_cores: float) -> None:
        """A new limit, in force from now."""
        self.advance()
        self._limit = limit_cores
        self._arm()

    def advance(self) -> None:
        """Bring the counters up to now."""
        self._advance(max(self._loop.time(), self._clock))

    def kill(self) -> None:
        """Every job in it fails."""
        self.advance()
        jobs, self._heap, self.active = self._heap, [], 0
        for _, _, job in jobs:
            if not job.done():
                job.set_exception(Killed())
        self._arm()

    def _expire(self, job: asyncio.Future[float]) -> None:
        self.advance()
        if not job.done():
            self.active -= 1
            job.set_exception(Expired())
            self._arm()

    def _tick(self) -> None:
        # Arrivals that were due before this timer wake up in the loop's next round: they go first.
        self._loop.call_soon(self._work_off)

    def _work_off(self) -> None:
        """Departures up to now; the clock stays at the last of them, so that a late arrival still finds its place."""
        self._timer = None
        self._depart(self._loop.time())
        self._arm()

    def _drop_expired(self) -> None:
        while self._heap and self._heap[0][2].done():
            heapq.heappop(self._heap)

    def _next_departure(self) -> float:
        rate = min(1.0, self._limit / self.active)
        return self._clock + (self._heap[0][0] - self._virtual) / rate

    def _advance(self, to: float) -> None:
        self._depart(to)
        self._pass(to)

    def _depart(self, to: float) -> None:
        self._drop_expired()
        while self._heap and (due := self._next_departure()) <= to:
            self._pass(due)
            self._virtual, _, job = heapq.heappop(self._heap)
            self.active -= 1
            job.set_result(due)
            self._drop_expired()

    def _pass(self, to: float) -> None:
        """Nobody arrives or leaves until then."""
        if to > self._clock and self.active:
            cores = min(float(self.active), self._limit)
            self.used_core_s += cores * (to - self._clock)
            self._virtual += cores / self.active * (to - self._clock)
            self._throttle.spend(self._clock, to, cores, self._limit)
        self._clock = max(to, self._clock)

    def _arm(self) -> None:
        self._drop_expired()
        if not self._heap:
            return
        due = self._next_departure()
        if self._timer is not None:
            if self._timer.when() <= due:
                return  # it fires early, or is about to, and arms itself again
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._tick)


class _Throttle:
    """Counts CFS periods: those in which the pod ran, and those in which it used all its quota."""

    def __init__(self, start: float) -> None:
        self._ends = start
        self._left = 0.0
        self._counted = True
        self.periods = 0
        self.throttled = 0

    def spend(self, start: float, end: float, cores: float, limit: float) -> None:
        """The pod used `cores` from start to end."""
        while start < end:
            if start >= self._ends:
                self._ends = start - (start - self._ends) % PERIOD_S + PERIOD_S
                self._left = limit * PERIOD_S * 0.99
                self._counted = False
                self.periods += 1
            piece = min(end, self._ends) - start
            self._left -= piece * cores
            if self._left <= 0 and not self._counted:
                self._counted = True
                self.throttled += 1
            start += max(piece, 1e-9)


class Slots:
    """A bound on requests in work, and a bounded first-in first-out queue before it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, concurrency: int, queue: int) -> None:
        self._loop = loop
        self._free = concurrency
        self._bound = queue
        self._queue: list[asyncio.Future[float]] = []

    @property
    def full(self) -> bool:
        return not self._free and len(self._queue) >= self._bound

    async def take(self, at: float, deadline: float) -> float:
        """The time at which a slot is free. Raises Expired at the deadline, Killed when the pod dies."""
        if self._free:
            self._free -= 1
            return at
        turn: asyncio.Future[float] = self._loop.create_future()
        self._queue.append(turn)
        expiry = self._loop.call_at(deadline, self._expire, turn)
        try:
            return max(at, await turn)
        except asyncio.CancelledError:
            self._leave(turn, at)
            raise
        finally:
            expiry.cancel()

    def give(self, at: float) -> None:
        """Hand the slot to the next in the queue."""
        if self._queue:
            self._queue.pop(0).set_result(at)
        else:
            self._free += 1

    def kill(self) -> None:
        """Everyone who waits fails."""
        waiting, self._queue = self._queue, []
        for turn in waiting:
            turn.set_exception(Killed())

    def _leave(self, turn: asyncio.Future[float], at: float) -> None:
        if turn in self._queue:
            self._queue.remove(turn)
        elif not turn.cancelled():
            self.give(at)

    def _expire(self, turn: asyncio.Future[float]) -> None:
        if turn in self._queue:
            self._queue.remove(turn)
            turn.set_exception(Expired())


def until(loop: asyncio.AbstractEventLoop, at: float) -> "asyncio.Future[None] | None":
    """A future that is done at that time; None where it has come."""
    if at <= loop.time():
        return None
    future: asyncio.Future[None] = loop.create_future()
    loop.call_at(at, _wake(future))
    return future


def _wake(future: "asyncio.Future[None]") -> Callable[[], None]:
    def wake() -> None:
        if not future.done():
            future.set_result(None)

    return wake
