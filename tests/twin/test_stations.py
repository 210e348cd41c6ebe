"""What pods have besides CPU: the fluid twin's stations against queueing theory, and against the exact twin."""

import math
from dataclasses import replace

import numpy as np
import pytest

from chaosprsa.twin import Capacity, Parameters, Spread, Twin, simulate
from chaosprsa.twin.course import Course, Effects, Part
from chaosprsa.twin.exact.from_twin import network_of
from chaosprsa.twin.exact.simulation import Simulation
from chaosprsa.twin.graph import call_graph
from chaosprsa.twin.stations import Device, equipped
from chaosprsa.types import Edge, Topology, TwinFit

SHOP = Topology(services=("web", "stock"), entry="web", edges=(Edge(caller="web", callee="stock"),))
LINK = Device(service="web", kind="network", seconds=0.004, share=0.5)
RATE = 70.0


@pytest.fixture
def plain():
    none = np.zeros(2)
    nominal = Parameters(
        demand_s=np.array([0.005, 0.006]),
        wait_s=np.array([0.02, 0.0]),
        memory_mib=np.array([50.0, 60.0]),
        memory_per_job_mib=none,
        start_delay_s=np.array([5.0, 6.0]),
        error_share=none,
    )
    fit = TwinFit(trusted=True, latency_ratio=1.0, error_share_gap=0.0, trials=3, reason="")
    return Twin(call_graph(SHOP), nominal, Spread(none, none, none, none), 1.0, math.inf, fit)


def capacity_of(share):
    return Capacity(np.array([[1.0, 1.0, 1.0]]), np.array([[1.0, 1.0, share]]), np.full((1, 3), 1e9))


def played(twin, capacity):
    shape = (1, len(twin.graph.services))
    none, full = np.zeros(shape), np.ones(shape)
    known = Parameters(*(getattr(twin.nominal, name)[None] for name in Parameters.__slots__))
    course = Course(np.full((12, 1), 15.0), np.full((12, 1), RATE), np.full(12, Part.BEFORE))
    return simulate(twin, capacity, known, Effects(none, none, full, full, none, none, np.ones(1)), course)


def alone(seconds):
    """M/M/1 at this rate, first come first served or shared: the same mean."""
    return seconds / (1 - RATE * seconds)


def test_a_link_adds_the_time_of_a_queue_and_takes_its_own_from_what_was_waiting(plain):
    twin = equipped(plain, (LINK,))
    assert twin.nominal.wait_s[0] == pytest.approx(0.02 - 0.004 / 0.5)
    mean = played(twin, capacity_of(0.5)).mean_s[-1, 0]
    assert mean == pytest.approx(alone(0.005) + alone(0.006) + 0.012 + alone(0.008), rel=0.005)


def test_a_link_that_is_too_narrow_holds_everything_up(plain):
    trace = played(equipped(plain, (LINK,)), capacity_of(0.25))
    assert trace.pressure[-1, 0] == pytest.approx(RATE * 0.016, rel=0.01)
    assert trace.mean_s[-1, 0] > 1.0


def test_a_callers_parallel_calls_dont_hide_its_own_link(plain):
    apart = replace(plain, graph=replace(plain.graph, overlap=np.array([0.5, 1.0])))
    mean = played(equipped(apart, (LINK,)), capacity_of(0.5)).mean_s[-1, 0]
    assert mean == pytest.approx(alone(0.005) + 0.5 * alone(0.006) + 0.012 + alone(0.008), rel=0.005)


def test_links_go_and_come_with_their_pods(plain):
    twin = equipped(plain, (LINK,))
    spread = replace(twin, spread=replace(twin.spread, start_delay=np.array([0.3, 0.3, 0.3])))
    drawn = spread.drawn(np.random.default_rng(1), 3)
    assert np.array_equal(drawn.start_delay_s[:, 2], drawn.start_delay_s[:, 0])
    assert not np.array_equal(drawn.start_delay_s[:, 1], drawn.start_delay_s[:, 0])


def test_where_nothing_is_declared_the_twin_is_the_same(plain):
    assert equipped(plain, ()) is plain


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "least", "most"), [("network", 0.94, 1.06), ("storage", 1.0, 1.2)])
def test_the_exact_twin_tells_the_same_times(plain, kind, least, most):
    """At 56 % of the station: the mean within 2 %, the tail within 6 %.

    A volume serves one request after the other, which the fluid twin takes for sharing: its tail is 16 % too high then.
    """
    twin = equipped(plain, (replace(LINK, kind=kind),))
    capacity, rng = capacity_of(0.5), np.random.default_rng(4)
    exact = Simulation(network_of(twin, capacity), np.cumsum(rng.exponential(1 / RATE, 400_000)), rng)
    exact.advance(math.inf)
    latency, trace = exact.latency_s[20_000:], played(twin, capacity)
    assert trace.mean_s[-1, 0] == pytest.approx(latency.mean(), rel=0.02)
    assert least <= trace.law().exceeded(0.01)[-1, 0] / np.quantile(latency, 0.99) <= most
