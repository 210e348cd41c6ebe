"""Post-mortems: Markdown with YAML front matter between two lines of three dashes.

Taken from the front matter alone: start_time, end_time, title, product or service, severity, kind; under the names that
teams usually give them. A page that states no start is left out, with a note: when it was published says little about
when it happened.
"""

from collections.abc import Iterator
from typing import Any

import yaml

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.reports import Mendings, Report, end_of, incident, severity_of, time_of, word_of, words_of

STARTS = ("start_time", "start", "started_at", "started", "incident_start", "incident_date", "detected_at", "date")
ENDS = ("end_time", "end", "ended_at", "resolved_at", "resolved", "incident_end")
COMPONENTS = ("components", "component", "services", "service", "affected_services", "product", "system")
SEVERITIES = ("severity", "impact", "sev", "priority")
KINDS = ("kind", "incident_type", "cause", "root_cause_category")
STARTLESS = "post-mortems state no start; they were left out"
FENCE = "---"
LONGEST_FRONT_MATTER = 100_000  # characters; one is some dozen lines


def recognises_text(text: str) -> bool:
    """Whether it begins with a fence, as front matter does."""
    return text.lstrip().startswith(FENCE)


def reports_of_text(text: str, where: str, mendings: Mendings) -> Iterator[Report]:
    """One a page. Raises InvalidHistory: no second fence, no YAML."""
    values = _front_matter(text.lstrip(), where)
    began = _first(values, STARTS)
    if began is None:
        mendings.count(STARTLESS, where)
        return
    components = words_of(_first(values, COMPONENTS))
    found = incident(
        where,
        mendings,
        start=time_of(began, "its start", where, mendings),
        end=end_of(_first(values, ENDS), "its end", where, mendings),
        component=components[0] if components else word_of(values.get("company")),
        others=tuple(components[1:]),
        kind=word_of(_first(values, KINDS)) or "outage",
        severity=severity_of(_first(values, SEVERITIES), mendings),
        title=word_of(values.get("title")) or word_of(values.get("summary")),
    )
    yield Report(("post-mortem", word_of(values.get("uuid")) or where), found)


def _first(values: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((values[name] for name in names if values.get(name) not in (None, "", [])), None)


def _front_matter(text: str, where: str) -> dict[str, Any]:
    lines = text.splitlines()
    end = next((at for at, line in enumerate(lines[1:], start=1) if line.rstrip() in (FENCE, "...")), None)
    if end is None:
        raise InvalidHistory(f"{where}: its front matter has no end; expected a second line ---")
    matter = "\n".join(lines[1:end])
    if len(matter) > LONGEST_FRONT_MATTER:
        raise InvalidHistory(f"{where}: its front matter has {len(matter)} characters; it can't be one")
    try:
        values = yaml.safe_load(matter)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InvalidHistory(f"{where}: its front matter is not YAML ({reason})") from None
    if not isinstance(values, dict):
        raise InvalidHistory(f"{where}: its front matter has no fields; expected start_time: 2026-01-31T14:03:00Z")
    return {str(key).lower(): value for key, value in values.items() if isinstance(key, str)}
