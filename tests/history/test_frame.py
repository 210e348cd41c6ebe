from dataclasses import replace
from datetime import UTC, datetime, timedelta

import hypothesis.extra.numpy as arrays
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.errors import InvalidHistory, NotEnoughHistory
from chaosprsa.history.frame import History, empty_metrics
from chaosprsa.history.mending import LARGEST, clean
from chaosprsa.types import Incident, Window

NOW = datetime(2026, 1, 10, tzinfo=UTC)


def test_a_clean_history_is_left_as_it_is_and_says_nothing(rows, now):
    cleaned, notes = clean(rows, now, "x")
    assert notes == ()
    pd.testing.assert_frame_equal(cleaned, rows, check_dtype=False, check_categorical=False)


def test_duplicates_are_dropped_and_the_last_written_stays(rows, now):
    twice = pd.concat([rows, rows.iloc[[5]].assign(value=99.0)], ignore_index=True)
    cleaned, notes = clean(twice, now, "x")
    assert cleaned["value"].iloc[5] == 99.0
    assert len(cleaned) == len(rows)
    assert any("1 duplicates" in note for note in notes)


def test_unsorted_rows_are_sorted_with_a_note(rows, now):
    cleaned, notes = clean(rows.iloc[::-1], now, "x")
    pd.testing.assert_frame_equal(cleaned, rows, check_dtype=False, check_categorical=False)
    assert any("sorted" in note for note in notes)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_number_are_dropped_with_a_note(rows, now, bad):
    rows.loc[3, "value"] = bad
    cleaned, notes = clean(rows, now, "x")
    assert len(cleaned) == len(rows) - 1
    assert any("1 of 240 rows whose value is not a finite number" in note for note in notes)


def test_rows_from_the_future_are_dropped_with_a_note(rows):
    cleaned, notes = clean(rows, datetime(2026, 1, 1, 0, 29, 30, tzinfo=UTC), "x")
    assert len(cleaned) == len(rows) / 2
    assert any("120 of 240 rows from the future (after 2026-01-01 00:29 UTC)" in note for note in notes)


def test_a_history_that_lies_wholly_in_the_future_is_refused(rows):
    with pytest.raises(InvalidHistory, match="all 240 rows are from the future"):
        clean(rows, datetime(2025, 1, 1, tzinfo=UTC), "x")


def test_nothing_but_nan_is_refused(rows, now):
    with pytest.raises(InvalidHistory, match="not a finite number"):
        clean(rows.assign(value=np.nan), now, "x")


def test_rows_without_a_name_are_dropped_with_a_note(rows, now):
    rows.loc[0, "component"] = None
    rows.loc[1, "metric"] = ""
    cleaned, notes = clean(rows, now, "x")
    assert len(cleaned) == len(rows) - 2
    assert any("2 of 240 rows without a time, component or metric" in note for note in notes)


def test_gaps_are_said_with_the_longest_and_where_it_is(rows, now):
    cleaned, notes = clean(rows.drop(index=range(70, 80)), now, "x")
    (note,) = notes
    assert "1 gaps" in note
    assert "about 10 are missing" in note
    assert "the longest lasts 0:11:00: cart request_rate_per_s from 2026-01-01 00:09:00 UTC" in note
    assert len(cleaned) == 230


def test_the_window_ends_one_step_after_the_last_sample(rows):
    history = History(metrics=rows)
    assert history.step_s == 60
    assert history.window == Window(start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 1, 1, 1, tzinfo=UTC))


def test_without_metrics_the_window_is_the_incidents_own():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    incidents = (Incident(start=start, end=start + timedelta(hours=3), component="cart", kind="outage"),)
    history = History(metrics=empty_metrics(), incidents=incidents)
    assert history.window.duration == timedelta(hours=3)
    assert len(history.grid) == 0
    assert history.table("anything").shape == (0, 0)


def test_a_history_of_nothing_has_no_window():
    with pytest.raises(NotEnoughHistory, match="neither metrics nor incidents"):
        _ = History(metrics=empty_metrics()).window


def test_components_scraped_seconds_apart_share_the_rows_of_a_table(rows):
    late = rows["component"] == "gateway"
    rows.loc[late, "timestamp"] += pd.Timedelta(seconds=7)
    table = History(metrics=rows).table("request_rate_per_s")
    assert table.shape == (60, 2)
    assert table.notna().all().all()
    assert list(table.columns) == ["cart", "gateway"]


def test_a_gap_is_nan_in_the_table(rows):
    table = History(metrics=rows.drop(index=range(70, 80))).table("request_rate_per_s")
    assert table["cart"].isna().sum() == 10
    assert table["gateway"].notna().all()


def test_call_edges_are_no_components(rows):
    rows.loc[rows["component"] == "cart", "component"] = "gateway->cart"
    history = History(metrics=rows)
    assert history.components == ("gateway",)
    assert history.edges == ("gateway->cart",)


def test_the_last_hours_keep_the_incidents_that_touch_them(rows):
    old, late = (
        Incident(start=datetime(2026, 1, 1, 0, minute, tzinfo=UTC), component="cart", kind="outage")
        for minute in (1, 55)
    )
    last = History(metrics=rows, incidents=(old, late)).last(timedelta(minutes=10))
    assert last.incidents == (late,)
    assert len(last.metrics) == 40


times = st.integers(-10_000, 10_000).map(
    lambda minute: pd.Timestamp("2026-01-05", tz="UTC") + pd.Timedelta(minutes=minute)
)
samples = st.lists(
    st.tuples(
        times,
        st.sampled_from(["a", "b", "a->b", ""]),
        st.sampled_from(["m", "n"]),
        st.floats(width=64, allow_nan=True, allow_infinity=True),
    ),
    min_size=1,
    max_size=60,
)


@given(samples)
@settings(max_examples=60, deadline=None)
def test_whatever_came_in_what_comes_out_is_sorted_unique_finite_and_past(given_rows):
    frame = pd.DataFrame(given_rows, columns=["timestamp", "component", "metric", "value"])
    frame["timestamp"] = frame["timestamp"].dt.as_unit("ms")
    good = frame[(frame["value"].abs() <= LARGEST) & (frame["component"] != "") & (frame["timestamp"] <= NOW)]
    if not len(good):
        with pytest.raises(InvalidHistory):
            clean(frame, NOW, "x")
        return
    cleaned, _ = clean(frame, NOW, "x")
    keys = list(zip(cleaned["component"], cleaned["metric"], cleaned["timestamp"], strict=True))
    assert keys == sorted(set(keys))
    assert np.isfinite(cleaned["value"]).all()
    assert set(keys) == set(zip(good["component"], good["metric"], good["timestamp"], strict=True))
    assert cleaned["timestamp"].dtype == "datetime64[ms, UTC]"
    again, notes = clean(cleaned, NOW, "x")
    pd.testing.assert_frame_equal(again, cleaned)
    assert not [note for note in notes if "gaps" not in note]


@given(
    arrays.arrays(float, st.integers(2, 50), elements=st.floats(0, 1e6)), st.integers(1, 3600), st.integers(0, 10**6)
)
@settings(max_examples=40, deadline=None)
def test_a_table_holds_every_sample_of_a_regular_series(values, step_s, phase_s):
    start = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(seconds=phase_s)
    index = pd.DatetimeIndex(start + pd.to_timedelta(np.arange(len(values)) * step_s, unit="s")).as_unit("ms")
    frame = pd.DataFrame({"timestamp": index, "component": "a", "metric": "m", "value": values})
    table = History(metrics=frame).table("m")
    np.testing.assert_array_equal(table["a"].to_numpy(), values)
    assert (table.index == index).all()


def test_an_export_that_leaves_out_values_that_stay_has_the_step_of_those_it_writes():
    # every third sample of a 30 s grid is left out, as cloudcluster's export does: gaps of 60, 30, 60, 30 ... s
    seconds = [second for second in range(0, 90 * 40, 30) if second % 90 != 60]
    times = pd.to_datetime(seconds, unit="s", utc=True).as_unit("ms")
    rows = pd.DataFrame({"timestamp": times, "component": "a", "metric": "m", "value": 1.0})
    assert History(metrics=rows).step_s == 30


def days(count, first):
    return tuple(Incident(start=first + timedelta(days=day), component="a", kind="k") for day in range(count))


def test_one_incident_years_before_all_others_does_not_stretch_the_watched_time():
    first = datetime(2026, 1, 1, tzinfo=UTC)
    old = Incident(start=datetime(2015, 1, 1, tzinfo=UTC), component="a", kind="k")
    history = History(metrics=empty_metrics(), incidents=(old, *days(20, first)))
    assert history.watched.start == first
    assert "1 incidents of 2015-01-01 to 2015-01-01 stand alone, 4018 days before" in history.unwatched[0]
    assert History(metrics=empty_metrics(), incidents=days(20, first)).unwatched == ()


def test_incidents_months_apart_are_rare_and_no_hole():
    first = datetime(2020, 1, 1, tzinfo=UTC)
    rare = tuple(replace(each, start=first + 90 * (each.start - first)) for each in days(12, first))
    assert History(metrics=empty_metrics(), incidents=rare).watched.start == first
