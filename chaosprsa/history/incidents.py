"""Incidents from a file or a folder, whatever it is: the format is told by its content.

JSON of the normal form, Alertmanager, PagerDuty, Statuspage or Kubernetes Events; CSV; Markdown post-mortems. A
severity in other words is put on our scale; what had to be guessed or left out is said in a note.
"""

from collections.abc import Hashable, Iterator
from pathlib import Path

from chaosprsa.errors import InvalidHistory
from chaosprsa.history import (
    alertmanager,
    incident_tables,
    kubernetes_events,
    normal_form,
    pagerduty,
    postmortems,
    statuspage,
)
from chaosprsa.history.json_values import json_values
from chaosprsa.history.reports import Format, Mendings, Report, merged
from chaosprsa.history.texts import read_text
from chaosprsa.types import Incident

FORMATS: tuple[Format, ...] = (alertmanager, kubernetes_events, statuspage, pagerduty, normal_form)
TEXTS = (postmortems, incident_tables)
ENDINGS = (".json", ".jsonl", ".ndjson", ".md", ".markdown", ".csv")
NAMES = "JSONL in the normal form, Alertmanager, PagerDuty, Statuspage, Kubernetes Events, CSV, Markdown post-mortems"
TWICE = "incidents are told twice (same times, components, kind); they count once"
EXPECTED = f"incidents are {NAMES}"


class _UnknownFormat(InvalidHistory):
    """Well-formed, and nothing that tells of incidents: of a folder it is left out."""


def read_incidents(path: Path) -> tuple[Incident, ...]:
    """The incidents of a file or folder, in order of start. Raises InvalidHistory, which names the line."""
    return parse_incidents(path)[0]


def parse_incidents(path: Path) -> tuple[tuple[Incident, ...], tuple[str, ...]]:
    """The same, and notes: what had to be guessed or left out."""
    mendings = Mendings()
    if not path.is_dir():
        incidents = merged(_of_file(path, mendings))
        return incidents, (*mendings.notes(path.name), *_ends(path.name, incidents))
    reports, notes = _of_folder(path, mendings)
    told = merged(reports)
    incidents = tuple({_identity(each): each for each in reversed(told)}.values())[::-1]
    if len(incidents) < len(told):
        mendings.counts[TWICE] = len(told) - len(incidents)
    return incidents, (*mendings.notes(path.name), *notes, *_ends(path.name, incidents))


def _ends(name: str, incidents: tuple[Incident, ...]) -> tuple[str, ...]:
    estimated = sum(each.end is None and each.end_estimated is not None for each in incidents)
    endless = sum(each.likely_end is None for each in incidents)
    counted = (
        (estimated, "incidents have no recorded end; their estimated end is used"),
        (endless, "incidents have no end at all; they say nothing about durations"),
    )
    return tuple(f"{name}: {count} {words}" for count, words in counted if count)


def _of_folder(folder: Path, mendings: Mendings) -> tuple[list[Report], tuple[str, ...]]:
    """The reports of a folder's files, in the order of their names; files of no known format are left out."""
    reports: list[Report] = []
    strangers = []
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    for path in paths:
        if not path.name.removesuffix(".gz").lower().endswith(ENDINGS):
            strangers.append(path.name)
            continue
        try:
            reports += _of_file(path, mendings)
        except _UnknownFormat:
            strangers.append(path.name)
    if len(strangers) == len(paths):
        raise InvalidHistory(f"{folder}: none of its {len(paths)} files holds incidents; {EXPECTED}")
    shown = ", ".join(strangers[:5]) + (" ..." if len(strangers) > 5 else "")
    left_out = (f"{folder.name}: {len(strangers)} files hold no incidents; they were left out: {shown}",)
    return reports, left_out if strangers else ()


def _identity(incident: Incident) -> Hashable:
    return incident.start, incident.likely_end, incident.components, incident.kind


def _of_file(path: Path, mendings: Mendings) -> Iterator[Report]:
    text = read_text(path, EXPECTED)
    for each in TEXTS:
        if each.recognises_text(text):
            yield from each.reports_of_text(text, str(path), mendings)
            return
    if path.name.lower().endswith((".md", ".markdown")):
        raise _UnknownFormat(f"{path}: no front matter; a post-mortem begins with --- and start_time: ...")
    for where, value in json_values(text, str(path)):
        if not isinstance(value, dict):
            raise InvalidHistory(f"{where}: expected a JSON object, found {type(value).__name__}")
        yield from _format_of(value, where).reports(value, where, mendings)


def _format_of(value: dict[str, object], where: str) -> Format:
    for each in FORMATS:
        if each.recognises(value):
            return each
    names = ", ".join(sorted(str(name)[:30] for name in value)[:5]) or "no fields"
    raise _UnknownFormat(f"{where}: no start, and no format that we know (it has {names}); {EXPECTED}")
