"""A running simulation: time goes on step by step, and between steps pods come, go and change."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import BadInput
from chaosprsa.twin.exact import fields as f
from chaosprsa.twin.exact import orders
from chaosprsa.twin.exact.kernel import FULL
from chaosprsa.twin.exact.memory import Floats, Ints
from chaosprsa.twin.exact.network import Network
from chaosprsa.twin.exact.tables import grow, memory_of

LONG = 1e15  # requests served, by which any cache is full


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What services did in a span, shape (services,) each.

    ready, starting: pods at its end. cpu_s: core-seconds used. throttled_s: pod-seconds without quota. answered, lost,
    refused: requests; mean_s: of the answered, seconds in the service with its calls.
    """

    span_s: float
    arrived: Floats
    answered: Floats
    lost: Floats
    refused: Floats
    mean_s: Floats
    cpu_s: Floats
    throttled_s: Floats
    oom_kills: Floats
    ready: Ints
    starting: Ints


class Simulation:
    """One world. Same network, arrivals and generator state: same course."""

    def __init__(self, network: Network, arrivals: npt.ArrayLike, rng: np.random.Generator) -> None:
        times = np.asarray(arrivals, dtype=float)
        if times.ndim != 1 or (len(times) and (times[0] < 0 or np.any(np.diff(times) < 0))):
            raise BadInput("arrivals: expected one row of times from 0 on that never fall, in seconds")
        self.network, self.now_s, self._seen_at = network, 0.0, 0.0
        self._memory = memory_of(network, times, rng)
        self._answers = slice(int(self._memory.I[f.ANSWERS]), int(self._memory.I[f.ANSWERS]) + len(times))
        for service in network.services:
            for pod in self._memory.pods[service.name][: service.replicas].tolist():
                self._order(orders.MAKE_READY, pod)

    @property
    def latency_s(self) -> Floats:
        """Of each user's request, in order of arrival; NaN while there is no answer."""
        return self._memory.F[self._answers]

    @property
    def failed(self) -> npt.NDArray[np.bool_]:
        """Of each user's request; False while there is no answer."""
        return np.asarray(self._memory.I[self._answers] == f.LOST_ANSWER)

    def advance(self, until_s: float) -> None:
        """Play all that is due before `until_s`."""
        while orders.run(self._memory.F, self._memory.I, until_s) == FULL:
            grow(self._memory)
        self.now_s = max(self.now_s, until_s)

    def fill_caches(self) -> None:
        """The pods that are there have served for long; those that start later come with an empty cache."""
        for pods in self._memory.pods.values():
            self._memory.F[pods + f.SERVED] = LONG

    def scale(self, service: str, replicas: int) -> None:
        """Pods start (after the start delay) or drain, the youngest first, until there are so many."""
        self._at(service)
        pods = self._memory.pods[service]
        if not 0 <= replicas <= len(pods):
            raise BadInput(f"{service}: {replicas} replicas were asked for, the twin was made for 0 to {len(pods)}")
        state = self._memory.I[pods + f.STATE]
        here = np.isin(state, (f.STARTING, f.READY))
        for pod in pods[state == f.ABSENT][: max(0, replicas - int(here.sum()))].tolist():
            self._order(orders.START, pod)
        youngest = pods[here][np.lexsort((-pods[here], state[here] == f.READY))]
        for pod in youngest[: max(0, len(youngest) - replicas)].tolist():
            self._order(orders.DRAIN, pod)

    def kill(self, service: str, count: int, comes_back: bool = True) -> None:
        """The first ready pods die with what is in them; a controller starts others at once, or none."""
        at, memory = self._at(service), self._memory
        first, ready = memory.I[at + f.FIRST_READY], memory.I[at + f.READY_PODS]
        for pod in memory.I[first : first + ready][:count].tolist():
            self._order(orders.REPLACE if comes_back else orders.END, pod)

    def set_cores(self, service: str, cores: float) -> None:
        """Every pod's CPU limit, in place."""
        self._at(service)
        for pod in self._memory.pods[service].tolist():
            self._order(orders.SET_CORES, pod, cores)

    def set_memory_limit(self, service: str, mib: float) -> None:
        """Every pod's memory limit; what is over it dies with the next request."""
        self._memory.F[self._at(service) + f.MEMORY_LIMIT] = mib

    def set_fault(self, service: str, slower_s: float = 0.0, failing: float = 0.0) -> None:
        """Seconds added to each answer, and the share of requests that fail."""
        at = self._at(service)
        self._memory.F[[at + f.SLOWER, at + f.FAILING]] = slower_s, failing

    def set_weights(self, service: str, weights: npt.ArrayLike) -> None:
        """How requests are shared among pods, one weight for each pod that there can be."""
        at, given = self._at(service), np.asarray(weights, dtype=float)
        pods = self._memory.pods[service]
        if given.shape != (len(pods),) or np.any(given < 0) or not np.any(given > 0):
            raise BadInput(f"{service}: expected {len(pods)} weights, none below 0 and one above")
        self._memory.F[pods + f.WEIGHT] = given
        self._memory.I[at + f.WEIGHTED] = 1

    def seen(self) -> Seen:
        """What happened since it was last asked."""
        F, I = self._memory.F, self._memory.I  # the kernel's names
        services = np.array(list(self._memory.services.values()))
        every = list(self._memory.pods.values())
        stations = [I[pods + f.CPU] for pods in every]
        for pod in np.concatenate(every).tolist():
            self._order(orders.BRING_UP, pod)
        arrived, answered, lost, refused, time_s, kills = (F[services + field].copy() for field in f.STATISTICS)
        found = Seen(
            span_s=self.now_s - self._seen_at,
            arrived=arrived,
            answered=answered,
            lost=lost,
            refused=refused,
            mean_s=time_s / np.maximum(answered, 1),
            cpu_s=np.array([F[each + f.BUSY].sum() for each in stations]),
            throttled_s=np.array([F[each + f.THROTTLED_S].sum() for each in stations]),
            oom_kills=kills,
            ready=I[services + f.READY_PODS].copy(),
            starting=np.array([np.sum(I[pods + f.STATE] == f.STARTING) for pods in every]),
        )
        for field in f.STATISTICS:
            F[services + field] = 0.0
        for each in stations:
            F[each + f.BUSY] = F[each + f.THROTTLED_S] = 0.0
        self._seen_at = self.now_s
        return found

    def _order(self, what: int, pod: int, number: float = 0.0) -> None:
        orders.order(self._memory.F, self._memory.I, what, pod, number, self.now_s)

    def _at(self, service: str) -> int:
        """Raises BadInput for a service that is not there."""
        self.network.index(service)
        return self._memory.services[service]
