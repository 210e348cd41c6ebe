"""Rules that count pods: the percentile rule, MPC, the fixed peak, the clairvoyant bound, and tuning."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.autoscalers import (
    Hpa,
    Mpc,
    PercentileRule,
    Plan,
    Reading,
    Scored,
    StaticPeak,
    System,
    cheapest,
    clairvoyant,
    fitting,
    play,
    tightest,
)
from chaosprsa.autoscalers.forecasts import DampedTrend
from chaosprsa.autoscalers.sizing import sizes, sizes_in_place, visits_of
from chaosprsa.twin.exact.network import Call, Network, Service

SYSTEM = System(
    services=("a",), entry=0, cores=np.array([1.0]), replicas=np.array([4]), most_replicas=np.array([100]),
    start_s=30.0, step_s=15.0, slo_s=1.0,
)  # fmt: skip


def reading(time_s, cpu, arrivals=100.0, answered=None):
    some = np.array([0.0])
    return Reading(
        time_s=time_s, latency_p99_s=0.1, failed=0.0, arrivals_per_s=np.array([arrivals]),
        answered_per_s=np.array([arrivals if answered is None else answered]), mean_s=np.array([0.02]),
        cpu_cores=np.array([float(cpu)]), throttled=some, ready=np.array([4]), starting=np.array([0]),
        cores=np.array([1.0]), memory_mib=some, oom_kills=some,
    )  # fmt: skip


def shop(replicas=4, demand_s=0.02) -> Network:
    calls = (Call(callee="back", chance=0.5),)
    services = (
        Service(name="front", demand_s=demand_s, replicas=replicas, most_replicas=30, calls=calls),
        Service(name="back", demand_s=demand_s, replicas=replicas, most_replicas=30),
    )
    return Network(services=services, entry="front")


def test_the_percentile_rule_forgets_what_is_older_than_its_window():
    controller = PercentileRule(percentile=95, margin=0.15, window_s=150.0).begin(SYSTEM)
    found = [int(controller.decide(reading(15.0 * at, 10.0 if at <= 20 else 2.0)).replicas[0]) for at in range(1, 41)]
    assert found[:20] == [math.ceil(11.5)] * 20
    assert found[-1] == math.ceil(2.3)


def test_a_damped_trend_follows_a_straight_line():
    trend = DampedTrend(0.8, 0.5, 1.0, 3)
    for at in range(60):
        trend.see(np.array([10.0 + 2 * at]))
    assert trend.ahead(0.5)[0] == pytest.approx([130, 132, 134], rel=0.01)


def test_the_quantile_of_a_forecast_is_that_of_its_errors():
    """White noise around a level: nine of ten values stay below the 90 % forecast."""
    values = 100 + np.random.default_rng(4).normal(0, 5, 600)
    trend, below = DampedTrend(0.2, 0.05, 0.9, 3), []
    for at, value in enumerate(values[:-3]):
        trend.see(np.array([value]))
        if at > 100:
            below.append(values[at + 3] <= trend.ahead(0.9)[0, 2])
    assert np.mean(below) == pytest.approx(0.9, abs=0.04)


def test_mpc_keeps_the_utilisation_it_was_given_in_a_steady_load():
    controller = Mpc(utilisation=0.8).begin(SYSTEM)
    for at in range(1, 30):
        found = controller.decide(reading(15.0 * at, 8.0))
    assert found.replicas.tolist() == [10]


def test_mpc_adds_what_a_backlog_takes():
    controller = Mpc(utilisation=0.8, drain_s=60.0).begin(SYSTEM)
    for at in range(1, 30):
        controller.decide(reading(15.0 * at, 8.0))
    found = controller.decide(reading(450.0, 8.0, arrivals=100.0, answered=60.0))
    assert found.replicas[0] == pytest.approx(10 * (100 + 600 / 60) / 100, abs=1)


def test_mpc_is_there_before_a_ramp_where_hpa_is_late():
    load = np.concatenate([np.full(120, 40.0), np.linspace(40, 240, 240)])
    ours, hpa = (play(policy, shop(), load, seed=2) for policy in (Mpc(utilisation=0.7), Hpa(target=0.7)))
    assert ours.violation_share < hpa.violation_share


def test_a_fixed_peak_is_what_the_peak_needs():
    policy = StaticPeak.for_peak(np.array([8.0, 0.1]), np.array([1.0, 1.0]), 0.8)
    assert policy.replicas == (10, 1)


def test_a_plan_orders_ahead_so_that_its_pods_are_ready_in_time():
    plan = np.repeat([[1, 1], [6, 3], [1, 1]], 6, axis=0)
    played = play(Plan(plan), shop(1), np.full(18 * 15, 5.0))
    assert (played.ready >= plan).all()
    assert played.ready[13:].tolist() == [[1, 1]] * 5


def test_visits_are_those_of_the_traffic_equations():
    calls = (Call(callee="b", chance=0.5), Call(callee="c"), Call(callee="c"))
    services = (
        Service(name="a", demand_s=1, replicas=1, calls=calls),
        Service(name="b", demand_s=1, replicas=1, calls=(Call(callee="c", chance=0.4),)),
        Service(name="c", demand_s=1, replicas=1),
    )
    assert visits_of(Network(services=services, entry="a")) == pytest.approx([1, 0.5, 2.2])


@settings(max_examples=30, deadline=None)
@given(st.floats(1, 1500), st.floats(0.3, 1))
def test_more_pods_are_never_later_and_always_dearer(load, left):
    found = sizes(shop(), np.array([load]), 1.0, np.full((1, 2), left), 30)
    assert (np.diff(found.cores[:, 0]) >= 0).all()
    assert (np.diff(found.late[:, 0]) <= 1e-9).all()
    assert ((found.late >= 0) & (found.late <= 1)).all()


def test_the_bound_keeps_the_limit_and_is_cheaper_than_a_fixed_utilisation_that_does():
    load = 200 + 100 * np.sin(np.arange(240) / 40)
    bound = clairvoyant(shop(6), load, seed=3)
    assert bound.violation_share <= 0.01
    work = load.reshape(-1, 15).mean(axis=1)[:, None] * np.array([0.02, 0.01])
    plans = [play(Plan(np.ceil(work / used).astype(int)), shop(6), load, seed=3) for used in (0.6, 0.7, 0.75, 0.8)]
    assert bound.core_hours <= min(one.core_hours for one in plans if one.violation_share <= 0.01)


def test_the_bound_is_never_dearer_than_what_a_policy_did_within_the_limit():
    load = 200 + 100 * np.sin(np.arange(240) / 40)
    bound = clairvoyant(shop(6), load, seed=3)
    lucky, late = (replace(bound, policy=name, core_hours=bound.core_hours / 2) for name in ("lucky", "late"))
    late = replace(late, violation_share=0.02)
    assert clairvoyant(shop(6), load, seed=3, done=[late]).policy == "bound"
    assert clairvoyant(shop(6), load, seed=3, done=[late, lucky]).policy == "lucky"


def test_where_pods_are_killed_the_bound_has_more_of_them_so_that_not_all_die():
    load, left, killed = np.full(2, 120.0), np.array([[1.0, 1.0], [0.6, 1.0]]), np.array([[0.0, 0.0], [0.4, 0.0]])
    found = sizes_in_place(shop(), load, 1.0, left, 30, (0.5, 2.0), killed)
    plain = sizes_in_place(shop(), load, 1.0, left, 30, (0.5, 2.0))
    assert np.array_equal(found.pods[:, 0], plain.pods[:, 0])
    assert (found.pods[:, 1, 0] >= 4).all()
    assert (found.pods[:, 1, 0] > plain.pods[:, 1, 0]).all()
    assert np.array_equal(found.pods[:, 1, 1], plain.pods[:, 1, 1])


def test_limits_in_place_carry_what_pods_would_with_fewer_cores_and_keep_within_their_shares():
    load, left = np.array([40.0, 120.0, 300.0]), np.ones((3, 2))
    found = sizes_in_place(shop(), load, 1.0, left, 30, (0.5, 2.0))
    assert (np.diff(found.cores, axis=0) >= 0).all()
    assert (found.late[-1] < found.late[0]).all()  # between them, a pod split in two may be a little later
    assert found.limits.min() >= 0.5
    assert found.limits.max() <= 2.0
    assert found.cores == pytest.approx((found.pods * found.limits).sum(axis=2))
    whole = sizes(shop(), load, 1.0, left, 30)
    for at in range(3):  # the cheapest with at most 1 % late
        costs = [each.cores[each.late[:, at] <= 0.01, at].min() for each in (found, whole)]
        assert costs[0] < costs[1]


def test_the_bound_whose_limits_move_in_place_is_cheaper_than_that_of_whole_pods():
    load = 200 + 100 * np.sin(np.arange(240) / 40)
    whole, in_place = (clairvoyant(shop(6), load, seed=3, resized=each) for each in ((1.0, 1.0), (0.5, 2.0)))
    assert in_place.violation_share <= 0.01
    assert in_place.core_hours < whole.core_hours


def test_tuning_finds_the_tightest_settings_that_keep_the_limit_in_few_plays():
    tried = []

    def score(policy):
        tried.append(policy.target)
        return Scored(policy, 1 / policy.target, max(0.0, policy.target - 0.611))

    values = [0.3, 0.4, 0.5, 0.6, 0.61, 0.62, 0.65, 0.8]
    assert tightest(lambda target: Hpa(target=target), values, score).policy.target == 0.62
    assert len(tried) <= 4
    none = tightest(lambda target: Hpa(target=target), values, lambda policy: Scored(policy, 1.0, 0.5))
    assert none.policy.target == 0.3


def test_the_cheapest_is_within_the_limit_or_misses_it_least():
    a, b, c = (Scored(Hpa(), cores, late) for cores, late in ((5, 0.001), (4, 0.009), (3, 0.02)))
    assert cheapest([a, b, c]) is b
    assert cheapest([c, Scored(Hpa(), 1, 0.5)]) is c


def row_of(late, cores=(9.0, 8.0, 7.0, 6.0)):
    """A row of settings and its score: values are places in it."""
    of = dict(zip((0.3, 0.5, 0.7, 0.9), zip(cores, late, strict=True), strict=True))
    row = (lambda target: Hpa(target=target), tuple(of))
    return row, of


def fitted(*rows, luck=(), **given):
    """The target chosen, of rows whose n-th has names beginning with n."""
    known = {}

    def named(at, make):
        return lambda value: replace(make(value), name=f"{at} {value}")

    family = []
    for at, ((make, values), of) in enumerate(rows):
        family.append((named(at, make), values))
        known |= {f"{at} {value}": each for value, each in of.items()}
    found = fitting(family, lambda policy: Scored(policy, *known[policy.name]), lambda _: luck, **given)
    return found.policy.name


def test_what_the_safest_settings_miss_buys_no_cores_and_what_others_miss_beyond_it_is_at_most_the_aim():
    assert fitted(row_of((0.0, 0.002, 0.006, 0.02)), aim=0.005) == "0 0.5"
    assert fitted(row_of((0.002, 0.004, 0.0065, 0.02)), aim=0.005) == "0 0.7"
    assert fitted(row_of((0.0088, 0.0092, 0.0103, 0.0117)), aim=0.005) == "0 0.5"  # the limit holds for all of it
    assert fitted(row_of((0.0, 0.002, 0.006, 0.02))) == "0 0.7"  # no aim: the limit alone


def test_where_nothing_keeps_the_limit_the_cheapest_is_taken_that_misses_no_more_than_the_least_late_by_luck():
    row = row_of((0.030, 0.031, 0.036, 0.06))
    assert fitted(row, luck=[0.029, 0.037], aim=0.005) == "0 0.7"
    assert fitted(row, luck=[0.028, 0.029], aim=0.005) == "0 0.3"


def test_the_cheapest_of_rows_is_taken_and_a_row_that_misses_the_limit_by_itself_is_not():
    misses, keeps = row_of((0.02, 0.03, 0.04, 0.05), (1.0, 1.0, 1.0, 1.0)), row_of((0.0, 0.002, 0.006, 0.02))
    dear = row_of((0.0, 0.0, 0.0, 0.0), (20.0, 19.0, 18.0, 17.0))
    assert fitted(misses, dear, keeps, aim=0.005) == "2 0.5"
