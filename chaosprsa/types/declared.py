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
class Cache:
    """A cache in the pods of a service, its size a key of a ConfigMap.

    hits: (MiB, share of requests that it answers then), linear between, the first and the last beyond; hit_work: what
    such a request needs of another's CPU time; it calls nobody. fill_requests: after so many a fresh pod's is 63 % full
    (the exact twin alone judges by it). form: the key's value, {} is the size. restart: pods read it when they start.
    """

    service: str
    config_map: str
    key: str
    now_mib: int
    min_mib: int
    max_mib: int
    step_mib: int
    hits: tuple[tuple[int, float], ...]
    hit_work: float
    fill_requests: float = 0.0
    form: str = "{}"
    restart: bool = True

    def __post_init__(self) -> None:
        where = f"cache of {self.service}"
        _check_range(where, self.now_mib, self.min_mib, self.max_mib, self.step_mib)
        require(len(self.hits) > 0, f"{where}: hits is empty, expected [MiB, share] pairs")
        sizes_rise = all(one[0] < other[0] for one, other in pairwise(self.hits))
        require(sizes_rise, f"{where}: hits are not in the order of their sizes")
        shares_rise = all(one[1] <= other[1] for one, other in pairwise(self.hits))
        require(shares_rise, f"{where}: hits fall with the size; a larger cache answers as many or more")
        within = all(0 <= share < 1 for _, share in self.hits)
        require(within, f"{where}: a share of hits is not from 0 to below 1")
        require(0 <= self.hit_work <= 1, f"{where}: hit_work is {self.hit_work}, expected 0 to 1")
        require(self.fill_requests >= 0, f"{where}: fill_requests is {self.fill_requests}, expected 0 or more")
        require("{}" in self.form, f"{where}: form is {self.form!r}, expected {{}} in it for the size in MiB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Services that share requests by their weights in a route, as Gateway API and Istio do: a weight over all of them.

    name: the HTTPRoute's or VirtualService's; rule: which of its rules, counted from 0. backends: services in the
    route's own order, with what each weighs now; none of them goes below min_weight, so that each stays in use.
    """

    name: str
    kind: Literal["HTTPRoute", "VirtualService"]
    backends: tuple[str, ...]
    now: tuple[int, ...]
    rule: int = 0
    min_weight: int = 5
    max_weight: int = 100
    step_weight: int = 5

    def __post_init__(self) -> None:
        where = f"weights of {self.name}"
        require(len(self.backends) >= 2, f"{where}: {len(self.backends)} backend(s), expected two or more")
        require(len(set(self.backends)) == len(self.backends), f"{where}: a backend stands twice")
        same = len(self.now) == len(self.backends)
        require(same, f"{where}: {len(self.now)} weights in now, {len(self.backends)} backends; one for each")
        require(self.rule >= 0, f"{where}: rule is {self.rule}, expected 0 or more")
        for weight in self.now:
            _check_range(where, weight, self.min_weight, self.max_weight, self.step_weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """All of it; nothing by default."""

    bandwidths: tuple[Bandwidth, ...] = ()
    storages: tuple[Storage, ...] = ()
    caches: tuple[Cache, ...] = ()
    routes: tuple[Route, ...] = ()

    def __post_init__(self) -> None:
        for what, names in self._named.items():
            require(len(set(names)) == len(names), f"{what} is declared twice for a service: {', '.join(names)}")

    @property
    def services(self) -> frozenset[str]:
        """Those that something is declared for."""
        return frozenset(name for names in self._named.values() for name in names)

    @property
    def _named(self) -> dict[str, list[str]]:
        return {
            "bandwidth": [one.service for one in self.bandwidths],
            "storage": [one.service for one in self.storages],
            "cache": [one.service for one in self.caches],
            "weight": [backend for one in self.routes for backend in one.backends],
        }


def _check_range(where: str, now: int, least: int, most: int, step: int) -> None:
    require(step >= 1, f"{where}: the step is {step}, expected 1 or more")
    require(1 <= least <= most, f"{where}: the range is {least} to {most}, expected 1 or more and the least first")
    require(least <= now <= most, f"{where}: it is {now} now, outside of its range {least} to {most}")
