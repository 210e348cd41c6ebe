"""What past incidents did is learned and replayed, never as it was; counters, grids, bounds and gaps stay as seen."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.history.frame import History, empty_metrics
from chaosprsa.models.learned import learn_parts
from chaosprsa.models.series import wide
from chaosprsa.models.signatures import read_signatures, signatures_of, signatures_parquet
from chaosprsa.telemetry import synthesise
from chaosprsa.telemetry.loglines import log_lines
from chaosprsa.telemetry.shapes import shape_of
from chaosprsa.types import Edge, Fault, Incident, Topology

START = datetime(2026, 3, 4, tzinfo=UTC)
GRAPH = Topology(services=("web", "db"), edges=(Edge(caller="web", callee="db"),), entry="web")
MINUTES = 600
ONSETS = (150, 300, 450)


def past(jump=30.0, gap=False):
    """Ten hours: at each onset the database's CPU jumps for ten minutes and its caller gets slower."""
    rng, at = np.random.default_rng(1), np.arange(MINUTES)
    bad = np.isin(at, np.concatenate([np.arange(onset, onset + 10) for onset in ONSETS]))
    series = {
        ("db", "cpu_usage_cores"): 1 + 0.05 * rng.standard_normal(MINUTES) + jump * bad,
        ("db", "net_in_bytes_total"): 1e9 + np.cumsum(rng.integers(100, 200, MINUTES)),
        ("db", "pages_bytes"): 4096.0 * (1000 + np.cumsum(rng.integers(-1, 2, MINUTES))),
        ("db", "request_rate_per_s"): 50 + rng.standard_normal(MINUTES),
        ("web", "latency_p99_ms"): 100 + 3 * rng.standard_normal(MINUTES) + 80 * bad,
        ("web", "success_ratio"): np.clip(0.99 + 0.01 * rng.standard_normal(MINUTES), 0, 1),
    }
    times = pd.date_range(START, periods=MINUTES, freq="60s").astype("datetime64[ms, UTC]")
    frames = [
        pd.DataFrame({"timestamp": times, "component": name, "metric": metric, "value": values})
        for (name, metric), values in sorted(series.items())
    ]
    metrics = pd.concat(frames, ignore_index=True)
    if gap:
        metrics = metrics[metrics.index % 7 > 0].reset_index(drop=True)
    incidents = tuple(
        Incident(
            start=START + timedelta(minutes=onset),
            end=START + timedelta(minutes=onset + 10),
            component="db",
            kind="hog",
        )
        for onset in ONSETS
    )
    return History(metrics, incidents, GRAPH)


@pytest.fixture(scope="module")
def taught():
    return learn_parts(past(), GRAPH, 1)


@pytest.fixture
def hog(issue):
    return issue(
        kind="hog",
        components=("db", "web"),
        origin=START + timedelta(minutes=MINUTES + 30),
        start_s=0.0,
        duration_s=900.0,
        fault=Fault.CPU_SQUEEZE,
        strength=0.5,
    )


def during(history, metric, component, issue):
    series = history.table(metric)[component]
    end = issue.start + timedelta(seconds=issue.duration_s - 120)
    return series[(series.index > issue.start + timedelta(minutes=1)) & (series.index < end)], series[: issue.start]


def test_a_kind_that_the_history_had_does_what_it_did_then(taught, hog):
    history = synthesise(taught, (hog,), np.random.default_rng(2))
    cpu, before = during(history, "cpu_usage_cores", "db", hog)
    assert before.median() == pytest.approx(1.0, abs=0.1)
    assert cpu.median() == pytest.approx(31.0, rel=0.4)


def test_callers_feel_what_they_felt_then(taught, hog):
    slow, before = during(synthesise(taught, (hog,), np.random.default_rng(2)), "latency_p99_ms", "web", hog)
    assert slow.median() - before.median() == pytest.approx(80, rel=0.4)


def test_no_two_draws_are_alike_and_none_is_a_copy(taught, hog):
    seen = past().table("cpu_usage_cores")["db"].to_numpy()
    first, second = (
        during(synthesise(taught, (hog,), np.random.default_rng(seed)), "cpu_usage_cores", "db", hog)[0].to_numpy()
        for seed in (1, 2)
    )
    assert not np.allclose(first, second)
    assert not np.isin(first, seen).any()


def test_a_stronger_issue_does_more(taught, hog):
    weak, strong = (
        during(synthesise(taught, (replace(hog, strength=s),), np.random.default_rng(3)), "cpu_usage_cores", "db", hog)[
            0
        ]
        for s in (0.3, 0.8)
    )
    assert strong.median() > 1.5 * weak.median()


def test_a_counter_since_boot_goes_on_and_never_falls(taught, hog):
    counter = synthesise(taught, (hog,), np.random.default_rng(4)).table("net_in_bytes_total")["db"].dropna()
    last = past().table("net_in_bytes_total")["db"].iloc[-1]
    assert (counter.diff().dropna() >= 0).all()
    assert counter.iloc[0] >= last
    assert counter.diff().median() == pytest.approx(150, rel=0.2)


def test_values_stay_on_the_grid_that_they_were_seen_on(taught, hog):
    pages = synthesise(taught, (hog,), np.random.default_rng(5)).table("pages_bytes")["db"].dropna()
    assert (pages % 4096 == 0).all()


def test_gaps_come_where_gaps_were(hog):
    history = synthesise(learn_parts(past(gap=True), GRAPH, 1), (hog,), np.random.default_rng(6))
    table = history.table("request_rate_per_s")["db"]
    assert 0.05 < table.isna().mean() < 0.3


def test_signatures_survive_their_file(taught):
    again = read_signatures(signatures_parquet(taught.signatures))
    assert len(again) == len(taught.signatures) == len(ONSETS)
    for one, other in zip(taught.signatures, again, strict=True):
        assert (one.kind, one.at, one.start_s, one.steps) == (other.kind, other.at, other.start_s, other.steps)
        for a, b in zip(one.trajectories, other.trajectories, strict=True):
            assert (a.component, a.metric, a.relation, a.level, a.noise) == (
                b.component,
                b.metric,
                b.relation,
                b.level,
                b.noise,
            )
            np.testing.assert_array_equal(a.deviation, b.deviation)


def test_a_neighbour_that_felt_nothing_is_in_no_signature(taught):
    web = {each.metric for one in taught.signatures for each in one.trajectories if each.component == "web"}
    assert "latency_p99_ms" in web


@pytest.mark.parametrize("history", [History(empty_metrics(), past().incidents), replace(past(), incidents=())])
def test_without_metrics_or_incidents_there_are_no_signatures(history):
    assert signatures_of(history, GRAPH) == ()


def test_incidents_beyond_the_metrics_teach_nothing():
    late = Incident(start=START + timedelta(days=3), component="db", kind="hog")
    early = Incident(start=START - timedelta(days=3), end=START - timedelta(days=2), component="db", kind="hog")
    assert signatures_of(replace(past(), incidents=(early, late)), GRAPH) == ()


def test_a_gauge_that_falls_is_no_counter_and_a_reset_is_no_increment():
    times = pd.date_range(START, periods=20, freq="60s").astype("datetime64[ms, UTC]")
    falls, resets = np.append(np.arange(19.0) + 50, 60.0), np.append(np.arange(15.0) * 10, np.arange(5.0))
    frames = [
        pd.DataFrame({"timestamp": times, "component": "a", "metric": metric, "value": values})
        for metric, values in (("procs_total", falls), ("sent_total", resets))
    ]
    table = wide(History(pd.concat(frames, ignore_index=True)))
    assert table.counter.tolist() == [False, True]
    assert np.nansum(table.samples[:, 1]) == 144
    assert np.isnan(table.samples[[0, 15], 1]).all()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-1e12, 1e12) | st.just(float("nan")), min_size=1, max_size=40), st.floats(-1e12, 1e12))
def test_no_value_leaves_the_bounds_of_its_series(seen, value):
    for metric in ("x_ratio", "x_percent", "x_bytes"):
        shape = shape_of([metric], np.array(seen)[:, None])
        fitted = float(shape.fitted(np.array([[value]]))[0, 0])
        assert shape.low[0] <= fitted <= shape.high[0]


def test_log_lines_follow_the_rate_and_name_the_issue(bundle, issue):
    failing = issue(fault=Fault.DEPENDENCY_FAILING, strength=0.5, duration_s=900.0)
    history = synthesise(bundle, (failing,), np.random.default_rng(1))
    lines = [json.loads(line) for line in log_lines(history, (failing,), np.random.default_rng(1), most=5000)]
    assert 4000 < len(lines) < 6000
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    errors = [line for line in lines if line["issue"] == failing.id]
    assert errors
    assert all(line["level"] == "error" and "catalogue answered 500" in line["message"] for line in errors)
    assert all(line["simulated"] for line in lines)


def test_log_templates_are_written_at_their_rate():
    times = pd.date_range(START, periods=30, freq="60s").astype("datetime64[ms, UTC]")
    rows = pd.DataFrame({"timestamp": times, "component": "db", "metric": "log_template_7_per_s", "value": 2.0})
    lines = [
        json.loads(line) for line in log_lines(History(rows), (), np.random.default_rng(1), {"7": "took <*> ms {x}"})
    ]
    assert len(lines) == pytest.approx(3600, rel=0.1)
    assert all(line["message"].startswith("took ") and line["message"].endswith(" ms {x}") for line in lines)


def test_a_history_without_any_metrics_has_no_lines():
    assert list(log_lines(History(empty_metrics()), (), np.random.default_rng(1))) == []
