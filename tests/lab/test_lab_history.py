from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from chaosprsa.errors import InvalidNoun
from chaosprsa.history.files import read_history, write_history
from chaosprsa.history.frame import COLUMNS
from chaosprsa.history.mending import clean
from chaosprsa.lab.history import PER_DAY, lab_history
from chaosprsa.lab.misfortune import draw_mishaps
from chaosprsa.lab.shop import shop
from chaosprsa.types import Fault

END = datetime(2026, 11, 25, 12, 34, 56, tzinfo=UTC)


@pytest.fixture(scope="module")
def week():
    return lab_history(shop(), 7, 11, END)


@pytest.fixture(scope="module")
def month():
    return lab_history(shop(), 30, 8, END)


def test_the_same_seed_gives_the_same_history():
    first, again, other = (lab_history(shop(), 0.5, seed, END) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first.metrics, again.metrics)
    assert first.incidents == again.incidents
    assert not first.metrics["value"].equals(other.metrics["value"])


def assert_same_rows(these, those):
    """Names as plain text on both sides: pandas compares categories with text a hundred times slower."""
    these, those = (each.astype({"component": str, "metric": str}) for each in (these, those))
    pd.testing.assert_frame_equal(these, those, check_dtype=False)


def test_it_is_in_the_normal_form_and_ends_when_told(week):
    assert tuple(week.metrics.columns) == COLUMNS
    assert str(week.metrics["timestamp"].dtype) == "datetime64[ms, UTC]"
    cleaned, notes = clean(week.metrics, END, "it")
    assert_same_rows(cleaned, week.metrics)
    assert not [note for note in notes if "gap" not in note]
    assert week.window.end == END.replace(second=0)
    assert week.window.duration == timedelta(days=7)
    assert week.step_s == 60


def test_every_service_shows_every_usual_metric(week):
    usual = {
        "request_rate_per_s", "success_ratio", "latency_p50_ms", "latency_p90_ms", "latency_p99_ms", "cpu_usage_cores",
        "cpu_limit_cores", "memory_bytes", "memory_limit_bytes", "replicas",
    }  # fmt: skip
    shown = week.metrics.groupby("component")["metric"].unique()
    assert all(usual <= set(shown[service.name]) for service in shop().services)
    assert set(week.edges) == {f"{edge.caller}->{edge.callee}" for edge in shop().topology.edges}


def test_days_are_busier_than_nights_and_working_days_than_weekends(week):
    rate = week.table("request_rate_per_s")["gateway"]
    by_hour = rate.groupby(rate.index.hour).median()
    assert by_hour[12] > 2.5 * by_hour[4]
    noon = rate[rate.index.hour == 12]
    weekend = noon.index.day_of_week >= 5
    assert noon[weekend].median() < 0.9 * noon[~weekend].median()


def test_a_steady_topology_is_as_busy_by_night_as_by_day():
    history = lab_history(replace(shop(), steady=True), 2, 1, END, incidents_per_day=0)
    by_hour = history.table("request_rate_per_s")["gateway"].groupby(lambda time: time.hour).median()
    assert by_hour.max() < 1.4 * by_hour.min()


def test_three_to_six_incidents_a_day_of_all_seven_kinds():
    mishaps = draw_mishaps(shop(), 60 * 1440, 0.0, PER_DAY, np.random.default_rng(2))
    assert 3 <= len(mishaps) / 60 <= 6
    assert {mishap.fault for mishap in mishaps} == set(Fault)
    assert min(mishap.start_min for mishap in mishaps) >= 0
    assert max(mishap.end_min for mishap in mishaps) <= 60 * 1440


def test_surges_come_at_busy_hours():
    mishaps = draw_mishaps(shop(), 120 * 1440, 0.0, PER_DAY, np.random.default_rng(5))
    hours = [mishap.start_min / 60 % 24 for mishap in mishaps if mishap.fault is Fault.TRAFFIC_SURGE]
    assert sum(8 <= hour <= 22 for hour in hours) > 0.85 * len(hours)


def test_some_incidents_draw_a_caller_in():
    mishaps = draw_mishaps(shop(), 60 * 1440, 0.0, PER_DAY, np.random.default_rng(3))
    drawn = [mishap for mishap in mishaps if mishap.cause]
    edges = {(edge.caller, edge.callee) for edge in shop().topology.edges}
    assert 0.05 < len(drawn) / len(mishaps) < 0.4
    assert all((mishap.component, mishap.cause) in edges for mishap in drawn)


SHOWN = {
    "replica-loss": ("replicas", -1), "dependency-slow": ("latency_p50_ms", 1), "memory-squeeze": ("memory_bytes", 1),
}  # fmt: skip


def test_incidents_show_in_the_metrics_they_should(month):
    tables = {metric: month.table(metric) for metric, _ in SHOWN.values()}
    seen = {kind: [] for kind in SHOWN}
    for incident in month.incidents:
        if incident.kind in SHOWN:
            metric, sign = SHOWN[incident.kind]
            column = tables[metric][incident.component]
            before = column[incident.start - timedelta(hours=3) : incident.start - timedelta(hours=2)]
            seen[incident.kind].append(sign * (column[incident.start : incident.end].median() - before.median()) > 0)
    assert all(np.mean(shown) > 0.7 for shown in seen.values()), seen


def test_squeezes_build_up_before_they_are_noticed(month):
    """Latency is up in the minutes before the incident's start: what a precursor model can find."""
    latency = month.table("latency_p50_ms")
    rises = []
    for incident in month.incidents:
        if incident.kind in {"dependency-slow", "cpu-squeeze"}:
            column = latency[incident.component]
            just_before = column[slice(incident.start - timedelta(minutes=4), incident.start)].median()
            long_before = column[slice(incident.start - timedelta(minutes=60), incident.start - timedelta(minutes=30))]
            rises.append(just_before / long_before.median())
    assert np.median(rises) > 1.2


def test_it_is_written_and_read_back_whole(tmp_path, week):
    write_history(week, tmp_path)
    back = read_history(tmp_path, END)
    assert_same_rows(back.metrics, week.metrics)
    assert back.incidents == week.incidents
    assert back.topology == week.topology


@pytest.mark.parametrize("days", [0, -1, 1000])
def test_a_span_that_makes_no_sense_is_refused(days):
    with pytest.raises(InvalidNoun, match="days is"):
        lab_history(shop(), days, 1, END)
