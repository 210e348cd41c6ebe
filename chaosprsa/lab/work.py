"""The loop of a controller: keys in, one reconciliation a turn of the event loop, again later where asked."""

import asyncio
import logging
from collections.abc import Callable

Key = tuple[str, str]  # namespace, name
RETRY_S = 1.0
SETTLE_S = 0.015  # a burst of changes to what a key looks at costs one reconciliation
logger = logging.getLogger(__name__)


class WorkQueue:
    """Each key waits once, however often it is added; `reconcile` returns seconds until it wants the key again.

    Queues of one store take turns, and between two turns the loop is free: the data plane waits for one reconciliation
    at most.
    """

    def __init__(self, reconcile: Callable[[Key], float | None], turn: asyncio.Lock) -> None:
        self._reconcile = reconcile
        self._turn = turn
        self._waiting: dict[Key, None] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    def add(self, key: Key) -> None:
        self._waiting[key] = None
        self._wake.set()

    def add_soon(self, key: Key) -> None:
        """Add the key when the burst of changes that it belongs to is over."""
        self.add_after(key, SETTLE_S)

    def add_after(self, key: Key, delay_s: float) -> None:
        """Add the key later, unless it is due sooner anyway."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(delay_s, 0.001)
        timer = self._timers.get(key)
        if timer is not None and not timer.cancelled():
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._wake.wait()
                while self._waiting:
                    async with self._turn:
                        key = next(iter(self._waiting))
                        del self._waiting[key]
                        self._once(key)
                        await asyncio.sleep(0)
                self._wake.clear()
        finally:
            for timer in self._timers.values():
                timer.cancel()

    def _once(self, key: Key) -> None:
        try:
            again_s = self._reconcile(key)
        except Exception:
            logger.exception("%s failed on %s; again in %g s", self._reconcile, key, RETRY_S)
            again_s = RETRY_S
        if again_s is not None:
            self.add_after(key, again_s)
