"""Synthetic telemetry is in the normal form, usual outside the issues and touched by them within."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from chaosprsa.errors import InvalidNoun
from chaosprsa.history.files import read_history, write_history
from chaosprsa.telemetry import synthesise
from chaosprsa.types import Fault


def played(bundle, *issues, seed=1):
    return synthesise(bundle, issues, np.random.default_rng(seed))


def halves(history, metric, component, issue):
    """The series while the issue lasts in full, and before it."""
    series = history.table(metric)[component]
    end = issue.start + timedelta(seconds=issue.duration_s)
    return series[(series.index > issue.start + timedelta(minutes=1)) & (series.index < end)], series[: issue.start]


def test_it_is_in_the_normal_form_and_reads_back_as_a_history(bundle, issue, tmp_path):
    history = played(bundle, issue(duration_s=1800.0))
    metrics = history.metrics
    assert list(metrics.columns) == ["timestamp", "component", "metric", "value"]
    assert str(metrics["timestamp"].dtype) == "datetime64[ms, UTC]"
    order = metrics.sort_values(["component", "metric", "timestamp"], kind="stable")
    assert order.index.equals(metrics.index)
    write_history(history, tmp_path)
    again = read_history(tmp_path, issue().start + timedelta(days=1))
    pd.testing.assert_frame_equal(again.metrics, metrics, check_dtype=False, check_categorical=False)
    assert [incident.component for incident in again.incidents] == ["catalogue"]


def test_the_same_seed_gives_the_same_rows(bundle, issue):
    pd.testing.assert_frame_equal(played(bundle, issue()).metrics, played(bundle, issue()).metrics)


def test_before_the_issue_everything_is_as_usual(bundle, issue):
    history = played(bundle, issue(duration_s=1800.0))
    median, spread = bundle.normals["cart"]["latency_p50_ms"]
    assert history.table("latency_p50_ms")["cart"].median() == pytest.approx(median, abs=3 * spread)


def test_a_slow_dependency_is_slow_itself_and_for_its_callers_but_for_nobody_else(bundle, issue):
    slow = issue(fault=Fault.DEPENDENCY_SLOW, strength=500.0, duration_s=1800.0)
    history = played(bundle, slow)
    for component in ("catalogue", "gateway"):
        during, before = halves(history, "latency_p99_ms", component, slow)
        assert during.median() > before.median() + 100
    during, before = halves(history, "latency_p99_ms", "payment", slow)
    assert during.median() == pytest.approx(before.median(), rel=0.5)


def test_a_failing_dependency_loses_its_share_of_answers(bundle, issue):
    failing = issue(fault=Fault.DEPENDENCY_FAILING, strength=0.4, duration_s=1800.0)
    during, before = halves(played(bundle, failing), "success_ratio", "catalogue", failing)
    assert during.median() == pytest.approx(before.median() * 0.6, abs=0.05)


def test_a_surge_multiplies_the_rate_everywhere(bundle, issue):
    surge = issue(fault=Fault.TRAFFIC_SURGE, strength=3.0, components=("gateway",), duration_s=1800.0)
    history = played(bundle, surge)
    for component in ("gateway", "payment"):
        during, before = halves(history, "request_rate_per_s", component, surge)
        assert during.median() / before.median() == pytest.approx(3.0, rel=0.25)


def test_a_squeeze_shows_in_the_limit(bundle, issue):
    squeezed = issue(duration_s=1800.0)
    during, before = halves(played(bundle, squeezed), "cpu_limit_cores", "catalogue", squeezed)
    assert during.median() == pytest.approx(before.median() * 0.5, rel=0.02)


def test_nothing_is_negative_and_no_share_exceeds_one(bundle, issue):
    history = played(
        bundle, *(issue(fault=fault, duration_s=900.0, start_s=300.0 * n) for n, fault in enumerate(Fault))
    )
    assert (history.metrics["value"] >= 0).all()
    shares = history.metrics["metric"].str.endswith("_ratio")
    assert (history.metrics["value"][shares] <= 1).all()


def test_a_very_long_span_gets_wider_steps_instead_of_more_rows(bundle, issue):
    history = played(bundle, issue(duration_s=60 * 86_400.0))
    assert len(history.grid) <= 10_083


def test_no_issues_is_refused(bundle):
    with pytest.raises(InvalidNoun, match="at least one issue"):
        played(bundle)
