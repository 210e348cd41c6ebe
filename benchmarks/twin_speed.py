"""Claim: the exact twin plays an equal tandem 80 times as fast as ciw, and 1 M requests a second on a call graph.

Exact: one thread, the discrete-event simulation of chaosprsa.twin.exact against ciw 3 on the same three M/M/1 in a
row at 70 %, turn and turn about; a customer is one that went through all three. Then a shop of ten services (calls
with chances, one after the other and side by side, 23 pods of two cores at 70 % where it is fullest), with an even
share of the CPU limit and with CFS quotas; a request there is a user's, visits are the jobs that services did for all
of them (about five each). A single pod of one core shows what quotas cost that do run out. Fluid: steps of 15 s of
1,000 environments, one thread and two, steady and with an overload that begins after a tenth of the course, lasts as
long at twice the load that fits, and drains until the end. A rate is by the processor time of this process (wall time
beside it), the median of the repeats, so that what else the machine does counts for nobody.

python benchmarks/twin_speed.py --repeats 7 --json benchmarks/results/twin_speed.json
"""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import numpy as np
from claims import parser, table, write
from twin_networks import quiet, shop, twin_of

from chaosprsa.twin import Capacity, Parameters, simulate
from chaosprsa.twin.course import Course, Part
from chaosprsa.twin.exact.network import Call, Network, Service
from chaosprsa.twin.exact.simulation import Simulation
from chaosprsa.types import Edge, Topology

LOAD = 0.7
GOALS = {"times_ciw": 80.0, "graph_requests_per_s": 1e6, "fluid_3_steps_per_s": 1e6, "fluid_20_steps_per_s": 0.15e6}
ENVIRONMENTS, STEPS, STEP_S = 1000, 100, 15.0


def main() -> None:
    """Measure, compare, print, write."""
    options = parser(__doc__ or "")
    options.add_argument("--repeats", type=int, default=7)
    options.add_argument("--requests", type=int, default=300_000, help="of a run of the exact twin")
    options.add_argument("--ciw-customers", type=int, default=8_000)
    given = options.parse_args()
    began = time.process_time()
    played(row(3), LOAD, 100, given.seed)
    first_s = time.process_time() - began
    exact = exact_rates(given.requests, given.ciw_customers, given.repeats, given.seed)
    fluid = fluid_rates(given.repeats)
    figures = {"goal": GOALS, "compile_or_load_s": first_s, **exact, **fluid}
    figures["times_ciw"] = exact["tandem"]["per_cpu_s"] / exact["ciw_tandem"]["per_cpu_s"]
    rows = [(name, *each.values()) for name, each in exact.items()]
    print(table(("exact", "requests/s of CPU", "requests/s of wall", "visits/s of CPU"), rows))
    print(f"an equal tandem: {figures['times_ciw']:.0f} times ciw (goal 80); first call {first_s:.2f} s")
    print(table(("fluid", "environment steps/s of CPU", "of wall"), [(n, *each.values()) for n, each in fluid.items()]))
    write(given.json, __file__, given, figures)


def row(count: int) -> Network:
    """M/M/1 stations, each called by the one before it; 1 s of work at each."""
    names = [f"s{at}" for at in range(count)]
    calls = {name: (Call(callee=after),) for name, after in pairwise(names)}
    services = tuple(Service(name=name, demand_s=1.0, replicas=1, calls=calls.get(name, ())) for name in names)
    return Network(services=services, entry=names[0])


def played(network: Network, rate: float, count: int, seed: int) -> tuple[float, float, float]:
    """(processor seconds, wall seconds, visits of all services) of so many requests."""
    rng = np.random.default_rng(seed)
    simulation = Simulation(network, np.cumsum(rng.exponential(1 / rate, count)), rng)
    cpu, wall = time.process_time(), time.perf_counter()
    simulation.advance(math.inf)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return cpu, wall, float(simulation.seen().arrived.sum())


def ciw_played(count: int, seed: int) -> tuple[float, float, float]:
    """The same tandem by ciw."""
    import ciw

    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(LOAD), None, None],
        service_distributions=[ciw.dists.Exponential(1.0)] * 3,
        routing=[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]],
        number_of_servers=[1, 1, 1],
    )
    ciw.seed(seed)
    simulation = ciw.Simulation(network)
    cpu, wall = time.process_time(), time.perf_counter()
    simulation.simulate_until_max_customers(count)
    return time.process_time() - cpu, time.perf_counter() - wall, 3.0 * count


def exact_rates(requests: int, customers: int, repeats: int, seed: int) -> dict[str, dict[str, float]]:
    """Medians, every repeat playing each case once."""
    graph, rate = shop(), 1400.0
    quotas = Network(
        services=tuple(replace(each, quota_period_s=0.1, node_cores=8.0) for each in graph.services), entry=graph.entry
    )
    pod = Service(name="pod", demand_s=0.01, replicas=1, quota_period_s=0.1, node_cores=8.0)
    throttled = Network(services=(pod,), entry=pod.name)
    cases: dict[str, tuple[int, Callable[[int], tuple[float, float, float]]]] = {
        "tandem": (requests, lambda at: played(row(3), LOAD, requests, at)),
        "ciw_tandem": (customers, lambda at: ciw_played(customers, at)),
        "single": (requests, lambda at: played(row(1), LOAD, requests, at)),
        "single_cfs": (requests, lambda at: played(throttled, 70.0, requests, at)),
        "graph": (requests, lambda at: played(graph, rate, requests, at)),
        "graph_cfs": (requests, lambda at: played(quotas, rate, requests, at)),
    }
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in cases}
    for at in range(repeats):
        for name, (_, play) in cases.items():
            seen[name].append(play(seed + at))
    return {name: rates_of(count, seen[name]) for name, (count, _) in cases.items()}


def rates_of(count: int, runs: list[tuple[float, float, float]]) -> dict[str, float]:
    """Medians over runs of (processor s, wall s, visits)."""
    found = np.array(runs)
    return {
        "per_cpu_s": float(np.median(count / found[:, 0])),
        "per_wall_s": float(np.median(count / found[:, 1])),
        "visits_per_cpu_s": float(np.median(found[:, 2] / found[:, 0])),
    }


def fluid_rates(repeats: int) -> dict[str, dict[str, float]]:
    """Environment steps a second: chains of services, the environments on one thread or halved on two."""
    found, steps = {}, ENVIRONMENTS * STEPS
    for services, threads, overload in product((3, 5, 20), (1, 2), (False, True)):
        runs = [fluid_run(services, threads, overload) for _ in range(repeats + 1)][1:]
        found[f"fluid_{services}_services_{threads}_threads{'_overload' if overload else ''}"] = {
            "per_cpu_s": float(np.median([steps / cpu for cpu, _ in runs])),
            "per_wall_s": float(np.median([steps / wall for _, wall in runs])),
        }
    return found


def fluid_run(services: int, threads: int, overload: bool) -> tuple[float, float]:
    """(processor seconds, wall seconds) of all steps of all environments."""
    names = tuple(f"s{at}" for at in range(services))
    chain = Topology(services=names, entry=names[0], edges=tuple(Edge(caller=a, callee=b) for a, b in pairwise(names)))
    twin = twin_of(chain, np.full(services, 0.005))
    loads = np.array_split(np.linspace(10, 190, ENVIRONMENTS), threads)

    def play(load: Any) -> None:
        shape = (len(load), services)
        capacity = Capacity(np.ones(shape), np.ones(shape), np.full(shape, 1e6))
        parameters = Parameters(*(np.broadcast_to(getattr(twin.nominal, n), shape) for n in Parameters.__slots__))
        course = Course(
            np.full((STEPS, len(load)), STEP_S),
            overloaded(load) if overload else np.broadcast_to(load, (STEPS, len(load))),
            np.full(STEPS, Part.BEFORE),
        )
        simulate(twin, capacity, parameters, quiet(*shape), course)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(play, [load[:1] for load in loads]))
        cpu, wall = time.process_time(), time.perf_counter()
        list(pool.map(play, loads))
        return time.process_time() - cpu, time.perf_counter() - wall


def overloaded(load: Any) -> Any:
    """Shape (STEPS, environments); pods do 200 requests a second: twice that comes, then a quarter or more is spare."""
    course = np.tile(load, (STEPS, 1))
    course[STEPS // 10 : STEPS // 5] = 400.0
    course[STEPS // 5 :] = np.minimum(load, 150.0)
    return course


if __name__ == "__main__":
    main()
