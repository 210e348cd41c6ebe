"""Whatever a metrics file holds: read with every mending said, or refused with the file and the reason."""

import datetime as dt
import os
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.files import read_history
from chaosprsa.history.frame import History
from chaosprsa.history.mending import clean

NOW = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
COUNT = 12
MINUTES = pd.date_range("2026-01-01", periods=COUNT, freq="min", tz="UTC").as_unit("ms")
GOOD = {
    "timestamp": pa.array(MINUTES),
    "component": pa.array(["cart"] * COUNT),
    "metric": pa.array(["cpu_usage_cores"] * COUNT),
    "value": pa.array(np.arange(COUNT, dtype=float)),
}


def parquet(folder, **columns):
    pq.write_table(pa.table({**GOOD, **columns}), folder / "metrics.parquet")
    return folder


def text_of(given_rows):
    return pd.DataFrame(given_rows, columns=["timestamp", "component", "metric", "value"])


values = st.one_of(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=COUNT, max_size=COUNT),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=COUNT, max_size=COUNT),
    st.lists(st.one_of(st.none(), st.text(max_size=8)), min_size=COUNT, max_size=COUNT),
    st.lists(st.binary(max_size=4), min_size=COUNT, max_size=COUNT),
    st.lists(st.booleans(), min_size=COUNT, max_size=COUNT),
    st.lists(st.datetimes(timezones=st.just(dt.UTC)), min_size=COUNT, max_size=COUNT),
    st.sampled_from(
        [[None] * COUNT, [[1.0]] * COUNT, [{"a": 1}] * COUNT, [Decimal("1.5")] * COUNT, [dt.time(1)] * COUNT]
    ),
    st.sampled_from([[dt.timedelta(1)] * COUNT, [dt.date(2026, 1, 1)] * COUNT]),
)


@given(column=st.sampled_from(sorted(GOOD)), given_values=values)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_column_of_any_type_is_read_or_refused_with_the_file(tmp_path, column, given_values):
    parquet(tmp_path, **{column: pa.array(given_values)})
    try:
        history = read_history(tmp_path, NOW)
    except InvalidHistory as refusal:
        assert "metrics.parquet" in str(refusal)  # noqa: PT017  # it may also be read
        return
    assert len(history.metrics) > 0
    assert np.isfinite(history.metrics["value"]).all()
    assert history.window.end <= NOW + dt.timedelta(seconds=history.step_s)


@given(content=st.binary(max_size=400), name=st.sampled_from(["metrics.csv", "metrics.csv.gz", "metrics.parquet"]))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_binary_file_under_any_name_is_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidHistory, match=r"metrics\."):
        read_history(tmp_path, NOW)
    (tmp_path / name).unlink()


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
@settings(max_examples=60, deadline=None)
def test_names_of_any_script_stay_as_they_are_and_too_long_ones_go(component, metric):
    rows = text_of([(time, component, metric, 1.0) for time in MINUTES])
    rows = pd.concat([rows, rows.assign(component="cart")], ignore_index=True)
    cleaned, notes = clean(rows, NOW, "x") if len(metric) <= 253 else clean(rows.assign(metric="m"), NOW, "x")
    kept = set(cleaned["component"])
    assert kept == ({component, "cart"} if len(component) <= 253 else {"cart"})
    assert (len(component) > 253) == any("more than 253 characters were dropped" in note for note in notes)


def test_a_name_of_a_megabyte_is_dropped_and_not_repeated(tmp_path):
    long = "购物车" * 350_000
    history = read_history(parquet(tmp_path, component=pa.array([long] * 4 + ["cart"] * (COUNT - 4))), NOW)
    assert history.components == ("cart",)
    assert any("4 of 12 rows whose component or metric has more than 253 characters" in note for note in history.notes)
    assert all(len(note) < 300 for note in history.notes)


@pytest.mark.parametrize("years", [56, 10, -1])
def test_a_clock_that_jumped_leaves_no_hole_of_years(years):
    odd = MINUTES[:3] - pd.Timedelta(days=365 * years)
    rows = text_of([(time, "cart", "m", 1.0) for time in [*MINUTES, *odd]])
    cleaned, notes = clean(rows, NOW + dt.timedelta(days=1000), "x")
    assert len(cleaned) == COUNT
    assert any("3 rows of" in note and "a clock had jumped; they were dropped" in note for note in notes)
    assert len(History(metrics=cleaned).grid) == COUNT


def test_clocks_that_jumped_to_several_years_are_all_found():
    odd = [MINUTES[0] - pd.Timedelta(days=days) for days in (20_454, 9_000, 4_000)]
    cleaned, notes = clean(text_of([(time, "cart", "m", 1.0) for time in [*MINUTES, *odd]]), NOW, "x")
    assert len(cleaned) == COUNT
    assert sum("a clock had jumped" in note for note in notes) == 3


def test_short_parts_with_months_between_them_both_stay_and_the_hole_is_said():
    early = MINUTES[:6] - pd.Timedelta(days=45)
    cleaned, notes = clean(text_of([(time, "cart", "m", 1.0) for time in [*early, *MINUTES]]), NOW, "x")
    assert len(cleaned) == COUNT + 6
    assert any("nothing was measured for 45 days" in note for note in notes)
    assert not any("gaps" in note for note in notes)
    assert History(metrics=cleaned).step_s == 60


def test_a_clock_that_was_never_set_is_dropped_however_much_it_wrote():
    odd = pd.date_range("1970-01-01", periods=10, freq="min", tz="UTC").as_unit("ms")
    cleaned, notes = clean(text_of([(time, "cart", "m", 1.0) for time in [*odd, *MINUTES]]), NOW, "x")
    assert len(cleaned) == COUNT
    assert any("10 rows of 1970-01-01" in note for note in notes)


def test_parts_too_far_apart_for_one_grid_leave_the_longer():
    early = MINUTES[:6] - pd.Timedelta(days=3650)
    cleaned, notes = clean(text_of([(time, "cart", "m", 1.0) for time in [*early, *MINUTES]]), NOW, "x")
    assert len(cleaned) == COUNT
    assert any("too far for a grid of 60 s" in note for note in notes)


def test_a_pause_of_three_weeks_is_a_gap_and_no_jump():
    rows = text_of([(time, "cart", "m", 1.0) for time in [*MINUTES, *(MINUTES - pd.Timedelta(days=21))]])
    cleaned, notes = clean(rows, NOW, "x")
    assert len(cleaned) == 2 * COUNT
    assert any("1 gaps" in note for note in notes)


def test_two_long_parts_with_months_between_them_both_stay():
    days = pd.date_range("2025-01-01", periods=60, freq="D", tz="UTC").as_unit("ms")
    rows = text_of([(time, "cart", "m", 1.0) for time in [*days, *(days + pd.Timedelta(days=200))]])
    assert len(clean(rows, NOW, "x")[0]) == 120


def test_samples_that_come_twice_at_once_do_not_make_the_grid_a_thousand_times_finer():
    twice = sorted([*MINUTES, *(MINUTES + pd.Timedelta(milliseconds=1))])
    cleaned, _ = clean(text_of([(time, "cart", "m", 1.0) for time in twice]), NOW, "x")
    assert History(metrics=cleaned).step_s == pytest.approx(60, abs=0.01)
    assert len(History(metrics=cleaned).grid) == COUNT


def test_a_burst_of_quick_samples_does_not_make_a_grid_of_a_hundred_million_steps():
    quick = MINUTES[0] + pd.to_timedelta(np.arange(100), unit="ms")
    late = MINUTES[0] + pd.to_timedelta(np.arange(1, 8), unit="D")
    cleaned, _ = clean(text_of([(time, "cart", "m", 1.0) for time in [*quick, *late]]), NOW, "x")
    assert len(History(metrics=cleaned).grid) <= 100_002


def test_a_clock_set_back_an_hour_gives_duplicates_and_the_last_written_stays():
    again = [(time, "cart", "m", 9.0) for time in MINUTES[6:]]
    cleaned, notes = clean(text_of([(time, "cart", "m", 1.0) for time in MINUTES] + again), NOW, "x")
    assert cleaned["value"].tolist() == [1.0] * 6 + [9.0] * 6
    assert any("6 duplicates" in note for note in notes)


@pytest.mark.parametrize("bad", [1e300, -1e300, 1.1e30])
def test_what_no_computer_has_is_dropped_with_a_note(bad):
    rows = text_of([(time, "cart", "m", bad if i == 3 else 1.0) for i, time in enumerate(MINUTES)])
    cleaned, notes = clean(rows, NOW, "x")
    assert len(cleaned) == COUNT - 1
    assert "x: 1 of 12 rows whose value is beyond 1e+30 were dropped" in notes


def test_a_component_that_is_all_nan_vanishes_with_a_note():
    rows = text_of([(time, name, "m", np.nan if name == "b" else 1.0) for name in "ab" for time in MINUTES])
    cleaned, notes = clean(rows, NOW, "x")
    assert History(metrics=cleaned).components == ("a",)
    assert "x: 12 of 24 rows whose value is not a finite number were dropped" in notes


def test_time_zones_may_differ_from_row_to_row(tmp_path):
    zones = ["UTC", "+02:00", "-05:30"]
    texts = [time.tz_convert(zone).isoformat() for time, zone in zip(MINUTES, zones * 4, strict=True)]
    history = read_history(parquet(tmp_path, timestamp=pa.array(texts)), NOW)
    assert history.metrics["timestamp"].tolist() == MINUTES.tolist()
    assert history.notes == ()


@pytest.mark.parametrize(("factor", "unit"), [(10**6, "microseconds"), (10**9, "nanoseconds")])
def test_fine_times_as_numbers_are_told_by_their_size(tmp_path, factor, unit):
    seconds = np.array([int(time.timestamp()) for time in MINUTES])
    history = read_history(parquet(tmp_path, timestamp=pa.array(seconds * factor)), NOW)
    assert history.metrics["timestamp"].tolist() == MINUTES.tolist()
    assert any(f"taken as {unit} since 1970" in note for note in history.notes)


def test_times_as_values_are_refused(tmp_path):
    with pytest.raises(InvalidHistory, match="its values are times or durations"):
        read_history(parquet(tmp_path, value=pa.array(MINUTES)), NOW)


def test_a_parquet_file_with_a_column_twice_is_refused(tmp_path):
    columns = [*GOOD.values(), GOOD["value"]]
    pq.write_table(pa.Table.from_arrays(columns, names=[*GOOD, "value"]), tmp_path / "metrics.parquet")
    with pytest.raises(InvalidHistory, match=r"metrics\.parquet: it has more than one column value"):
        read_history(tmp_path, NOW)


def test_a_csv_of_zeros_is_refused_in_a_message_that_can_be_printed(tmp_path):
    (tmp_path / "metrics.csv").write_bytes(b"\x00" * 1000)
    with pytest.raises(InvalidHistory, match=r"no column timestamp") as caught:
        read_history(tmp_path, NOW)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_a_parquet_file_without_rows_is_refused(tmp_path):
    pq.write_table(pa.table({name: column.slice(0, 0) for name, column in GOOD.items()}), tmp_path / "metrics.parquet")
    with pytest.raises(InvalidHistory, match="it has no rows"):
        read_history(tmp_path, NOW)


def test_random_bytes_after_a_good_beginning_are_refused(tmp_path):
    whole = (parquet(tmp_path) / "metrics.parquet").read_bytes()
    (tmp_path / "metrics.parquet").write_bytes(whole[:40] + os.urandom(len(whole) - 48) + whole[-8:])
    with pytest.raises(InvalidHistory, match=r"metrics\.parquet"):
        read_history(tmp_path, NOW)
