"""Kubernetes Events, of v1 and of events.k8s.io/v1: a list as `kubectl get events -o json` prints it, or one a value.

Only events of type Warning tell of incidents. The kind is the reason, its words apart (OOMKilling: oom-killing); the
component is the workload that the object's name shows. Repeats of one reason at one workload within ten minutes
(Kubernetes itself waits up to five between repeats) are one incident, from the first to the last: its estimated end.
"""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.reports import Mendings, Report, end_of, incident, time_of, word_of
from chaosprsa.history.workloads import workload_of
from chaosprsa.types import Severity

GAP = timedelta(minutes=10)
SEVERITIES = {
    **dict.fromkeys(("NodeNotReady", "SystemOOM", "KernelDeadlock", "Rebooted"), Severity.CRITICAL),
    **dict.fromkeys(
        ("OOMKilling", "OOMKilled", "BackOff", "CrashLoopBackOff", "Evicted", "Failed", "FailedScheduling", "Preempted",
         "FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox", "FailedCreate", "DeadlineExceeded",
         "BackoffLimitExceeded", "TaintManagerEviction", "NodeHasDiskPressure", "NodeHasMemoryPressure"),
        Severity.MAJOR,
    ),
    **dict.fromkeys(("Unhealthy", "ProbeWarning", "FailedKillPod", "NodeNotSchedulable"), Severity.MINOR),
}  # fmt: skip
# The API server says these as Normal, though a component is hurt by them.
GRAVE_THOUGH_NORMAL = ("NodeNotReady", "TaintManagerEviction", "NodeHasDiskPressure", "NodeHasMemoryPressure")
ABOUT = {"involvedObject", "regarding"}  # of v1, of events.k8s.io/v1
NORMAL = "Kubernetes events are of type Normal; they were left out"
RATED = "Kubernetes events state no severity; it was read off their reason"
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def recognises(value: dict[str, Any]) -> bool:
    """Whether it is an event or a list of them."""
    if value.get("kind") == "EventList" or _is_event(value):
        return True
    items = value.get("items")
    return value.get("kind") == "List" and isinstance(items, list) and any(_is_event(each) for each in items)


def reports(value: dict[str, Any], where: str, mendings: Mendings) -> Iterator[Report]:
    """One a Warning; objects of other kinds in a list are passed over."""
    if _is_event(value):
        yield from _reports(value, where, mendings)
        return
    items = value.get("items")
    if not isinstance(items, list):
        raise InvalidHistory(f"{where}: an EventList without items; print it with kubectl get events -o json")
    for number, item in enumerate(items, start=1):
        if isinstance(item, dict) and ABOUT & item.keys():
            yield from _reports(item, f"{where}, item {number}", mendings)


def _is_event(value: Any) -> bool:
    return isinstance(value, dict) and value.get("kind") == "Event" and bool(ABOUT & value.keys())


def _reports(event: dict[str, Any], where: str, mendings: Mendings) -> Iterator[Report]:
    reason = word_of(event.get("reason")) or "Unknown"
    if event.get("type") != "Warning" and reason not in GRAVE_THOUGH_NORMAL:
        mendings.count(NORMAL)
        return
    about = event.get("involvedObject") or event.get("regarding") or {}
    about = about if isinstance(about, dict) else {}
    message = word_of(event.get("message")) or word_of(event.get("note"))
    start, last = _times(event, where, mendings)
    mendings.count(RATED)
    found = incident(
        where,
        mendings,
        start=start,
        end_estimated=last if last is not None and last > start else None,
        component=workload_of(word_of(about.get("kind")), word_of(about.get("name"))),
        kind=_kind(reason, message),
        severity=SEVERITIES.get(reason, Severity.WARNING),
        title=message or reason,
    )
    place = word_of(about.get("namespace"))
    yield Report(("event", place, found.component, found.kind), found, gap=GAP)


def _times(event: dict[str, Any], where: str, mendings: Mendings) -> tuple[datetime, datetime | None]:
    """When it was first and last seen; the fields differ by the API's version and by who reported it."""
    metadata = event.get("metadata")
    created = metadata.get("creationTimestamp") if isinstance(metadata, dict) else None
    series = event.get("series")
    observed = series.get("lastObservedTime") if isinstance(series, dict) else None
    firsts = [event.get(name) for name in ("firstTimestamp", "deprecatedFirstTimestamp", "eventTime")]
    lasts = [observed, event.get("lastTimestamp"), event.get("deprecatedLastTimestamp")]
    first = next((time for time in (*firsts, *lasts, created) if time), None)
    if first is None:
        raise InvalidHistory(f"{where}: an Event without a time; it needs firstTimestamp, eventTime or lastTimestamp")
    last = next((time for time in lasts if time), None)
    return time_of(first, "the event's time", where, mendings), end_of(last, "the last time", where, mendings)


def _kind(reason: str, message: str) -> str:
    words = "-".join(_WORDS.split(reason)).lower().replace("_", "-").replace(" ", "-")
    if reason == "BackOff" and "pulling image" in message:
        return "image-pull-back-off"
    return words
