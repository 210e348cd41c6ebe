"""Hard limits: by how much a point passes what quota and nodes leave, whatever the risk."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from chaosprsa.types import Limits

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_NONE = Limits()


def excesses(most: Limits, replicas: Ints, limits: Ints, requests: Ints) -> dict[str, Floats]:
    """Share by which each limit is passed (0: held), by its name.

    replicas: (points, services); limits and requests: (points, services, 2), millicores and MiB.
    """
    if most == _NONE:
        return {}
    every = _used(most, replicas, limits, requests)
    return {name: np.maximum(used / max(room, 1e-9) - 1.0, 0.0) for name, used, room in every}


def _used(most: Limits, replicas: Ints, limits: Ints, requests: Ints) -> Iterator[tuple[str, Floats, float]]:
    each = replicas[..., None]
    asked, allowed = (each * requests).sum(axis=-2), (each * limits).sum(axis=-2)
    quotas = (
        ("the quota of CPU requests", asked[..., 0], most.cpu_requests_millicores),
        ("the quota of memory requests", asked[..., 1], most.memory_requests_mib),
        ("the quota of CPU limits", allowed[..., 0], most.cpu_limits_millicores),
        ("the quota of memory limits", allowed[..., 1], most.memory_limits_mib),
        ("the quota of pods", replicas.sum(axis=-1), most.pods),
    )
    yield from ((name, used, room) for name, used, room in quotas if room is not None)
    if most.nodes:
        room = np.array(most.nodes, dtype=np.float64)
        for part, name in enumerate(("CPU", "memory")):
            yield f"the nodes' {name}", asked[..., part], float(room[:, part].sum())
        fitting = np.floor(room / np.maximum(requests[..., None, :], 1)).min(axis=-1).sum(axis=-1)
        worst = (replicas / np.maximum(fitting, 0.5)).max(axis=-1)
        yield "the nodes' room for one service's pods", worst, 1.0
