"""Requests walk the call graph through the pods that are ready: the lab's PodRuntime.

Calls between services stay in the process (the walk is the physics); what comes from outside is real HTTP
(listeners.py). A call goes to any of the ready pods that the callee's Service selects; none: 503. A callee that fails
makes its caller fail (502, or 504 where it was too late). A deadline goes down with the calls, as in gRPC: work
that nobody waits for any more is dropped.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chaosprsa.lab.chaos import PodFaults, PodKey, faults_of, merged, seconds
from chaosprsa.lab.pods import Draws, PodServer
from chaosprsa.lab.processor import until
from chaosprsa.lab.topology import LabService, LabTopology

LINGER_S = 2.5  # a pod that ended is scraped once or twice more
Obj = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One request's way: status, the pod that answered ("" where none did), how long it took."""

    code: int
    pod: str
    duration_s: float


class _Route:
    """A Service: whom it selects. Each request goes to any of its pods, as kube-proxy's iptables send it."""

    def __init__(self, selector: Mapping[str, str]) -> None:
        self.selector = selector
        self.pods: list[PodServer] = []

    def pick(self, draws: Draws) -> PodServer | None:
        if len(self.pods) < 2:
            return self.pods[0] if self.pods else None
        return self.pods[draws.below(len(self.pods))]


class DataPlane:
    """Implements PodRuntime. One event loop; nothing here is thread-safe."""

    def __init__(self, topology: LabTopology, rng: np.random.Generator, loop: asyncio.AbstractEventLoop) -> None:
        self.topology = topology
        self.client: dict[tuple[str, str, str, int], list[float]] = {}
        self.report_oom: Callable[[str, str], None] = lambda _namespace, _name: None
        self._loop = loop
        self._draws = Draws(rng)
        self._pods: dict[PodKey, PodServer] = {}
        self._lines: dict[PodKey, deque[str]] = {}
        self._leaving: list[PodServer] = []
        self._routes: dict[PodKey, _Route] = {}
        self._chaos: dict[str, dict[PodKey, PodFaults]] = {}

    # --- PodRuntime ---

    def start_delay_s(self, pod: Obj) -> float:
        return self._draws.lognormal(self._behaviour(pod).start_s, 0.15)

    def started(self, pod: Obj) -> None:
        server = PodServer(pod, self._behaviour(pod), self._loop, self._draws, self._out_of_memory)
        if (before := self._pods.get(server.key)) is not None:
            before.kill()
        self._pods[server.key] = server
        self._lines[server.key] = server.lines
        self._reroute(server.key[0])
        self._refault()
        server.check_memory()

    def stopped(self, pod: Obj) -> None:
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        if (server := self._pods.pop(key, None)) is None:
            return
        server.stop(at_once=pod["metadata"].get("deletionGracePeriodSeconds") == 0)
        self._leaving.append(server)
        self._reroute(key[0])

    def resized(self, pod: Obj) -> None:
        if (server := self._server(pod)) is not None:
            server.resize(pod)

    def usage(self, pod: Obj) -> tuple[float, float]:
        server = self._server(pod)
        return server.usage() if server else (0.0, 0.0)

    def logs(self, pod: Obj) -> str:
        key = (pod["metadata"]["namespace"], pod["metadata"]["name"])
        return "".join(line + "\n" for line in self._lines.get(key, ()))

    # --- what the store tells ---

    def on_service(self, event: str, obj: Obj) -> None:
        """A Service appeared, changed or went."""
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        selector = (obj.get("spec") or {}).get("selector") or {}
        if event == "DELETED":
            self._routes.pop(key, None)
        elif key not in self._routes or self._routes[key].selector != selector:
            self._routes[key] = _Route(dict(selector))
            self._reroute(key[0])

    def on_pod(self, event: str, obj: Obj) -> None:
        """A pod's labels may change while it runs; its log goes with it."""
        if event == "DELETED":
            self._lines.pop((obj["metadata"]["namespace"], obj["metadata"]["name"]), None)
        server = self._server(obj)
        labels = obj["metadata"].get("labels") or {}
        if event == "MODIFIED" and server is not None and server.labels != labels:
            server.labels = dict(labels)
            self._reroute(server.key[0])

    def on_chaos(self, event: str, obj: Obj) -> None:
        """A NetworkChaos or HTTPChaos appeared or went; its pods are chosen now. Raises ValueError: see faults_of."""
        metadata = obj["metadata"]
        name = f"{obj.get('kind')}/{metadata['namespace']}/{metadata['name']}"
        if event == "DELETED":
            self._chaos.pop(name, None)
        elif event == "ADDED":
            pods = {key: server.labels for key, server in self._pods.items()}
            self._chaos[name] = faults_of(obj, pods, self._draws.rng)
            self._end_later(name, obj)
        self._refault()

    def _end_later(self, name: str, obj: Obj) -> None:
        if duration := (obj.get("spec") or {}).get("duration"):
            self._loop.call_later(seconds(duration), self._end_chaos, name, self._chaos[name])

    def _end_chaos(self, name: str, faults: dict[PodKey, PodFaults]) -> None:
        if self._chaos.get(name) is faults:
            del self._chaos[name]
            self._refault()

    # --- requests ---

    async def request(self, namespace: str, service: str, path: str) -> Answer:
        """One request from outside; comes back when its answer would."""
        at = self._loop.time()
        code, end, pod = await self._call(None, namespace, service, path, at, at + 60.0)
        if waiting := until(self._loop, end):
            await waiting
        return Answer(code, pod, end - at)

    async def _call_from(
        self, caller: PodServer, callee: str, path: str, at: float, deadline: float
    ) -> tuple[int, float]:
        namespace = caller.key[0]
        code, end, _ = await self._call(caller, namespace, callee, path, at, deadline)
        seen = self.client.setdefault((namespace, caller.app, callee, code), [0.0, 0])
        seen[0] += end - at
        seen[1] += 1
        return code, end

    async def _call(
        self, caller: PodServer | None, namespace: str, service: str, path: str, at: float, deadline: float
    ) -> tuple[int, float, str]:
        route = self._routes.get((namespace, service))
        pod = route.pick(self._draws) if route else None
        if pod is None:
            return 503, at, ""
        deadline = min(deadline, at + pod.service.timeout_ms / 1000)
        arrival = at
        if caller is not None and caller.faults is not None:
            arrival += caller.faults.call_delay_s(pod.key, self._draws.rng)
        if arrival >= deadline:
            return 504, deadline, pod.key[1]
        if waiting := until(self._loop, arrival):
            await waiting
        code, end = await pod.serve(path, arrival, deadline, self._call_from)
        if end > deadline:
            return 504, deadline, pod.key[1]
        return code, end, pod.key[1]

    def is_served(self, namespace: str, service: str) -> bool:
        """Whether a pod is ready behind a Service."""
        route = self._routes.get((namespace, service))
        return bool(route and route.pods)

    # --- inside ---

    def servers(self) -> Iterable[PodServer]:
        """The pods that run, and those that ended moments ago, for /metrics."""
        now = self._loop.time()
        self._leaving = [server for server in self._leaving if now - (server.stopped_at or now) < LINGER_S]
        gone = [server for server in self._leaving if server.key not in self._pods]
        return (*self._pods.values(), *gone)

    def _behaviour(self, pod: Obj) -> LabService:
        app = (pod["metadata"].get("labels") or {}).get("app", "")
        return self.topology[app] if app in self.topology else LabService(name=app or "unknown")

    def _server(self, pod: Obj) -> PodServer | None:
        return self._pods.get((pod["metadata"]["namespace"], pod["metadata"]["name"]))

    def _reroute(self, namespace: str) -> None:
        ready = [server for server in self._pods.values() if server.ready and server.key[0] == namespace]
        for (home, _), route in self._routes.items():
            if home == namespace:
                wanted = route.selector.items()
                route.pods = [server for server in ready if wanted and wanted <= server.labels.items()]

    def _refault(self) -> None:
        for key, server in self._pods.items():
            faults = [by_pod[key] for by_pod in self._chaos.values() if key in by_pod]
            server.faults = merged(faults) if faults else None

    def _out_of_memory(self, server: PodServer) -> None:
        self._reroute(server.key[0])
        self.report_oom(*server.key)
