"""A web service before two others, with a twin that is known exactly: what is declared is searched on it."""

from datetime import UTC, datetime

import numpy as np

from chaosprsa.allocation.further import devices
from chaosprsa.allocation.ranges import build_space
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.threats import usual_load
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.twin import Noise, Parameters, Rehearsal, Spread, Twin, draw_worlds
from chaosprsa.twin.graph import call_graph
from chaosprsa.twin.stations import equipped
from chaosprsa.types import Allocation, Edge, Prices, Resources, ServiceAllocation, Slo, Topology, TwinFit

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SURE = TwinFit(trusted=True, latency_ratio=1.0, error_share_gap=0.0, trials=5, reason="made")
PRICES = Prices(cpu_core_hour=0.04, memory_gib_hour=0.005)
NAMES = ("web", "stock", "store")
TOPOLOGY = Topology(
    services=NAMES, entry="web", edges=(Edge(caller="web", callee="stock"), Edge(caller="stock", callee="store"))
)
SLO = Slo(service="web", latency_ms=150)
LOAD_PER_S = 60.0
RESOURCES = Resources(
    cpu_request_millicores=500, cpu_limit_millicores=1000, memory_request_mib=128, memory_limit_mib=256
)
PRODUCTION = Allocation(
    services=tuple(ServiceAllocation(service=name, replicas=4, resources=RESOURCES) for name in NAMES)
)


def twin_of(demand_s=(0.004, 0.006, 0.004), wait_s=(0.01, 0.0, 0.0), topology=TOPOLOGY, memory_mib=80.0):
    count = len(topology.services)
    sure = np.full(count, 0.02)
    nominal = Parameters(
        demand_s=np.array(demand_s),
        wait_s=np.array(wait_s),
        memory_mib=np.full(count, memory_mib),
        memory_per_job_mib=np.full(count, 0.5),
        start_delay_s=np.full(count, 10.0),
        error_share=np.zeros(count),
    )
    return Twin(call_graph(topology), nominal, Spread(sure, sure, sure, sure), 1.0, 10.0, SURE)


def objective_of(declared, twin=None, production=PRODUCTION, slo=SLO):
    """At the usual peak alone, in the world that is expected."""
    twin = twin or twin_of()
    space = build_space(production, twin, SafetyTable(max_replicas=12), PRICES, declared=declared)
    full = equipped(twin, devices(declared))
    issues = (usual_load("web", NOW),)
    worlds = draw_worlds(full, issues, LOAD_PER_S, 1, 1, Noise())
    return Objective(space, Rehearsal(full, slo, issues, worlds, (60.0, 30.0), 10.0))
