"""HPA against Kubernetes' documents: the walk-through's numbers, tolerance, readiness, windows, rates."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.autoscalers import Behaviour, Hpa, PredictiveHpa, Rate, Reading, Rules, System
from chaosprsa.autoscalers.behaviour import Moves
from chaosprsa.autoscalers.forecasts import HoltWinters, line_ahead
from chaosprsa.autoscalers.hpa import proposal


def proposed(use, counted, unready=0, current=None, tolerance=0.1):
    current = counted + unready if current is None else current
    whole = (np.array([each]) for each in (counted, unready, current))
    return int(proposal(np.array([use]), *whole, tolerance)[0])


def system(replicas=4, most=100, step_s=15.0):
    return System(
        services=("a",), entry=0, cores=np.array([1.0]), replicas=np.array([replicas]), most_replicas=np.array([most]),
        start_s=30.0, step_s=step_s, slo_s=1.0,
    )  # fmt: skip


def reading(time_s, cpu, ready, starting=0):
    some = np.array([0.0])
    return Reading(
        time_s=time_s, latency_p99_s=0.1, failed=0.0, arrivals_per_s=some, answered_per_s=some, mean_s=some,
        cpu_cores=np.array([float(cpu)]), throttled=some, ready=np.array([ready]), starting=np.array([starting]),
        cores=np.array([1.0]), memory_mib=some, oom_kills=some,
    )  # fmt: skip


def course(policy, cpus, replicas=4):
    """Replicas decided for a row of CPU used, pods ready at once."""
    controller, pods, found = policy.begin(system(replicas)), replicas, []
    for at, cpu in enumerate(cpus):
        pods = int(controller.decide(reading(15.0 * (at + 1), cpu, pods)).replicas[0])
        found.append(pods)
    return found


@pytest.mark.parametrize(
    ("use", "pods", "expected"),
    [(2.0, 3, 6), (0.5, 4, 2), (1.1, 10, 10), (1.11, 10, 12), (0.9, 10, 10), (0.89, 10, 9), (305 / 50, 1, 7)],
)
def test_replicas_are_the_ratio_times_the_pods_rounded_up_outside_the_tolerance(use, pods, expected):
    """Twice the target doubles, half of it halves (the documents' examples); 305 % of 50 % is the walk-through's."""
    assert proposed(use, pods) == expected


def test_pods_that_are_not_ready_count_as_idle_on_the_way_up():
    assert proposed(2.0, 4) == 8
    assert proposed(2.0, 4, unready=2) == 8  # 8 of 6: 1.33 times as much
    assert proposed(2.0, 4, unready=4) == 8  # they are enough: within the tolerance
    assert proposed(2.0, 4, unready=6) == 10  # the direction would turn: nothing is done


def test_pods_that_are_not_ready_are_left_out_on_the_way_down():
    assert proposed(0.5, 4, unready=2) == 2


def test_without_a_counted_pod_nothing_is_done():
    assert proposed(5.0, 0, unready=3) == 3


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 20), st.integers(0, 50), st.integers(0, 50))
def test_pods_that_start_never_make_it_scale_farther(use, counted, unready):
    alone, diluted = proposed(use, counted, 0, counted + unready), proposed(use, counted, unready)
    if use > 1.1:
        assert diluted <= max(alone, counted + unready)
    elif use < 0.9:
        assert diluted == alone


def test_a_fresh_pods_sample_counts_only_once_it_was_ready_for_a_whole_window():
    """Of eight pods that use 8 cores four have just come; at half a step's work each, a pod uses 8 / 6."""
    hpa = Hpa(target=0.5)
    calm, early = hpa.begin(system(4)), hpa.begin(system(4))
    calm.decide(reading(15, 4.0, 4))
    early.decide(reading(15, 4.0, 4))
    assert early.replicas.tolist() == [8]
    assert early.proposed(reading(30, 4.0, 4, starting=4)).tolist() == [8]
    assert early.proposed(reading(45, 8.0, 8)).tolist() == [math.ceil(8 / 6 / 0.5 * 4)]
    assert early.proposed(reading(60, 8.0, 8)).tolist() == [16]


def test_down_waits_for_the_highest_recommendation_of_five_minutes():
    found = course(Hpa(target=0.5), [2.0] + [0.5] * 25, replicas=4)
    assert found[:20] == [4] * 20  # 300 s: the window's last sample still wants four
    assert found[21] == 1


def test_a_longer_window_never_has_fewer_pods():
    rng = np.random.default_rng(3)
    cpus = (3 + 2 * np.sin(np.arange(80) / 6) + rng.normal(0, 0.4, 80)).tolist()
    rows = [
        course(Hpa(target=0.5, behaviour=Behaviour(down=Rules(w, (Rate("Percent", 100.0),)))), cpus)
        for w in (0, 120, 300)
    ]
    assert sum(rows[0]) < sum(rows[1]) < sum(rows[2])


def allowed(behaviour, steps, current=10):
    """What moves leave of a row of (time, wanted)."""
    moves, pods = Moves(behaviour), np.array([current])
    found = []
    for now, wanted in steps:
        pods = moves.allowed(now, pods, np.array([wanted]), np.array([1]), np.array([1000]))
        found.append(int(pods[0]))
    return found


def test_a_rate_of_ten_percent_a_minute_takes_ten_of_hundred_then_nine():
    """The percentage is of the pods at the period's beginning."""
    slow = Behaviour(down=Rules(0.0, (Rate("Percent", 10.0, 60.0),)))
    assert allowed(slow, [(0, 1), (15, 1), (30, 1), (60, 1)], current=100) == [90, 90, 90, 81]


def test_select_takes_the_largest_the_smallest_or_no_move():
    both = (Rate("Percent", 100.0), Rate("Pods", 4))
    grow = {select: Behaviour(up=Rules(0.0, both, select)) for select in ("Max", "Min", "Disabled")}
    assert [allowed(each, [(0, 99)], current=10)[0] for each in grow.values()] == [20, 14, 10]
    shrink = {select: Behaviour(down=Rules(0.0, (Rate("Percent", 50), Rate("Pods", 2)), select)) for select in grow}
    assert [allowed(each, [(0, 1)], current=10)[0] for each in shrink.values()] == [5, 8, 10]


def test_up_goes_as_fast_as_the_higher_of_four_pods_and_twice_in_15_s():
    assert allowed(Behaviour(), [(15.0 * at, 999) for at in range(5)], current=1) == [5, 10, 20, 40, 80]


def test_an_upward_window_takes_the_least_that_was_wanted_within_it():
    slow = Behaviour(up=Rules(60.0, (Rate("Percent", 900),)))
    assert allowed(slow, [(0, 12), (15, 50), (45, 50), (60, 50), (75, 50)]) == [12, 12, 12, 50, 50]


def test_a_straight_line_is_forecast_exactly():
    values = np.array([[3.0 + 2 * at, 10.0] for at in range(6)])
    assert line_ahead(values, 3) == pytest.approx([3 + 2 * 8, 10])


def test_holt_winters_goes_on_with_a_season_and_a_trend_it_has_seen_twice():
    season = np.array([0.0, 5.0, -5.0, 0.0])
    rows = [np.array([20 + 0.5 * at + season[at % 4]]) for at in range(40)]
    model = HoltWinters(0.5, 0.3, 0.3, season=4)
    for row in rows[:7]:
        model.see(row)
    assert not model.ready
    for row in rows[7:36]:
        model.see(row)
    assert [float(model.ahead(at)[0]) for at in range(1, 5)] == pytest.approx([float(r[0]) for r in rows[36:]], abs=0.3)


@pytest.mark.slow
def test_holt_winters_equals_statsmodels():
    """With the same beginning and the same weights, the same forecast."""
    api = pytest.importorskip("statsmodels.tsa.holtwinters", reason="the group bench is not installed")
    values = 50 + np.cumsum(np.random.default_rng(2).normal(0, 1, 60))
    model = HoltWinters(0.6, 0.2)
    for value in values:
        model.see(np.array([value]))
    peer = api.ExponentialSmoothing(
        values[2:],
        trend="add",
        initialization_method="known",
        initial_level=values[1],
        initial_trend=values[1] - values[0],
    ).fit(smoothing_level=0.6, smoothing_trend=0.2, optimized=False)
    assert [float(model.ahead(at)[0]) for at in (1, 2, 3)] == pytest.approx(peer.forecast(3))


def test_the_predictive_hpa_is_ahead_of_hpa_on_a_ramp_and_never_below_it():
    ramp = np.linspace(2, 20, 40).tolist()
    plain, ahead = course(Hpa(target=0.5), ramp), course(PredictiveHpa(target=0.5), ramp)
    assert all(a >= p for a, p in zip(ahead, plain, strict=True))
    assert sum(ahead) > sum(plain) + 40
