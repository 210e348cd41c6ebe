"""Incidents in the normal form: an object with start, end, component, kind, severity, title; and our own document.

component: where it started, or a list of components, that one first. Only start is needed. A line of our own document
(it carries `schema`) that ends before it starts is refused: this package wrote it so, or somebody changed it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.reports import Mendings, Report, end_of, incident, severity_of, time_of, word_of, words_of

FIELDS = ("start", "component", "kind")


def recognises(value: dict[str, Any]) -> bool:
    """Whether it has a start, or looks as if it should."""
    return any(name in value for name in FIELDS)


def reports(value: Mapping[str, Any], where: str, mendings: Mendings) -> Iterator[Report]:
    """One a value; every value is an incident of its own. Raises InvalidHistory without a start."""
    if value.get("start") in (None, ""):
        raise InvalidHistory(
            f"{where}: no start; an incident needs start and component, or a format that docs/history.md names"
        )
    components = [*words_of(value.get("component")), *words_of(value.get("others") or [])]
    found = incident(
        where,
        mendings,
        strict="schema" in value,
        start=time_of(value["start"], "start", where, mendings),
        end=end_of(value.get("end"), "end", where, mendings),
        end_estimated=end_of(value.get("end_estimated"), "end_estimated", where, mendings),
        impact_start=end_of(value.get("impact_start"), "impact_start", where, mendings),
        component=components[0] if components else "",
        others=tuple(components[1:]),
        kind=word_of(value.get("kind")) or "unknown",
        severity=severity_of(value.get("severity"), mendings),
        title=word_of(value.get("title")),
    )
    yield Report((where,), found)
