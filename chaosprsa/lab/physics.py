"""The lab's queues in formulas: what the data plane does in the mean over a minute, for arrays of minutes.

A pod is a processor-sharing station whose speed with n requests is min(n, limit) cores. Its stationary distribution
does not depend on the distribution of work (Kelly 1979; Baskett, Chandy, Muntz and Palacios 1975), so the mean time in
it is exact. The second moment is exact for exponential work on one server (Coffman, Muntz and Trotter 1970:
E[T^2] / E[T]^2 = 4 / (2 - rho)), and scaled by (1 + cv^2) / 2 for other work. Percentiles are those of a lognormal
distribution with both moments, which errs by a tenth at most in the tail of a mixture of endpoints.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from chaosprsa.lab.topology import LabService, LabTopology, calls_first, visits

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Station:
    """One pod under a load, per minute. utilisation: share of its limit; refused: share of requests answered 503."""

    utilisation: Floats
    mean_s: Floats
    squared_s2: Floats
    in_work: Floats
    refused: Floats


@dataclass(frozen=True, slots=True)
class Conditions:
    """What one service has, per minute; arrays of one shape.

    limit_cores, leaked_mib: per pod. added_s: latency added to each answer. failing: share of answers turned into
    errors.
    """

    replicas: Floats
    limit_cores: Floats
    leaked_mib: Floats
    added_s: Floats
    failing: Floats

    @classmethod
    def usual(cls, service: LabService, minutes: int) -> "Conditions":
        """What the service has when nothing is wrong."""
        zero = np.zeros(minutes)
        return cls(
            replicas=zero + service.replicas,
            limit_cores=zero + service.resources.cpu_limit_millicores / 1000,
            leaked_mib=zero,
            added_s=zero,
            failing=zero,
        )


@dataclass(frozen=True, slots=True)
class Flow:
    """What one service shows, per minute."""

    arrivals_per_s: Floats
    success: Floats
    mean_s: Floats
    sd_s: Floats
    floor_s: Floats
    cpu_cores: Floats
    memory_mib_per_pod: Floats
    utilisation: Floats
    timeout_s: float

    def percentile_s(self, share: float) -> Floats:
        """Latency that this share of the answers stays under: a lognormal above the fixed waits, up to the timeout."""
        above = lognormal_quantile(np.maximum(self.mean_s - self.floor_s, 0.0), self.sd_s, share)
        return np.minimum(self.floor_s + above, self.timeout_s)


def lognormal_quantile(mean: Floats, sd: Floats, share: float) -> Floats:
    """Of a lognormal distribution with this mean and standard deviation."""
    sigma2 = np.log1p((sd / np.maximum(mean, 1e-12)) ** 2)
    return np.asarray(mean * np.exp(np.sqrt(sigma2) * ndtri(share) - sigma2 / 2))


def station(arrivals_per_s: Floats, work_s: float, cv: float, limit_cores: Floats, room: int) -> Station:
    """A pod with room for `room` requests. arrivals_per_s, limit_cores: shape (minutes,).

    The states' weights are (arrivals x work)^n / product of min(k, limit), cut off at `room`; from the first whole
    number of cores at or above the limit on they are a geometric series.
    """
    shape = np.broadcast(arrivals_per_s, limit_cores).shape
    offered = np.broadcast_to(arrivals_per_s * work_s, shape)
    limit = np.broadcast_to(np.maximum(limit_cores, 1e-6), shape)
    ratio = np.clip(offered / limit, 1e-12, None)
    head = min(int(np.ceil(limit.max())) if limit.size else 1, room)
    weight, total, number = np.ones(shape), np.ones(shape), np.zeros(shape)
    for count in range(1, head + 1):
        weight = weight * offered / np.minimum(count, limit)
        total, number = total + weight, number + count * weight
    scale, tail, tail_number, last = _geometric(ratio, room - head)
    total, number = scale * total + weight * tail, scale * number + weight * (tail * head + tail_number)
    refused, in_work = weight * last / total, number / total
    served = np.maximum(arrivals_per_s * (1 - refused), 1e-12)
    alone = work_s / np.minimum(limit_cores, 1.0)
    mean = np.where(arrivals_per_s > 1e-9, np.maximum(in_work / served, alone), alone)
    crowd = np.clip(1 - alone / mean, 0.0, 0.98)
    squared = mean**2 * (1 + cv**2) * 2 / (2 - crowd)
    return Station(np.minimum(served * work_s / limit_cores, 1.0), mean, squared, in_work, refused)


def _geometric(ratio: Floats, count: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Of scale x ratio^k for k = 1..count: the scale, the sum, the sum of k times it, and the last.

    The scale is 1 up to a ratio of 1, and 1 / ratio^count above, so that nothing overflows. At count 0 the last is 1.
    """
    rising = ratio > 1
    q = np.where(rising, 1 / ratio, ratio)
    near = np.abs(1 - q) * (count + 1) < 1e-4
    q = np.where(near, 0.5, q)
    power = q**count
    plain = (1 - power) / (1 - q)  # q^j for j = 0..count - 1
    weighted = q * (1 - count * q ** max(count - 1, 0) + (count - 1) * power) / (1 - q) ** 2  # j times it
    total = np.where(near, count, np.where(rising, plain, q * plain))
    number = np.where(rising, count * plain - weighted, q * (weighted + plain))
    number = np.where(near, count * (count + 1) / 2, number)
    scale = np.where(rising & ~near, power, 1.0)
    return scale, total, number, np.where(near | rising, 1.0, power)


def flows(topology: LabTopology, entry_per_s: Floats, conditions: Mapping[str, Conditions]) -> Mapping[str, Flow]:
    """Every service's minute, callees first: their answers are part of their callers' time.

    A request in a service that fails early still counts as its load: retries and early ends roughly cancel out.
    """
    found: dict[str, Flow] = {}
    seen = visits(topology)
    for service in calls_first(topology):
        found[service.name] = _flow(service, entry_per_s * seen[service.name], conditions[service.name], found)
    return found


def steady(topology: LabTopology, entry_per_s: float) -> Mapping[str, Flow]:
    """Every service at one load with production's own allocation and nothing wrong; arrays of one element."""
    usual = {service.name: Conditions.usual(service, 1) for service in topology.services}
    return flows(topology, np.array([entry_per_s]), usual)


def mean_cpu_ms(service: LabService) -> float:
    """Work of a request, averaged over the endpoints."""
    total = sum(endpoint.weight for endpoint in service.endpoints)
    return service.cpu_ms * sum(endpoint.weight * endpoint.cpu_factor for endpoint in service.endpoints) / total


def room_of(service: LabService) -> int:
    """Requests that a pod holds at most: its slots and its queue, or fewer where memory ends first."""
    room = service.concurrency + service.queue
    if service.memory_per_request_mib:
        free = service.resources.memory_limit_mib - service.memory_base_mib
        room = min(room, int(free / service.memory_per_request_mib))
    return max(1, room)


def _flow(service: LabService, arrivals: Floats, has: Conditions, done: Mapping[str, Flow]) -> Flow:
    pods = np.maximum(has.replicas, 1.0)
    work_s = mean_cpu_ms(service) / 1000
    room = room_of(service)
    own = station(arrivals / pods, work_s, service.cpu_cv, has.limit_cores, room)
    floor = service.wait_ms / 1000 + has.added_s
    mean, variance, answered = _over_endpoints(service, own, done)
    held = np.minimum(own.in_work + arrivals / pods * (mean - own.mean_s + floor), float(room))
    timeout = service.timeout_ms / 1000
    late = _share_above(mean, np.sqrt(variance), timeout - floor)
    success = answered * (1 - own.refused) * (1 - late) * (1 - has.failing) * (has.replicas > 0)
    return Flow(
        arrivals_per_s=arrivals,
        success=np.clip(success, 0.0, 1.0),
        mean_s=np.minimum(mean + floor, timeout),
        sd_s=np.minimum(np.sqrt(variance), timeout),
        floor_s=np.minimum(floor, timeout),
        cpu_cores=own.utilisation * has.limit_cores * has.replicas,
        memory_mib_per_pod=service.memory_base_mib + has.leaked_mib + service.memory_per_request_mib * held,
        utilisation=own.utilisation,
        timeout_s=timeout,
    )


def _over_endpoints(service: LabService, own: Station, done: Mapping[str, Flow]) -> tuple[Floats, Floats, Floats]:
    """(mean, variance, share of good answers of the callees) of a request without its fixed wait.

    A request is for one of the endpoints, so their moments are mixed; within one, work and calls are independent.
    """
    total = sum(endpoint.weight for endpoint in service.endpoints)
    mean, squared, success = np.zeros_like(own.mean_s), np.zeros_like(own.mean_s), np.zeros_like(own.mean_s)
    for endpoint in service.endpoints:
        share, factor = endpoint.weight / total, endpoint.cpu_factor * service.cpu_ms / mean_cpu_ms(service)
        here, variance = own.mean_s * factor, (own.squared_s2 - own.mean_s**2) * factor**2
        good = np.ones_like(here)
        for call in endpoint.calls:
            flow, calls = done[call.callee], call.calls_per_request
            part = calls % 1.0
            here = here + calls * flow.mean_s
            variance = variance + calls * flow.sd_s**2 + part * (1 - part) * flow.mean_s**2
            good = good * flow.success ** int(calls) * (1 - part + part * flow.success)
        mean, squared, success = mean + share * here, squared + share * (variance + here**2), success + share * good
    return mean, np.maximum(squared - mean**2, 0.0), success


def _share_above(mean: Floats, sd: Floats, bound: Floats) -> Floats:
    sigma2 = np.log1p((sd / np.maximum(mean, 1e-12)) ** 2)
    z = (np.log(np.maximum(bound, 1e-9) / np.maximum(mean, 1e-12)) + sigma2 / 2) / np.sqrt(np.maximum(sigma2, 1e-12))
    return np.asarray(1 - ndtr(z))
