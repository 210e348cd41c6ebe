"""A profile is the entry's forecast at the shadow's scale; a surge multiplies it while the fault is on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosprsa.documents import lineage
from chaosprsa.errors import InvalidNoun
from chaosprsa.loads import build_profile, expected_requests, fault_window
from chaosprsa.loadtest.schedule import arrivals, level_at
from chaosprsa.settings_tables import TrialTable
from chaosprsa.types import EndpointShare, Fault, LoadMode, LoadPoint, LoadProfile

TRIAL = TrialTable(before_s=10, fault_s=20, after_s=10, max_rate_per_s=500)


def rate_profile(points, seed=1, mix=((1.0, "/"),)):
    return LoadProfile(
        id="p",
        mode=LoadMode.RATE,
        points=tuple(LoadPoint(time_s=time_s, level=level) for time_s, level in points),
        mix=tuple(EndpointShare(path=path, weight=weight) for weight, path in mix),
        seed=seed,
        lineage=lineage("profile", "a test"),
    )


def test_the_shadow_gets_its_share_of_the_forecast_rate_throughout(issue):
    profile = build_profile(issue(), 60.0, 0.5, TRIAL, seed=4)
    assert {point.level for point in profile.points} == {30.0}
    assert profile.duration_s == 40.0
    assert profile.lineage.parents == (issue().lineage.id,)


def test_a_surge_is_on_only_while_the_fault_is(issue):
    surge = issue(fault=Fault.TRAFFIC_SURGE, strength=3.0)
    profile = build_profile(surge, 60.0, 0.5, TRIAL, seed=4)
    at = [level_at(profile.points, time_s) for time_s in (0, 10, 20, 30, 40)]
    assert at == [30.0, 30.0, 90.0, 30.0, 30.0]


def test_a_fault_lasts_as_long_as_the_issue_but_no_longer_than_the_trial_allows(issue):
    assert fault_window(issue(duration_s=5.0), TRIAL) == (10.0, 15.0)
    assert fault_window(issue(duration_s=5000.0), TRIAL) == (10.0, 30.0)


def test_the_rate_never_exceeds_what_one_locust_sends_undistorted(issue):
    profile = build_profile(issue(fault=Fault.TRAFFIC_SURGE, strength=5.0), 900.0, 1.0, TRIAL, seed=1)
    assert max(point.level for point in profile.points) == 500.0


@pytest.mark.parametrize(("rate", "scale"), [(-1.0, 0.5), (10.0, 0.0), (10.0, 1.5)])
def test_a_rate_or_scale_that_cannot_be_is_refused(issue, rate, scale):
    with pytest.raises(InvalidNoun, match=r"expected|rate is"):
        build_profile(issue(), rate, scale, TRIAL, seed=1)


@given(
    st.lists(st.floats(0, 200), min_size=2, max_size=6),
    st.lists(st.floats(0.5, 20), min_size=5, max_size=5),
    st.integers(0, 2**32),
)
def test_arrivals_are_sorted_within_the_profile_and_as_many_as_its_integral_says(levels, steps, seed):
    times = np.concatenate([[0.0], np.cumsum(steps[: len(levels) - 1])])
    profile = rate_profile(zip(times.tolist(), levels, strict=True), seed)
    when, which = arrivals(profile)
    assert np.all(np.diff(when) >= 0)
    assert len(when) == len(which)
    assert when.size == 0 or (when[0] >= 0 and when[-1] <= profile.duration_s + 1e-9)
    expected = expected_requests(profile.points)
    assert abs(len(when) - expected) <= 6 * expected**0.5 + 6  # Poisson: six standard deviations


def test_the_same_profile_has_the_same_arrivals_and_another_seed_has_others():
    points = [(0.0, 50.0), (10.0, 50.0)]
    first, again, other = (arrivals(rate_profile(points, seed))[0] for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_arrivals_on_a_ramp_are_distributed_as_its_integral():
    """Kolmogorov-Smirnov against t^2 on a ramp from 0, at 1 in 1,000."""
    when, _ = arrivals(rate_profile([(0.0, 0.0), (100.0, 400.0)], seed=3))
    grid = np.arange(1, len(when) + 1) / len(when)
    assert np.abs((when / 100.0) ** 2 - grid).max() < 1.95 / np.sqrt(len(when))


def test_the_mix_is_kept_whatever_its_weights_add_up_to():
    _, which = arrivals(rate_profile([(0.0, 1000.0), (10.0, 1000.0)], mix=((30.0, "/"), (10.0, "/cart"))))
    assert np.mean(which == 0) == pytest.approx(0.75, abs=0.02)
