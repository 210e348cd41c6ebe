"""The further columns of a space: what is declared of them as ranges, what it costs, and what the twin is given.

points: shape (candidates, services, columns).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chaosprsa.allocation.dimensions import BANDWIDTH, DIMENSIONS, EVERYWHERE, REPLICAS, STORAGE
from chaosprsa.twin.stations import Device
from chaosprsa.types import Declared

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def columns(declared: Declared, services: Sequence[str], known: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints, Ints]:
    """(present, low, high, step), shape (services, further columns) each: none where nothing is declared.

    Ranges lie on the grid of what is there now; a service without a declaration has nothing to move, and one that is
    not known (shape (services,)) stays as it is.
    """
    count = len(DIMENSIONS) - EVERYWHERE if declared != Declared() else 0
    present, low, high = (np.zeros((len(services), count), dtype=np.int64) for _ in range(3))
    step = np.ones_like(present)
    for one in declared.bandwidths:
        cell = services.index(one.service), BANDWIDTH - EVERYWHERE
        present[cell], step[cell] = one.now_mbit, one.step_mbit
        low[cell] = one.now_mbit - (one.now_mbit - one.min_mbit) // one.step_mbit * one.step_mbit
        high[cell] = one.now_mbit + (one.max_mbit - one.now_mbit) // one.step_mbit * one.step_mbit
    for volume in declared.storages:
        cell = services.index(volume.service), STORAGE - EVERYWHERE
        present[cell], high[cell] = volume.at, len(volume.classes) - 1
    unknown = ~known[:, None]
    return present, np.where(unknown, present, low), np.where(unknown, present, high), step


def devices(declared: Declared) -> tuple[Device, ...]:
    """The stations that the twin gets."""
    links = (
        Device(service=one.service, kind="network", seconds=one.seconds, share=one.now_mbit / one.max_mbit)
        for one in declared.bandwidths
    )
    volumes = (
        Device(
            service=one.service,
            kind="storage",
            seconds=one.operations_per_request / one.most_iops,
            share=one.classes[one.at].iops / one.most_iops,
        )
        for one in declared.storages
    )
    return (*links, *volumes)


@dataclass(frozen=True, slots=True)
class Rate:
    """A station's: its service's number, its column, and by the column's value what share of the most that is."""

    at: int
    column: int
    share: Floats


def rates(declared: Declared, services: Sequence[str]) -> tuple[Rate, ...]:
    """One for each device, in their order."""
    links = (
        Rate(services.index(one.service), BANDWIDTH, np.arange(one.max_mbit + 1) / one.max_mbit)
        for one in declared.bandwidths
    )
    volumes = (
        Rate(services.index(one.service), STORAGE, np.array([each.iops for each in one.classes]) / one.most_iops)
        for one in declared.storages
    )
    return (*links, *volumes)


def month(declared: Declared, services: Sequence[str], points: Ints) -> Floats:
    """What the further columns cost a month by service, shape (candidates, services)."""
    cost = np.zeros(points.shape[:-1])
    for one in declared.bandwidths:
        at = services.index(one.service)
        cost[..., at] += points[..., at, REPLICAS] * points[..., at, BANDWIDTH] * one.mbit_month
    for volume in declared.storages:
        at = services.index(volume.service)
        price = np.array([each.volume_month for each in volume.classes])
        cost[..., at] += points[..., at, REPLICAS] * price[points[..., at, STORAGE]]
    return cost


def said(declared: Declared, service: str, column: int, value: int) -> int | str:
    """A column's value as others know it: a class by its name."""
    if column != STORAGE:
        return value
    return next(one.classes[value].name for one in declared.storages if one.service == service)
