"""What a user declares besides replicas, CPU and memory: what may be tried of it, and how the system depends on it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from chaosprsa.errors import require


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth:
    """What a pod of a service may send or receive, in Mbit/s: kubernetes.io/egress-bandwidth or ingress-bandwidth.

    kib_per_request: KiB that each request moves in this direction. mbit_month: price of 1 Mbit/s of one pod.
    """

    service: str
    kib_per_request: float
    now_mbit: int
    min_mbit: int
    max_mbit: int
    step_mbit: int
    mbit_month: float
    direction: Literal["egress", "ingress"] = "egress"

    def __post_init__(self) -> None:
        where = f"bandwidth of {self.service}"
        require(self.kib_per_request > 0, f"{where}: kib_per_request is {self.kib_per_request}, expected above 0")
        require(self.mbit_month >= 0, f"{where}: mbit_month is {self.mbit_month}, expected 0 or more")
        _check_range(where, self.now_mbit, self.min_mbit, self.max_mbit, self.step_mbit)

    @property
    def seconds(self) -> float:
        """What a request takes of a link of max_mbit that it has for itself."""
        return self.kib_per_request * 8 * 1024 / 1e6 / self.max_mbit


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeClass:
    """A VolumeAttributesClass. iops: operations a second of one volume; volume_month: price of one volume."""

    name: str
    iops: float
    volume_month: float

    def __post_init__(self) -> None:
        require(self.iops > 0, f"volume class {self.name}: iops is {self.iops}, expected above 0")
        require(self.volume_month >= 0, f"volume class {self.name}: volume_month is {self.volume_month}, expected >= 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """The volume that each pod of a StatefulSet has, and the classes that it may have, the slowest first.

    claim: its name in volumeClaimTemplates. now: the class that the volumes have.
    """

    service: str
    claim: str
    operations_per_request: float
    now: str
    classes: tuple[VolumeClass, ...]

    def __post_init__(self) -> None:
        where, names = f"storage of {self.service}", [one.name for one in self.classes]
        operations = self.operations_per_request
        require(operations > 0, f"{where}: operations_per_request is {operations}, expected above 0")
        require(len(set(names)) == len(names), f"{where}: a class stands twice in {', '.join(names)}")
        require(self.now in names, f"{where}: it has class {self.now} now, which is none of {', '.join(names)}")
        rising = all(one.iops < other.iops for one, other in pairwise(self.classes))
        require(rising, f"{where}: classes are not in the order of their iops, the slowest first")

    @property
    def at(self) -> int:
        """The number of the class that is there now."""
        return [one.name for one in self.classes].index(self.now)

    @property
    def most_iops(self) -> float:
        return self.classes[-1].iops


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """All of it; nothing by default."""

    bandwidths: tuple[Bandwidth, ...] = ()
    storages: tuple[Storage, ...] = ()

    def __post_init__(self) -> None:
        bandwidths, storages = ([one.service for one in self.bandwidths], [one.service for one in self.storages])
        for what, names in (("bandwidth", bandwidths), ("storage", storages)):
            require(len(set(names)) == len(names), f"{what} is declared twice for a service: {', '.join(names)}")

    @property
    def services(self) -> frozenset[str]:
        """Those that something is declared for."""
        return frozenset(one.service for one in self.bandwidths) | {one.service for one in self.storages}


def _check_range(where: str, now: int, least: int, most: int, step: int) -> None:
    require(step >= 1, f"{where}: the step is {step}, expected 1 or more")
    require(1 <= least <= most, f"{where}: the range is {least} to {most}, expected 1 or more and the least first")
    require(least <= now <= most, f"{where}: it is {now} now, outside of its range {least} to {most}")
