"""The exact twin against theory: what a discrete-event simulation of a solved queue must show."""

import math

import numpy as np
import pytest

from chaosprsa.errors import BadInput, InvalidNoun
from chaosprsa.twin.exact import fields
from chaosprsa.twin.exact.network import Call, Network, Service
from chaosprsa.twin.exact.simulation import Simulation

BLOCKS = 20


def poisson(rate: float, count: int, seed: int = 1) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).exponential(1 / rate, count))


def played(network: Network, arrivals, seed: int = 2) -> Simulation:
    simulation = Simulation(network, arrivals, np.random.default_rng(seed))
    simulation.advance(math.inf)
    return simulation


def interval(latency_s: np.ndarray) -> tuple[float, float]:
    """Mean, and four standard errors of it from block means; the first block warms up."""
    means = np.array([block.mean() for block in np.array_split(latency_s, BLOCKS)[1:]])
    return float(means.mean()), 4 * float(means.std(ddof=1)) / math.sqrt(len(means))


def erlang_c(servers: int, offered: float) -> float:
    """The share of requests that wait (Erlang 1917)."""
    last = offered**servers / math.factorial(servers) / (1 - offered / servers)
    return last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)


def alone(**fields) -> Network:
    return Network(services=(Service(name="a", **fields),), entry="a")


@pytest.mark.parametrize(("servers", "load"), [(1, 0.7), (4, 0.8), (10, 0.9)])
def test_first_come_first_served_servers_wait_as_erlang_says(servers, load):
    demand = 0.02
    rate = servers * load / demand
    network = alone(demand_s=demand, replicas=1, cores=servers, threads=servers)
    mean, error = interval(played(network, poisson(rate, 300_000)).latency_s)
    expected = demand + erlang_c(servers, rate * demand) * demand / (servers * (1 - load))
    assert mean == pytest.approx(expected, abs=error)


@pytest.mark.parametrize("cv2", [0.0, 1.0, 4.0])
def test_processor_sharing_depends_on_the_work_through_its_mean_alone(cv2):
    network = alone(demand_s=0.01, replicas=1, demand_cv2=cv2)
    mean, error = interval(played(network, poisson(70.0, 300_000)).latency_s)
    assert mean == pytest.approx(0.01 / (1 - 0.7), abs=error)


def test_a_jackson_network_adds_up_its_stations():
    """The entry calls b half the time, then c: visits 1, 0.5, 1; each an M/M/1 (Jackson 1957)."""
    network = Network(
        services=(
            Service(
                name="entry", demand_s=0.01, replicas=1, calls=(Call(callee="b", chance=0.5), Call(callee="c", group=1))
            ),
            Service(name="b", demand_s=0.015, replicas=1),
            Service(name="c", demand_s=0.008, replicas=1),
        ),
        entry="entry",
    )
    rate = 60.0
    mean, error = interval(played(network, poisson(rate, 300_000)).latency_s)
    times = [visits * demand / (1 - rate * visits * demand) for visits, demand in ((1, 0.01), (0.5, 0.015), (1, 0.008))]
    assert mean == pytest.approx(sum(times), abs=error)


def test_calls_side_by_side_take_as_long_as_the_longest():
    """Two fixed waits: in one group their maximum, one after the other their sum."""
    services = (
        Service(name="slow", demand_s=1e-9, demand_cv2=0, replicas=1, wait_s=0.3),
        Service(name="slower", demand_s=1e-9, demand_cv2=0, replicas=1, wait_s=0.5),
    )
    for group, expected in ((0, 0.5), (1, 0.8)):
        calls = (Call(callee="slow"), Call(callee="slower", group=group))
        entry = Service(name="entry", demand_s=1e-9, demand_cv2=0, replicas=1, calls=calls)
        network = Network(services=(entry, *services), entry="entry")
        assert played(network, [0.0, 10.0]).latency_s == pytest.approx([expected] * 2, abs=1e-6)


def test_a_quota_stops_a_pod_that_uses_it_up_before_its_period_ends():
    """Two requests of 60 ms on two cores use 100 ms of quota in 50 ms; 10 ms of each wait for the next period."""
    network = alone(demand_s=0.06, demand_cv2=0, replicas=1, cores=1.0, quota_period_s=0.1, node_cores=2)
    simulation = Simulation(network, [1.0, 1.0], np.random.default_rng(1))
    period_end = simulation._memory.F[
        simulation._memory.I[simulation._memory.pods["a"][0] + fields.CPU] + fields.PERIOD_END
    ]
    simulation.advance(math.inf)
    since = (1.0 - period_end) % 0.1  # how far into a period they come
    used = min(0.1, 2 * (0.1 - since))  # of this period's quota, before it ends
    left = 0.12 - used
    expected = (used / 2 if used < 0.1 and left <= 0 else 0.1 - since) + left / 2
    assert simulation.latency_s == pytest.approx([expected] * 2, abs=1e-6)
    assert simulation.seen().throttled_s[0] == pytest.approx(max(0.0, 0.1 - since - used / 2), abs=1e-6)


def test_a_caller_that_gives_up_fails_and_its_call_goes_on_for_nobody():
    network = Network(
        services=(
            Service(name="entry", demand_s=1e-9, replicas=1, calls=(Call(callee="slow", timeout_s=0.2),)),
            Service(name="slow", demand_s=0.5, demand_cv2=0, replicas=1),
        ),
        entry="entry",
    )
    simulation = played(network, [0.0])
    assert simulation.failed.all()
    assert simulation.latency_s == pytest.approx([0.2], abs=1e-6)
    seen = simulation.seen()
    assert seen.answered.tolist() == [0, 1]
    assert seen.cpu_s[1] == pytest.approx(0.5)


def test_retries_mend_what_chance_broke_and_a_budget_holds_them_back():
    """A call that fails half the time and is tried three times fails one in eight; without budget, one in two."""

    def failed(retries: int, budget: float) -> float:
        call = Call(callee="flaky", retries=retries, retry_budget=budget, backoff_s=0.001)
        services = (
            Service(name="entry", demand_s=1e-6, replicas=1, calls=(call,)),
            Service(name="flaky", demand_s=1e-6, replicas=1, error_share=0.5),
        )
        return float(played(Network(services=services, entry="entry"), np.arange(40_000) * 0.01).failed.mean())

    assert failed(0, math.inf) == pytest.approx(0.5, abs=0.01)
    assert failed(2, math.inf) == pytest.approx(0.125, abs=0.01)
    assert failed(2, 0.0) == pytest.approx(0.5, abs=0.01)
    assert 0.35 < failed(2, 0.2) < 0.45  # a fifth of the calls is tried again, and half of those are mended: 0.4


def test_a_breaker_spares_a_dead_service_most_calls():
    def arrived(share: float) -> float:
        call = Call(callee="dead", breaker_share=share, breaker_s=1.0)
        services = (
            Service(name="entry", demand_s=1e-6, replicas=1, calls=(call,)),
            Service(name="dead", demand_s=1e-6, replicas=1, error_share=1.0),
        )
        return float(played(Network(services=services, entry="entry"), np.arange(0, 100, 0.01)).seen().arrived[1])

    assert arrived(2.0) == 10_000
    assert 100 <= arrived(0.5) <= 130  # twenty until it opens, then one a second


def test_connections_make_calls_wait_their_turn():
    services = (
        Service(name="entry", demand_s=1e-9, replicas=1, calls=(Call(callee="back", connections=1),)),
        Service(name="back", demand_s=1e-9, demand_cv2=0, replicas=1, wait_s=1.0),
    )
    simulation = played(Network(services=services, entry="entry"), [0.0, 0.0, 0.0])
    assert sorted(simulation.latency_s) == pytest.approx([1.0, 2.0, 3.0], abs=1e-6)


def test_a_killed_pod_loses_what_is_in_it_and_another_is_ready_after_its_start():
    network = alone(demand_s=1.0, demand_cv2=0, replicas=1, start_delay_s=5.0)
    simulation = Simulation(network, [0.0, 3.0, 8.0], np.random.default_rng(1))
    simulation.advance(0.5)
    simulation.kill("a", 1)
    simulation.advance(math.inf)
    assert simulation.failed.tolist() == [True, True, False]
    assert simulation.latency_s == pytest.approx([0.5, 0.0, 1.0])


def test_a_pod_over_its_memory_limit_dies_and_starts_again():
    network = alone(
        demand_s=10.0,
        demand_cv2=0,
        replicas=1,
        start_delay_s=2.0,
        memory_mib=100,
        memory_per_job_mib=10,
        memory_limit_mib=125,
    )
    simulation = played(network, [0.0, 0.1, 0.2, 5.0])
    assert simulation.failed.tolist() == [True, True, True, False]
    assert simulation.seen().oom_kills.tolist() == [1]


def test_pods_come_after_their_delay_and_leave_when_they_are_empty():
    network = alone(demand_s=1.0, demand_cv2=0, replicas=1, most_replicas=3, start_delay_s=4.0)
    simulation = Simulation(network, [0.0, 0.0, 6.0, 6.0, 6.0], np.random.default_rng(3))
    simulation.scale("a", 3)
    simulation.advance(1.0)
    assert (simulation.seen().ready[0], simulation.seen().starting[0]) == (1, 2)
    simulation.advance(6.05)
    assert simulation.seen().ready[0] == 3
    simulation.scale("a", 1)
    simulation.advance(math.inf)
    assert not simulation.failed.any()
    assert simulation.seen().ready[0] == 1


def test_weights_send_each_pod_its_share():
    network = alone(demand_s=0.001, replicas=2)
    simulation = Simulation(network, np.arange(20_000) * 0.01, np.random.default_rng(1))
    simulation.set_weights("a", [3, 1])
    simulation.advance(math.inf)
    served = simulation._memory.F[simulation._memory.pods["a"] + fields.SERVED]
    assert served[0] / served.sum() == pytest.approx(0.75, abs=0.02)


def test_a_cold_cache_fills_and_spares_calls():
    calls = (Call(callee="store"),)
    services = (
        Service(name="entry", demand_s=1e-6, replicas=1, calls=calls, hit_share=0.8, cache_fill=1000.0),
        Service(name="store", demand_s=1e-6, replicas=1),
    )
    simulation = Simulation(
        Network(services=services, entry="entry"), np.arange(40_000) * 0.01, np.random.default_rng(1)
    )
    simulation.advance(5.0)
    cold = simulation.seen()
    simulation.advance(200.0)
    simulation.seen()
    simulation.advance(400.0)
    warm = simulation.seen()
    assert cold.arrived[1] / cold.arrived[0] > 0.7
    assert warm.arrived[1] / warm.arrived[0] == pytest.approx(0.2, abs=0.02)


def test_a_pod_that_has_served_for_long_has_a_full_cache_and_its_successor_an_empty_one():
    network = alone(demand_s=0.01, demand_cv2=0.0, replicas=1, hit_share=1.0, hit_work=0.1, cache_fill=1e9)
    simulation = Simulation(network, np.arange(0.0, 20.0, 0.1), np.random.default_rng(1))
    simulation.fill_caches()
    simulation.advance(10.0)
    warm = simulation.seen().cpu_s[0]
    simulation.kill(network.services[0].name, 1)
    simulation.advance(20.5)
    assert warm == pytest.approx(100 * 0.001, rel=1e-3)
    assert simulation.seen().cpu_s[0] == pytest.approx(100 * 0.01, rel=0.02)


def test_storage_and_network_are_queues_of_their_own():
    """In light load their times add up to the CPU's."""
    network = alone(demand_s=0.01, replicas=1, storage_s=0.02, network_s=0.03)
    mean, error = interval(played(network, poisson(0.5, 40_000)).latency_s)
    assert mean == pytest.approx(0.01 / (1 - 0.005) + 0.02 / (1 - 0.01) + 0.03 / (1 - 0.015), abs=error)


def test_every_request_is_answered_once_in_overload_with_kills_and_retries():
    calls = (Call(callee="b", timeout_s=0.05, retries=2, retry_budget=0.5, connections=20, breaker_share=0.5),)
    services = (
        Service(name="a", demand_s=0.002, replicas=3, calls=calls, queue_limit=300, start_delay_s=1.0),
        Service(name="b", demand_s=0.02, replicas=2, most_replicas=4, start_delay_s=1.0, quota_period_s=0.1),
    )
    simulation = Simulation(Network(services=services, entry="a"), poisson(400.0, 20_000), np.random.default_rng(5))
    for step in range(60):
        simulation.advance(float(step))
        simulation.kill(("a", "b")[step % 2], 1)
        simulation.scale("b", 1 + step % 4)
    simulation.advance(math.inf)
    assert np.isfinite(simulation.latency_s).all()
    assert (
        simulation._memory.I[fields.RECORDS_LEFT] == simulation._memory.I[fields.RECORDS]
    )  # every record is free again
    assert 0.1 < simulation.failed.mean() < 1.0


def test_the_same_seed_has_the_same_course():
    network = alone(demand_s=0.01, replicas=2, demand_cv2=2.0)
    first, second = (played(network, poisson(120.0, 5_000), seed=9).latency_s for _ in range(2))
    assert np.array_equal(first, second)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(BadInput, match="round in a circle"):
        Network(
            services=(
                Service(name="a", demand_s=1, replicas=1, calls=(Call(callee="b"),)),
                Service(name="b", demand_s=1, replicas=1, calls=(Call(callee="a"),)),
            ),
            entry="a",
        )
    with pytest.raises(InvalidNoun, match="demand_s"):
        alone(demand_s=0.0, replicas=1)
    with pytest.raises(BadInput, match="never fall"):
        Simulation(alone(demand_s=1.0, replicas=1), [2.0, 1.0], np.random.default_rng(1))
    with pytest.raises(BadInput, match="made for 0 to 1"):
        Simulation(alone(demand_s=1.0, replicas=1), [], np.random.default_rng(1)).scale("a", 2)


@pytest.mark.slow
def test_a_tandem_has_the_times_that_ciw_has():
    """Three M/M/1 in a row, first come first served, by another simulator: means and 99th percentiles, 95 % intervals.

    Both are means over independent runs; their difference lies within the two intervals (Welch).
    """
    ciw = pytest.importorskip("ciw", reason="ciw is not installed (group bench)")
    load, runs, count = 0.6, 8, 1_500

    def theirs(seed: int) -> np.ndarray:
        network = ciw.create_network(
            arrival_distributions=[ciw.dists.Exponential(load), None, None],
            service_distributions=[ciw.dists.Exponential(1.0)] * 3,
            routing=[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]],
            number_of_servers=[1, 1, 1],
        )
        ciw.seed(seed)
        simulation = ciw.Simulation(network)
        simulation.simulate_until_max_customers(count)
        seen = {}
        for record in simulation.get_all_records():
            first, last = seen.get(record.id_number, (math.inf, 0.0))
            seen[record.id_number] = min(first, record.arrival_date), max(last, record.exit_date)
        return np.array([last - first for first, last in seen.values()])[count // 10 :]

    def ours(seed: int) -> np.ndarray:
        one_at_a_time = {"demand_s": 1.0, "replicas": 1, "threads": 1}
        services = (
            Service(name="a", calls=(Call(callee="b"),), **one_at_a_time),
            Service(name="b", calls=(Call(callee="c"),), **one_at_a_time),
            Service(name="c", **one_at_a_time),
        )
        network = Network(services=services, entry="a")
        return played(network, poisson(load, count, seed), seed + 100).latency_s[count // 10 :].copy()

    for figure in (np.mean, lambda latency: np.quantile(latency, 0.99)):
        found = [np.array([figure(play(seed)) for seed in range(runs)]) for play in (theirs, ours)]
        error = math.sqrt(sum(each.var(ddof=1) / runs for each in found))
        assert found[0].mean() == pytest.approx(found[1].mean(), abs=2.5 * error)
