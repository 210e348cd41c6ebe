"""Alerts are what Alertmanager's v2 API takes."""

import re
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest

from chaosprsa.alerting import post_alerts
from chaosprsa.alerts import resolved, starting_at, to_alertmanager
from chaosprsa.errors import QueryRefused, Refused, SourceUnreachable
from chaosprsa.types import Impact, Interval

from .real import alertmanager, get_json, running

# From alertmanager/api/v2/openapi.yaml: postableAlerts, postableAlert, alert, labelSet.
LABELS = {"type": "object", "additionalProperties": {"type": "string"}}
POSTABLE_ALERTS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["labels"],
        "properties": {
            "labels": LABELS,
            "annotations": LABELS,
            "startsAt": {"type": "string", "format": "date-time"},
            "endsAt": {"type": "string", "format": "date-time"},
            "generatorURL": {"type": "string", "format": "uri"},
        },
        "additionalProperties": False,
    },
}


def test_alerts_follow_the_v2_schema_and_carry_the_usual_labels(issue):
    alerts = to_alertmanager([issue(), issue(components=("cart",))], namespace="shop")
    jsonschema.validate(alerts, POSTABLE_ALERTS, cls=jsonschema.Draft202012Validator)
    first = alerts[0]
    assert first["labels"] | {} == {
        "alertname": "CpuSqueeze",
        "severity": "major",
        "service": "catalogue",
        "namespace": "shop",
        "issue": issue().id,
        "kind": "cpu-hog",
        "source": "chaosprsa",
        "simulated": "true",
    }
    assert {"summary", "description", "runbook"} <= set(first["annotations"])
    assert "felt by gateway" in first["annotations"]["description"]


def test_label_names_are_those_that_prometheus_allows(issue):
    pattern = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
    assert all(pattern.fullmatch(name) for name in to_alertmanager([issue()])[0]["labels"])


def test_an_alert_lasts_as_long_as_its_issue(issue):
    alert = to_alertmanager([issue(duration_s=90.0)])[0]
    start, end = (datetime.fromisoformat(alert[name]) for name in ("startsAt", "endsAt"))
    assert start == issue().start
    assert (end - start).total_seconds() == 90.0


def test_without_a_namespace_there_is_no_label_for_one(issue):
    assert "namespace" not in to_alertmanager([issue()])[0]["labels"]


def test_a_rule_that_waits_fires_later_and_not_at_all_for_what_is_over_by_then(issue):
    waits = timedelta(minutes=2)
    alerts = to_alertmanager([issue(duration_s=90.0), issue(duration_s=300.0)], delay=waits)
    assert len(alerts) == 1
    start, end = (datetime.fromisoformat(alerts[0][name]) for name in ("startsAt", "endsAt"))
    assert start == issue().start + waits
    assert end == issue().start + timedelta(seconds=300)


def test_callers_are_alerted_for_what_they_feel(issue):
    felt = issue(components=("catalogue", "gateway", "shop"))
    names = [
        (each["labels"]["alertname"], each["labels"]["service"]) for each in to_alertmanager([felt], symptoms=True)
    ]
    assert names[0] == ("CpuSqueeze", "catalogue")
    assert set(names[1:]) == {(name, to) for name in ("HighLatency", "HighErrorRate") for to in ("gateway", "shop")}
    slight = Impact(latency_ratio=Interval(low=1, mid=1, high=1), error_share=Interval(low=0, mid=0, high=0))
    assert len(to_alertmanager([issue(impact=slight)], symptoms=True)) == 1


def test_a_drill_starts_now_and_ends_by_itself_or_when_it_is_resolved(issue):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    drill = starting_at(to_alertmanager([issue()]), now, timedelta(minutes=10))
    assert [datetime.fromisoformat(drill[0][key]) - now for key in ("startsAt", "endsAt")] == [
        timedelta(0),
        timedelta(minutes=10),
    ]
    over = resolved(drill, now + timedelta(minutes=1))[0]
    assert datetime.fromisoformat(over["endsAt"]) == now + timedelta(minutes=1)
    assert over["startsAt"] == drill[0]["startsAt"]


@pytest.fixture(scope="module")
def manager(tmp_path_factory):
    """A real Alertmanager that routes simulated alerts apart."""
    (binary, home), folder = alertmanager(), tmp_path_factory.mktemp("alertmanager")
    config = folder / "alertmanager.yml"
    config.write_text(
        "route:\n  receiver: people\n  routes:\n  - matchers: ['simulated=\"true\"']\n    receiver: drill\n"
        "receivers:\n- name: people\n- name: drill\n"
    )

    def command(port):
        return [
            binary,
            f"--config.file={config}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
        ]

    with running(command, "/-/ready", folder, home) as url:
        yield url


def test_an_alert_that_is_posted_arrives_with_its_labels_on_the_route_for_simulated_ones(manager, issue):
    now = datetime.now(UTC)
    drill = starting_at(to_alertmanager([issue()], "shop", symptoms=True), now, timedelta(minutes=5))
    post_alerts(manager, drill)
    there = {each["labels"]["alertname"]: each for each in get_json(f"{manager}/api/v2/alerts")}
    for alert in drill:
        arrived = there[alert["labels"]["alertname"]]
        assert arrived["labels"] == alert["labels"]
        assert arrived["annotations"] == alert["annotations"]
        assert [each["name"] for each in arrived["receivers"]] == ["drill"]
    post_alerts(manager, resolved(drill, datetime.now(UTC)))
    assert get_json(f"{manager}/api/v2/alerts") == []


def test_what_alertmanager_refuses_is_told_with_its_reason(manager):
    with pytest.raises(QueryRefused, match="400"):
        post_alerts(manager, [{"labels": {"simulated": "true", "no good": "x"}}])


def test_an_alert_that_could_be_taken_for_a_real_one_is_not_posted():
    with pytest.raises(Refused, match="simulated"):
        post_alerts("http://127.0.0.1:9", [{"labels": {"alertname": "Fire"}}])


def test_a_flood_is_not_posted(issue):
    with pytest.raises(Refused, match="at most 200"):
        post_alerts("http://127.0.0.1:9", to_alertmanager([issue()]) * 201)


def test_nobody_there_is_told(issue):
    with pytest.raises(SourceUnreachable, match=r"127\.0\.0\.1:9"):
        post_alerts("http://127.0.0.1:9", to_alertmanager([issue()]))
