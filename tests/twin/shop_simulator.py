"""A discrete-event simulation of a call graph, event by event, that knows nothing of the twin.

Requests arrive as a Poisson stream, do their work at a random pod (processor sharing, at most one core a request),
wait, and call other services one after the other. Its trials come out as Outcomes, as a real shadow's would.
"""

import heapq
import itertools
import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from chaosprsa.types import (
    Allocation,
    Edge,
    Fault,
    Impact,
    Interval,
    Lineage,
    LoadStatistics,
    LoadTimeline,
    Outcome,
    Phase,
    PhaseObservation,
    Resources,
    ServiceAllocation,
    ServiceObservation,
    Severity,
    SimulatedIssue,
    Slo,
    Topology,
    Verdict,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Service:
    cpu_s: float = 0.005
    wait_s: float = 0.0
    memory_mib: float = 80.0
    memory_per_job_mib: float = 1.0
    start_s: float = 3.0
    work: str = "exponential"


@dataclass
class Pod:
    """Jobs end in the order of the virtual time at which they have had their work."""

    limit: float
    clock: float = 0.0
    virtual: float = 0.0
    version: int = 0
    inside: int = 0
    heap: list = field(default_factory=list)
    used: float = 0.0

    def advance(self, now):
        if self.heap:
            cores = min(float(len(self.heap)), self.limit)
            self.virtual += cores / len(self.heap) * (now - self.clock)
            self.used += cores * (now - self.clock)
        self.clock = now

    def due(self):
        share = min(1.0, self.limit / len(self.heap))
        return self.clock + max(self.heap[0][0] - self.virtual, 0.0) / share


class Simulation:
    def __init__(self, services, topology, allocation, seed, timeout_s=10.0):
        self.services, self.topology, self.timeout_s = services, topology, timeout_s
        self.rng = np.random.default_rng(seed)
        self.events, self.count, self.now = [], itertools.count(), 0.0
        self.allocation = allocation
        self.pods = {
            one.service: [Pod(one.resources.cpu_limit_millicores / 1000) for _ in range(one.replicas)]
            for one in allocation.services
        }
        self.slower, self.failing = defaultdict(float), defaultdict(float)
        self.answers = []  # (start, latency, good)
        self.visits = defaultdict(list)  # service -> (start, latency, good)
        self.usage = defaultdict(list)  # service -> (time, cores used so far, pods, memory of a pod)
        self.gone = defaultdict(float)

    def at(self, time, action):
        heapq.heappush(self.events, (time, next(self.count), action))

    def run(self, until):
        while self.events and self.events[0][0] <= until:
            self.now, _, action = heapq.heappop(self.events)
            action()

    def arrivals(self, rate, until):
        """rate: a function of time, at most its value at `peak`."""
        peak = max(rate(time) for time in np.arange(0.0, until, 0.25))

        def arrive():
            if self.rng.random() < rate(self.now) / peak:
                self.request(self.now)
            self.next_arrival(peak, until, arrive)

        self.next_arrival(peak, until, arrive)

    def next_arrival(self, peak, until, arrive):
        time = self.now + self.rng.exponential(1 / peak)
        if time < until:
            self.at(time, arrive)

    def request(self, start):
        def answered(good):
            latency = self.now - start
            self.answers.append((start, min(latency, self.timeout_s), good and latency < self.timeout_s))

        self.visit(self.topology.entry, answered)

    def visit(self, name, done):
        start, pods = self.now, self.pods[name]
        if not pods or self.rng.random() < self.failing[name]:
            self.visits[name].append((start, 0.0, False))
            done(False)
            return
        pod = pods[self.rng.integers(len(pods))]
        pod.inside += 1

        def finished(good):
            pod.inside -= 1
            self.visits[name].append((start, self.now - start, good))
            done(good)

        def worked(good):
            if not good:
                finished(False)
                return
            pause = self.rng.exponential(self.services[name].wait_s) if self.services[name].wait_s else 0.0
            self.at(self.now + pause + self.slower[name], lambda: self.calls(self.planned(name), True, finished))

        self.work(name, pod, worked)

    def planned(self, name):
        plan = []
        for edge in self.topology.callees(name):
            whole = int(edge.calls_per_request)
            extra = self.rng.random() < edge.calls_per_request - whole
            plan += [edge.callee] * (whole + extra)
        return plan

    def calls(self, plan, good, done):
        if not plan:
            done(good)
            return
        self.visit(plan[0], lambda fine: self.calls(plan[1:], good and fine, done))

    def work(self, name, pod, done):
        service = self.services[name]
        mean = service.cpu_s
        size = self.rng.exponential(mean) if service.work == "exponential" else mean
        pod.advance(self.now)
        heapq.heappush(pod.heap, (pod.virtual + size, next(self.count), done))
        self.arm(pod)

    def arm(self, pod):
        pod.version += 1
        version = pod.version
        if pod.heap:
            self.at(pod.due(), lambda: self.depart(pod, version))

    def depart(self, pod, version):
        if version != pod.version or not pod.heap:
            return
        pod.advance(self.now)
        _, _, done = heapq.heappop(pod.heap)
        self.arm(pod)
        done(True)

    def kill(self, name, count, back_after=None):
        for _ in range(count):
            pod = self.pods[name].pop()
            pod.advance(self.now)
            pod.version += 1
            jobs, pod.heap = pod.heap, []
            self.gone[name] += pod.used
            for _, _, done in jobs:
                done(False)
            if back_after is not None:
                self.at(self.now + back_after, lambda limit=pod.limit: self.start(name, limit))

    def start(self, name, limit):
        self.pods[name].append(Pod(limit, clock=self.now))

    def squeeze(self, name, factor):
        for pod in self.pods[name]:
            pod.advance(self.now)
            pod.limit *= factor
            self.arm(pod)

    def memory(self, name, pod):
        service = self.services[name]
        return service.memory_mib + service.memory_per_job_mib * pod.inside

    def sample(self, until, limits):
        """Every half second: usage, and pods above their memory limit die."""
        for name, pods in self.pods.items():
            for pod in pods:
                pod.advance(self.now)
            used = self.gone[name] + sum(pod.used for pod in pods)
            memory = float(np.mean([self.memory(name, pod) for pod in pods])) if pods else math.nan
            self.usage[name].append((self.now, used, len(pods), memory))
            over = sum(self.memory(name, pod) > limits[name] for pod in pods)
            self.kill(name, over, self.services[name].start_s)
        if self.now + 0.5 < until:
            self.at(self.now + 0.5, lambda: self.sample(until, limits))


def play(simulation, issue, begin, end):
    """Schedule the fault."""
    name, value, fault = issue.component, issue.strength, issue.fault
    replicas = simulation.allocation[name].replicas
    some = min(max(round(value * replicas), 1), replicas)
    start_s = simulation.services[name].start_s
    if fault is Fault.POD_KILL:
        simulation.at(begin, lambda: simulation.kill(name, some, start_s))
    elif fault is Fault.REPLICA_LOSS:
        simulation.at(begin, lambda: simulation.kill(name, some))
        limit = simulation.allocation[name].resources.cpu_limit_millicores / 1000
        for _ in range(some):
            simulation.at(end + start_s, lambda: simulation.start(name, limit))
    elif fault is Fault.CPU_SQUEEZE:
        simulation.at(begin, lambda: simulation.squeeze(name, 1 - value))
        simulation.at(end, lambda: simulation.squeeze(name, 1 / (1 - value)))
    elif fault is Fault.DEPENDENCY_SLOW:
        simulation.at(begin, lambda: simulation.slower.update({name: value / 1000}))
        simulation.at(end, lambda: simulation.slower.update({name: 0.0}))
    elif fault is Fault.DEPENDENCY_FAILING:
        simulation.at(begin, lambda: simulation.failing.update({name: value}))
        simulation.at(end, lambda: simulation.failing.update({name: 0.0}))


def issue_of(fault, component, strength, *, probability=0.3, duration_s=600.0, name=None):
    one = Interval(low=1.0, mid=1.0, high=1.0)
    return SimulatedIssue(
        id=name or f"{fault.value}-{component}",
        kind=fault.value,
        fault=fault,
        strength=strength,
        components=(component,),
        origin=NOON,
        start_s=0.0,
        duration_s=duration_s,
        severity=Severity.MAJOR,
        probability=probability,
        impact=Impact(latency_ratio=one, error_share=Interval(low=0.0, mid=0.0, high=0.0)),
        novelty=0.0,
        evidence=(),
        lineage=Lineage(id=name or f"{fault.value}-{component}"),
    )


def allocation_of(topology, replicas=2, cpu=1000, memory=256, **each):
    """each: service -> (replicas, cpu, memory)."""
    given = {name: each.get(name, (replicas, cpu, memory)) for name in topology.services}
    return Allocation(
        services=tuple(
            ServiceAllocation(
                service=name,
                replicas=pods,
                resources=Resources(
                    cpu_request_millicores=max(limit // 2, 1),
                    cpu_limit_millicores=limit,
                    memory_request_mib=max(mib // 2, 1),
                    memory_limit_mib=mib,
                ),
            )
            for name, (pods, limit, mib) in given.items()
        )
    )


def trial(services, topology, allocation, issue, slo, rate, seed, before_s=30.0, fault_s=40.0, after_s=20.0):
    """One rehearsal -> Outcome, judged as the real ones are: the SLO in the fault's and the after phase."""
    begin, end, stop = before_s, before_s + fault_s, before_s + fault_s + after_s
    simulation = Simulation(services, topology, allocation, seed)
    surge = issue.strength if issue.fault is Fault.TRAFFIC_SURGE else 1.0
    simulation.arrivals(lambda time: rate * (surge if begin <= time < end else 1.0), stop)
    limits = {one.service: float(one.resources.memory_limit_mib) for one in allocation.services}
    squeezed = dict(limits)
    if issue.fault is Fault.MEMORY_SQUEEZE:
        squeezed[issue.component] *= 1 - issue.strength

    class Limits(dict):
        def __getitem__(self, name):
            return squeezed[name] if begin <= simulation.now < end else limits[name]

    simulation.sample(stop, Limits(limits))
    play(simulation, issue, begin, end)
    simulation.run(stop + 15.0)
    spans = {Phase.BEFORE: (0.0, begin), Phase.FAULT: (begin, end), Phase.AFTER: (end, stop)}
    load = {phase: statistics(simulation.answers, span, slo) for phase, span in spans.items()}
    judged = [load[Phase.FAULT], load[Phase.AFTER]]
    good = all(one.latency_slo_ms <= slo.latency_ms and one.error_share <= 1 - slo.success_ratio for one in judged)
    phases = tuple(
        PhaseObservation(
            phase=phase,
            start_s=span[0],
            end_s=span[1],
            services=tuple(observation(simulation, name, span) for name in topology.services),
        )
        for phase, span in spans.items()
    )
    return Outcome(
        id=f"trial-{issue.id}",
        issue=issue,
        verdict=Verdict.PASSED if good else Verdict.FAILED,
        reasons=() if good else ("the SLO was missed",),
        allocation=allocation,
        started=NOON,
        duration_s=stop,
        fault_start_s=begin,
        fault_end_s=end,
        load=load,
        timeline=timeline(simulation.answers, stop),
        phases=phases,
        journal="journal.json",
        profile="profile.json",
        lineage=Lineage(id=f"outcome-{issue.id}"),
    )


def statistics(answers, span, slo):
    inside = [one for one in answers if span[0] <= one[0] < span[1]]
    latency = np.array([one[1] for one in inside]) * 1000
    return LoadStatistics(
        requests=len(inside),
        failures=sum(not one[2] for one in inside),
        rate_per_s=len(inside) / (span[1] - span[0]),
        latency_mean_ms=float(latency.mean()),
        latency_p50_ms=float(np.percentile(latency, 50)),
        latency_p99_ms=float(np.percentile(latency, 99)),
        latency_slo_ms=float(np.percentile(latency, slo.latency_percentile)),
    )


def observation(simulation, name, span):
    visits = [one for one in simulation.visits[name] if span[0] <= one[0] < span[1]]
    usage = [one for one in simulation.usage[name] if span[0] <= one[0] < span[1]]
    length = span[1] - span[0]
    latency = [one[1] for one in visits]
    memory = [one[3] for one in usage if not math.isnan(one[3])]
    return ServiceObservation(
        service=name,
        request_rate_per_s=len(visits) / length,
        error_share=sum(not one[2] for one in visits) / len(visits) if visits else None,
        latency_mean_ms=float(np.mean(latency)) * 1000 if latency else None,
        cpu_usage_cores=(usage[-1][1] - usage[0][1]) / (usage[-1][0] - usage[0][0]),
        memory_mib_per_pod=float(np.mean(memory)) if memory else None,
        replicas_ready=float(np.mean([one[2] for one in usage])),
    )


def timeline(answers, stop):
    counts, _ = np.histogram([one[0] for one in answers], bins=np.arange(0.0, stop + 1.0))
    return LoadTimeline(
        time_s=tuple(float(x) + 0.5 for x in range(len(counts))),
        rate_per_s=tuple(float(x) for x in counts),
        failures_per_s=(0.0,) * len(counts),
        latency_p50_ms=(None,) * len(counts),
        latency_p95_ms=(None,) * len(counts),
        latency_p99_ms=(None,) * len(counts),
    )


SLO = Slo(service="gateway", latency_ms=250.0, latency_percentile=99.0, success_ratio=0.99)
SHOP = Topology(
    services=("gateway", "stock", "cart", "pay"),
    entry="gateway",
    edges=(
        Edge(caller="gateway", callee="stock", calls_per_request=1.0),
        Edge(caller="gateway", callee="cart", calls_per_request=0.4),
        Edge(caller="cart", callee="pay", calls_per_request=0.5),
    ),
)
SERVICES = {
    "gateway": Service(cpu_s=0.004, wait_s=0.001),
    "stock": Service(cpu_s=0.008, wait_s=0.004),
    "cart": Service(cpu_s=0.006, wait_s=0.002, memory_per_job_mib=2.0),
    "pay": Service(cpu_s=0.010, wait_s=0.015),
}
ISSUES = (
    issue_of(Fault.POD_KILL, "stock", 0.5),
    issue_of(Fault.REPLICA_LOSS, "cart", 0.5),
    issue_of(Fault.CPU_SQUEEZE, "stock", 0.6),
    issue_of(Fault.DEPENDENCY_SLOW, "pay", 60.0),
    issue_of(Fault.TRAFFIC_SURGE, "gateway", 2.0),
    issue_of(Fault.DEPENDENCY_FAILING, "pay", 0.5),
    issue_of(Fault.MEMORY_SQUEEZE, "cart", 0.5),
)
RATE = 40.0
PRESENT = allocation_of(SHOP, replicas=2, cpu=500, memory=256)


def trials(allocation=PRESENT, issues=ISSUES, rate=RATE, seed=7, **lengths):
    return tuple(
        trial(SERVICES, SHOP, allocation, issue, SLO, rate, seed + at, **lengths) for at, issue in enumerate(issues)
    )


def doubled(allocation):
    """Production is twice the shadow."""
    return Allocation(services=tuple(replace(one, replicas=one.replicas * 2) for one in allocation.services))
