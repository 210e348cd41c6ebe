"""The further columns of a space: what is declared of them as ranges, what it costs, and what the twin is given.

points: shape (candidates, services, columns).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chaosprsa.allocation.dimensions import BANDWIDTH, CACHE, DIMENSIONS, EVERYWHERE, MIXING, STORAGE, WEIGHT
from chaosprsa.twin.mixes import Mix
from chaosprsa.twin.stations import Device
from chaosprsa.types import Declared

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def columns(declared: Declared, services: Sequence[str], known: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints, Ints]:
    """(present, low, high, step), shape (services, further columns) each: none where nothing is declared.

    Ranges lie on the grid of what is there now; a service without a declaration has nothing to move. known: shape
    (services, 2), whether its use is, and its memory's; what isn't stays as it is.
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
    for cache in declared.caches:
        cell = services.index(cache.service), CACHE - EVERYWHERE
        present[cell], step[cell] = cache.now_mib, cache.step_mib
        low[cell] = cache.now_mib - (cache.now_mib - cache.min_mib) // cache.step_mib * cache.step_mib
        high[cell] = cache.now_mib + (cache.max_mib - cache.now_mib) // cache.step_mib * cache.step_mib
    for route in declared.routes:
        for backend, weight in zip(route.backends, route.now, strict=True):
            cell, size = (services.index(backend), WEIGHT - EVERYWHERE), route.step_weight
            present[cell], step[cell] = weight, size
            low[cell] = weight - (weight - route.min_weight) // size * size
            high[cell] = weight + (route.max_weight - weight) // size * size
    unknown = np.repeat(~known[:, :1], count, axis=1)
    unknown[:, CACHE - EVERYWHERE : CACHE - EVERYWHERE + 1] |= ~known[:, 1:]
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


def pod_month(declared: Declared, services: Sequence[str], column: int, values: Ints) -> Floats:
    """What a column's values cost a month, a pod; values: shape (..., services)."""
    cost = np.zeros(values.shape)
    if column == BANDWIDTH:
        for one in declared.bandwidths:
            at = services.index(one.service)
            cost[..., at] = values[..., at] * one.mbit_month
    elif column == STORAGE:
        for volume in declared.storages:
            at = services.index(volume.service)
            cost[..., at] = np.array([each.volume_month for each in volume.classes])[values[..., at]]
    return cost


def said(declared: Declared, service: str, column: int, value: int) -> int | str:
    """A column's value as others know it: a class by its name."""
    if column != STORAGE:
        return value
    return next(one.classes[value].name for one in declared.storages if one.service == service)


def restarting(declared: Declared, services: Sequence[str], count: int) -> NDArray[np.bool_]:
    """Whether pods restart where a column's value changes, shape (services, columns)."""
    found = np.zeros((len(services), len(DIMENSIONS)), dtype=np.bool_)
    found[:, BANDWIDTH] = True
    for cache in declared.caches:
        found[services.index(cache.service), CACHE] = cache.restart
    return found[:, :count]


def mix(declared: Declared, services: Sequence[str], point: Ints) -> Mix:
    """How requests go at a point, for a twin with stations; MIXING columns alone decide."""
    rows = len(services) + len(devices(declared))
    hit, before, fill, memory = (np.zeros(rows) for _ in range(4))
    work, reached = np.ones(rows), np.ones(rows)
    for cache in declared.caches:
        at = services.index(cache.service)
        sizes, shares = zip(*cache.hits, strict=True)
        hit[at], before[at] = np.interp([point[at, CACHE], cache.now_mib], sizes, shares)
        work[at], fill[at], memory[at] = cache.hit_work, cache.fill_requests, point[at, CACHE] - cache.now_mib
    for route in declared.routes:
        backends, old = [services.index(name) for name in route.backends], np.array(route.now)
        new = point[backends, WEIGHT]
        reached[backends] = (new / new.sum()) / (old / old.sum())
    return Mix(hit=hit, hit_before=before, hit_work=work, fill=fill, reached=reached, memory_mib=memory)


def mixing(declared: Declared) -> bool:
    """Whether anything makes requests go another way."""
    return bool(declared.caches or declared.routes)


def mixed(declared: Declared, services: Sequence[str], points: Ints) -> tuple[tuple[Mix, ...], NDArray[np.int64]]:
    """(the different mixes among points, each point's number among them)."""
    cells = points[..., MIXING:].reshape(len(points), -1)
    _, first, which = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    return tuple(mix(declared, services, points[at]) for at in first), which.reshape(-1)


def spare_mib(declared: Declared, services: Sequence[str]) -> Ints:
    """Memory that a pod needs less with the smallest cache, shape (services,)."""
    spare = np.zeros(len(services), dtype=np.int64)
    for cache in declared.caches:
        spare[services.index(cache.service)] = cache.now_mib - cache.min_mib
    return spare


def settled(declared: Declared, services: Sequence[str], point: Ints) -> Ints:
    """The point with routes' weights as they are now where their shares are: twice the weights move nothing."""
    found = point
    for route in declared.routes:
        backends, now = [services.index(name) for name in route.backends], np.array(route.now)
        weights = point[backends, WEIGHT]
        if np.array_equal(weights * now.sum(), now * weights.sum()) and not np.array_equal(weights, now):
            found = found.copy()
            found[backends, WEIGHT] = now
    return found
