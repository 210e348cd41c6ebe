"""The calibrated twin played request by request: the same services, and the same times as the fluid has."""

import math
from dataclasses import replace

import numpy as np
import pytest

from chaosprsa.errors import InvalidNoun
from chaosprsa.twin import Capacity, Parameters, Spread, Twin, simulate
from chaosprsa.twin.course import Course, Effects, Part
from chaosprsa.twin.exact.from_twin import network_of
from chaosprsa.twin.exact.simulation import Simulation
from chaosprsa.twin.graph import call_graph
from chaosprsa.types import Edge, Topology, TwinFit

FIT = TwinFit(trusted=True, latency_ratio=1.0, error_share_gap=0.0, trials=3, reason="")
SHOP = Topology(
    services=("web", "cart", "store"),
    entry="web",
    edges=(Edge(caller="web", callee="cart", calls_per_request=2.3), Edge(caller="cart", callee="store")),
)


@pytest.fixture
def twin():
    none = np.zeros(3)
    nominal = Parameters(
        demand_s=np.array([0.01, 0.004, 0.002]),
        wait_s=np.array([0.0, 0.003, 0.0]),
        memory_mib=np.array([50.0, 60.0, 70.0]),
        memory_per_job_mib=np.array([0.5, 0.0, 0.0]),
        start_delay_s=np.array([5.0, 6.0, 7.0]),
        error_share=np.array([0.0, 0.01, 0.0]),
    )
    return Twin(call_graph(SHOP), nominal, Spread(none, none, none, none), 1.0, 2.0, FIT)


@pytest.fixture
def capacity():
    return Capacity(
        replicas=np.array([[1.0, 1.0, 1.0], [2.0, 2.0, 1.0]]),
        cores=np.array([[1.0, 1.0, 1.0], [1.0, 1.5, 2.0]]),
        memory_mib=np.array([[100.0, 200.0, 300.0], [101.0, 201.0, 301.0]]),
    )


def test_services_keep_what_the_twin_knows_of_them(twin, capacity):
    network = network_of(twin, capacity, row=1, most_replicas={"cart": 6}, quota_period_s=0.1)
    assert network.entry == "web"
    web, cart, store = network.services
    assert (cart.name, cart.demand_s, cart.wait_s, cart.error_share) == ("cart", 0.004, 0.003, 0.01)
    assert (cart.replicas, cart.pods, cart.cores, cart.start_delay_s) == (2, 6, 1.5, 6.0)
    assert (web.memory_mib, web.memory_per_job_mib, web.memory_limit_mib) == (50.0, 0.5, 101.0)
    assert (web.pods, store.pods) == (2, 1)
    assert {each.quota_period_s for each in network.services} == {0.1}
    assert {each.demand_cv2 for each in network.services} == {1.0}


def test_a_part_of_a_call_is_made_at_times_and_callers_give_up_in_time(twin, capacity):
    calls = network_of(twin, capacity).services[0].calls
    assert [call.callee for call in calls] == ["cart"] * 3
    assert [call.chance for call in calls] == [1.0, 1.0, pytest.approx(0.3)]
    assert {call.timeout_s for call in calls} == {2.0}
    assert [call.group for call in calls] == [0, 1, 2]


def test_calls_whose_time_is_hardly_waited_for_go_out_side_by_side(twin, capacity):
    overlap = replace(twin.graph, overlap=np.array([0.34, 1.0, 1.0]))
    calls = network_of(replace(twin, graph=overlap), capacity).services[0].calls
    assert [call.group for call in calls] == [0, 0, 0]


def test_a_draw_replaces_what_is_nominal(twin, capacity):
    drawn = replace(twin.nominal, demand_s=np.array([0.02, 0.005, 0.003]))
    assert [each.demand_s for each in network_of(twin, capacity, parameters=drawn).services] == [0.02, 0.005, 0.003]


def test_idle_use_and_threads_leave_requests_less_of_a_limit_in_both_twins(twin, capacity):
    """cart uses 0.1 cores by itself; web's requests never more than half a core, whatever its limit."""
    bound = replace(twin, idle_cores=np.array([0.0, 0.1, 0.0]), most_cores=np.array([0.5, np.inf, np.inf]))
    assert [each.cores for each in network_of(bound, capacity, row=1).services] == [0.5, pytest.approx(1.4), 2.0]
    one = Capacity(*(getattr(capacity, name)[1:] for name in Capacity.__slots__))
    none, full = np.zeros((1, 3)), np.ones((1, 3))
    quiet = Effects(none, none, full, full, none, none, np.ones(1))
    known = Parameters(*(getattr(twin.nominal, name)[None] for name in Parameters.__slots__))
    course = Course(np.full((5, 1), 15.0), np.full((5, 1), 40.0), np.full(5, Part.BEFORE))
    used = [simulate(each, one, known, quiet, course).utilisation[0] for each in (twin, bound)]
    assert used[0] == pytest.approx([0.2, used[0][1], used[0][2]], rel=0.01)  # 40 times 10 ms on two pods of a core
    assert used[1] == pytest.approx([0.4, used[0][1] * 1.5 / 1.4, used[0][2]], rel=0.01)


def test_unsure_calls_are_drawn_as_more_or_less_work_and_wait_together(twin):
    wide = replace(twin, spread=replace(twin.spread, visits=np.array([0.0, 0.3, 0.0])))
    drawn = wide.drawn(np.random.default_rng(1), 500)
    more = drawn.demand_s / twin.nominal.demand_s
    assert np.log(more[:, 1]).std() == pytest.approx(0.3, rel=0.1)
    assert (more[:, [0, 2]] == 1.0).all()
    assert drawn.wait_s[:, 1] / twin.nominal.wait_s[1] == pytest.approx(more[:, 1])
    assert more[0, 1] == 1.0


def test_a_row_that_is_not_there_is_refused(twin, capacity):
    with pytest.raises(InvalidNoun, match="row 2 was asked for, there are 2"):
        network_of(twin, capacity, row=2)


def test_both_twins_tell_the_same_times(twin, capacity):
    """At 70 % of the entry, without errors and time-outs: mean within four standard errors, tail within 8 %.

    (Six of them are bunches of calls, which the fluid does not know; see chaosprsa.twin.along.)
    """
    nominal = replace(twin.nominal, error_share=np.zeros(3))
    patient = replace(twin, timeout_s=math.inf, nominal=nominal)
    big = replace(capacity, memory_mib=np.full((2, 3), 1e6))
    rng = np.random.default_rng(3)
    exact = Simulation(network_of(patient, big), np.cumsum(rng.exponential(1 / 70, 300_000)), rng)
    exact.advance(math.inf)
    latency = exact.latency_s[20_000:]
    means = np.array([block.mean() for block in np.array_split(latency, 20)])
    one = Capacity(*(getattr(big, name)[:1] for name in Capacity.__slots__))
    none, full = np.zeros((1, 3)), np.ones((1, 3))
    quiet = Effects(none, none, full, full, none, none, np.ones(1))
    known = Parameters(*(getattr(nominal, name)[None] for name in Parameters.__slots__))
    course = Course(np.full((5, 1), 15.0), np.full((5, 1), 70.0), np.full(5, Part.BEFORE))
    trace = simulate(patient, one, known, quiet, course)
    assert trace.mean_s[-1, 0] == pytest.approx(means.mean(), abs=4 * means.std(ddof=1) / math.sqrt(20))
    assert trace.law().exceeded(0.01)[-1, 0] == pytest.approx(np.quantile(latency, 0.99), rel=0.08)
