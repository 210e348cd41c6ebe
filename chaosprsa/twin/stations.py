"""What pods have besides their CPU, as further stations: rows after the services that each request of one visits once.

A station serves as a pod with up to one core does (processor sharing; of a volume, which serves one request after the
other, that has the mean, and a 99th percentile some 20 % too high): its "cores" are its share of the most that may
be had, its demand the seconds that a request takes of that. What the calibration measured as waiting had the station's
time in it, without its queueing: that is taken off.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from chaosprsa.twin.graph import CallGraph, Station
from chaosprsa.twin.parameters import Parameters, Spread, Twin
from chaosprsa.twin.queueing import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A station to be. seconds: what a request takes at the most that may be had; share: what it has of that now."""

    service: str
    kind: Literal["network", "storage"]
    seconds: float
    share: float

    @property
    def name(self) -> str:
        """No service's: it has a space in it."""
        return f"{self.service} {self.kind}"


def equipped(twin: Twin, devices: Sequence[Device]) -> Twin:
    """The twin with these stations, its judgement as it was. The same twin where there are none."""
    if not devices:
        return twin
    owners = [twin.graph.services.index(device.service) for device in devices]
    nominal, spread = twin.nominal, twin.spread
    none, seconds = np.zeros(len(devices)), np.array([device.seconds for device in devices])
    wait = nominal.wait_s.copy()
    for owner, device in zip(owners, devices, strict=True):
        wait[owner] = max(wait[owner] - device.seconds / device.share, 0.0)
    starts = nominal.start_delay_s[owners]
    grown = Parameters(
        demand_s=np.append(nominal.demand_s, seconds),
        wait_s=np.append(wait, none),
        memory_mib=np.append(nominal.memory_mib, none),
        memory_per_job_mib=np.append(nominal.memory_per_job_mib, none),
        start_delay_s=np.append(nominal.start_delay_s, starts),
        error_share=np.append(nominal.error_share, none),
    )
    sure = Spread(
        demand=np.append(spread.demand, none),
        wait=np.append(spread.wait, none),
        memory=np.append(spread.memory, none),
        start_delay=np.append(spread.start_delay, spread.start_delay[owners]),
        visits=_with_owners(spread.visits, owners, len(none) + len(wait)),
    )
    return replace(
        twin,
        graph=_grown(twin.graph, devices, owners),
        nominal=grown,
        spread=sure,
        idle_cores=None if twin.idle_cores is None else np.append(twin.idle_cores, none),
        most_cores=None if twin.most_cores is None else np.append(twin.most_cores, none + np.inf),
    )


def _with_owners(values: Floats, owners: Sequence[int], rows: int) -> Floats:
    """A station is visited as its service is."""
    own = np.broadcast_to(values, rows - len(owners))
    return np.append(own, own[list(owners)])


def _grown(graph: CallGraph, devices: Sequence[Device], owners: Sequence[int]) -> CallGraph:
    first, count = len(graph.services), len(graph.services) + len(devices)
    calls: Floats = np.zeros((count, count))
    calls[:first, :first] = graph.calls
    calls[owners, np.arange(first, count)] = 1.0
    return CallGraph(
        services=(*graph.services, *(device.name for device in devices)),
        entry=graph.entry,
        calls=calls,
        overlap=np.append(graph.overlap, np.ones(len(devices))),
        order=(*range(first, count), *graph.order),
        stations=tuple(Station(owner, device.kind) for owner, device in zip(owners, devices, strict=True)),
    )
