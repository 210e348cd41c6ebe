"""Whether the nodes have room for pods that come ahead of time, and what makes it where they don't. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from chaosprsa.allocation.space import REPLICAS, Ints, Space
from chaosprsa.types import Placeholder, TimedFloor

NODE_START_S = 300.0  # a new node, from a pending pod: the cluster autoscaler's 10 s, a machine's minutes


def placeholders(space: Space, usual: Ints, floors: Sequence[TimedFloor], now: datetime) -> tuple[Placeholder, ...]:
    """Pods that stand in for what the floors need more and the nodes lack room for, beside the usual ones.

    All of it where the nodes' room is not known. Floors of other services count where their time overlaps.
    """
    given = space.allocation(usual)
    found = []
    for floor in floors:
        beside = [one for one in floors if one.begins < floor.lapses and floor.begins < one.lapses]
        lacking = _lacking(space, usual, beside)[space.services.index(floor.service)]
        if lacking:
            found.append(
                Placeholder(
                    service=floor.service,
                    pods=int(lacking),
                    resources=given[floor.service].resources,
                    begins=max(floor.begins - timedelta(seconds=NODE_START_S), now),
                    lapses=floor.lapses,
                )
            )
    return tuple(found)


def _lacking(space: Space, usual: Ints, floors: Sequence[TimedFloor]) -> Ints:
    """Shape (services,): further pods that find no node, each put where it leaves the least (best fit decreasing)."""
    more = np.zeros(len(space.services), dtype=np.int64)
    for floor in floors:
        more[space.services.index(floor.service)] = floor.floor - floor.usual
    if not space.limits.nodes:
        return more
    requests = space.requests(usual)
    room = np.array(space.limits.nodes, dtype=np.int64)
    _put(room, requests, usual[:, REPLICAS])
    return _put(room, requests, more)


def _put(room: Ints, requests: Ints, pods: Ints) -> Ints:
    """Takes room, shape (nodes, 2), away; the pods of each service that found none."""
    lacking = np.zeros_like(pods)
    for service in np.argsort(-(requests / np.maximum(room.max(axis=0), 1)).max(axis=1), kind="stable").tolist():
        for _ in range(int(pods[service])):
            left = room - requests[service]
            fits = np.flatnonzero((left >= 0).all(axis=1))
            if len(fits):
                room[fits[left[fits].sum(axis=1).argmin()]] -= requests[service]
            else:
                lacking[service] += 1
    return lacking
