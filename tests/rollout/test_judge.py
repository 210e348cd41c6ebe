"""The judge: known answers, how often it is wrong about equal pods, how often it finds a worse one."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.errors import InvalidNoun
from chaosprsa.rollout.judge import (
    ERROR,
    FAILED,
    INCONCLUSIVE,
    SUCCESSFUL,
    VERDICTS,
    Judgement,
    Traffic,
    judge_canary,
    judge_objective,
    total,
    worst,
)
from chaosprsa.types import Slo, Verdict

SLO = Slo(service="gateway", latency_ms=300, latency_percentile=99, success_ratio=0.99)
BOUNDS_MS = (
    5.0,
    10.0,
    25.0,
    50.0,
    75.0,
    100.0,
    150.0,
    200.0,
    250.0,
    300.0,
    400.0,
    500.0,
    750.0,
    1000.0,
    2500.0,
    math.inf,
)


def traffic(latencies_ms, failures=0):
    edges = np.concatenate([[-1.0], np.array(BOUNDS_MS)])
    counts, _ = np.histogram(np.minimum(latencies_ms, 1e9), bins=np.where(np.isinf(edges), 1e12, edges))
    return Traffic(bounds_ms=BOUNDS_MS, counts=tuple(float(count) for count in counts), failures=float(failures))


def queue_latencies(rng, requests, service_ms, load=0.6):
    """One pod as a queue (Lindley's recursion): neighbours in time are alike, as in real pods, unlike in textbooks."""
    steps = rng.exponential(service_ms, requests) - rng.exponential(service_ms / load, requests)
    walk = np.cumsum(steps)
    waits = walk - np.minimum.accumulate(np.minimum(walk, 0.0))
    return waits + rng.exponential(service_ms, requests)


def slots(rng, pods, requests, service_ms, failing=0.0, number=6, extra_ms=0.0):
    """What so many equal pods answered, cut into slots of time."""
    cut = [np.array_split(queue_latencies(rng, requests, service_ms) + extra_ms, number) for _ in range(pods)]
    found = []
    for parts in zip(*cut, strict=True):
        latencies = np.concatenate(parts)
        bad = rng.random(len(latencies)) < failing
        found.append(traffic(latencies[~bad], failures=int(bad.sum())))
    return found


def same(latency_ms, requests=300, number=6):
    """The same answer all the time."""
    return [traffic(np.full(requests // number, latency_ms)) for _ in range(number)]


def judged(rng, requests, canary_ms, stable_ms, canary_failing=0.0, failing=0.0, at_entry_ms=5.0):
    return judge_canary(
        "cart",
        slots(rng, 1, requests, canary_ms, canary_failing),
        slots(rng, 3, requests, stable_ms, failing),
        total(slots(rng, 4, requests, stable_ms, failing, extra_ms=at_entry_ms)),
        SLO,
    )


@pytest.mark.parametrize(("requests", "service_ms"), [(18, 12.0), (60, 12.0), (200, 12.0), (200, 25.0), (600, 30.0)])
def test_equal_pods_are_called_worse_in_at_most_one_run_of_twenty(requests, service_ms):
    rng = np.random.default_rng(11)
    runs = 200
    wrong = sum(judged(rng, requests, service_ms, service_ms).phase == FAILED for _ in range(runs))
    assert wrong / runs <= 0.05


def test_equal_pods_with_the_same_rare_failures_are_seldom_called_worse():
    rng = np.random.default_rng(12)
    runs = 200
    wrong = sum(judged(rng, 150, 12.0, 12.0, 0.01, 0.01).phase == FAILED for _ in range(runs))
    assert wrong / runs <= 0.05


def test_a_canary_that_would_break_the_objective_is_found_nearly_always():
    rng = np.random.default_rng(13)
    found = sum(judged(rng, 150, 120.0, 12.0, at_entry_ms=50.0).phase == FAILED for _ in range(100))
    assert found / 100 >= 0.95


def test_a_canary_that_fails_one_request_in_ten_is_found_nearly_always():
    rng = np.random.default_rng(14)
    found = sum(judged(rng, 200, 12.0, 12.0, canary_failing=0.1).phase == FAILED for _ in range(100))
    assert found / 100 >= 0.95


def test_a_slower_canary_within_the_objective_is_no_failure_and_says_what_it_costs():
    found = judged(np.random.default_rng(15), 300, 15.0, 8.0)
    assert found.phase == SUCCESSFUL
    assert "slower than the stable pods" in found.reason
    assert found.measures["delay_ms"] > 0


def test_a_canary_that_answers_nothing_well_is_a_failure_not_a_gap():
    none = [traffic(np.array([]), failures=20) for _ in range(6)]
    found = judge_canary("cart", none, same(20.0), total(same(20.0)), SLO)
    assert found.phase == FAILED
    assert "100.0% bad answers at the canary" in found.reason


@pytest.mark.parametrize("missing", ["canary", "stable pods", "entry"])
def test_a_missing_side_is_inconclusive_and_named(missing):
    found = judge_canary(
        "cart",
        [] if missing == "canary" else same(20.0),
        [] if missing == "stable pods" else same(20.0),
        None if missing == "entry" else total(same(20.0)),
        SLO,
    )
    if missing != "entry":
        assert found.phase == INCONCLUSIVE
    assert missing in found.reason


def test_no_traffic_is_inconclusive_and_says_how_much_is_needed():
    found = judge_canary("cart", same(20.0, 12), same(20.0), total(same(20.0)), SLO)
    assert found.phase == INCONCLUSIVE
    assert found.reason == "cart: 12 requests at the canary and 300 at the stable pods, 15 are needed to compare them"


def test_one_burst_that_made_many_answers_slow_is_not_held_against_the_canary():
    burst = [*same(20.0, 250, 5), traffic(np.full(50, 900.0))]
    found = judge_canary("cart", burst, same(20.0), total(same(20.0)), SLO)
    assert found.phase == SUCCESSFUL


def test_answers_in_different_buckets_are_not_added():
    with pytest.raises(InvalidNoun, match="different buckets"):
        traffic(np.array([1.0])) + Traffic(bounds_ms=(1.0, math.inf), counts=(1.0, 0.0))


def test_an_objective_is_kept_missed_or_left_open():
    assert judge_objective(traffic(np.full(500, 20.0)), SLO).phase == SUCCESSFUL
    assert judge_objective(traffic(np.array([20.0] * 450 + [900.0] * 50)), SLO).phase == FAILED
    assert judge_objective(traffic(np.full(450, 20.0), failures=50), SLO).phase == FAILED
    assert judge_objective(traffic(np.array([20.0] * 98 + [900.0] * 2)), SLO).phase == INCONCLUSIVE
    assert judge_objective(traffic(np.full(49, 20.0)), SLO).phase == INCONCLUSIVE
    assert judge_objective(None, SLO).phase == INCONCLUSIVE


def test_a_percentile_is_linear_within_its_bucket_as_prometheus_has_it():
    even = Traffic(bounds_ms=(100.0, 200.0, math.inf), counts=(50.0, 50.0, 0.0))
    assert even.latency_ms(75) == pytest.approx(150.0)  # histogram_quantile(0.75) of the same buckets
    assert even.latency_ms(50) == pytest.approx(100.0)
    assert even.share_above(150.0) == pytest.approx(0.25)
    assert Traffic(bounds_ms=(100.0, math.inf), counts=(0.0, 5.0)).latency_ms(99) == 100.0


@settings(deadline=None)  # a busy machine is slow now and then
@given(st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any), st.floats(1, 99), st.floats(1, 99))
def test_a_higher_percentile_is_never_lower(counts, one, other):
    found = Traffic(bounds_ms=(10.0, 20.0, 40.0, math.inf), counts=tuple(map(float, counts)))
    low, high = sorted((one, other))
    assert found.latency_ms(low) <= found.latency_ms(high) + 1e-9


def test_every_phase_has_its_verdict_and_the_worst_one_wins():
    assert VERDICTS == {
        SUCCESSFUL: Verdict.PASSED,
        FAILED: Verdict.FAILED,
        INCONCLUSIVE: Verdict.INCONCLUSIVE,
        ERROR: Verdict.INVALID,
    }
    phases = [Judgement(phase=phase, reason="") for phase in (SUCCESSFUL, INCONCLUSIVE, FAILED)]
    assert worst(phases).phase == FAILED
    assert worst([]).phase == INCONCLUSIVE
