"""Detection: planted faults are found in time, noise is not, and the series' score is NAB's own where it is judged."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.models.detection.kernels import off_median, off_pattern, records, tail_surprise
from chaosprsa.models.detection.series import SeriesDetector, day_steps_of

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))


def noise(count, seed=1, daily=0.0):
    rng = np.random.default_rng(seed)
    return 10 + daily * np.sin(2 * np.pi * np.arange(count) / 288) + rng.normal(0, 1, count)


@pytest.mark.parametrize("size", [8.0, -8.0])
def test_a_level_shift_is_told_within_three_samples(size):
    values = noise(1500)
    values[1000:] += size
    alarms = SeriesDetector().alarms(values, 3.0)
    assert [at for at in alarms if 1000 <= at < 1003]


def test_a_single_spike_is_told_at_its_sample():
    values = noise(1500)
    values[1200] += 12
    assert 1200 in SeriesDetector().alarms(values, 3.0)


def test_a_drift_is_told_before_it_is_ten_spreads():
    values = noise(2000)
    values[1200:] += np.linspace(0, 20, 800)
    alarms = SeriesDetector().alarms(values, 3.0)
    assert [at for at in alarms if 1200 <= at < 1600]


def test_a_missing_peak_of_the_day_is_told_although_no_value_is_new():
    values = noise(288 * 8, daily=8.0)
    flat = slice(288 * 7 + 20, 288 * 7 + 120)  # where the day rises, it stays at the mean
    values[flat] = noise(100, seed=3)
    alarms = SeriesDetector().alarms(values, 3.0, day_steps=288)
    assert [at for at in alarms if flat.start <= at < flat.stop]


@pytest.mark.parametrize("daily", [0.0, 5.0])
def test_on_noise_no_more_samples_surprise_than_stated(daily):
    detector, rate, scored = SeriesDetector(), 0.01, 3000
    threshold = detector.threshold(rate)
    over = [
        int((detector.surprise(noise(scored + 576, seed, daily), 288)[576:] >= threshold).sum()) for seed in range(8)
    ]
    allowed = rate * scored
    # neighbouring samples share their past and, of the pattern, their own values: five times a binomial's deviation
    assert np.mean(over) <= allowed + 5 * np.sqrt(allowed / 8)


def test_exchangeable_residuals_are_surprising_as_often_as_their_decades_say():
    sizes = np.abs(np.random.default_rng(5).standard_t(4, 60_000))
    decades = tail_surprise(sizes, 50, 0.02, 0.1, 12.0)[5_000:]
    for threshold in (1.0, 2.0, 3.0):
        share = float((decades >= threshold).mean())
        assert share == pytest.approx(10**-threshold, rel=0.35)


def test_nothing_after_a_sample_changes_its_score():
    values = noise(900, daily=3.0)
    whole = SeriesDetector().surprise(values, 288)
    assert np.array_equal(SeriesDetector().surprise(values[:600], 288), whole[:600])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=64), max_size=120))
def test_whatever_the_values_a_score_is_finite_and_not_negative(values):
    found = SeriesDetector(fewest=10, pattern=4, memory=50).surprise(np.array(values, dtype=float), 7)
    assert len(found) == len(values)
    assert np.isfinite(found).all()
    assert (found >= 0).all()


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [5.0] * 400, [np.nan] * 400, [0.0] * 400])
def test_a_series_without_variation_or_samples_has_no_alarm(values):
    assert not len(SeriesDetector().alarms(np.array(values), 1.0, 24))


def test_the_median_of_the_past_leaves_out_the_newest_samples():
    values = np.array([1.0, 1.0, 1.0, 9.0, 5.0])
    assert off_median(values, 3, 1, 2)[4] == pytest.approx(4.0)
    assert np.isnan(off_median(values, 3, 1, 2)[1])


def test_the_nearest_earlier_stretch_is_found_as_by_trying_all():
    values = np.random.default_rng(2).normal(size=90)
    width, memory = 6, 40
    found = off_pattern(values, width, memory)
    for i in range(2 * width, 90):
        window = values[i - width + 1 : i + 1]
        apart = [
            np.sqrt(np.mean((window - values[i - lag - width + 1 : i - lag + 1]) ** 2))
            for lag in range(width, memory + 1)
            if i - lag - width + 1 >= 0
        ]
        assert found[i] == pytest.approx(min(apart), abs=1e-9)


def test_a_record_is_what_beats_the_last_few():
    scores = np.array([1.0, 3.0, 2.0, 2.5, 4.0, 1.0])
    assert records(scores, 2).tolist() == [1.0, 3.0, 0.0, 0.0, 4.0, 0.0]
    assert records(np.array([3.0, 1.0, 1.0, 2.0]), 2).tolist() == [3.0, 0.0, 0.0, 2.0]


def test_a_day_has_as_many_steps_as_samples_fit():
    assert day_steps_of(np.arange(10) * 300_000) == 288
    assert day_steps_of(np.array([5])) == 0


def test_nabs_score_is_100_for_an_alarm_at_each_windows_first_sample_and_0_for_none():
    from nab_scoring import Series, sweep

    series = Series("a", np.arange(1000), np.zeros(1000), ((300, 399), (700, 799)))
    perfect = np.zeros(1000)
    perfect[[300, 700]] = 1.0
    assert sweep([series], [perfect]).best[1] == pytest.approx(100.0)
    assert sweep([series], [perfect]).at(2.0) == pytest.approx(0.0)


def test_nabs_score_counts_a_false_alarm_and_a_late_one_as_its_paper_says():
    from nab_scoring import Series, sweep

    series = Series("a", np.arange(1000), np.zeros(1000), ((500, 599),))
    early = np.zeros(1000)
    early[[200, 500]] = 1.0  # a false alarm costs 0.11 of the 2 between null and perfect
    assert sweep([series], [early]).at(1.0) == pytest.approx(100 * (2 - 0.11) / 2)
    late = np.zeros(1000)
    late[599] = 1.0  # at the right edge, one hundredth of the window is left: nearly nothing
    edge = (2 / (1 + np.exp(-0.05)) - 1) / (2 / (1 + np.exp(-5)) - 1)
    assert sweep([series], [late]).at(1.0) == pytest.approx(100 * (1 + edge) / 2)


def test_nabs_probationary_period_is_15_percent_of_at_most_5000_samples():
    from nab_scoring import probation

    assert (probation(4032), probation(22_000)) == (604, 750)
