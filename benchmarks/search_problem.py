"""A made system of any size with issues, for which an allocation is searched: same seed, same system."""

from datetime import UTC, datetime

import numpy as np

from chaosprsa.allocation.ranges import build_space
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.space import Space
from chaosprsa.allocation.threats import usual_load
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.twin import Noise, Parameters, Rehearsal, Spread, Twin, draw_worlds
from chaosprsa.twin.graph import call_graph
from chaosprsa.types import (
    Allocation,
    Edge,
    Fault,
    Impact,
    Interval,
    Lineage,
    Prices,
    Resources,
    ServiceAllocation,
    Severity,
    SimulatedIssue,
    Slo,
    Topology,
    TwinFit,
)

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
PRICES = Prices(cpu_core_hour=0.0331, memory_gib_hour=0.0044)
LOAD_PER_S = 120.0
SURE = TwinFit(trusted=True, latency_ratio=1.0, error_share_gap=0.0, trials=5, reason="made")
STRENGTHS = {
    Fault.TRAFFIC_SURGE: (1.3, 2.0),
    Fault.CPU_SQUEEZE: (0.2, 0.5),
    Fault.REPLICA_LOSS: (0.2, 0.5),
    Fault.POD_KILL: (0.2, 0.6),
    Fault.DEPENDENCY_SLOW: (10.0, 60.0),
    Fault.MEMORY_SQUEEZE: (0.2, 0.5),
}


def problem(services: int, issues: int, seed: int, step_s: float = 6.0, pairs: int = 1) -> Objective:
    """A tree of calls, each service with work, waiting and memory of its own; twice what it needs at present."""
    rng = np.random.default_rng(seed)
    names = tuple(f"s{at:02d}" for at in range(services))
    parents = [int(rng.integers(max(0, at - 6), at)) for at in range(1, services)]
    edges = tuple(
        Edge(caller=names[parent], callee=names[at + 1], calls_per_request=float(rng.choice([0.3, 0.6, 1.0, 1.0, 2.0])))
        for at, parent in enumerate(parents)
    )
    topology = Topology(services=names, entry=names[0], edges=edges)
    graph = call_graph(topology)
    demand = rng.uniform(0.002, 0.012, services)
    nominal = Parameters(
        demand_s=demand,
        wait_s=rng.uniform(0.0, 0.006, services),
        memory_mib=rng.uniform(60, 200, services),
        memory_per_job_mib=rng.uniform(0.5, 3.0, services),
        start_delay_s=rng.uniform(5, 30, services),
        error_share=np.zeros(services),
    )
    sure = np.full(services, 0.05)
    twin = Twin(graph, nominal, Spread(sure, sure, sure, sure), 1.0, 10.0, SURE)
    given = _present(names, graph.visits * demand * LOAD_PER_S, nominal.memory_mib)
    slo = Slo(service=names[0], latency_ms=float(round(3200 * (graph.visits @ (demand * 2 + nominal.wait_s)))))
    drawn = (*_issues(names, issues, rng), usual_load(names[0], NOW))
    worlds = draw_worlds(twin, drawn, LOAD_PER_S, seed, pairs, Noise())
    space: Space = build_space(given, twin, SafetyTable(), PRICES)
    return Objective(space, Rehearsal(twin, slo, drawn, worlds, (120.0, 60.0), step_s))


def _present(names: tuple[str, ...], cores: np.ndarray, memory: np.ndarray) -> Allocation:
    """Three times the cores that the load needs, in pods of one core; twice the memory."""
    return Allocation(
        services=tuple(
            ServiceAllocation(
                service=name,
                replicas=max(2, int(np.ceil(3 * cores[at]))),
                resources=Resources(
                    cpu_request_millicores=500,
                    cpu_limit_millicores=1000,
                    memory_request_mib=256,
                    memory_limit_mib=int(np.ceil(memory[at] * 2 / 32) * 32),
                )
                if memory[at] * 2 >= 256
                else Resources(
                    cpu_request_millicores=500, cpu_limit_millicores=1000, memory_request_mib=128, memory_limit_mib=256
                ),
            )
            for at, name in enumerate(names)
        )
    )


def _issues(names: tuple[str, ...], count: int, rng: np.random.Generator) -> tuple[SimulatedIssue, ...]:
    faults = list(STRENGTHS)
    found = []
    for number in range(count):
        fault = faults[number % len(faults)]
        place = names[0] if fault is Fault.TRAFFIC_SURGE else names[int(rng.integers(len(names)))]
        low, high = STRENGTHS[fault]
        found.append(_issue(number, fault, place, float(rng.uniform(low, high)), rng))
    return tuple(found)


def _issue(number: int, fault: Fault, place: str, strength: float, rng: np.random.Generator) -> SimulatedIssue:
    none = Interval(low=0.0, mid=0.0, high=0.0)
    return SimulatedIssue(
        id=f"issue-{number}",
        kind=fault.value,
        fault=fault,
        strength=strength,
        components=(place,),
        origin=NOW,
        start_s=0.0,
        duration_s=float(rng.uniform(60, 300)),
        severity=Severity.MAJOR,
        probability=float(rng.uniform(0.02, 0.4)),
        impact=Impact(latency_ratio=Interval(low=1.0, mid=1.0, high=1.0), error_share=none),
        novelty=0.0,
        evidence=("made",),
        lineage=Lineage(id=f"issue-{number}"),
    )
