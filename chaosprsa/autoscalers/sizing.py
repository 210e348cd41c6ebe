"""How many pods each service needs for a load, all at once: the cheapest mixes, from few pods to many.

A service's stations answer as M/M/c with processor sharing (Sakasegawa 1977 for the wait); a request's time is the sum
over its visits, its tail that of a gamma law with the sum's mean and variance. Pods are added one by one where they
shorten the far tail most for their cores: a path of mixes, each nearly the cheapest for its tail.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from chaosprsa.autoscalers.contract import Floats, Ints
from chaosprsa.twin.exact.network import Network

FULLEST = 0.98  # of a service's cores: more is no steady state
MOST_HEADROOM = 2.5
FAR = 3.0  # standard deviations: what counts as the far tail
KILLED_AMONG = 4  # pods, at least, where a share of them is killed: of one alone nothing is left


@dataclass(frozen=True, slots=True)
class Sizes:
    """Mixes along the path, for each load: pods, limits (mixes, loads, services), cores and late (mixes, loads).

    limits: of a pod's CPU, in cores.
    """

    pods: Ints
    limits: Floats
    cores: Floats
    late: Floats

    def at_least(self, least: Ints) -> "Sizes":
        """With so many pods of each service; lateness is left as it was, which is no less than it is then."""
        pods = np.maximum(self.pods, least)
        return replace(self, pods=pods, cores=(pods * self.limits).sum(axis=2))


def visits_of(network: Network) -> Floats:
    """Requests that each service sees for one at the entry, without retries."""
    index = {service.name: at for at, service in enumerate(network.services)}
    calls = np.zeros((len(index), len(index)))
    for service in network.services:
        for call in service.calls:
            calls[index[service.name], index[call.callee]] += call.chance
    arriving = np.zeros(len(index))
    arriving[index[network.entry]] = 1.0
    return np.asarray(np.linalg.solve(np.eye(len(index)) - calls.T, arriving), dtype=np.float64)


def sizes(network: Network, load_per_s: Floats, slo_s: float, capacity: Floats, mixes: int) -> Sizes:
    """load_per_s: shape (loads,) at the entry. capacity: shape (loads, services), what is left of pods, 0 to 1."""
    visits = visits_of(network)
    demand = np.array([service.demand_s for service in network.services])
    cores = np.array([service.cores for service in network.services])
    most = np.array([service.pods for service in network.services])
    left = np.maximum(capacity, 0.05)
    work = load_per_s[:, None] * visits * demand / left
    pods = np.minimum(np.floor(work / (cores * FULLEST)).astype(np.int64) + 1, most)
    path, late = [pods], [_late(pods, work, demand, cores, visits, slo_s)]
    rows = np.arange(len(load_per_s))
    for _ in range(mixes):
        gain = _far(pods, work, demand, cores, visits) - _far_with_one_more(pods, work, demand, cores, visits)
        best = np.argmax(np.where(pods < most, gain / cores, -np.inf), axis=1)
        pods = pods.copy()
        pods[rows, best] = np.minimum(pods[rows, best] + 1, most[best])
        path.append(pods)
        late.append(_late(pods, work, demand, cores, visits, slo_s))
    every = np.array(path)
    limits = np.broadcast_to(cores, every.shape)
    return Sizes(pods=every, limits=limits, cores=(every * limits).sum(axis=2), late=np.array(late))


def sizes_in_place(
    network: Network,
    load_per_s: Floats,
    slo_s: float,
    capacity: Floats,
    mixes: int,
    resized: tuple[float, float],
    killed: npt.ArrayLike = 0.0,
) -> Sizes:
    """Likewise where limits move in place, within these shares of the deployed ones: few pods, as large as needed.

    Along the path every service has the same headroom over its work. killed: share of pods, shape (loads, services),
    that `capacity` leaves out; where any are, pods are as large as deployed and at least `KILLED_AMONG`, lest all die.
    """
    visits, (least, most) = visits_of(network), resized
    demand = np.array([service.demand_s for service in network.services])
    cores = np.array([service.cores for service in network.services])
    work = load_per_s[:, None] * visits * demand / np.maximum(capacity, 0.05)
    struck = np.broadcast_to(np.asarray(killed) > 0, work.shape)
    largest, fewest = cores * np.where(struck, 1.0, most), np.where(struck, KILLED_AMONG, 1)
    headrooms = np.geomspace(1 / FULLEST, MOST_HEADROOM, mixes + 1)
    pods, limits, late = [], [], []
    for headroom in headrooms:
        pods.append(np.maximum(np.ceil(work * headroom / largest - 1e-9), fewest).astype(np.int64))
        limits.append(np.clip(work * headroom / pods[-1], cores * least, cores * most))
        late.append(_late(pods[-1], work, demand, limits[-1], visits, slo_s))
    every, of_pods = np.array(pods), np.array(limits)
    return Sizes(pods=every, limits=of_pods, cores=(every * of_pods).sum(axis=2), late=np.array(late))


def _times(pods: Ints, work: Floats, demand: Floats, cores: Floats) -> Floats:
    """A visit's mean time at each service."""
    servers = np.maximum(cores, 1.0)
    used = np.minimum(work / (pods * cores), 0.999)
    waits = used ** (np.sqrt(2 * (servers + 1)) - 1) / (servers * (1 - used))
    return np.asarray(demand * servers / cores * (1 + waits))


def _moments(pods: Ints, work: Floats, demand: Floats, cores: Floats, visits: Floats) -> tuple[Floats, Floats]:
    """Each service's part of a request's mean and variance; visits are taken as independent."""
    time = _times(pods, work, demand, cores)
    return visits * time, visits * time**2


def _far(pods: Ints, work: Floats, demand: Floats, cores: Floats, visits: Floats) -> Floats:
    mean, variance = _moments(pods, work, demand, cores, visits)
    return np.asarray((mean.sum(axis=1) + FAR * np.sqrt(variance.sum(axis=1)))[:, None])


def _far_with_one_more(pods: Ints, work: Floats, demand: Floats, cores: Floats, visits: Floats) -> Floats:
    """Shape (loads, services): the far tail when one service has a pod more."""
    mean, variance = _moments(pods, work, demand, cores, visits)
    more_mean, more_variance = _moments(pods + 1, work, demand, cores, visits)
    means = mean.sum(axis=1)[:, None] - mean + more_mean
    variances = variance.sum(axis=1)[:, None] - variance + more_variance
    return np.asarray(means + FAR * np.sqrt(variances))


def _late(pods: Ints, work: Floats, demand: Floats, cores: Floats, visits: Floats, slo_s: float) -> Floats:
    """Share of requests that take longer than slo_s."""
    mean, variance = (each.sum(axis=1) for each in _moments(pods, work, demand, cores, visits))
    return np.asarray(special.gammaincc(mean**2 / variance, slo_s * mean / variance))
