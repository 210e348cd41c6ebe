"""An autoscaler at work on the exact twin: a reading a step, a decision a step, and what it cost and missed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from chaosprsa.autoscalers.contract import (
    AS_DEPLOYED,
    STEP_S,
    Autoscaler,
    Decision,
    Floats,
    Ints,
    Reading,
    System,
    period_of,
    resized_by,
)
from chaosprsa.autoscalers.disturbances import Disturbances
from chaosprsa.errors import BadInput
from chaosprsa.twin.exact.network import Network
from chaosprsa.twin.exact.simulation import Seen, Simulation
from chaosprsa.types import SimulatedIssue

START_S = 30.0
SLO_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """How a policy did.

    core_hours: of pods that were ready or starting, by their limits. violation_share: of all users' requests, those
    that took longer than the SLO or failed; failed_share: those that failed. time_s: shape (steps,), where each step
    begins. p99_s: of requests that arrived in it, NaN without any; late_share: of them, violations; entry_per_s:
    requests a second. replicas (as decided), ready, paid (ready or starting), cores: shape (steps, services), in force
    during the step (ready, paid: at its end).
    """

    policy: str
    services: tuple[str, ...]
    step_s: float
    core_hours: float
    violation_share: float
    failed_share: float
    requests: int
    time_s: Floats
    p99_s: Floats
    late_share: Floats
    entry_per_s: Floats
    replicas: Ints
    ready: Ints
    paid: Ints
    cores: Floats

    @property
    def mean_cores(self) -> float:
        """Cores on average."""
        return self.core_hours * 3600.0 / (len(self.time_s) * self.step_s)


def play(
    policy: Autoscaler,
    network: Network,
    load_per_s: npt.ArrayLike,
    issues: Sequence[SimulatedIssue] = (),
    seed: int = 0,
    step_s: float | None = None,
    start_s: float = START_S,
    slo_s: float = SLO_S,
    give_up: float = 1.0,
    least: npt.ArrayLike = 0,
) -> Played:
    """Requests a second at the entry, one value a second, arrive at random (Poisson) and the policy scales.

    The network's replicas are those at the beginning. Same seed: same arrivals for every policy. What happens between
    two steps is seen at the next. give_up: a share of all requests; when more are late for sure the rest is not played,
    and `Played` ends there. least: pods of each service that no decision goes below. step_s: between decisions,
    the policy's own period by default. Raises BadInput for a load that is
    no row of finite numbers from 0 on, or shorter than a step.
    """
    step_s = period_of(policy) if step_s is None else step_s
    load = np.asarray(load_per_s, dtype=np.float64)
    if load.ndim != 1 or len(load) < step_s or not np.all(np.isfinite(load)) or np.any(load < 0):
        raise BadInput(f"load: expected one row of requests a second from 0 on, at least {step_s:g} of them")
    system = system_of(network, step_s, start_s, slo_s, resized_by(policy))
    disturbances = Disturbances(issues, system.services)
    of_arrivals, of_twin = (np.random.default_rng(each) for each in np.random.SeedSequence(seed).spawn(2))
    arrivals = arrivals_of(load * disturbances.surge(np.arange(len(load), dtype=np.float64) + 0.5), of_arrivals)
    floor = np.broadcast_to(np.asarray(least, dtype=np.int64), system.replicas.shape)
    run = _Run(system, _ready_for(network, start_s), arrivals, disturbances, of_twin, floor)
    return run.play(policy, int(len(load) // step_s), give_up)


def system_of(
    network: Network,
    step_s: float = STEP_S,
    start_s: float = START_S,
    slo_s: float = SLO_S,
    resized: tuple[float, float] = AS_DEPLOYED,
) -> System:
    """What an autoscaler is told of a network."""
    return System(
        services=tuple(service.name for service in network.services),
        entry=network.index(network.entry),
        cores=np.array([service.cores for service in network.services]),
        replicas=np.array([service.replicas for service in network.services]),
        most_replicas=np.array([service.pods for service in network.services]),
        start_s=start_s,
        step_s=step_s,
        slo_s=slo_s,
        resized=resized,
    )


def step_means(load_per_s: Floats, step_s: int = int(STEP_S)) -> Floats:
    """Of a value a second, a value a whole step."""
    whole = load_per_s[: len(load_per_s) // step_s * step_s]
    return np.asarray(whole.reshape(-1, step_s).mean(axis=1))


def arrivals_of(load_per_s: Floats, rng: np.random.Generator) -> Floats:
    """Times of a Poisson process whose rate is constant within each second, in order."""
    counts = rng.poisson(load_per_s)
    return np.sort(np.repeat(np.arange(len(counts), dtype=float), counts) + rng.random(int(counts.sum())))


def _ready_for(network: Network, start_s: float) -> Network:
    return replace(network, services=tuple(replace(each, start_delay_s=start_s) for each in network.services))


class _Run:
    """One policy, one world."""

    def __init__(
        self,
        system: System,
        network: Network,
        arrivals: Floats,
        disturbances: Disturbances,
        rng: np.random.Generator,
        least: Ints,
    ) -> None:
        self._system, self._arrivals, self._disturbances, self._least = system, arrivals, disturbances, least
        self._simulation = Simulation(network, arrivals, rng)
        self._now = Decision(replicas=system.replicas, cores=system.cores)
        self._scaled, self._limits = system.replicas.copy(), system.cores.copy()
        self._late = self._judged = 0  # requests that were late, of so many that were looked at
        self._memory = np.array([service.memory_mib for service in network.services])
        self._memory_per_job = np.array([service.memory_per_job_mib for service in network.services])

    def play(self, policy: Autoscaler, steps: int, give_up: float) -> Played:
        """All steps, or as many as it takes to give up, and as long after the last as an answer may take."""
        system, step_s = self._system, self._system.step_s
        controller = policy.begin(system)
        shape = (steps, len(system.services))
        replicas, ready, paid = (np.zeros(shape, np.int64) for _ in range(3))
        cores = np.zeros(shape)
        for step in range(steps):
            replicas[step], cores[step] = self._now.replicas, self._now.cores
            seen = self._advance(step * step_s, (step + 1) * step_s)
            ready[step], paid[step] = seen.ready, seen.ready + seen.starting
            if step + 1 == steps or self._late_by((step + 1) * step_s) > give_up * len(self._arrivals):
                steps = step + 1
                break
            self._obey(controller.decide(self._reading(seen)))
        self._simulation.advance(steps * step_s + system.slo_s + 1e-6)
        bounds = np.searchsorted(self._arrivals, np.arange(steps + 1) * step_s)
        latency = self._latency(bounds[0], bounds[-1])
        late = self._is_late(bounds[0], bounds[-1])
        return Played(
            policy=policy.name,
            services=system.services,
            step_s=step_s,
            core_hours=float(np.sum(paid[:steps] * cores[:steps])) * step_s / 3600.0,
            violation_share=float(np.mean(late)) if len(late) else 0.0,
            failed_share=float(np.mean(self._simulation.failed[bounds[0] : bounds[-1]])) if len(late) else 0.0,
            requests=len(late),
            time_s=np.arange(steps, dtype=np.float64) * step_s,
            p99_s=np.array([_p99(latency[a:b]) for a, b in pairwise(bounds.tolist())]),
            late_share=np.array([late[a:b].mean() if b > a else 0.0 for a, b in pairwise(bounds.tolist())]),
            entry_per_s=np.diff(bounds) / step_s,
            replicas=replicas[:steps],
            ready=ready[:steps],
            paid=paid[:steps],
            cores=cores[:steps],
        )

    def _is_late(self, first: int, last: int) -> npt.NDArray[np.bool_]:
        return np.asarray((self._latency(first, last) > self._system.slo_s) | self._simulation.failed[first:last])

    def _late_by(self, now_s: float) -> int:
        """Requests that are late for sure: those that arrived at least the SLO ago and were not in time."""
        last = int(np.searchsorted(self._arrivals, now_s - self._system.slo_s))
        self._late += int(np.sum(self._is_late(self._judged, last)))
        self._judged = max(self._judged, last)
        return self._late

    def _advance(self, begin_s: float, end_s: float) -> Seen:
        """To the end of a step, with stops where an issue begins or ends."""
        edges = self._disturbances.edges_s
        for edge in edges[(edges >= begin_s) & (edges < end_s)].tolist():
            self._simulation.advance(edge)
            self._disturbances.act(self._simulation, edge, self._now.replicas)
            self._apply()
        self._simulation.advance(end_s)
        return self._simulation.seen()

    def _obey(self, decision: Decision) -> None:
        self._now = replace(decision, replicas=np.clip(decision.replicas, self._least, self._system.most_replicas))
        self._apply()

    def _apply(self) -> None:
        """Order what differs from what was ordered before, as far as issues leave room for it."""
        wanted = self._disturbances.remaining(self._now.replicas)
        limits = self._now.cores * self._disturbances.cpu_left
        for at, service in enumerate(self._system.services):
            if wanted[at] != self._scaled[at]:
                self._simulation.scale(service, int(wanted[at]))
            if limits[at] != self._limits[at]:
                self._simulation.set_cores(service, float(limits[at]))
        self._scaled, self._limits = wanted, limits

    def _reading(self, seen: Seen) -> Reading:
        now = self._simulation.now_s
        first, last = np.searchsorted(self._arrivals, [now - seen.span_s, now])
        inside = seen.arrived * seen.mean_s / seen.span_s / np.maximum(seen.ready, 1)  # Little 1961
        return Reading(
            time_s=now,
            latency_p99_s=_p99(self._latency(first, last)),
            failed=float(np.mean(self._simulation.failed[first:last])) if last > first else 0.0,
            arrivals_per_s=seen.arrived / seen.span_s,
            answered_per_s=seen.answered / seen.span_s,
            mean_s=seen.mean_s,
            cpu_cores=seen.cpu_s / seen.span_s,
            throttled=seen.throttled_s / seen.span_s / np.maximum(seen.ready, 1),
            ready=seen.ready,
            starting=seen.starting,
            cores=self._now.cores,
            memory_mib=self._memory + self._memory_per_job * inside,
            oom_kills=seen.oom_kills,
        )

    def _latency(self, first: int, last: int) -> Floats:
        """Of these requests; without an answer, how long they have waited so far."""
        latency = self._simulation.latency_s[first:last]
        waited = self._simulation.now_s - self._arrivals[first:last]
        return np.where(np.isnan(latency), waited, latency)


def _p99(latency: Floats) -> float:
    return float(np.quantile(latency, 0.99)) if len(latency) else float("nan")
