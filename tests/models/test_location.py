"""Alarms of a system and who began it: planted faults on a known call graph."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from chaosprsa.history.frame import History
from chaosprsa.models.detection.findings import find
from chaosprsa.models.detection.location import suspects
from chaosprsa.models.detection.signals import shown, signal_of
from chaosprsa.models.detection.system import SystemDetector
from chaosprsa.types import Edge, Fault, Topology

START = datetime(2026, 3, 2, tzinfo=UTC)
GRAPH = Topology(
    services=("gateway", "cart", "payment"),
    edges=(Edge(caller="gateway", callee="cart"), Edge(caller="cart", callee="payment")),
    entry="gateway",
)
METRICS = {
    "cpu_usage_cores": 0.2, "memory_bytes": 2e8, "latency_p99_ms": 80.0, "request_rate_per_s": 30.0,
    "success_ratio": 1.0,
}  # fmt: skip
AT = 660  # minutes: when a planted fault begins


def made(change=lambda _values: None, minutes=720, seed=1):
    """Twelve hours by the minute; `change` gets {(component, metric): values}."""
    rng = np.random.default_rng(seed)
    values = {
        (name, metric): level * (1 - 0.001 * rng.random(minutes) if level == 1.0 else rng.lognormal(0, 0.05, minutes))
        for name in GRAPH.services
        for metric, level in METRICS.items()
    }
    change(values)
    times = pd.date_range(START, periods=minutes, freq="min").as_unit("ms")
    rows = [
        pd.DataFrame({"timestamp": times, "component": name, "metric": metric, "value": column})
        for (name, metric), column in sorted(values.items())
    ]
    return History(metrics=pd.concat(rows, ignore_index=True), topology=GRAPH)


def slow_payment(values):
    for name, factor in (("payment", 6.0), ("cart", 4.0), ("gateway", 3.0)):
        values[name, "latency_p99_ms"][AT : AT + 10] *= factor


def hungry_cart(values):
    values["cart", "cpu_usage_cores"][AT : AT + 10] *= 4
    values["cart", "latency_p99_ms"][AT : AT + 10] *= 3
    values["gateway", "latency_p99_ms"][AT : AT + 10] *= 3


def failing_cart(values):
    values["cart", "success_ratio"][AT : AT + 10] -= 0.3
    values["gateway", "success_ratio"][AT : AT + 10] -= 0.3


def silent_payment(values):
    """The cart breaks off before it calls the payment; only the users see errors."""
    values["gateway", "success_ratio"][AT : AT + 10] -= 0.1
    values["payment", "request_rate_per_s"][AT : AT + 10] *= 0.01


@pytest.mark.parametrize(
    ("change", "component", "fault"),
    [
        (slow_payment, "payment", Fault.DEPENDENCY_SLOW),
        (hungry_cart, "cart", Fault.CPU_SQUEEZE),
        (failing_cart, "cart", Fault.DEPENDENCY_FAILING),
        (silent_payment, "cart", Fault.DEPENDENCY_FAILING),
    ],
)
def test_a_planted_fault_is_found_once_in_time_and_where_it_began(change, component, fault):
    found = find(made(change), timedelta(hours=6), 0.1, None, None)
    assert len(found.findings) == 1
    only = found.findings[0]
    began = START + timedelta(minutes=AT)
    assert abs(only.start - began) <= timedelta(minutes=1)
    assert began < only.raised <= began + timedelta(minutes=3)
    assert only.end is not None
    assert only.end <= began + timedelta(minutes=15)
    assert (only.suspects[0].component, only.suspects[0].fault) == (component, fault)


def test_normal_time_alarms_about_as_often_as_stated():
    """A threshold from one day of normal time is itself uncertain: within a factor of two."""
    alarms = [
        len(SystemDetector().fit(made(seed=seed, minutes=1440), 0.5).detect(made(seed=100 + seed, minutes=1440)))
        for seed in range(6)
    ]
    assert sum(alarms) <= 2 * 0.5 * 24 * len(alarms)


def test_an_alarm_that_is_still_on_has_no_end():
    def change(values):
        values["cart", "latency_p99_ms"][-4:] *= 10

    found = find(made(change), timedelta(hours=6), 0.1, None, None)
    assert found.findings[-1].end is None


def test_a_record_that_begins_at_another_memory_level_is_no_fault():
    def moved(values):
        values["cart", "memory_bytes"] *= 3

    detector = SystemDetector().fit(made(), 0.1)
    alarms = detector.detect(made(moved, seed=7))
    assert not [alarm for alarm in alarms if alarm.raised <= START + timedelta(minutes=15)]


def test_alarms_depend_on_nothing_later():
    detector = SystemDetector().fit(made(seed=2), 0.1)
    whole = made(slow_payment, seed=3)
    cut = History(metrics=whole.metrics[whole.metrics["timestamp"] < START + timedelta(minutes=AT + 5)], topology=GRAPH)
    told = [(alarm.start, alarm.raised, alarm.component) for alarm in detector.detect(whole)]
    assert [(alarm.start, alarm.raised, alarm.component) for alarm in detector.detect(cut)] == told[: len(told)]


@pytest.mark.parametrize("value", [np.nan, 0.0, 5.0, -3.0, 1e300])
def test_constant_missing_and_huge_series_make_no_alarm_and_no_error(value):
    def change(values):
        values["cart", "latency_p99_ms"][:] = value

    found = find(made(change, minutes=240), timedelta(hours=2), 0.1, None, None)
    assert not [one for one in found.findings if one.suspects[0].component == "cart"]


def test_two_samples_say_nothing_and_that_is_said():
    found = find(made(minutes=2), timedelta(hours=1), 0.5, None, None)
    assert not found.findings
    assert not found.conclusive


def test_without_a_call_graph_the_loudest_is_suspected():
    evidence = SystemDetector().fit(made(seed=2), 0.1).evidence(made(hungry_cart, seed=3))
    start = round(START.timestamp() * 1000) + AT * 60_000
    assert suspects(evidence, start, start + 300_000, None)[0].component == "cart"


def test_a_call_edge_shows_its_callee():
    assert shown("gateway->cart") == "cart"
    assert shown("cart") == "cart"


@pytest.mark.parametrize(
    ("metric", "family", "bad"),
    [
        ("latency_p50_source_ms", "network", 1), ("something", "other", 0),
        ("client_latency_p99_ms", "waiting", 1),
        ("success_ratio", "errors", -1), ("availability_percent", "errors", -1),
        ("cpu_usage_cores", "cpu", 1), ("memory_bytes", "memory", 1),
        ("node_cpu_percent", "node", 1), ("request_rate_per_s", "traffic", 0), ("log_errors_per_s", "errors", 1),
    ],
)  # fmt: skip
def test_names_of_the_normal_form_say_what_they_show(metric, family, bad):
    assert (signal_of(metric).family, signal_of(metric).bad) == (family, bad)
