"""Production's own users: open arrivals along a day's curve, in the process (modelled: no HTTP is spoken for them)."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from chaosprsa.lab.dataplane import DataPlane
from chaosprsa.lab.topology import LabTopology

WEEKEND = 0.75
AHEAD_S = 5.0  # arrivals are drawn in blocks; the rate is looked up once a block


def load_shape(hour_of_week: NDArray[np.float64]) -> NDArray[np.float64]:
    """Load as a share of a usual working day's peak. hour_of_week: since Monday 00:00 UTC, any shape.

    Low at four in the morning, high from late morning, a second hump at eight in the evening, calmer at the weekend.
    """
    hour = hour_of_week % 24
    day = np.exp(-0.5 * (_apart(hour, 12.5) / 3.6) ** 2)
    evening = 0.85 * np.exp(-0.5 * (_apart(hour, 20.0) / 2.2) ** 2)
    curve = 0.25 + 0.75 * np.maximum(day, evening)
    weekend = (hour_of_week % 168) >= 120
    return np.asarray(np.where(weekend, WEEKEND * curve, curve))


def _apart(hour: NDArray[np.float64], centre: float) -> NDArray[np.float64]:
    return (hour - centre + 12) % 24 - 12


def hour_of_week(now: datetime) -> float:
    """Hours since Monday 00:00 UTC."""
    utc = now.astimezone(UTC)
    return utc.weekday() * 24 + utc.hour + utc.minute / 60 + utc.second / 3600


class Traffic:
    """Plays production's load until it is cancelled."""

    def __init__(
        self,
        dataplane: DataPlane,
        topology: LabTopology,
        rng: np.random.Generator,
        now: Callable[[], datetime],
    ) -> None:
        self._dataplane, self._topology, self._rng, self._now = dataplane, topology, rng, now
        weights = np.array([share.weight for share in topology.mix])
        self._paths = [share.path for share in topology.mix]
        self._shares = weights / weights.sum()
        self._running: set[asyncio.Task[object]] = set()

    def rate_per_s(self) -> float:
        """The rate now."""
        share = 1.0 if self._topology.steady else float(load_shape(np.array(hour_of_week(self._now()))))
        return self._topology.rate_per_s * share

    async def run(self) -> None:
        """Poisson arrivals: in each block their number is Poisson and their times are uniform."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while True:
            count = int(self._rng.poisson(self.rate_per_s() * AHEAD_S))
            times = start + np.sort(self._rng.random(count)) * AHEAD_S
            picks = self._rng.choice(len(self._paths), size=count, p=self._shares)
            for at, pick in zip(times.tolist(), picks.tolist(), strict=True):
                if (wait := at - loop.time()) > 0:
                    await asyncio.sleep(wait)
                self._send(self._paths[pick])
            start += AHEAD_S
            await asyncio.sleep(max(0.0, start - loop.time()))

    def _send(self, path: str) -> None:
        topology = self._topology
        task = asyncio.ensure_future(self._dataplane.request(topology.namespace, topology.entry, path))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
