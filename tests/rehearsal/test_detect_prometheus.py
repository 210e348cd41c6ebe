"""`chaos prsa detect` asks a real Prometheus for the last hours, and says what is wrong with one that can't tell."""

import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from chaosprsa.cli import prsa
from chaosprsa.history.frame import History
from chaosprsa.telemetry.openmetrics import openmetrics

from .real import prometheus_with

SETTINGS = """
[cluster]
namespace = "{namespace}"
[topology]
entry = "gateway"
services = ["gateway", "payment"]
edges = [["gateway", "payment"]]
[slo.gateway]
latency_ms = 300
[sources]
prometheus = "{url}"
"""
MINUTES, FAULTY = 300, 20


def last_hours(now):
    """Five hours up to now; payment is eight times as slow in the last twenty minutes, and so is who waits for it."""
    rng = np.random.default_rng(4)
    times = pd.date_range(end=now, periods=MINUTES, freq="min").as_unit("ms")
    rows = []
    for name in ("gateway", "payment"):
        slow = np.where(np.arange(MINUTES) >= MINUTES - FAULTY, 8.0, 1.0)
        series = {
            "request_rate_per_s": rng.normal(50, 2, MINUTES),
            "latency_p50_ms": slow * rng.normal(40, 2, MINUTES),
            "latency_p99_ms": slow * rng.normal(90, 3, MINUTES),
            "cpu_usage_cores": rng.normal(0.5, 0.02, MINUTES),
        }
        rows += [
            pd.DataFrame({"timestamp": times, "component": name, "metric": metric, "value": values})
            for metric, values in series.items()
        ]
    return History(metrics=pd.concat(rows, ignore_index=True))


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    with prometheus_with("".join(openmetrics(last_hours(now), "shop")), tmp_path_factory.mktemp("prometheus")) as url:
        yield url


def detect(tmp_path, url, namespace="shop"):
    file = tmp_path / "chaosprsa.toml"
    file.write_text(SETTINGS.format(url=url, namespace=namespace))
    return CliRunner().invoke(prsa, ["detect", "--last", "1h", "--false-alarms", "0.1", "--settings", str(file)])


@pytest.mark.slow
def test_a_fault_in_the_last_minutes_is_found_where_prometheus_is_asked(prometheus, tmp_path):
    result = detect(tmp_path, prometheus)
    assert result.exit_code == 1, result.output
    assert "slow since" in result.stdout
    since = datetime.now(UTC) - timedelta(minutes=FAULTY)
    told = [pd.Timestamp(when, tz="UTC") for when in re.findall(r"slow since (\S+ \S+) UTC", result.stdout)]
    assert any(abs(when - since) < timedelta(minutes=6) for when in told), result.stdout


@pytest.mark.slow
def test_a_prometheus_that_knows_nothing_of_the_namespace_is_bad_input(prometheus, tmp_path):
    result = detect(tmp_path, prometheus, namespace="elsewhere")
    assert result.exit_code == 2, result.output
    assert "no query found a series" in result.stderr
    assert "check the namespace and the service label" in result.stderr


@pytest.mark.parametrize(
    ("url", "words"),
    [("http://127.0.0.1:1", "is it running, is the URL right?"), ("no url at all", "is the URL right?")],
)
def test_a_prometheus_that_does_not_answer_is_bad_input(tmp_path, url, words, monkeypatch):
    monkeypatch.setattr("chaosprsa.history.prometheus.BACKOFF_S", 0.0)
    result = detect(tmp_path, url)
    assert result.exit_code == 2, (result.output, result.exception)
    assert words in result.stderr
    assert "Traceback" not in result.output
