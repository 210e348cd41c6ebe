"""Hard limits: what a namespace's quota, its nodes and its disruption budgets allow, whatever the risk."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from chaosprsa.errors import require

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None and empty: no such limit. All for these services together: what others use is taken off before.

    requests and limits in millicores and MiB; pods in number. nodes: (millicores, MiB) that each has left for them.
    budgets: by service, how many pods a PodDisruptionBudget keeps available; one more is needed to drain a node.
    ignored: limits that are not looked at, by name.
    """

    cpu_requests_millicores: int | None = None
    cpu_limits_millicores: int | None = None
    memory_requests_mib: int | None = None
    memory_limits_mib: int | None = None
    pods: int | None = None
    nodes: tuple[tuple[int, int], ...] = ()
    budgets: Mapping[str, int] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for name in ("cpu_requests_millicores", "cpu_limits_millicores", "memory_requests_mib", "memory_limits_mib"):
            value = getattr(self, name)
            require(value is None or value > 0, f"limits: {name} is {value}, expected above 0")
        require(self.pods is None or self.pods > 0, f"limits: pods is {self.pods}, expected above 0")

    def excesses(self, replicas: Ints, limits: Ints, requests: Ints) -> dict[str, Floats]:
        """Share by which each limit is passed (0: held), by its name; replicas (points, services), others (.., 2)."""
        every = self._used(replicas, limits, requests)
        return {name: np.maximum(used / most - 1.0, 0.0) for name, used, most in every if name not in self.ignored}

    def without(self, name: str) -> "Limits":
        return replace(self, ignored=self.ignored | {name})

    def _used(self, replicas: Ints, limits: Ints, requests: Ints) -> Iterator[tuple[str, Floats, float]]:
        each = replicas[..., None]
        asked, allowed = (each * requests).sum(axis=-2), (each * limits).sum(axis=-2)
        quotas = (
            ("the quota of CPU requests", asked[..., 0], self.cpu_requests_millicores),
            ("the quota of memory requests", asked[..., 1], self.memory_requests_mib),
            ("the quota of CPU limits", allowed[..., 0], self.cpu_limits_millicores),
            ("the quota of memory limits", allowed[..., 1], self.memory_limits_mib),
            ("the quota of pods", replicas.sum(axis=-1), self.pods),
        )
        yield from ((name, used, most) for name, used, most in quotas if most is not None)
        if self.nodes:
            room = np.array(self.nodes, dtype=np.float64)
            for part, name in enumerate(("CPU", "memory")):
                yield f"the nodes' {name}", asked[..., part], max(float(room[:, part].sum()), 1e-9)
            fitting = np.floor(room / np.maximum(requests[..., None, :], 1)).min(axis=-1).sum(axis=-1)
            worst = (replicas / np.maximum(fitting, 0.5)).max(axis=-1)
            yield "the nodes' room for one service's pods", worst, 1.0
