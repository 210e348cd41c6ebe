"""A knee that CPU does not explain: found where there is one, and nowhere else."""

import numpy as np
import pytest

from chaosprsa.twin.concurrency import usable_cores
from chaosprsa.twin.exact.network import Network, Service
from chaosprsa.twin.exact.simulation import Simulation
from chaosprsa.twin.graph import call_graph
from chaosprsa.twin.observed import Observed
from chaosprsa.types import Phase, Topology

ALONE = Topology(services=("web",), entry="web")
DEMAND, LENGTH_S, LIMIT = 0.01, 60.0, 4.0


def phases(threads, rates, hit=()):
    """The exact twin's phases, one pod with a limit of four cores."""
    service = Service(name="web", demand_s=DEMAND, replicas=1, cores=LIMIT, threads=threads)
    rng = np.random.default_rng(5)
    arrivals = np.concatenate(
        [at * LENGTH_S + np.sort(rng.uniform(0, LENGTH_S, int(rate * LENGTH_S))) for at, rate in enumerate(rates)]
    )
    simulation = Simulation(Network(services=(service,), entry="web"), arrivals, rng)
    rows = []
    for at in range(len(rates)):
        simulation.advance((at + 1) * LENGTH_S)
        now = simulation.seen()
        rows.append((now.answered[0] / LENGTH_S, now.mean_s[0], now.cpu_s[0] / LENGTH_S))
    rate, latency, cores = np.array(rows).T[:, :, None]
    ones = np.ones_like(rate)
    return Observed(
        (Phase.BEFORE,) * len(rates),
        LENGTH_S * ones[:, 0],
        rate,
        0 * rate,
        latency,
        cores,
        ones,
        ones,
        LIMIT * ones,
        hit=hit,
    )


def limit(seen):
    most, notes = usable_cores(call_graph(ALONE), seen, np.array([DEMAND]), np.zeros(1))
    return most[0], notes


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_that_bind_before_the_cpu_limit_are_found(threads):
    found, notes = limit(phases(threads, [90.0 * threads, 50.0, 97.0 * threads, 50.0, 95.0 * threads]))
    assert found == pytest.approx(threads, rel=0.15)
    assert "web: requests waited while CPU was left" in notes[0]


def test_without_a_knee_threads_are_unlimited_and_it_is_said():
    found, notes = limit(phases(1 << 20, [90.0, 250.0, 350.0, 180.0]))
    assert found == np.inf
    assert notes == ("threads and workers are taken as unlimited: nowhere did requests wait while CPU was left",)


def test_what_a_fault_slows_is_no_knee():
    rows = [95.0, 97.0, 50.0, 96.0]
    assert limit(phases(1, rows, hit=(frozenset({0}),) * 4))[0] == np.inf


def test_slow_with_cpu_left_and_quick_with_more_in_use_is_a_contradiction_and_said():
    slow, quick = phases(1, [97.0, 98.0, 96.0]), phases(1 << 20, [200.0])
    both = Observed(
        slow.phase + quick.phase,
        *(
            np.concatenate([getattr(slow, name), getattr(quick, name)])
            for name in ("length_s", "rate", "failed", "latency_s", "cpu_cores", "memory_mib", "ready", "limit_cores")
        ),
    )
    found, notes = limit(both)
    assert found == np.inf
    assert "no limit explains both" in notes[0]
