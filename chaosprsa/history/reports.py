"""What every format of incidents is turned into, and the words for what had to be guessed on the way. Pure.

A report is what one JSON value, table row or page says of an incident. Reports with the same key tell of the same
incident: a webhook comes when it starts, while it lasts and once more when it ends.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from chaosprsa.errors import InvalidHistory, InvalidNoun
from chaosprsa.types import Incident, Severity

SEVERITIES = {
    **dict.fromkeys(("critical", "page", "fatal", "emergency", "disaster", "blocker", "p1", "sev1"), Severity.CRITICAL),
    **dict.fromkeys(("major", "error", "high", "severe", "p2", "sev2"), Severity.MAJOR),
    **dict.fromkeys(("minor", "average", "medium", "partial", "p3", "sev3"), Severity.MINOR),
    **dict.fromkeys(("warning", "warn", "low", "info", "none", "maintenance", "p4", "sev4"), Severity.WARNING),
}
# Which label of an alert or of a log stream names the component, best first: the usual ones of Kubernetes, Prometheus.
COMPONENT_LABELS = ("service", "app", "component", "app_kubernetes_io_name", "deployment", "statefulset", "workload")
FALLBACK_LABELS = ("container", "pod", "job", "instance")
LONGEST_TITLE = 500  # characters; a report that pastes a whole log into its title is still one incident
LONGEST_NAME = 253  # characters; what Kubernetes allows
FIRST_YEAR, LAST_YEAR = 1970, 2199  # outside, a clock was wrong
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
_WORST_FIRST = tuple(Severity)

UNZONED = "times have no time zone; they were taken as UTC"
UNRATED = "incidents state no severity; they were taken as major"
NAMELESS = "incidents name no component"
REVERSED = "incidents end before they start; their end was taken as unknown"
ODD_ENDS = "ends are no times that can be; they were taken as unknown"
CUT = f"titles or names are longer than {LONGEST_TITLE} or {LONGEST_NAME} characters; they were cut"
UNPRINTABLE = "titles or names hold characters that can't be printed; they became spaces"


@dataclass(slots=True)
class Mendings:
    """What had to be guessed or left out, counted while reading."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    unrated: Counter[str] = field(default_factory=Counter)

    def count(self, words: str, where: str = "") -> None:
        """One more of these; `where`: the first place is told in the note."""
        self.counts[words] += 1
        if where:
            self.first.setdefault(words, where)

    def notes(self, name: str) -> tuple[str, ...]:
        """`name`: of the file or folder."""
        notes = [f"{name}: {count} {words}{self._place(words)}" for words, count in self.counts.items()]
        if self.unrated:
            words = ", ".join(sorted(self.unrated)[:5])
            notes.append(f"{name}: {self.unrated.total()} severities are not on our scale ({words}): taken as major")
        return tuple(notes)

    def _place(self, words: str) -> str:
        return f" (first: {self.first[words]})" if words in self.first else ""


@dataclass(frozen=True, slots=True)
class Report:
    """What one value says of an incident.

    key: the same, the same incident. at: when it was said, where the source tells. gap: reports of one key that follow
    each other within it are one incident, later ones another; None: all of a key are one.
    """

    key: Hashable
    incident: Incident
    at: datetime | None = None
    gap: timedelta | None = None


class Format(Protocol):
    """A module that knows one format."""

    def recognises(self, value: dict[str, Any]) -> bool:
        """Whether this JSON object is of the format."""

    def reports(self, value: dict[str, Any], where: str, mendings: Mendings) -> Iterator[Report]:
        """What it tells. Raises InvalidHistory, which says where."""


def incident(where: str, mendings: Mendings, *, strict: bool = False, **fields: Any) -> Incident:
    """An incident with names and title cleaned. One that ends before it starts has its end taken as unknown;
    strict: it is refused.
    """
    for name in ("component", "kind", "title"):
        limit = LONGEST_TITLE if name == "title" else LONGEST_NAME
        fields[name] = _cleaned(fields.get(name, ""), limit, mendings)
    fields["others"] = tuple(_cleaned(name, LONGEST_NAME, mendings) for name in fields.get("others", ()))
    if not fields["component"]:
        mendings.count(NAMELESS)
    if not strict:
        ends = {name: fields.get(name) for name in ("end", "end_estimated")}
        late = [name for name, end in ends.items() if end is not None and end < fields["start"]]
        if late:
            mendings.count(REVERSED, where)
            fields |= dict.fromkeys(late)
    try:
        return Incident(**fields)
    except InvalidNoun as error:
        raise InvalidHistory(f"{where}: {error}; correct the time that is wrong") from None


def severity_of(word: Any, mendings: Mendings) -> Severity:
    """The word on our scale; none and unknown ones are major, and counted."""
    if word is None or word == "":
        mendings.count(UNRATED)
        return Severity.MAJOR
    text = word_of(word)
    known = SEVERITIES.get(text.lower())
    if known is None:
        mendings.unrated[printable(text[:60])] += 1
    return known or Severity.MAJOR


def time_of(value: Any, name: str, where: str, mendings: Mendings) -> datetime:
    """UTC from ISO 8601 text, or what YAML made of it. Raises InvalidHistory, also outside 1970 to 2199."""
    time = _parsed_time(value)
    if time is None or not FIRST_YEAR <= time.year <= LAST_YEAR:
        raise InvalidHistory(f"{where}: {name} is {shown(value)}, expected a time like 2026-01-31T14:03:00Z")
    if time.tzinfo is None:
        mendings.count(UNZONED)
        return time.replace(tzinfo=UTC)
    return time.astimezone(UTC)


def end_of(value: Any, name: str, where: str, mendings: Mendings) -> datetime | None:
    """The same of an end: absent or the year 1, which Go writes for no time, is None; so is one that can't be, counted.

    Text that is no time is refused all the same.
    """
    if value is None or value == "":
        return None
    time = _parsed_time(value)
    if time is not None and time.year == 1:
        return None
    if time is not None and not FIRST_YEAR <= time.year <= LAST_YEAR:
        mendings.count(ODD_ENDS, where)
        return None
    return time_of(value, name, where, mendings)


def _parsed_time(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001  # zoneless, and counted as such
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None


def word_of(value: Any) -> str:
    """Text and numbers as text; a {"name": ...} by its name; anything else as nothing."""
    if isinstance(value, dict):
        value = value.get("name") or value.get("summary")
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def words_of(value: Any) -> list[str]:
    """The words of a list, or of a single value; empty ones left out."""
    return [word for word in map(word_of, value if isinstance(value, list | tuple) else [value]) if word]


def shown(value: Any) -> str:
    """A value in a message: at most 60 characters of it, printable."""
    if isinstance(value, dict | list):
        return f"a {type(value).__name__}"
    text = value[:61] if isinstance(value, str) else str(value)
    return repr(text[:60]) + ("..." if len(text) > 60 else "") if isinstance(value, str) else text[:60]


def printable(text: str) -> str:
    """Control characters, those that turn the direction of writing, and halves of characters become spaces."""
    return _UNPRINTABLE.sub(" ", text)


def _cleaned(text: str, limit: int, mendings: Mendings) -> str:
    if _UNPRINTABLE.search(text):
        if re.search(r"[^\n\r\t]", "".join(_UNPRINTABLE.findall(text[:10_000]))):
            mendings.count(UNPRINTABLE)
        text = printable(text)
    if len(text) > limit:
        mendings.count(CUT)
        text = text[: limit - 1] + "…"
    return text


def merged(reports: Iterable[Report]) -> tuple[Incident, ...]:
    """One incident for each key, in order of start, component and kind."""
    kept: dict[Hashable, Report] = {}
    spells: dict[Hashable, list[Report]] = {}
    for report in reports:
        if report.gap is not None:
            spells.setdefault(report.key, []).append(report)
        else:
            known = kept.get(report.key)
            kept[report.key] = report if known is None else _joined(known, report)
    found = [each.incident for each in kept.values()]
    for several in spells.values():
        found += _spells(several)
    return tuple(sorted(found, key=lambda each: (each.start, each.component, each.kind)))


def _joined(known: Report, new: Report) -> Report:
    """Two reports of one incident: the later one wins; where none says when it was made, the one that knows the end."""
    if known.at is not None and new.at is not None:
        first, last = (known, new) if known.at <= new.at else (new, known)
    else:
        first, last = (new, known) if known.incident.end is not None else (known, new)
    start = min(first.incident.start, last.incident.start)
    named = last if last.incident.component else first
    worst = min((first.incident.severity, last.incident.severity), key=_WORST_FIRST.index)
    whole = replace(
        last.incident,
        start=start,
        severity=worst,
        title=last.incident.title or first.incident.title,
        component=named.incident.component,
        others=named.incident.others,
    )
    return replace(last, incident=whole)


def _spells(reports: list[Report]) -> Iterator[Incident]:
    """Reports that overlap or follow within their gap, as one incident from the first start to the last end."""
    ordered = sorted(reports, key=lambda each: (each.incident.start, each.incident.title))
    current = ordered[0].incident
    for report in ordered[1:]:
        new, gap = report.incident, report.gap or timedelta(0)
        if new.start - (current.likely_end or current.start) <= gap:
            worst = min((current.severity, new.severity), key=_WORST_FIRST.index)
            last = max(current.likely_end or current.start, new.likely_end or new.start)
            current = replace(current, severity=worst, end_estimated=last if last > current.start else None)
        else:
            yield current
            current = new
    yield current
