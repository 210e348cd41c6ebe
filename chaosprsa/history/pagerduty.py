"""PagerDuty: webhooks v2 and v3, incidents as its REST API lists them, and Events API v2 bodies.

Messages about one incident are one incident: from created_at to the message that resolves it. Severity is its
priority (P1 to P4), else its urgency; the component is the service. An Events v2 body counts where it carries a time.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.reports import (
    SEVERITIES,
    Mendings,
    Report,
    end_of,
    incident,
    severity_of,
    shown,
    time_of,
    word_of,
)
from chaosprsa.types import Severity

URGENCIES = {"high": Severity.MAJOR, "low": Severity.MINOR}
SILENT = "PagerDuty messages are about something else than an incident's course; they were left out"
TIMELESS = "PagerDuty events carry no time (payload.timestamp); they were left out"


def recognises(value: dict[str, Any]) -> bool:
    """Whether it is one of PagerDuty's bodies, those that tell of no incident included."""
    kind = value.get("type")
    event = value.get("event")
    return (
        ("routing_key" in value and "event_action" in value)
        or "webhook_subscription" in value
        or (isinstance(event, dict) and "event_type" in event)
        or (isinstance(value.get("messages"), list) and any("event" in each for each in _objects(value["messages"])))
        or (isinstance(kind, str) and (kind == "incident" or kind.startswith("incident_")))
        or any(each.get("type") == "incident" for each in _objects(value.get("incidents")))
    )


def reports(value: dict[str, Any], where: str, mendings: Mendings) -> Iterator[Report]:
    """One a message about an incident's course; others are counted."""
    if "event_action" in value:
        yield from _event(value, where, mendings)
        return
    for about, at in _told(value):
        if about.get("type", "incident") == "incident" and about.get("created_at"):
            yield _report(about, at, where, mendings)
        else:
            mendings.count(SILENT, where)


def _told(value: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Each incident that a body speaks of, and when it was said."""
    if isinstance(value.get("messages"), list):
        for message in _objects(value["messages"]):
            entries = _objects(message.get("log_entries"))
            at = message.get("created_on") or (entries[0].get("created_at") if entries else None)
            yield _object(message.get("incident")), at
    elif isinstance(value.get("incidents"), list):
        for each in _objects(value["incidents"]):
            yield each, each.get("last_status_change_at") or each.get("updated_at")
    elif isinstance(value.get("event"), dict):
        yield _object(value["event"].get("data")), value["event"].get("occurred_at")
    else:
        yield value, None


def _report(about: dict[str, Any], at: Any, where: str, mendings: Mendings) -> Report:
    said = end_of(at, "the message's time", where, mendings)
    found = incident(
        where,
        mendings,
        start=time_of(about["created_at"], "created_at", where, mendings),
        end=_end(about, said, where, mendings),
        component=word_of(about.get("service")),
        kind=_kind(about),
        severity=_severity(about, mendings),
        title=word_of(about.get("title")) or word_of(about.get("description")) or word_of(about.get("summary")),
    )
    return Report(("pagerduty", word_of(about.get("id")) or word_of(about.get("incident_number"))), found, said)


def _end(about: dict[str, Any], said: datetime | None, where: str, mendings: Mendings) -> datetime | None:
    if about.get("status") != "resolved":
        return None
    for name in ("resolved_at", "last_status_change_at"):
        if about.get(name):
            return end_of(about[name], name, where, mendings)
    return said


def _kind(about: dict[str, Any]) -> str:
    """The incident's type where somebody gave it one; PagerDuty's own default says nothing."""
    kind = word_of(about.get("incident_type"))
    return kind if kind not in ("", "incident_default") else "incident"


def _severity(about: dict[str, Any], mendings: Mendings) -> Severity:
    priority = word_of(about.get("priority")).lower()
    if priority in SEVERITIES:
        return SEVERITIES[priority]
    urgency = about.get("urgency")
    return URGENCIES[urgency] if urgency in ("high", "low") else severity_of(None, mendings)


def _event(value: dict[str, Any], where: str, mendings: Mendings) -> Iterator[Report]:
    payload = _object(value.get("payload"))
    action = value["event_action"]
    if action not in ("trigger", "acknowledge", "resolve"):
        raise InvalidHistory(f"{where}: event_action is {shown(action)}, expected trigger, acknowledge or resolve")
    if not payload.get("timestamp"):
        mendings.count(TIMELESS, where)
        return
    time = time_of(payload["timestamp"], "payload.timestamp", where, mendings)
    found = incident(
        where,
        mendings,
        start=time,
        end=time if action == "resolve" else None,
        component=word_of(payload.get("component")) or word_of(payload.get("source")),
        kind=word_of(payload.get("class")) or "incident",
        severity=severity_of(payload.get("severity"), mendings),
        title=word_of(payload.get("summary")),
    )
    yield Report(("pagerduty event", word_of(value.get("dedup_key")) or where), found, time)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
