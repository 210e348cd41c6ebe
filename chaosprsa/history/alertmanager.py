"""Alertmanager: the body of its webhook, the list that its API serves, or a single alert.

The same labels and start are the same alert. The component is read off the labels; an alert that fires has no end.
"""

from collections.abc import Iterator
from typing import Any

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.reports import (
    COMPONENT_LABELS,
    FALLBACK_LABELS,
    Mendings,
    Report,
    end_of,
    incident,
    severity_of,
    time_of,
    word_of,
)

FIRING = ("firing", "active", "suppressed")


def recognises(value: dict[str, Any]) -> bool:
    """Whether it is a webhook's body or an alert."""
    return isinstance(value.get("alerts"), list) or "startsAt" in value


def reports(value: dict[str, Any], where: str, mendings: Mendings) -> Iterator[Report]:
    """One an alert. Raises InvalidHistory where an alert has no labels or no startsAt."""
    if isinstance(value.get("alerts"), list):
        for number, alert in enumerate(value["alerts"], start=1):
            yield _report(alert, f"{where}, alert {number}", mendings)
    else:
        yield _report(value, where, mendings)


def _report(alert: Any, where: str, mendings: Mendings) -> Report:
    if not isinstance(alert, dict) or not isinstance(alert.get("labels"), dict) or not alert.get("startsAt"):
        raise InvalidHistory(f"{where}: not an Alertmanager alert: it needs labels and startsAt")
    labels = {str(key): word_of(value) for key, value in alert["labels"].items()}
    annotations = alert["annotations"] if isinstance(alert.get("annotations"), dict) else {}
    named = [labels[key] for key in (*COMPONENT_LABELS, *FALLBACK_LABELS) if labels.get(key)]
    status = alert.get("status")
    state = status.get("state") if isinstance(status, dict) else status  # of the API's list, or of a webhook
    firing = state in FIRING  # endsAt is then only when Alertmanager would stop waiting
    found = incident(
        where,
        mendings,
        start=time_of(alert["startsAt"], "startsAt", where, mendings),
        end=None if firing else end_of(alert.get("endsAt"), "endsAt", where, mendings),
        component=named[0] if named else "",
        kind=labels.get("alertname") or "unknown",
        severity=severity_of(labels.get("severity"), mendings),
        title=word_of(annotations.get("summary")) or word_of(annotations.get("description")),
    )
    return Report(("alert", found.start, tuple(sorted(labels.items()))), found)
