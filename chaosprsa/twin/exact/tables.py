"""A network as the kernel's memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chaosprsa.twin.exact import fields as f
from chaosprsa.twin.exact.memory import Floats, Ints
from chaosprsa.twin.exact.network import Call, Network, Service

FIRST_RECORDS = 2048
TIMERS_A_RECORD = 2
UNLIMITED = 1 << 30


@dataclass(slots=True)
class Memory:
    """The two buffers, and where each service and its pods begin."""

    F: Floats
    I: Ints  # what the kernel calls it
    services: dict[str, int]
    pods: dict[str, Ints]


def memory_of(network: Network, arrivals: Floats, rng: np.random.Generator) -> Memory:
    """Everything at time 0: no pod is there yet. arrivals: times of users' requests, rising, seconds."""
    places = _Places(network, len(arrivals))
    memory = Memory(np.zeros(places.end), np.zeros(places.end, dtype=np.int64), places.services, places.pods)
    header = memory.I
    header[[f.HEAP, f.STATIONS, f.ENTRY]] = places.heap, len(places.stations), places.services[network.entry]
    header[[f.ARRIVALS, f.ANSWERS, f.REQUESTS]] = places.arrivals, places.answers, len(arrivals)
    header[f.RANDOM] = rng.integers(-(1 << 63), 1 << 63)
    memory.F[places.arrivals : places.arrivals + len(arrivals)] = arrivals
    memory.F[places.answers : places.answers + len(arrivals)] = np.nan
    for service in network.services:
        _write_service(memory, service, places)
        _write_pods(memory, service, places, rng)
        for at, call in places.calls[service.name]:
            _write_call(memory, at, call, places)
    memory.F[places.heap : places.heap + len(places.stations) + 1] = np.inf
    for rank, station in enumerate(places.stations):
        header[places.heap + rank], header[station + f.PLACE] = station, rank
    header[f.FREE_HEAD] = -1
    _append_records(memory, FIRST_RECORDS)
    return memory


def grow(memory: Memory) -> None:
    """Twice the room for jobs and timers; every handle stays."""
    _append_records(memory, int(memory.I[f.RECORDS]))


class _Places:
    """Where each thing begins."""

    def __init__(self, network: Network, requests: int) -> None:
        self.end = f.HEADER
        self.services = {service.name: self._next(f.SERVICE_CELLS) for service in network.services}
        self.pods = {
            service.name: np.array([self._next(f.POD_CELLS) for _ in range(service.pods)], dtype=np.int64)
            for service in network.services
        }
        self.calls = {
            service.name: [(self._next(f.CALL_CELLS), call) for call in service.calls] for service in network.services
        }
        self.pools = {
            at: self._next(f.POOL_CELLS * service.pods)
            for service in network.services
            for at, call in self.calls[service.name]
            if call.connections
        }
        self.stations: list[int] = []
        self.station = {
            (pod, kind): self._station()
            for service in network.services
            for pod in self.pods[service.name].tolist()
            for kind in _kinds(service)
        }
        self.ready = {service.name: self._next(service.pods) for service in network.services}
        self.heap = self._next(len(self.stations) + 1)
        self.arrivals, self.answers = self._next(requests), self._next(requests)

    def _next(self, cells: int) -> int:
        begin, self.end = self.end, self.end + cells
        return begin

    def _station(self) -> int:
        self.stations.append(self._next(f.STATION))
        return self.stations[-1]


def _kinds(service: Service) -> Iterator[int]:
    yield f.CPU
    if service.storage_s > 0:
        yield f.STORAGE
    if service.network_s > 0:
        yield f.NETWORK


def _write_service(memory: Memory, service: Service, places: _Places) -> None:
    at, calls = places.services[service.name], places.calls[service.name]
    floats: dict[int, float] = {
        f.DEMAND: service.demand_s,
        f.DEMAND_CV2: service.demand_cv2,
        f.WAIT: service.wait_s,
        f.WAIT_CV2: service.wait_cv2,
        f.ERROR: service.error_share,
        f.STORAGE_S: service.storage_s,
        f.NETWORK_S: service.network_s,
        f.START_DELAY: service.start_delay_s,
        f.WARM_S: service.warm_s,
        f.WARM_SPEED: service.warm_speed,
        f.MEMORY: service.memory_mib,
        f.MEMORY_JOB: service.memory_per_job_mib,
        f.MEMORY_LIMIT: service.memory_limit_mib,
        f.HIT_SHARE: service.hit_share,
        f.FILL: service.cache_fill,
        f.HIT_WORK: service.hit_work,
    }
    ints = {
        f.FIRST_POD: int(places.pods[service.name][0]),
        f.PODS: service.pods,
        f.FIRST_READY: places.ready[service.name],
        f.FIRST_CALL: calls[0][0] if calls else 0,
        f.CALLS: len(calls),
        f.QUEUE_LIMIT: service.queue_limit,
    }
    _write(memory, at, floats, ints)


def _write_pods(memory: Memory, service: Service, places: _Places, rng: np.random.Generator) -> None:
    for ordinal, pod in enumerate(places.pods[service.name].tolist()):
        stations = {kind: places.station.get((pod, kind), -1) for kind in (f.CPU, f.STORAGE, f.NETWORK)}
        of = {f.OF: places.services[service.name], f.JOBS: -1, f.ORDINAL: ordinal}
        _write(memory, pod, {f.WEIGHT: 1.0}, of | stations)
        for kind in _kinds(service):
            _write_station(memory, service, kind, stations[kind], rng)


def _write_station(memory: Memory, service: Service, kind: int, at: int, rng: np.random.Generator) -> None:
    floats = {f.SPEED: 1.0, f.CORES: service.cores if kind == f.CPU else 1.0, f.MOST_CORES: service.node_cores}
    if kind == f.CPU and service.quota_period_s > 0:
        floats[f.PERIOD] = service.quota_period_s
        floats[f.PERIOD_END] = rng.random() * service.quota_period_s  # pods' periods are not in step
        floats[f.QUOTA] = service.cores * service.quota_period_s
    most = {f.CPU: service.threads, f.STORAGE: 1}.get(kind, UNLIMITED)
    _write(memory, at, floats, {f.MOST: most, f.ROOT: -1, f.HEAD: -1, f.TAIL: -1})


def _write_call(memory: Memory, at: int, call: Call, places: _Places) -> None:
    floats: dict[int, float] = {
        f.CHANCE: call.chance,
        f.TIMEOUT: call.timeout_s,
        f.BACKOFF: call.backoff_s,
        f.BUDGET: call.retry_budget,
        f.BREAK_SHARE: call.breaker_share,
        f.BREAK_S: call.breaker_s,
    }
    ints = {
        f.CALLEE: places.services[call.callee],
        f.GROUP: call.group,
        f.RETRIES: call.retries,
        f.POOL: call.connections,
        f.FIRST_POOL: places.pools.get(at, -1),
        f.BREAK_LEAST: call.breaker_least,
    }
    _write(memory, at, floats, ints)
    if call.connections:
        pods = memory.I[_service_of(at, places) + f.PODS]
        for pool in range(places.pools[at], places.pools[at] + f.POOL_CELLS * int(pods), f.POOL_CELLS):
            _write(memory, pool, {}, {f.POOL_HEAD: -1, f.POOL_TAIL: -1})


def _service_of(call: int, places: _Places) -> int:
    return next(places.services[name] for name, calls in places.calls.items() if call in dict(calls))


def _write(memory: Memory, at: int, floats: dict[int, float], ints: dict[int, int]) -> None:
    for field, value in floats.items():
        memory.F[at + field] = value
    for field, number in ints.items():
        memory.I[at + field] = number


def _append_records(memory: Memory, count: int) -> None:
    """More free records, and regions for twice the timers and jobs that go on; what was in the old ones is moved."""
    begin, records = len(memory.F), int(memory.I[f.RECORDS]) + count
    room = TIMERS_A_RECORD * records
    timer = begin + f.JOB * count
    stack = timer + f.TIMER_CELLS * room
    more = stack + records - begin
    header, old, timers = memory.I, int(memory.I[f.TIMER]), int(memory.I[f.TIMERS])
    memory.F = np.concatenate([memory.F, np.zeros(more)])
    memory.I = np.concatenate([header, np.zeros(more, dtype=np.int64)])
    memory.F[timer : timer + timers] = memory.F[old : old + timers]
    memory.I[timer : timer + f.TIMER_CELLS * timers] = memory.I[old : old + f.TIMER_CELLS * timers]
    free = begin + f.JOB * np.arange(count)
    memory.I[free + f.NEXT] = np.append(free[1:], memory.I[f.FREE_HEAD])
    memory.I[[f.FREE_HEAD, f.RECORDS, f.TIMER, f.TIMER_ROOM, f.STACK]] = begin, records, timer, room, stack
    memory.I[f.RECORDS_LEFT] += count
