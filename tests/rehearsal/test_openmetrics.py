"""Synthetic telemetry loads into a real Prometheus, where the usual queries and rules find it."""

import subprocess
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.errors import InvalidNoun
from chaosprsa.history.frame import History
from chaosprsa.history.prometheus import PrometheusClient, read_prometheus
from chaosprsa.telemetry import synthesise
from chaosprsa.telemetry.openmetrics import EDGES_S, distribution, openmetrics
from chaosprsa.types import Fault, Window

from .real import get_json, prometheus_tool, prometheus_with


def history_of(series, steps, start=datetime(2026, 3, 1, tzinfo=UTC)):
    """series: (component, metric) -> values a minute."""
    times = pd.date_range(start, periods=steps, freq="60s").astype("datetime64[ms, UTC]")
    frames = [
        pd.DataFrame({"timestamp": times, "component": name, "metric": metric, "value": np.asarray(values, float)})
        for (name, metric), values in sorted(series.items())
    ]
    return History(metrics=pd.concat(frames, ignore_index=True))


@pytest.fixture(scope="module")
def told():
    """An hour: the rate triples and a third fails from minute 30 to 40."""
    minutes = np.arange(60)
    bad = (minutes >= 30) & (minutes < 40)
    return history_of(
        {
            ("cart", "request_rate_per_s"): 20 + minutes % 7 + 40 * bad,
            ("cart", "success_ratio"): np.where(bad, 2 / 3, 1.0),
            ("cart", "latency_p50_ms"): np.where(bad, 400.0, 40.0),
            ("cart", "latency_p99_ms"): np.where(bad, 900.0, 90.0),
            ("cart", "cpu_usage_cores"): 0.5 + 0.01 * minutes,
            ("cart", "memory_bytes"): 1e8 + 1e5 * minutes,
            ("cart", "cpu_limit_cores"): np.full(60, 1.5),
            ("cart", "replicas"): np.where(bad, 2.0, 3.0),
            ("cart", "queue length"): minutes.astype(float),
            ("cart->db", "request_rate_per_s"): np.full(60, 5.0),
            ("cart->db", "latency_mean_ms"): np.full(60, 12.0),
        },
        60,
    )


@pytest.fixture(scope="module")
def prometheus(told, tmp_path_factory):
    """A real one, with the hour as blocks."""
    with prometheus_with("".join(openmetrics(told, "shop")), tmp_path_factory.mktemp("prometheus")) as url:
        yield url


def asked(prometheus, told, query):
    """The query at each minute of the history."""
    grid = told.grid
    found = get_json(
        f"{prometheus}/api/v1/query_range",
        query=query,
        start=f"{grid[0].timestamp():.0f}",
        end=f"{grid[-1].timestamp():.0f}",
        step="60s",
    )["data"]["result"]
    assert len(found) == 1, found
    return np.array([float(value) for _, value in found[0]["values"]])


def test_the_rate_of_a_counter_read_back_is_the_synthetic_rate(prometheus, told):
    made = told.table("request_rate_per_s")["cart"].to_numpy()
    rate = asked(prometheus, told, 'sum(rate(http_request_duration_seconds_count{app="cart"}[1m]))')
    np.testing.assert_allclose(rate[1:], made[1:], rtol=0.01)
    cpu = asked(prometheus, told, "sum(rate(container_cpu_usage_seconds_total[1m]))")
    np.testing.assert_allclose(cpu[1:], told.table("cpu_usage_cores")["cart"].to_numpy()[1:], rtol=0.01)


def test_a_surge_in_the_telemetry_is_a_surge_in_the_rate(prometheus, told):
    rate = asked(prometheus, told, 'sum(rate(http_request_duration_seconds_count{namespace="shop"}[1m]))')
    assert rate[31:39].mean() > 2.5 * rate[10:29].mean()


def test_what_learn_reads_from_prometheus_is_what_was_written(prometheus, told):
    window = Window(start=told.grid[0].to_pydatetime(), end=told.grid[-1].to_pydatetime())
    read = read_prometheus(PrometheusClient(prometheus), "shop", window, 60.0)
    assert read.topology is not None
    assert [(edge.caller, edge.callee) for edge in read.topology.edges] == [("cart", "db")]
    for metric, tolerance in {
        "request_rate_per_s": 0.05,
        "success_ratio": 0.02,
        "latency_p50_ms": 0.25,
        "cpu_usage_cores": 0.02,
        "memory_bytes": 0.001,
        "cpu_limit_cores": 1e-9,
        "replicas": 1e-9,
    }.items():
        there, made = read.table(metric)["cart"], told.table(metric)["cart"]
        for inside in (slice(10, 28), slice(33, 39)):
            span = slice(made.index[inside][0], made.index[inside][-1])
            assert there[span].median() == pytest.approx(made[span].median(), rel=tolerance), metric


def test_a_metric_without_a_usual_name_is_there_under_ours(prometheus, told):
    queue = asked(prometheus, told, 'chaosprsa_queue_length{app="cart", simulated="true"}')
    np.testing.assert_allclose(queue, np.arange(60))


def test_a_rule_fires_on_the_telemetry_of_an_issue_by_promtools_own_test(bundle, issue, tmp_path):
    failing = issue(fault=Fault.DEPENDENCY_FAILING, strength=0.5, duration_s=900.0)
    history = synthesise(bundle, (failing,), np.random.default_rng(1))
    text = "".join(openmetrics(history, "shop"))
    wanted = 'http_request_duration_seconds_count{namespace="shop",app="catalogue"'
    lines = [line.rsplit(" ", 2) for line in text.splitlines() if line.startswith(wanted)]
    series = {name: [value for other, value, _ in lines if other == name] for name, _, _ in lines}
    assert len(series) == 2
    first = float(lines[0][2])
    after_min = (failing.start.timestamp() - first) / 60
    errors = 'sum by (app) (rate(http_request_duration_seconds_count{code="500"}[2m]))'
    share = f"{errors} / sum by (app) (rate(http_request_duration_seconds_count[2m])) > 0.2"
    alert = {"alert": "ManyErrors", "expr": share, "for": "1m", "labels": {"severity": "critical"}}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "slo", "rules": [alert]}]}))
    fires = [{"exp_labels": {"app": "catalogue", "severity": "critical"}}]
    test = {
        "interval": "15s",
        "input_series": [{"series": name, "values": " ".join(values)} for name, values in series.items()],
        "alert_rule_test": [
            {"eval_time": f"{after_min - 5:.0f}m", "alertname": "ManyErrors", "exp_alerts": []},
            {"eval_time": f"{after_min + 8:.0f}m", "alertname": "ManyErrors", "exp_alerts": fires},
        ],
    }
    rules_test = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": [test]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(rules_test))
    promtool = prometheus_tool("promtool")
    done = subprocess.run(
        [promtool, "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(0, 1e6) | st.just(float("nan")), min_size=3, max_size=12),
    st.lists(st.floats(-1, 2) | st.just(float("nan")), min_size=3, max_size=12),
)
def test_counters_never_fall_whatever_the_rates(rates, shares):
    steps = min(len(rates), len(shares))
    series = {("a", "request_rate_per_s"): rates[:steps], ("a", "success_ratio"): shares[:steps]}
    last: dict[str, float] = {}
    for line in "".join(openmetrics(history_of(series, steps), "n", scrape_s=30)).splitlines():
        if not line.startswith("#"):
            name, value, _ = line.rsplit(" ", 2)
            assert float(value) >= last.get(name, 0.0)
            last[name] = float(value)


@given(st.floats(0.1, 5e3), st.floats(1, 20))
def test_the_histogram_has_the_median_where_it_was_told(median, wider):
    below, mean = distribution({"latency_p50_ms": np.array([median]), "latency_p99_ms": np.array([median * wider])}, 1)
    assert (np.diff(below[0]) >= 0).all()
    assert below[0, -1] == 1
    edges_ms = 1000 * np.array(EDGES_S)
    assert (below[0, :-1][edges_ms < median] <= 0.5 + 1e-9).all()
    assert (below[0, :-1][edges_ms > median] >= 0.5 - 1e-9).all()
    assert mean[0] > 0


def test_a_scrape_interval_of_nothing_is_refused(told):
    with pytest.raises(InvalidNoun, match="scrape_s"):
        list(openmetrics(told, "shop", scrape_s=0))


def test_names_that_prometheus_would_refuse_are_escaped_or_replaced():
    history = history_of({('a"b\\', "é/len ms"): [1.0, 2.0, 3.0]}, 3)
    text = "".join(openmetrics(history, 'n"s', "app.kubernetes.io/name"))
    assert 'chaosprsa___len_ms{namespace="n\\"s",app_kubernetes_io_name="a\\"b\\\\",simulated="true"} 1 ' in text
    assert text.endswith("# EOF\n")


def test_an_empty_history_is_an_empty_file(told):
    assert "{" not in "".join(openmetrics(History(metrics=told.metrics[:0]), "shop"))
