"""Issues as alerts: the body of Alertmanager's POST /api/v2/alerts, so that dashboards and drills can use them.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml (postableAlerts)
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from chaosprsa.faults import impact_in_words, strength_in_words
from chaosprsa.types import SimulatedIssue

_WHAT_TO_DO = "Rehearse it: chaos prsa generate, then chaos prsa trial; see what survives it: chaos prsa recommend."


def to_alertmanager(issues: Sequence[SimulatedIssue], namespace: str = "") -> list[dict[str, Any]]:
    """One alert an issue, in their order. namespace: production's, as a label; left out where it isn't given."""
    return [_alert(issue, namespace) for issue in issues]


def _alert(issue: SimulatedIssue, namespace: str) -> dict[str, Any]:
    labels = {
        "alertname": _camel(issue.fault.value),
        "severity": issue.severity.value,
        "service": issue.component,
        "issue": issue.id,
        "kind": issue.kind,
        "source": "chaosprsa",
        "simulated": "true",
    }
    if namespace:
        labels["namespace"] = namespace
    return {
        "labels": labels,
        "annotations": {
            "summary": f"{issue.component}: {strength_in_words(issue.fault, issue.strength)} is to be expected",
            "description": _description(issue),
            "runbook": _WHAT_TO_DO,
        },
        "startsAt": issue.start.isoformat(timespec="milliseconds"),
        "endsAt": (issue.start + timedelta(seconds=issue.duration_s)).isoformat(timespec="milliseconds"),
        "generatorURL": "",
    }


def _description(issue: SimulatedIssue) -> str:
    felt = f" It is felt by {', '.join(issue.components[1:])}." if len(issue.components) > 1 else ""
    return (
        f"Simulated, probability {issue.probability:.2f}, novelty {issue.novelty:.2f}.{felt} Predicted at the entry: "
        f"{impact_in_words(issue.impact)}. {' '.join(issue.evidence)}"
    )


def _camel(fault: str) -> str:
    """cpu-squeeze -> CpuSqueeze."""
    return "".join(part.title() for part in fault.split("-"))
