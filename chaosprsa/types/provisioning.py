"""Ahead of time: what is held only around predicted issues, and between what an autoscaler may move."""

from dataclasses import dataclass
from datetime import datetime

from chaosprsa.errors import require
from chaosprsa.types.scales import Fault
from chaosprsa.types.system import Allocation, Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """How well an issue's time is known: the shortest window in which most of its draws begin, until they are over.

    sure: share of other draws that begin in it, 0 where there is no window. ahead: whether it is left to the window.
    """

    issue_id: str
    component: str
    fault: Fault
    begins: datetime | None
    ends: datetime | None
    sure: float
    draws: int
    ahead: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedFloor:
    """From `begins` until `lapses` a service has at least `floor` pods, `usual` before and after.

    ready_by: when they must serve; lead_s before that they are ordered. cost: of what is more than usual, meanwhile.
    issues: ids of those it is for.
    """

    service: str
    floor: int
    usual: int
    begins: datetime
    ready_by: datetime
    lapses: datetime
    lead_s: float
    issues: tuple[str, ...]
    cost: float

    def __post_init__(self) -> None:
        require(self.floor > self.usual >= 0, f"{self.service}: a floor of {self.floor} is no more than {self.usual}")
        ordered = self.begins <= self.ready_by <= self.lapses
        require(ordered, f"{self.service}: begins {self.begins}, ready by {self.ready_by}, lapses {self.lapses}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """Pods of no worth that keep room on the nodes for a floor, and make way for it."""

    service: str
    pods: int
    resources: Resources
    begins: datetime
    lapses: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioning:
    """Holding the recommendation always, against holding `usual` and more ahead of what is predicted.

    Costs of the whole horizon, in the prices' currency; risks as the recommendation's. ahead: which of both is chosen.
    placeholders: for what the nodes lack room for beside `usual`; for all of it where their room is not known.
    """

    horizon_s: float
    usual: Allocation
    floors: tuple[TimedFloor, ...]
    foreseen: tuple[Foreseen, ...]
    cost_always: float
    cost_ahead: float
    risk_always: float
    risk_ahead: float
    ahead: bool
    reason: str
    placeholders: tuple[Placeholder, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Autoscaling:
    """What a HorizontalPodAutoscaler of a service should have. target: CPU, percent of requests; None: none is safe."""

    service: str
    floor: int
    ceiling: int
    target: int | None
    reason: str

    def __post_init__(self) -> None:
        require(1 <= self.floor <= self.ceiling, f"{self.service}: floor {self.floor}, ceiling {self.ceiling}")
