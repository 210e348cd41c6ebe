"""Alerts are what Alertmanager's v2 API takes."""

import re
from datetime import datetime

import jsonschema

from chaosprsa.alerts import to_alertmanager

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
