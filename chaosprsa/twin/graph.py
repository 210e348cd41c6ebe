"""The call graph as matrices: visits, and how times, variances and errors add up along calls."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from chaosprsa.errors import BadInput
from chaosprsa.twin.queueing import Floats
from chaosprsa.types import Topology


@dataclass(frozen=True, slots=True)
class Station:
    """What each pod of a service has of its own besides its CPU, and each request needs once. owner: its number."""

    owner: int
    kind: Literal["network", "storage"]


@dataclass(frozen=True, slots=True)
class CallGraph:
    """services in the topology's order.

    calls: shape (services, services), [caller, callee] calls a request. overlap: shape (services,), the share of its
    callees' time that a caller really waits (1 where calls follow one another, less where they run side by side).
    order: callees before callers. stations: the last rows, which are no services: what a pod has besides its CPU.
    """

    services: tuple[str, ...]
    entry: int
    calls: Floats
    overlap: Floats
    order: tuple[int, ...]
    stations: tuple["Station", ...] = ()

    @property
    def owners(self) -> list[int]:
        """The service in whose pods each station is."""
        return [station.owner for station in self.stations]

    @property
    def named(self) -> tuple[str, ...]:
        """The services alone."""
        return self.services[: len(self.services) - len(self.stations)]

    @property
    def pods(self) -> list[int]:
        """Shape (rows,): the row of the service whose pods each row is of; a service's own."""
        return [*range(len(self.named)), *self.owners]

    @property
    def waited(self) -> Floats:
        """Shape (services, services): the share of a callee's time that a caller waits; all of it at a station."""
        share = np.repeat(self.overlap[:, None], len(self.overlap), axis=1)
        share[:, len(self.named) :] = 1.0
        return share

    @property
    def visits(self) -> Floats:
        """Requests that each service sees for one at the entry (the traffic equations of a Jackson network)."""
        arrivals = np.zeros(len(self.services))
        arrivals[self.entry] = 1.0
        return np.asarray(np.linalg.solve(np.eye(len(arrivals)) - self.calls.T, arrivals), dtype=np.float64)

    @property
    def waits(self) -> Floats:
        """Shape (services, services): own times (a row) times its transpose are the times with all callees in them."""
        return _inverse(self.waited * self.calls)

    @property
    def spreads(self) -> tuple[Floats, Floats]:
        """(inverse, chance): variances are (own + mean² chance.T) inverse.T; chance is of a call made only at times."""
        part = self.calls - np.floor(self.calls)
        squared = self.waited**2
        return _inverse(squared * self.calls), squared * part * (1.0 - part)

    def failing(self, own: Floats) -> Floats:
        """Share of requests that fail, own causes or a callee's; own: shape (..., services). A failed call fails."""
        failed = own.copy()
        for caller in self.order:
            for callee in np.flatnonzero(self.calls[caller]):
                calls = self.calls[caller, callee]
                below = failed[..., callee]
                lost = calls * below if calls <= 1 else 1.0 - (1.0 - below) ** calls
                failed[..., caller] = 1.0 - (1.0 - failed[..., caller]) * (1.0 - lost)
        return failed


def call_graph(topology: Topology) -> CallGraph:
    """The topology's own numbers, calls one after the other. Raises BadInput where calls go round in a circle."""
    index = {service: at for at, service in enumerate(topology.services)}
    calls = np.zeros((len(index), len(index)))
    for edge in topology.edges:
        calls[index[edge.caller], index[edge.callee]] += edge.calls_per_request
    return CallGraph(
        services=topology.services,
        entry=index[topology.entry],
        calls=calls,
        overlap=np.ones(len(index)),
        order=_callees_first(calls, topology.services),
    )


def _inverse(along_calls: Floats) -> Floats:
    """What everything below a service adds up to, itself included."""
    return np.asarray(np.linalg.inv(np.eye(len(along_calls)) - along_calls), dtype=np.float64)


def _callees_first(calls: Floats, services: tuple[str, ...]) -> tuple[int, ...]:
    done: list[int] = []
    while len(done) < len(services):
        ready = [at for at in range(len(services)) if at not in done and set(np.flatnonzero(calls[at])) <= set(done)]
        if not ready:
            raise BadInput(
                f"topology: {' -> '.join(_circle(calls, services, done))}: calls go round in a circle, "
                "so no request would end; remove the one of [topology] edges that closes it (a callback, as a rule)"
            )
        done.extend(ready)
    return tuple(done)


def _circle(calls: Floats, services: tuple[str, ...], done: list[int]) -> list[str]:
    """The services of one, the first again at its end. Each that is left calls another one that is left."""
    way = [next(at for at in range(len(services)) if at not in done)]
    while way[-1] not in way[:-1]:
        way.append(next(int(at) for at in np.flatnonzero(calls[way[-1]]) if at not in done))
    return [services[at] for at in way[way.index(way[-1]) :]]
