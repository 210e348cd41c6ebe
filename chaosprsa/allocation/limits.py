"""Hard limits: by how much a point passes what quota and nodes leave, whatever the risk."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from chaosprsa.types import Limits

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
LIMITS = (
    "the quota of CPU requests", "the quota of memory requests", "the quota of CPU limits",
    "the quota of memory limits", "the quota of pods", "the nodes' CPU", "the nodes' memory",
    "the nodes' room for one service's pods",
)  # fmt: skip


def excesses(
    most: Limits, replicas: Ints, limits: Ints, requests: Ints, ignored: frozenset[str] = frozenset()
) -> dict[str, Floats]:
    """Share by which each limit is passed (0: held), by its name, those aside that are ignored.

    replicas: (points, services); limits and requests: (points, services, 2), millicores and MiB.
    """
    room = rooms(most, ignored)
    if np.isinf(room).all():
        return {}
    every = zip(LIMITS, _used(most, replicas, limits, requests), room, strict=True)
    return {name: np.maximum(used / max(left, 1e-9) - 1.0, 0.0) for name, used, left in every if np.isfinite(left)}


def rooms(most: Limits, ignored: frozenset[str]) -> Floats:
    """What each limit leaves, in the order of LIMITS; infinite where there is none or where it is ignored."""
    room = np.array(most.nodes, dtype=np.float64).reshape(-1, 2).sum(axis=0)
    each = (
        most.cpu_requests_millicores, most.memory_requests_mib, most.cpu_limits_millicores, most.memory_limits_mib,
        most.pods, *(room if most.nodes else (None, None)), 1.0 if most.nodes else None,
    )  # fmt: skip
    held = [None if name in ignored else one for name, one in zip(LIMITS, each, strict=True)]
    return np.array([np.inf if one is None else one for one in held], dtype=np.float64)


def _used(most: Limits, replicas: Ints, limits: Ints, requests: Ints) -> Iterator[Floats]:
    """In the order of LIMITS."""
    each = replicas[..., None]
    asked, allowed = (each * requests).sum(axis=-2), (each * limits).sum(axis=-2)
    yield from (asked[..., 0], asked[..., 1], allowed[..., 0], allowed[..., 1], replicas.sum(axis=-1))
    yield from (asked[..., 0], asked[..., 1])
    room = np.array(most.nodes, dtype=np.float64).reshape(-1, 2)
    fitting = np.floor(room / np.maximum(requests[..., None, :], 1)).min(axis=-1).sum(axis=-1)
    yield (replicas / np.maximum(fitting, 0.5)).max(axis=-1)
