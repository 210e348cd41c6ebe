"""The fluid twin against steady states, fluid limits and a discrete-event simulation."""

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.twin import Capacity, Parameters, Spread, Twin, simulate
from chaosprsa.twin.course import Course, Effects, Part, effects_of
from chaosprsa.twin.graph import call_graph
from chaosprsa.types import Edge, Fault, Topology, TwinFit

UNJUDGED = TwinFit(trusted=True, latency_ratio=1.0, error_share_gap=0.0, trials=3, reason="")
CHAIN = Topology(services=("web", "db"), entry="web", edges=(Edge(caller="web", callee="db", calls_per_request=2.0),))


def twin_of(topology, demand, *, wait=0.0, start=5.0, memory=10.0, per_job=0.0, timeout=30.0):
    count = len(topology.services)
    flat = np.ones(count)
    nominal = Parameters(
        np.array(demand, dtype=float), flat * wait, flat * memory, flat * per_job, flat * start, flat * 0.0
    )
    return Twin(call_graph(topology), nominal, Spread(*[flat * 0.0] * 4), 1.0, timeout, UNJUDGED)


def played(twin, load, *, replicas=1.0, cores=1.0, memory=1000.0, issue=None, parts=((Part.FAULT, 60),), step=1.0):
    """One environment for each load."""
    load = np.atleast_1d(np.asarray(load, dtype=float))
    shape = (len(load), len(twin.graph.services))
    part = np.concatenate([[which] * count for which, count in parts])
    course = Course(np.full((len(part), len(load)), step), np.broadcast_to(load, (len(part), len(load))), part)
    capacity = Capacity(*(np.broadcast_to(np.asarray(x, float), shape).copy() for x in (replicas, cores, memory)))
    strength = np.full(len(load), issue.strength if issue else 1.0)
    nothing = effects_of([], twin.graph.services, np.zeros(0))
    effects = effects_of([issue] * len(load), twin.graph.services, strength) if issue else None
    if effects is None:
        names = type(nothing).__slots__
        full = {"cpu_left", "memory_left"}
        effects = type(nothing)(
            *(np.ones(len(load)) if n == "surge" else np.full(shape, float(n in full)) for n in names)
        )
    nominal = Parameters(*(np.broadcast_to(getattr(twin.nominal, n), shape) for n in Parameters.__slots__))
    return simulate(twin, capacity, nominal, effects, course)


def steady_world(twin):
    """One pod of one core each, nothing wrong: capacity, parameters, effects."""
    shape = (1, len(twin.graph.services))
    known = Parameters(*(getattr(twin.nominal, name)[None] for name in Parameters.__slots__))
    return Capacity(np.ones(shape), np.ones(shape), np.full(shape, 1e9)), known, quiet(1, shape[1])


def quiet(environments, services):
    none, full = np.zeros((environments, services)), np.ones((environments, services))
    return Effects(none, none, full, full, none, none, np.ones(environments))


def test_a_jackson_network_has_its_mean():
    """web at 20/s on one core, db at 40/s over two pods: 1/(mu - lambda) at each visit."""
    twin = twin_of(CHAIN, [0.02, 0.01])
    trace = played(twin, 20.0, replicas=[1, 2])
    expected = 1 / (50 - 20) + 2 / (100 - 20)
    assert trace.mean_s[-1, 0] == pytest.approx(expected, rel=1e-3)


def test_a_pod_of_two_cores_has_the_mean_of_mm2():
    twin = twin_of(Topology(services=("web",), entry="web"), [1.0])
    # M/M/2 at 80 %: W = 1 / (1 - 0.64)
    assert played(twin, 1.6, cores=2.0, step=60.0).mean_s[-1, 0] == pytest.approx(1 / 0.36, rel=1e-3)


def test_overload_ages_what_is_answered_as_sharing_says():
    """At twice what it can do a level grows from nothing by 100/s; of the requests present at t the share (1 - a / t)²
    is older than a: a third of t on average, 0.9 t at the 99th percentile."""
    twin = twin_of(Topology(services=("web",), entry="web"), [0.01], timeout=1e6)
    load = np.repeat([1.0, 200.0], [1, 120])
    course = Course(np.ones((121, 1)), load[:, None], np.full(121, Part.BEFORE))
    trace = simulate(twin, *steady_world(twin), course)
    middles = np.arange(120) + 0.5  # of the steps since it began
    assert trace.mean_s[10:121, 0] == pytest.approx(middles[9:] / 3, rel=0.03)
    assert trace.law().exceeded(0.01)[20:, 0] == pytest.approx(0.9 * middles[19:], rel=0.06)


def test_a_backlog_ages_while_it_drains(shop):
    """Twice 80/ms for 10 s leaves 600,000 and 20/ms are spare: 30 s until it is gone, and meanwhile answers get slower.

    What was there before counts as if it had come at the beginning: dM/dt = 1 - a M / N, with N in straight lines. So
    many that chance doesn't count: of 600 at 80/s some are gone seconds sooner or later, and the mean ages with them.
    """
    twin = twin_of(Topology(services=("web",), entry="web"), [1e-5], timeout=1e6)
    surge = shop.issue_of(Fault.TRAFFIC_SURGE, "web", 2.0)
    trace = played(twin, 80_000.0, issue=surge, parts=((Part.FAULT, 10), (Part.AFTER, 35)))
    level, age, expected = 4.0, 0.04e-3, []
    for tick in range(45_000):
        came = 160e3 if tick < 10_000 else 80e3
        age += 0.001 * (1.0 - came * age / level) if level > 100 else 0.0
        level = max(level + 0.001 * (came - 100e3 * level / (1 + level)), 4.0)
        expected.append(age)
    assert trace.mean_s[1:35, 0] == pytest.approx(np.reshape(expected, (45, 1000)).mean(axis=1)[1:35], rel=0.04)


def test_answers_slower_than_the_timeout_fail():
    twin = twin_of(Topology(services=("web",), entry="web"), [0.01], timeout=2.0)
    trace = played(twin, 200.0, parts=((Part.FAULT, 60),))
    assert trace.mean_s[-1, 0] <= 2.0
    assert trace.failed[-1, 0] >= 0.5  # half of what comes can't be served


@pytest.mark.parametrize(("fault", "back_s"), [(Fault.POD_KILL, 5.0), (Fault.REPLICA_LOSS, 35.0)])
def test_lost_pods_come_back_when_they_should(shop, fault, back_s):
    twin = twin_of(Topology(services=("web",), entry="web"), [0.01])
    issue = shop.issue_of(fault, "web", 1.0)
    trace = played(twin, 20.0, replicas=2.0, issue=issue, parts=((Part.FAULT, 30), (Part.AFTER, 30)))
    failing = trace.failed[:, 0] > 0.5
    assert failing.sum() == pytest.approx(back_s, abs=1)


def test_a_squeezed_pod_runs_out_of_memory_and_starts_again(shop):
    twin = twin_of(Topology(services=("web",), entry="web"), [0.01], memory=60.0)
    squeeze = shop.issue_of(Fault.MEMORY_SQUEEZE, "web", 0.5)
    trace = played(twin, 20.0, memory=100.0, issue=squeeze, parts=((Part.FAULT, 20), (Part.AFTER, 20)))
    assert trace.failed[1:20, 0].mean() > 0.7
    assert trace.failed[-5:, 0].max() < 0.01


def test_failures_of_a_callee_reach_the_entry_as_often_as_it_is_called(shop):
    topology = Topology(
        services=("web", "db"), entry="web", edges=(Edge(caller="web", callee="db", calls_per_request=0.3),)
    )
    failing = shop.issue_of(Fault.DEPENDENCY_FAILING, "db", 0.5)
    trace = played(twin_of(topology, [0.001, 0.001]), 20.0, issue=failing)
    assert trace.failed[-1, 0] == pytest.approx(0.15, abs=1e-6)


def test_a_slow_dependency_adds_its_delay_at_every_call(shop):
    slow = shop.issue_of(Fault.DEPENDENCY_SLOW, "db", 40.0)
    twin = twin_of(CHAIN, [0.001, 0.001])
    quiet, slower = played(twin, 20.0), played(twin, 20.0, issue=slow)
    assert slower.mean_s[-1, 0] - quiet.mean_s[-1, 0] == pytest.approx(0.08, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.floats(1.0, 150.0), st.floats(1.01, 2.0), st.sampled_from(list(Fault)), st.floats(0.1, 0.9))
def test_more_load_never_lowers_a_lasting_latency(shop, load, more, fault, strength):
    """In the first moments of an overload it may: there are more fresh requests to be answered."""
    issue = shop.issue_of(fault, "db", 1 + strength if fault is Fault.TRAFFIC_SURGE else strength)
    trace = played(
        twin_of(CHAIN, [0.02, 0.01], timeout=1e6), [load, load * more], replicas=[3, 2], issue=issue,
        parts=((Part.FAULT, 60), (Part.AFTER, 1)),
    )  # fmt: skip
    slowest = trace.law().exceeded(0.01)
    assert slowest[59, 1] >= slowest[59, 0] * 0.97
    assert trace.pressure[59, 1] >= trace.pressure[59, 0]


@settings(max_examples=30, deadline=None)
@given(st.floats(1.0, 200.0), st.integers(1, 6), st.integers(1, 4), st.floats(0.2, 3.0))
def test_more_replicas_never_raise_a_lasting_latency(load, replicas, more, cores):
    twin = twin_of(CHAIN, [0.02, 0.01], timeout=1e6)
    few, many = (
        played(twin, load, replicas=count, cores=cores).law().exceeded(0.01)[-1]
        for count in (replicas, replicas + more)
    )
    assert many <= few * 1.03


@settings(max_examples=30, deadline=None)
@given(st.floats(1.0, 100.0), st.floats(0.1, 3.0), st.floats(0.05, 2.0))
def test_more_cpu_never_raises_a_lasting_latency(load, cores, more):
    twin = twin_of(CHAIN, [0.02, 0.01], timeout=1e6)
    little, much = (
        played(twin, load, replicas=2, cores=limit).law().exceeded(0.01)[-1] for limit in (cores, cores + more)
    )
    assert much <= little * 1.03


def test_a_limit_that_is_squeezed_and_still_ample_changes_nothing(shop):
    twin = twin_of(CHAIN, [0.01, 0.01])
    squeeze = shop.issue_of(Fault.CPU_SQUEEZE, "web", 0.87)
    parts = ((Part.BEFORE, 4), (Part.FAULT, 6), (Part.AFTER, 3))
    trace = played(twin, 20.0, cores=50.0, replicas=2.0, issue=squeeze, parts=parts, step=6.0)
    assert trace.mean_s[:, 0] == pytest.approx(trace.mean_s[0, 0], rel=0.02)


@pytest.mark.parametrize("others", [[110.0], [5.0, 300.0, 60.0]])
def test_an_environment_plays_alike_whatever_stands_beside_it(shop, others):
    twin = twin_of(CHAIN, [0.02, 0.01])
    given = {"replicas": [2, 2], "cores": 2.0, "parts": ((Part.BEFORE, 6), (Part.FAULT, 20)), "step": 6.0}
    issue = shop.issue_of(Fault.TRAFFIC_SURGE, "web", 2.0)
    alone = played(twin, [55.0], issue=issue, **given)
    beside = played(twin, [55.0, *others], issue=issue, **given)
    for name in ("mean_s", "variance_s2", "third_s3", "failed"):
        assert getattr(beside, name)[:, 0] == pytest.approx(getattr(alone, name)[:, 0], rel=1e-9), name


@pytest.mark.parametrize("fault", [Fault.CPU_SQUEEZE, Fault.POD_KILL, Fault.TRAFFIC_SURGE, Fault.MEMORY_SQUEEZE])
def test_limits_and_pods_of_others_change_nothing_either(shop, fault):
    """A squeeze that leaves just one core, part of a core, several; one with no pods at a service."""
    twin = twin_of(CHAIN, [0.02, 0.01], per_job=2.0)
    given = {"parts": ((Part.BEFORE, 6), (Part.FAULT, 20), (Part.AFTER, 10)), "step": 6.0, "memory": 64.0}
    given["issue"] = shop.issue_of(fault, "web", 2.0 if fault is Fault.TRAFFIC_SURGE else 0.5)
    loads = np.array([55.0, 20.0, 110.0, 30.0, 5.0])
    pods, cores = (
        np.array(rows)
        for rows in (
            [[2, 2], [2, 3], [4, 4], [1, 0], [0, 2]],
            [[2.0, 1.0], [0.5, 0.5], [2.0, 4.0], [1.0, 1.0], [1.5, 2.0]],
        )
    )
    together = played(twin, loads, replicas=pods, cores=cores, **given)
    for at in range(len(loads)):
        alone = played(twin, loads[at], replicas=pods[at], cores=cores[at], **given)
        for name in ("mean_s", "variance_s2", "third_s3", "failed", "pressure"):
            assert getattr(together, name)[:, at] == pytest.approx(getattr(alone, name)[:, 0], rel=1e-9), (at, name)


def test_who_has_no_pods_answers_nobody_with_or_without_a_fault():
    trace = played(twin_of(CHAIN, [0.02, 0.01]), [20.0, 20.0], replicas=[[0, 2], [1, 2]])
    assert trace.failed[:, 0] == pytest.approx(1.0)
    assert (trace.failed[:, 1] < 0.01).all()


@pytest.mark.parametrize(("work", "load"), [("exponential", 70.0), ("even", 70.0)])
def test_sharing_forgets_how_work_is_spread(shop, work, load):
    """M/G/1-PS: the mean is the same for exponential and for equal work; simulated event by event."""
    topology = Topology(services=("web",), entry="web")
    services = {"web": shop.Service(cpu_s=0.01, wait_s=0.0, work=work)}
    allocation = shop.allocation_of(topology, replicas=1, cpu=1000)
    simulation = shop.Simulation(services, topology, allocation, seed=11)
    simulation.arrivals(lambda _: load, 400.0)
    simulation.run(500.0)
    measured = np.mean([latency for start, latency, _ in simulation.answers if start > 20])
    expected = played(twin_of(topology, [0.01]), load).mean_s[-1, 0]
    assert expected == pytest.approx(0.01 / 0.3, rel=1e-3)
    assert measured == pytest.approx(expected, rel=0.1)


def test_drains_as_the_discrete_events_do(shop):
    """A surge over capacity and its aftermath, second by second."""
    topology = Topology(services=("web",), entry="web")
    services = {"web": shop.Service(cpu_s=0.02)}
    allocation = shop.allocation_of(topology, replicas=2, cpu=1000)
    simulation = shop.Simulation(services, topology, allocation, seed=5, timeout_s=60.0)
    simulation.arrivals(lambda second: 150.0 if second < 20 else 40.0, 50.0)
    simulation.run(120.0)
    ends = np.array([start + taken for start, taken, _ in simulation.answers])
    latency = np.array([one[1] for one in simulation.answers])
    surge = shop.issue_of(Fault.TRAFFIC_SURGE, "web", 150 / 40)
    trace = played(
        twin_of(topology, [0.02], timeout=60.0), 40.0, replicas=2.0, issue=surge,
        parts=((Part.FAULT, 20), (Part.AFTER, 30)),
    )  # fmt: skip
    for second in (15, 45):
        near = latency[(ends >= second - 2) & (ends < second + 2)].mean()
        assert trace.mean_s[second, 0] == pytest.approx(near, rel=0.35)


@pytest.mark.slow
def test_plays_a_hundred_thousand_environment_steps_a_second():
    services = ("a", "b", "c", "d", "e")
    topology = Topology(
        services=services,
        entry="a",
        edges=tuple(Edge(caller=x, callee=y) for x, y in pairwise(services)),
    )
    twin = twin_of(topology, [0.005] * 5)
    began = time.process_time()
    played(twin, np.linspace(10, 90, 1000), parts=((Part.FAULT, 100),))
    assert 100 * 1000 / (time.process_time() - began) > 100_000


def test_a_service_without_pods_fails_its_requests_and_has_no_times(shop):
    """The ages of requests that were no longer there once went on growing, and an outage counted as slow as well."""
    lost = shop.issue_of(Fault.REPLICA_LOSS, "web", 1.0)
    trace = played(twin_of(CHAIN, [0.01, 0.005]), 20.0, replicas=2.0, issue=lost, parts=((Part.FAULT, 30),))
    assert trace.failed[1:, 0] == pytest.approx(1.0)
    assert trace.mean_s[20:, 0] == pytest.approx(0.0, abs=1e-6)


def test_a_leaf_holds_memory_for_its_own_requests_only():
    # web waits half a second, so 50 requests a second keep about 25 in it, and hardly one in db
    chain = Topology(services=("web", "db"), entry="web", edges=(Edge(caller="web", callee="db"),))
    twin = twin_of(chain, [0.001, 0.001], per_job=10.0)
    waiting = np.array([0.5, 0.0])
    twin = replace(twin, nominal=replace(twin.nominal, wait_s=waiting))
    roomy_web = np.array([[3000.0, 60.0]])
    assert played(twin, [50.0], memory=roomy_web).failed.max() < 1e-6
    tight_web = np.array([[200.0, 1000.0]])
    assert played(twin, [50.0], memory=tight_web).failed.max() > 0.5
