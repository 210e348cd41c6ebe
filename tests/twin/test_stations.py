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
from chaosprsa.twin.mixes import Mix, MixedCapacity
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
@pytest.mark.parametrize(("kind", "least", "most"), [("network", 0.94, 1.06), ("storage", 1.0, 1.25)])
def test_the_exact_twin_tells_the_same_times(plain, kind, least, most):
    """At 56 % of the station: the mean within 2 %, the tail within 6 %.

    A volume serves one request after the other, which the fluid twin takes for sharing: a tail some 20 % too high.
    """
    twin = equipped(plain, (replace(LINK, kind=kind),))
    capacity, rng = capacity_of(0.5), np.random.default_rng(4)
    exact = Simulation(network_of(twin, capacity), np.cumsum(rng.exponential(1 / RATE, 400_000)), rng)
    exact.advance(math.inf)
    latency, trace = exact.latency_s[20_000:], played(twin, capacity)
    assert trace.mean_s[-1, 0] == pytest.approx(latency.mean(), rel=0.02)
    assert least <= trace.law().exceeded(0.01)[-1, 0] / np.quantile(latency, 0.99) <= most


def mix_of(hit, before):
    """A cache at web, whose answers take half of the work."""
    none = np.zeros(2)
    at_web = np.array([1.0, 0.0])
    return Mix(
        hit=hit * at_web, hit_before=before * at_web, hit_work=np.array([0.5, 1.0]), fill=none,
        reached=np.ones(2), memory_mib=none,
    )  # fmt: skip


def mixed_capacity(mix):
    return MixedCapacity(np.ones((1, 2)), np.ones((1, 2)), np.full((1, 2), 1e9), (mix,), np.zeros(1, dtype=int))


def test_a_larger_cache_spares_work_and_calls_in_proportion_to_the_misses(plain):
    """Calibrated at half of the requests, now at four of five."""
    mix = mix_of(0.8, 0.5)
    assert mix.graph(plain.graph).calls[0, 1] == pytest.approx(0.2 / 0.5)
    assert mix.parameters(plain.nominal).demand_s == pytest.approx([0.005 * 0.6 / 0.75, 0.006])
    assert mix.parameters(plain.nominal).wait_s[0] == pytest.approx(0.02 * 0.2 / 0.5)


def test_a_hits_answer_goes_over_the_network_and_not_to_the_volume(plain):
    volume = replace(LINK, kind="storage")
    graph = Mix(
        hit=np.array([0.5, 0, 0, 0]), hit_before=np.zeros(4), hit_work=np.ones(4), fill=np.zeros(4),
        reached=np.ones(4), memory_mib=np.zeros(4),
    ).graph(equipped(plain, (LINK, volume)).graph)  # fmt: skip
    assert graph.calls[0].tolist() == [0.0, 0.5, 1.0, 0.5]


def test_the_exact_twin_plays_hits_one_by_one(plain):
    web, _ = network_of(plain, mixed_capacity(mix_of(0.8, 0.5))).services
    assert (web.hit_share, web.hit_work, web.cache_fill) == (0.8, 0.5, 0.0)
    assert [call.chance for call in web.calls] == [1.0, 1.0]
    assert web.demand_s == pytest.approx(0.005 / 0.75)


@pytest.mark.slow
def test_the_exact_twin_tells_the_same_times_with_a_cache(plain):
    """Half of the requests are answered by web when calibrated, four of five now: the mean within 3 %."""
    halved = replace(plain, graph=replace(plain.graph, calls=plain.graph.calls * 0.5))
    mix, rng = mix_of(0.8, 0.5), np.random.default_rng(5)
    exact = Simulation(network_of(halved, mixed_capacity(mix)), np.cumsum(rng.exponential(1 / RATE, 400_000)), rng)
    exact.advance(math.inf)
    now = replace(halved, graph=mix.graph(halved.graph), nominal=mix.parameters(halved.nominal))
    trace = played(now, Capacity(np.ones((1, 2)), np.ones((1, 2)), np.full((1, 2), 1e9)))
    assert trace.mean_s[-1, 0] == pytest.approx(exact.latency_s[20_000:].mean(), rel=0.03)
