"""The load that goes with an issue, as data that a Locust file plays."""

import math
from dataclasses import dataclass
from enum import StrEnum

from chaosprsa.errors import require
from chaosprsa.types.scales import Lineage


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointShare:
    """A share of the requests: weights need not add to one."""

    path: str
    weight: float
    method: str = "GET"

    def __post_init__(self) -> None:
        require(self.path.startswith("/"), f"endpoint {self.path!r}: a path starts with /")
        require(self.weight > 0, f"endpoint {self.path}: weight is {self.weight}, expected above 0")


class LoadMode(StrEnum):
    """rate: requests arrive on their own (open); users: each user waits for its answer (closed)."""

    RATE = "rate"
    USERS = "users"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPoint:
    """At `time_s` since the start the load is `level` (requests a second, or users); linear in between."""

    time_s: float
    level: float

    def __post_init__(self) -> None:
        require(self.time_s >= 0, f"load point: time_s is {self.time_s}, expected 0 or more")
        require(
            math.isfinite(self.level) and self.level >= 0,
            f"load point at {self.time_s} s: level is {self.level}, expected 0 or more",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadProfile:
    """What loadtests/locustfile.py plays: the load over time, the mix of endpoints.

    timeout_s: a slower answer counts as failed.
    """

    id: str
    mode: LoadMode
    points: tuple[LoadPoint, ...]
    mix: tuple[EndpointShare, ...]
    seed: int
    timeout_s: float = 10.0
    lineage: Lineage

    def __post_init__(self) -> None:
        require(bool(self.points) and bool(self.mix), f"profile {self.id}: needs at least one point and one endpoint")
        times = [point.time_s for point in self.points]
        require(times == sorted(set(times)), f"profile {self.id}: times must rise")

    @property
    def duration_s(self) -> float:
        return self.points[-1].time_s
