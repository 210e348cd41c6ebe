"""One emulated pod: a bounded number of requests in work, a CPU that they share, and memory that grows with them."""

import asyncio
import bisect
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from chaosprsa.lab import quantities
from chaosprsa.lab.chaos import PodFaults, PodKey
from chaosprsa.lab.processor import Expired, Killed, Processor, Slots, until
from chaosprsa.lab.topology import LabService

MIB = 1024.0 * 1024.0
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
NODE_CORES = 8.0  # what a container without a CPU limit may use
HEAP_HALVES_S = 5.0  # freed memory goes back slowly
REQUEST_BYTES, ANSWER_BYTES = 600.0, 1800.0


@dataclass(slots=True)
class Histogram:
    """Durations in Prometheus' form; counts per bucket, not yet cumulative."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    total_s: float = 0.0

    def observe(self, duration_s: float) -> None:
        self.counts[bisect.bisect_left(BUCKETS_S, duration_s)] += 1
        self.total_s += duration_s


class Draws:
    """Numbers from a seeded Generator, drawn in blocks: one at a time costs ten times as much."""

    def __init__(self, rng: np.random.Generator, block: int = 4096) -> None:
        self.rng = rng
        self._block = block
        self._normal: list[float] = []
        self._uniform: list[float] = []

    def lognormal(self, mean: float, cv: float) -> float:
        """A lognormal value of this mean and coefficient of variation."""
        if not self._normal:
            self._normal = self.rng.standard_normal(self._block).tolist()
        variance = math.log1p(cv * cv)
        return mean * math.exp(math.sqrt(variance) * self._normal.pop() - variance / 2)

    def count(self, mean: float) -> int:
        """floor(mean), or one more, so that the mean is right."""
        whole = int(mean)
        if mean == whole:
            return whole
        return whole + (self._share() < mean - whole)

    def below(self, bound: int) -> int:
        """Any of 0 to bound - 1."""
        return int(self._share() * bound)

    def _share(self) -> float:
        if not self._uniform:
            self._uniform = self.rng.random(self._block).tolist()
        return self._uniform.pop()


Caller = Callable[["PodServer", str, str, float, float], "Any"]


class PodServer:
    """Answers requests as its service would with the pod's resources. Times are the event loop's."""

    def __init__(
        self,
        pod: Mapping[str, Any],
        service: LabService,
        loop: asyncio.AbstractEventLoop,
        draws: Draws,
        on_oom: Callable[["PodServer"], None],
    ) -> None:
        metadata = pod["metadata"]
        self.key: PodKey = (metadata["namespace"], metadata["name"])
        self.uid: str = metadata.get("uid", "")
        self.labels: Mapping[str, str] = metadata.get("labels") or {}
        self.container: str = pod["spec"]["containers"][0]["name"]
        self.app: str = self.labels.get("app", service.name)
        self.service = service
        self.faults: PodFaults | None = None
        self.ready = True
        self.stopped_at: float | None = None
        self.histograms: dict[int, Histogram] = {}
        self.received_bytes = self.sent_bytes = 0.0
        self.lines: deque[str] = deque(maxlen=200)
        self._loop, self._draws, self._on_oom = loop, draws, on_oom
        self._alive = True
        self._in_flight = 0
        self._leaked_bytes = 0.0
        self._heap_bytes, self._heap_at = 0.0, loop.time()
        self._usage: deque[tuple[float, float]] = deque([(loop.time(), 0.0)], maxlen=8)
        limit, self._memory_limit = limits(pod)
        self.cpu = Processor(loop, limit)
        self._slots = Slots(loop, service.concurrency, service.queue)
        self.log(f"{self.app} started: {limit:g} cores, {self._memory_limit / MIB:g} MiB")

    def log(self, text: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "000Z")
        self.lines.append(f"{now} {text}")

    async def serve(self, path: str, at: float, deadline: float, call: Caller) -> tuple[int, float]:
        """(status, the time at which the answer leaves)."""
        self._in_flight += 1
        self.received_bytes += REQUEST_BYTES
        try:
            self.check_memory()
            code, end = await self._admitted(path, at, deadline, call)
        except Expired:
            code, end = 504, deadline
        except Killed:
            code, end = 502, max(at, self._loop.time())
        finally:
            self._in_flight -= 1
        self._leaked_bytes += self.service.leak_mib_per_request * MIB
        self.sent_bytes += ANSWER_BYTES
        self.histograms.setdefault(code, Histogram()).observe(max(end - at, 0.0))
        if self.faults is not None:
            end += self.faults.answer_delay_s(self._draws.rng)
        return code, end

    async def _admitted(self, path: str, at: float, deadline: float, call: Caller) -> tuple[int, float]:
        if not self._alive:
            raise Killed
        if self._slots.full:
            return 503, at
        start = now = await self._slots.take(at, deadline)
        try:
            code, now = await self._answered(path, start, deadline, call)
        finally:
            self._slots.give(max(now, start))
        return code, now

    async def _answered(self, path: str, at: float, deadline: float, call: Caller) -> tuple[int, float]:
        code, now = self._http_faults(path, at, on_request=True)
        if not code:
            code, now = await self._worked(path, now, deadline, call)
            changed, now = self._http_faults(path, now, on_request=False)
            code = changed or code
        if now > deadline:
            raise Expired
        return code, now

    async def _worked(self, path: str, at: float, deadline: float, call: Caller) -> tuple[int, float]:
        if waiting := until(self._loop, min(at, deadline)):
            await waiting
        endpoint = self.service.endpoint(path)
        work_s = self._draws.lognormal(self.service.cpu_ms / 1000 * endpoint.cpu_factor, self.service.cpu_cv)
        now = await self.cpu.run(work_s, at, deadline) + self.service.wait_ms / 1000
        for wanted in endpoint.calls:
            for _ in range(self._draws.count(wanted.calls_per_request)):
                if now > deadline:
                    raise Expired
                code, now = await call(self, wanted.callee, wanted.path, now, deadline)
                if code >= 500:
                    return (504 if code == 504 else 502), now
        return 200, now

    def _http_faults(self, path: str, at: float, *, on_request: bool) -> tuple[int, float]:
        code = 0
        for fault in self.faults.http if self.faults else ():
            if fault.on_request is on_request and fault.hits(path, self._draws.rng):
                at += fault.delay_s
                code = 502 if fault.abort else fault.code if not on_request else code
        return code, at

    def stop(self, *, at_once: bool) -> None:
        """Take no more; what is in work is finished, or fails with at_once."""
        self.ready = False
        self.stopped_at = self._loop.time()
        if at_once:
            self.kill()

    def kill(self) -> None:
        """Everything in it fails."""
        self._alive = self.ready = False
        self.stopped_at = self._loop.time()
        self.cpu.kill()
        self._slots.kill()

    def resize(self, pod: Mapping[str, Any]) -> None:
        """New limits, in force from now."""
        limit, self._memory_limit = limits(pod)
        self.cpu.set_limit(limit)
        self.log(f"resized: {limit:g} cores, {self._memory_limit / MIB:g} MiB")
        self.check_memory()

    def memory_bytes(self) -> float:
        """Base, leak, and a heap that grows with the requests in work at once and shrinks slowly."""
        now = self._loop.time()
        in_use = self._in_flight * self.service.memory_per_request_mib * MIB
        kept = self._heap_bytes * 0.5 ** ((now - self._heap_at) / HEAP_HALVES_S)
        self._heap_bytes, self._heap_at = max(in_use, kept), now
        return self.service.memory_base_mib * MIB + self._leaked_bytes + self._heap_bytes

    def check_memory(self) -> None:
        """Above its limit the kernel kills it."""
        if self._alive and self.memory_bytes() > self._memory_limit:
            self.log("out of memory: killed")
            self.kill()
            self._on_oom(self)

    def usage(self) -> tuple[float, float]:
        """(cores over about the last five seconds, memory bytes)."""
        self.cpu.advance()
        now, used = self._loop.time(), self.cpu.used_core_s
        then, before = self._usage[0]
        if now - self._usage[-1][0] >= 1:
            self._usage.append((now, used))
            while len(self._usage) > 2 and now - self._usage[0][0] > 6:
                self._usage.popleft()
        return (used - before) / max(now - then, 0.5), self.memory_bytes()


def limits(pod: Mapping[str, Any]) -> tuple[float, float]:
    """(cores, memory bytes) that its containers may use together."""
    given = [(container.get("resources") or {}).get("limits") or {} for container in pod["spec"]["containers"]]
    cores = sum(quantities.value(limit["cpu"]) if "cpu" in limit else NODE_CORES for limit in given)
    memory = sum(quantities.value(limit["memory"]) if "memory" in limit else math.inf for limit in given)
    return max(cores, 0.001), memory
