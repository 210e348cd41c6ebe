"""Statuspage (api/v2/incidents.json, summary.json, scheduled-maintenances.json, its webhook) and GitHub's status lines.

GitHub's lines are what github-statuses keeps of githubstatus.com: started_at, resolved_at, impact, components by name.
Severity is the page's impact. What was announced ahead is of kind maintenance, all else an outage.
"""

from collections.abc import Iterator
from typing import Any

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.reports import Mendings, Report, end_of, incident, severity_of, shown, time_of, word_of, words_of

LISTS = ("incidents", "scheduled_maintenances")


def recognises(value: dict[str, Any]) -> bool:
    """Whether it is a page, or an incident of one."""
    return _is_incident(value) or _is_incident(value.get("incident")) or _is_page(value)


def reports(value: dict[str, Any], where: str, mendings: Mendings) -> Iterator[Report]:
    """One an incident. Raises InvalidHistory where one says nowhere when it began."""
    if _is_incident(value):
        yield _report(value, where, mendings)
        return
    if _is_incident(value.get("incident")):
        yield _report(value["incident"], where, mendings)
        return
    for name in LISTS:
        listed = value.get(name) or []
        if not isinstance(listed, list):
            raise InvalidHistory(f"{where}: {name} is {shown(listed)}, expected a list")
        for number, each in enumerate(listed, start=1):
            place = f"{where}, {name} {number}"
            if not isinstance(each, dict):
                raise InvalidHistory(f"{place}: expected a JSON object, found {type(each).__name__}")
            yield _report(each, place, mendings)


def _is_page(value: dict[str, Any]) -> bool:
    lists = [value[name] for name in LISTS if isinstance(value.get(name), list)]
    return bool(lists) and ("page" in value or all(not each or _is_incident(each[0]) for each in lists))


def _is_incident(value: Any) -> bool:
    return isinstance(value, dict) and "impact" in value and ("incident_updates" in value or "started_at" in value)


def _report(value: dict[str, Any], where: str, mendings: Mendings) -> Report:
    began = next((name for name in ("scheduled_for", "started_at", "created_at") if value.get(name)), None)
    if began is None:
        raise InvalidHistory(f"{where}: no started_at or created_at; a Statuspage incident needs one")
    components = words_of(value.get("components") or [])
    impact = word_of(value.get("impact"))
    planned = impact == "maintenance" or bool(value.get("scheduled_for"))
    found = incident(
        where,
        mendings,
        start=time_of(value[began], began, where, mendings),
        end=end_of(value.get("resolved_at"), "resolved_at", where, mendings),
        impact_start=end_of(value.get("downtime_start"), "downtime_start", where, mendings),
        component=components[0] if components else "",
        others=tuple(components[1:]),
        kind="maintenance" if planned else "outage",
        severity=severity_of(impact, mendings),
        title=word_of(value.get("name")) or word_of(value.get("title")),
    )
    at = end_of(value.get("updated_at"), "updated_at", where, mendings)
    return Report(("statuspage", word_of(value.get("id")) or where), found, at)
