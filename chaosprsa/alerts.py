"""Issues as alerts: the body of Alertmanager's POST /api/v2/alerts, so that dashboards and drills can use them.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml (postableAlerts)
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from chaosprsa.faults import impact_in_words, strength_in_words
from chaosprsa.types import SimulatedIssue

SLOW, FAILING = 1.5, 0.01  # the predicted impact from which a rule on latency or on errors would fire
_WHAT_TO_DO = "Rehearse it: chaos prsa generate, then chaos prsa trial; see what survives it: chaos prsa recommend."


def to_alertmanager(
    issues: Sequence[SimulatedIssue], namespace: str = "", delay: timedelta = timedelta(0), symptoms: bool = False
) -> list[dict[str, Any]]:
    """One alert an issue, in their order. namespace: production's, as a label; left out where it isn't given.

    delay: how long a rule waits before it fires (`for:`); an issue that is over by then raises none. symptoms: after
    each, what its callers and the entry would be alerted for (HighLatency, HighErrorRate), as far as they are named.
    """
    alerts = []
    for issue in issues:
        if issue.duration_s > delay.total_seconds():
            alerts.append(_alert(issue, namespace, delay))
            alerts += _symptoms(issue, namespace, delay) if symptoms else []
    return alerts


def starting_at(alerts: Sequence[dict[str, Any]], now: datetime, lasting: timedelta) -> list[dict[str, Any]]:
    """The same alerts, all from now on and for so long: for a drill today of what is to be expected tomorrow."""
    times = {"startsAt": _text(now), "endsAt": _text(now + lasting)}
    return [{**alert, **times} for alert in alerts]


def resolved(alerts: Sequence[dict[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """The same alerts, over by now: Alertmanager tells whoever wants to know of resolved ones."""
    return [
        {**alert, "startsAt": min(alert["startsAt"], _text(now), key=_time), "endsAt": _text(now)} for alert in alerts
    ]


def _text(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _alert(issue: SimulatedIssue, namespace: str, delay: timedelta) -> dict[str, Any]:
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
        "startsAt": _text(issue.start + delay),
        "endsAt": _text(issue.start + timedelta(seconds=issue.duration_s)),
        "generatorURL": "",
    }


def _symptoms(issue: SimulatedIssue, namespace: str, delay: timedelta) -> list[dict[str, Any]]:
    """What whoever feels it would be alerted for; nothing where the predicted impact is slight."""
    cause = _alert(issue, namespace, delay)
    seen = []
    if issue.impact.latency_ratio.mid >= SLOW:
        seen.append(("HighLatency", f"answers take {issue.impact.latency_ratio.mid:.1f} times as long"))
    if issue.impact.error_share.mid >= FAILING:
        seen.append(("HighErrorRate", f"{issue.impact.error_share.mid:.1%} of requests fail"))
    return [
        {
            **cause,
            "labels": {**cause["labels"], "alertname": name, "service": service},
            "annotations": {
                **cause["annotations"],
                "summary": f"{service}: {words}, predicted of {issue.component}'s {issue.fault.value}",
            },
        }
        for service in issue.components[1:]
        for name, words in seen
    ]


def _description(issue: SimulatedIssue) -> str:
    felt = f" It is felt by {', '.join(issue.components[1:])}." if len(issue.components) > 1 else ""
    return (
        f"Simulated, probability {issue.probability:.2f}, novelty {issue.novelty:.2f}.{felt} Predicted at the entry: "
        f"{impact_in_words(issue.impact)}. {' '.join(issue.evidence)}"
    )


def _camel(fault: str) -> str:
    """cpu-squeeze -> CpuSqueeze."""
    return "".join(part.title() for part in fault.split("-"))
