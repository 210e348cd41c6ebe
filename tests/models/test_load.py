import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.models.load import DAY_S, WEEK_S, LoadEvent, LoadModel

DATA = Path(os.environ.get("CHAOSPRSA_DATA", Path(__file__).parents[3] / "shared" / "data"))
MONDAY = 4 * DAY_S + 2900 * WEEK_S  # 1970-01-05 was a Monday


def minutes(days: float) -> np.ndarray:
    return MONDAY + np.arange(round(days * 1440)) * 60.0


def daily(times: np.ndarray) -> np.ndarray:
    return 100 + 60 * np.sin(2 * np.pi * times / DAY_S)


def weekly(times: np.ndarray) -> np.ndarray:
    return daily(times) * np.where((times - MONDAY) % WEEK_S < 5 * DAY_S, 1.0, 0.4)


@pytest.mark.parametrize(
    ("days", "terms"), [(2 / 24, ("level",)), (1.5, ("level",)), (3, ("level", "day")), (15, ("level", "day", "week"))]
)
def test_day_and_week_enter_only_where_the_data_saw_them_twice(days, terms):
    times = minutes(days)
    assert LoadModel().fit(times, daily(times)).terms == terms


def test_two_hours_give_their_level_and_their_spread():
    rng = np.random.default_rng(1)
    times = minutes(2 / 24)
    forecast = LoadModel().fit(times, rng.poisson(100 * 60, len(times)) / 60).forecast(times + DAY_S)
    assert forecast.mean == pytest.approx(100, rel=0.01)
    # A Poisson mean over a minute has standard deviation sqrt(100 / 60) = 1.29: the central 90 % is +- 2.12.
    # Two hours leave open what a day may do: the band may be half as wide again, never much narrower.
    width = forecast.high - forecast.low
    assert np.all((width > 2 * 1.5) & (width < 2 * 3.2))
    assert np.all((forecast.low < 98.5) & (forecast.high > 101.5))


def test_an_hour_that_rises_goes_on_rising_and_one_that_stays_stays():
    """Ten-second means of Poisson arrivals: the last level alone would be off by 5 minutes of the rise, a tenth."""
    rng = np.random.default_rng(2)
    times = MONDAY + np.arange(360) * 10.0
    ahead = times[-1] + np.arange(1, 31) * 10.0
    slope = 100 / 3600.0
    rising = rng.poisson((300 + slope * (times - MONDAY)) * 10) / 10
    found = LoadModel().fit(times, rising).quantiles(ahead, [0.5])[:, 0]
    assert found == pytest.approx(300 + slope * (ahead - MONDAY), rel=0.015)
    steady = LoadModel().fit(times, rng.poisson(3000, 360) / 10).quantiles(ahead, [0.5])[:, 0]
    assert steady == pytest.approx(300, rel=0.015)


def test_a_short_history_carried_on_is_where_one_that_knew_it_all_is():
    rng = np.random.default_rng(5)
    times = MONDAY + np.arange(300) * 10.0
    values = 50 + np.cumsum(rng.normal(0, 0.3, 300))
    early = LoadModel().fit(times[:250], values[:250])
    smoothing = early.course.smoothing
    assert smoothing is not None
    moved = early.given(times[250:], values[250:]).course
    roots = np.sqrt(values) / early.unit
    level, trend = smoothing.states(roots, level=float(roots[:25].mean()))[-1]
    assert (moved.level, moved.trend) == (pytest.approx(level), pytest.approx(trend, abs=1e-12))


def test_a_days_course_is_forecast_for_the_next_day():
    times = minutes(7)
    future = times[-1] + np.arange(1, 1441) * 60.0
    assert LoadModel().fit(times, daily(times)).forecast(future).mean == pytest.approx(daily(future), rel=0.02)


def test_a_weekend_is_forecast_from_two_weeks():
    times = minutes(14)
    future = times[-1] + np.arange(1, 7 * 1440 + 1) * 60.0
    found = LoadModel().fit(times, weekly(times)).forecast(future).mean
    assert np.mean(np.abs(found - weekly(future))) / weekly(future).mean() < 0.06


def test_incidents_and_bursts_do_not_bend_the_curve():
    times = minutes(7)
    values = daily(times)
    values[np.random.default_rng(1).random(len(times)) < 0.03] *= 20
    values[2000:2100] = 0
    assert LoadModel().fit(times, values).forecast(times).mean == pytest.approx(daily(times), rel=0.15)


def test_the_interval_holds_nine_of_ten_new_samples():
    rng = np.random.default_rng(7)
    times = minutes(14)
    noisy = rng.poisson(daily(times) * 10) / 10
    future = times[-1] + np.arange(1, 1441) * 60.0
    forecast = LoadModel().fit(times, noisy).forecast(future)
    new = rng.poisson(daily(future) * 10) / 10
    assert 0.87 < np.mean((new >= forecast.low) & (new <= forecast.high)) < 0.95  # a day ahead costs some width


def test_the_mean_of_rare_requests_is_their_mean_not_the_roots_square():
    rng = np.random.default_rng(3)
    times = minutes(3)
    values = rng.poisson(0.3 * 15, len(times)) / 15
    assert LoadModel().fit(times, values).forecast(times).mean.mean() == pytest.approx(0.3, rel=0.03)


def test_gaps_order_and_nan_make_no_difference():
    times = minutes(4)
    values = daily(times)
    model = LoadModel().fit(times, values)
    shuffled = np.random.default_rng(0).permutation(len(times))
    with_nan = np.append(values[shuffled], np.nan)
    assert LoadModel().fit(np.append(times[shuffled], times[0]), with_nan) == model
    gappy = np.ones(len(times), dtype=bool)
    gappy[1000:1900] = False
    assert LoadModel().fit(times[gappy], values[gappy]).forecast(times).mean == pytest.approx(values, rel=0.05)


def test_a_given_event_multiplies_the_forecast_and_leaves_the_usual_course_alone():
    """Two sales at twice the load; effects are drawn to none by one event's worth of the root: (2 * 1.414 + 1) / 3."""
    times = minutes(10)
    sales = [
        LoadEvent(name="sale", start_s=MONDAY + day * DAY_S + 36_000, end_s=MONDAY + day * DAY_S + 43_200)
        for day in (3, 7)
    ]
    values = daily(times)
    for sale in sales:
        values[(times >= sale.start_s) & (times < sale.end_s)] *= 2
    model = LoadModel().fit(times, values, sales)
    assert model.events["sale"] == pytest.approx((2 * 2**0.5 + 1) / 3, rel=0.02)
    ahead = times[-1] + np.arange(1, 1441) * 60.0
    coming = LoadEvent(name="sale", start_s=MONDAY + 10 * DAY_S + 36_000, end_s=MONDAY + 10 * DAY_S + 43_200)
    during = (ahead >= coming.start_s) & (ahead < coming.end_s)
    plain, told = model.forecast(ahead).mean, model.forecast(ahead, [coming]).mean
    assert plain == pytest.approx(daily(ahead), rel=0.03)
    assert told[~during] == pytest.approx(plain[~during])
    assert told[during] == pytest.approx(plain[during] * model.events["sale"] ** 2, rel=0.01)
    unheard = LoadEvent(name="launch", start_s=coming.start_s, end_s=coming.end_s)
    assert model.forecast(ahead, [unheard]).mean == pytest.approx(plain)


def test_two_years_of_hours_with_growth_are_forecast_at_the_level_they_have_reached():
    times = MONDAY + np.arange(2 * 365 * 24) * 3600.0
    grown = 1 + (times - MONDAY) / (365 * DAY_S)
    values = np.random.default_rng(8).poisson(weekly(times) * grown)
    model = LoadModel().fit(times, values)
    assert model.terms == ("level", "day", "week")
    ahead = times[-1] + np.arange(1, 7 * 24 + 1) * 3600.0
    truth = weekly(ahead) * (1 + (ahead - MONDAY) / (365 * DAY_S))
    found = model.forecast(ahead)
    assert np.abs(found.mean - truth).mean() < 0.06 * truth.mean()
    assert np.mean((truth >= found.low) & (truth <= found.high)) > 0.9


def test_eleven_samples_are_too_few():
    with pytest.raises(NotEnoughHistory, match="at least 12 samples, there are 11"):
        LoadModel().fit(np.arange(11.0), np.ones(11))


def test_a_model_that_was_never_fitted_says_so():
    with pytest.raises(NotEnoughHistory, match="never fitted"):
        LoadModel().forecast(np.array([0.0]))


def test_json_and_back_is_the_same_model():
    model = LoadModel().fit(minutes(15), weekly(minutes(15)))
    assert LoadModel.from_json(model.as_json()) == model
    short = LoadModel().fit(minutes(0.2), daily(minutes(0.2)))
    assert LoadModel.from_json(json.loads(json.dumps(short.as_json()))) == short


@given(
    st.lists(st.floats(-10, 1e7), min_size=12, max_size=80),
    st.floats(0, 2e9),
    st.sampled_from([1.0, 60.0, 300.0, 3600.0, 7 * 3600.0]),
    st.lists(st.floats(0, 4e9), min_size=1, max_size=10),
)
@settings(max_examples=80, deadline=None)
def test_a_forecast_is_finite_and_lies_in_its_interval_whatever_was_learned(values, start, step, at):
    forecast = LoadModel().fit(start + np.arange(len(values)) * step, np.array(values)).forecast(np.array(at))
    assert np.isfinite(forecast.high).all()
    assert (forecast.low >= 0).all()
    assert (forecast.low <= forecast.mean).all()
    assert (forecast.mean <= forecast.high).all()


@pytest.mark.skipif(not (DATA / "workloads").is_dir(), reason=f"no real data at {DATA} (set CHAOSPRSA_DATA)")
def test_days_of_nasa_are_forecast_better_than_by_the_day_before_and_their_bands_hold():
    """Five days: a single one's band held between 70 and 98.5 % of it, so one day says nothing about nine in ten."""
    with gzip.open(DATA / "workloads/nasa/nasa_1995-07-01T00_00_to_07-28T13_32_dev_1s.txt.gz", "rt") as file:
        seconds = np.loadtxt(file, max_rows=16 * 86_400)
    values = seconds.reshape(-1, 60).mean(axis=1)
    times = 804_571_200 + np.arange(len(values)) * 60.0
    ours, before, inside = [], [], []
    for start in range(11 * 1440, 16 * 1440, 1440):
        past, day = slice(0, start), slice(start, start + 1440)
        forecast = LoadModel().fit(times[past], values[past]).forecast(times[day])
        ours.append(np.abs(forecast.mean - values[day]).mean())
        before.append(np.abs(values[start - 1440 : start] - values[day]).mean())
        inside.append(np.mean((values[day] >= forecast.low) & (values[day] <= forecast.high)))
    assert np.mean(ours) < 0.8 * np.mean(before)
    assert 0.85 < np.mean(inside) < 0.97
