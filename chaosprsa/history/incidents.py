"""Incidents from files: JSONL in the normal form, our own documents, Alertmanager's webhooks and alert lists.

A severity in other words is put on our scale; what had to be guessed is said in a note. An incident that ends before it
starts is refused with its line: which of the two times is wrong, only its owner knows.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaosprsa.errors import InvalidHistory, InvalidNoun
from chaosprsa.types import Incident, Severity

SEVERITIES: Mapping[str, Severity] = {
    **dict.fromkeys(("critical", "page", "fatal", "emergency", "disaster", "blocker", "p1", "sev1"), Severity.CRITICAL),
    **dict.fromkeys(("major", "error", "high", "severe", "p2", "sev2"), Severity.MAJOR),
    **dict.fromkeys(("minor", "average", "medium", "partial", "p3", "sev3"), Severity.MINOR),
    **dict.fromkeys(("warning", "warn", "low", "info", "none", "maintenance", "p4", "sev4"), Severity.WARNING),
}
# Which label of an alert names the component, best first: the usual ones of Kubernetes and Prometheus set-ups.
COMPONENT_LABELS = ("service", "app", "component", "app_kubernetes_io_name", "deployment", "statefulset", "workload")
FALLBACK_LABELS = ("container", "pod", "job", "instance")
_NO_END = datetime(1, 1, 2, tzinfo=UTC)  # Alertmanager writes 0001-01-01 where an alert has not ended


@dataclass(slots=True)
class _Mendings:
    """What had to be guessed, counted while reading."""

    unzoned: int = 0
    unrated: int = 0
    words: Counter[str] = field(default_factory=Counter)
    nameless: int = 0

    def notes(self, path: Path, incidents: tuple[Incident, ...]) -> tuple[str, ...]:
        estimated = sum(each.end is None and each.end_estimated is not None for each in incidents)
        endless = sum(each.likely_end is None for each in incidents)
        counted = (
            (self.unzoned, "times have no time zone; they were taken as UTC"),
            (self.unrated, "incidents state no severity; they were taken as major"),
            (
                sum(self.words.values()),
                f"severities are not on our scale ({', '.join(sorted(self.words))}): taken as major",
            ),
            (self.nameless, "incidents name no component"),
            (estimated, "incidents have no recorded end; their estimated end is used"),
            (endless, "incidents have no end at all; they say nothing about durations"),
        )
        return tuple(f"{path.name}: {count} {words}" for count, words in counted if count)


def read_incidents(path: Path) -> tuple[Incident, ...]:
    """The incidents of a file, in order of start. Raises InvalidHistory, which names the line."""
    return parse_incidents(path)[0]


def parse_incidents(path: Path) -> tuple[tuple[Incident, ...], tuple[str, ...]]:
    """The same, and notes: what had to be guessed."""
    mendings = _Mendings()
    found: dict[tuple[Any, ...], Incident] = {}
    for where, value in _values(path):
        for key, incident in _incidents(value, where, mendings):
            known = found.get(key)
            if known is None or known.end is None:  # a webhook comes again while it fires, and once more when it ends
                found[key] = incident
    incidents = tuple(sorted(found.values(), key=lambda each: (each.start, each.component, each.kind)))
    return incidents, mendings.notes(path, incidents)


def _values(path: Path) -> Iterator[tuple[str, Any]]:
    """The JSON values of a file with where they stand: one a line, or one for the whole file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InvalidHistory(f"{path}: there is no such file") from None
    except UnicodeDecodeError:
        raise InvalidHistory(f"{path}: not text; incidents are JSON, one a line, or an Alertmanager webhook") from None
    except OSError as error:
        raise InvalidHistory(f"{path}: it can't be read: {error}") from None
    try:
        whole = json.loads(text) if text.strip() else []
    except json.JSONDecodeError:
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield f"{path}, line {number}", _parsed(line, f"{path}, line {number}")
        return
    for number, value in enumerate(whole if isinstance(whole, list) else [whole], start=1):
        yield f"{path}, entry {number}", value


def _parsed(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise InvalidHistory(f"{where}: not JSON ({error}); expected one incident or webhook a line") from None


def _incidents(value: Any, where: str, mendings: _Mendings) -> Iterator[tuple[tuple[Any, ...], Incident]]:
    """The incidents of one JSON value, each with a key: the same key, the same incident reported again."""
    if not isinstance(value, dict):
        raise InvalidHistory(f"{where}: expected a JSON object, found {type(value).__name__}")
    if isinstance(value.get("alerts"), list):
        for number, alert in enumerate(value["alerts"], start=1):
            yield _alert(alert, f"{where}, alert {number}", mendings)
    elif "startsAt" in value:
        yield _alert(value, where, mendings)
    else:
        yield (where,), _normal(value, where, mendings)


def _normal(value: dict[str, Any], where: str, mendings: _Mendings) -> Incident:
    if value.get("start") is None:
        raise InvalidHistory(f"{where}: no start; an incident needs start and component, or is an Alertmanager alert")
    named = value.get("component")
    components = [str(each) for each in (named if isinstance(named, list) else [named]) if each]
    components += [str(each) for each in value.get("others") or ()]
    mendings.nameless += not components
    return _checked(
        where,
        start=_time(value["start"], "start", where, mendings),
        end=_maybe(value, "end", where, mendings),
        end_estimated=_maybe(value, "end_estimated", where, mendings),
        impact_start=_maybe(value, "impact_start", where, mendings),
        component=components[0] if components else "",
        others=tuple(components[1:]),
        kind=str(value.get("kind") or "unknown"),
        severity=_severity(value.get("severity"), mendings),
        title=str(value.get("title") or ""),
    )


def _alert(alert: Any, where: str, mendings: _Mendings) -> tuple[tuple[Any, ...], Incident]:
    if not isinstance(alert, dict) or not isinstance(alert.get("labels"), dict) or not alert.get("startsAt"):
        raise InvalidHistory(f"{where}: not an Alertmanager alert: it needs labels and startsAt")
    labels = {str(key): str(value) for key, value in alert["labels"].items()}
    annotations = alert.get("annotations") or {}
    named = [labels[key] for key in (*COMPONENT_LABELS, *FALLBACK_LABELS) if labels.get(key)]
    mendings.nameless += not named
    end = _maybe(alert, "endsAt", where, mendings)
    status = alert.get("status")
    state = status.get("state") if isinstance(status, dict) else status  # of the API's list, or of a webhook
    firing = state in ("firing", "active", "suppressed")  # endsAt is then only when Alertmanager would stop waiting
    incident = _checked(
        where,
        start=_time(alert["startsAt"], "startsAt", where, mendings),
        end=None if end is None or firing or end < _NO_END else end,
        component=named[0] if named else "",
        kind=labels.get("alertname", "unknown"),
        severity=_severity(labels.get("severity"), mendings),
        title=str(annotations.get("summary") or annotations.get("description") or ""),
    )
    return (incident.start, tuple(sorted(labels.items()))), incident


def _checked(where: str, **fields: Any) -> Incident:
    try:
        return Incident(**fields)
    except InvalidNoun as error:
        raise InvalidHistory(f"{where}: {error}; correct the time that is wrong") from None


def _severity(word: Any, mendings: _Mendings) -> Severity:
    if word is None or word == "":
        mendings.unrated += 1
        return Severity.MAJOR
    known = SEVERITIES.get(str(word).lower())
    if known is None:
        mendings.words[str(word)] += 1
    return known or Severity.MAJOR


def _maybe(value: dict[str, Any], name: str, where: str, mendings: _Mendings) -> datetime | None:
    return None if value.get(name) in (None, "") else _time(value[name], name, where, mendings)


def _time(value: Any, name: str, where: str, mendings: _Mendings) -> datetime:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidHistory(f"{where}: {name} is {value!r}, expected a time like 2026-01-31T14:03:00Z") from None
    if time.tzinfo is None:
        mendings.unzoned += 1
        return time.replace(tzinfo=UTC)
    return time.astimezone(UTC) if time.year > 1 else time
