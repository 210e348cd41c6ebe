"""What is simulated: services, their pods, their calls."""

import math
from dataclasses import dataclass

from chaosprsa.errors import BadInput, require


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that a request of a service may make.

    chance: that it is made, 0 to 1 (two calls a request are two of them). group: calls of one group go out side by
    side, groups follow one another. timeout_s: after it the caller gives up, what it called goes on for nobody.
    retries: further attempts; backoff_s doubles with each. retry_budget: share of first attempts that may be retried.
    connections: at once from a pod of the caller, the others wait; 0: no limit. breaker_share: of lost calls of the
    last 10 s, at least breaker_least of them, at which none is let through for breaker_s; above 1: no breaker.
    """

    callee: str
    chance: float = 1.0
    group: int = 0
    timeout_s: float = math.inf
    retries: int = 0
    backoff_s: float = 0.025
    retry_budget: float = math.inf
    connections: int = 0
    breaker_share: float = 2.0
    breaker_least: int = 20
    breaker_s: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service and its pods, alike.

    demand_s: core-seconds a request, with its squared coefficient of variation; cores: a pod's CPU limit, shared by the
    requests in it, one core each at most. threads: at work at once, the others wait. quota_period_s: 0 shares the
    limit evenly, 0.1 is CFS: `node_cores` are used until the period's quota is gone. wait_s: time without work.
    storage_s: at a storage of its own, one after the other; network_s: the answer's size over the pod's bandwidth.
    memory: MiB, and MiB for each request inside; above the limit the pod is killed. hit_share: of requests that a full
    cache answers, with hit_work of the work and no calls; cache_fill: requests after which a fresh pod's cache is 63 %
    full. most_replicas: pods that there can ever be. queue_limit: requests in a pod, more are refused.
    """

    name: str
    demand_s: float
    replicas: int
    cores: float = 1.0
    demand_cv2: float = 1.0
    wait_s: float = 0.0
    wait_cv2: float = 0.0
    error_share: float = 0.0
    calls: tuple[Call, ...] = ()
    most_replicas: int = 0
    threads: int = 1 << 30
    quota_period_s: float = 0.0
    node_cores: float = 64.0
    start_delay_s: float = 0.0
    warm_s: float = 0.0
    warm_speed: float = 1.0
    storage_s: float = 0.0
    network_s: float = 0.0
    memory_mib: float = 0.0
    memory_per_job_mib: float = 0.0
    memory_limit_mib: float = math.inf
    hit_share: float = 0.0
    hit_work: float = 1.0
    cache_fill: float = 0.0
    queue_limit: int = 1 << 30

    def __post_init__(self) -> None:
        require(self.demand_s > 0, f"service {self.name}: demand_s is {self.demand_s}, expected above 0")
        require(self.cores > 0, f"service {self.name}: cores is {self.cores}, expected above 0")
        require(self.replicas >= 0, f"service {self.name}: replicas is {self.replicas}, expected 0 or more")
        require(0 <= self.hit_share <= 1, f"service {self.name}: hit_share is {self.hit_share}, expected 0 to 1")
        chances = all(0 <= call.chance <= 1 for call in self.calls)
        require(chances, f"service {self.name}: a call's chance is not within 0 and 1; two calls are two entries")

    @property
    def pods(self) -> int:
        """Pods that there can ever be."""
        return max(self.most_replicas, self.replicas, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """services: callees of one another without circles; entry: where users' requests arrive."""

    services: tuple[Service, ...]
    entry: str

    def __post_init__(self) -> None:
        names = [service.name for service in self.services]
        require(len(set(names)) == len(names), f"a service stands twice in {names}")
        require(self.entry in names, f"the entry {self.entry} is none of the services {', '.join(names)}")
        for service in self.services:
            for call in service.calls:
                require(call.callee in names, f"service {service.name} calls {call.callee}, which is not there")
        self._refuse_circles()

    def index(self, name: str) -> int:
        """A service's row. Raises BadInput for an unknown one."""
        for at, service in enumerate(self.services):
            if service.name == name:
                return at
        raise BadInput(f"the twin has no service {name}; there are {', '.join(each.name for each in self.services)}")

    def _refuse_circles(self) -> None:
        left = {service.name: {call.callee for call in service.calls} for service in self.services}
        while left:
            leaves = [name for name, callees in left.items() if not callees & set(left)]
            if not leaves:
                raise BadInput(f"calls go round in a circle among {', '.join(left)}; remove one that closes it")
            for name in leaves:
                del left[name]
