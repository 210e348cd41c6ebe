"""VPA and captain: histograms by their definition, margins, bounds, OOM bumps, throttling feedback."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.autoscalers import Captain, Reading, System, Vpa
from chaosprsa.autoscalers.histogram import DecayingHistogram

DAY_S = 86_400.0


def system(cores=1.0, replicas=2, step_s=60.0):
    return System(
        services=("a",), entry=0, cores=np.array([cores]), replicas=np.array([replicas]), most_replicas=np.array([9]),
        start_s=30.0, step_s=step_s, slo_s=1.0,
    )  # fmt: skip


def reading(time_s, cpu_a_pod, memory=300.0, oom=0, throttled=0.0, ready=2):
    some = np.array([0.0])
    return Reading(
        time_s=time_s, latency_p99_s=0.1, failed=0.0, arrivals_per_s=some, answered_per_s=some, mean_s=some,
        cpu_cores=np.array([cpu_a_pod * ready]), throttled=np.array([throttled]), ready=np.array([ready]),
        starting=np.array([0]), cores=np.array([1.0]), memory_mib=np.array([memory]), oom_kills=np.array([float(oom)]),
    )  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.001, 900), min_size=1, max_size=60), st.floats(0.05, 1))
def test_a_percentile_is_at_most_a_bucket_above_the_samples_own(values, share):
    histogram = DecayingHistogram(1, first=0.01, most=1000.0)
    for value in values:
        histogram.add(np.array([value]), np.ones(1), 0.0)
    exact = float(np.quantile(values, share, method="inverted_cdf"))
    assert exact <= histogram.percentile(share)[0] * (1 + 1e-9)
    assert histogram.percentile(share)[0] <= exact * 1.05 + 0.0105


def test_a_sample_of_yesterday_weighs_half_of_one_of_today():
    histogram = DecayingHistogram(1, first=0.01, most=1000.0)
    histogram.add(np.array([5.0]), np.ones(1), 0.0)
    histogram.add(np.array([1.0]), np.ones(1), DAY_S)
    assert histogram.percentile(0.66)[0] == pytest.approx(1.0, rel=0.06)
    assert histogram.percentile(0.68)[0] == pytest.approx(5.0, rel=0.06)


def watched(days, cpu=lambda _: 0.5, **fields):
    controller = Vpa().begin(system())
    decided = None
    for at in range(1, int(days * 1440) + 1):
        decided = controller.decide(reading(60.0 * at, cpu(at), **fields))
    return controller, decided


def test_the_target_is_the_90th_percentile_and_15_percent():
    controller, _ = watched(0.2, lambda at: 0.8 if at % 5 == 0 else 0.2)
    assert controller.recommended(DAY_S).target[0] == pytest.approx(0.8 * 1.15, rel=0.05)
    controller, _ = watched(0.2, lambda at: 0.8 if at % 20 == 0 else 0.2)
    assert controller.recommended(DAY_S).target[0] == pytest.approx(0.2 * 1.15, rel=0.1)  # a bucket is wide there


def test_bounds_narrow_as_more_was_seen():
    """The upper bound is 3 times the 95th percentile after half a day, 25 times after an hour (estimator.go)."""
    hour, day = (watched(days)[0].recommended(days * DAY_S) for days in (1 / 24, 1 / 2))
    own = 0.5 * 1.15
    assert day.upper[0] == pytest.approx(3 * own, rel=0.05)
    assert hour.upper[0] == pytest.approx(25 * own, rel=0.05)
    assert hour.lower[0] < day.lower[0] <= day.target[0]


def test_nothing_seen_is_recommended_the_floor():
    found = Vpa().begin(system()).recommended(1.0)
    assert (found.target[0], found.memory_mib[0]) == pytest.approx((0.025, 250e6 / 1024**2))


def test_an_oom_kill_counts_as_a_fifth_or_100_mb_more():
    for used, expected in ((200.0, 200 + 100e6 / 1024**2), (1000.0, 1200.0)):
        controller = Vpa().begin(system())
        controller.decide(reading(60, 0.5, memory=used, oom=1))
        assert controller.recommended(60).memory_mib[0] == pytest.approx(expected * 1.15)


def test_a_pod_inside_the_bounds_is_left_alone_for_twelve_hours():
    _, early = watched(0.4, lambda _: 0.7)
    assert early.cores.tolist() == [1.0]
    _, late = watched(0.6, lambda _: 0.7)
    assert late.cores[0] == pytest.approx(0.7 * 1.15, rel=0.06)


def test_a_pod_below_the_lower_bound_is_changed_within_minutes():
    _, decided = watched(1 / 48, lambda _: 0.98 * 1.2)
    assert decided.cores[0] > 1.2


def captain(throttled, used, seconds=60, target=0.1):
    controller = Captain(target=target).begin(system(cores=4.0, step_s=1.0))
    limits = []
    for at in range(seconds):
        found = controller.decide(reading(at + 1.0, used(at), throttled=throttled(at, limits[-1] if limits else 4.0)))
        limits.append(float(found.cores[0]))
    return limits


def test_a_captain_falls_by_half_at_most_to_what_was_used():
    limits = captain(lambda *_: 0.0, lambda _: 0.5)
    assert limits[4] == 2.0
    assert limits[5] == 1.0
    assert limits[-1] == pytest.approx(0.5, rel=0.15)


def test_a_captain_grows_by_as_much_as_it_is_throttled_too_much():
    limits = captain(lambda *_: 0.5, lambda _: 4.0, seconds=3)
    assert limits == pytest.approx([4 * 1.2, 4 * 1.2**2, 4 * 1.2**3])


def test_a_captain_takes_a_fall_back_and_as_much_again_when_it_throttles():
    """It falls from 4 to 2 in the fifth second; throttling follows: 2 x 4 - 2."""
    limits = captain(lambda at, _: 0.9 if at == 5 else 0.0, lambda _: 1.9, seconds=6)
    assert limits[3:] == pytest.approx([4.0, 2.0, 6.0])
