"""Incidents as CSV: the normal form's columns, or OpenRCA's (datetime_local_utc8, timestamp, component, reason).

OpenRCA's local time is eight hours ahead of UTC; where a row has the epoch, seconds since 1970, that is taken.
"""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from chaosprsa.errors import InvalidHistory
from chaosprsa.history import normal_form
from chaosprsa.history.reports import Mendings, Report, incident, severity_of, shown, time_of

OPENRCA = {"component", "reason", "timestamp"}
LIST = ";"  # between several components of one incident


def recognises_text(text: str) -> bool:
    """Whether its first line is such a header."""
    names = _header(text)
    return {"start", "component"} <= names or names >= OPENRCA


def reports_of_text(text: str, where: str, mendings: Mendings) -> Iterator[Report]:
    """One a row. Raises InvalidHistory, which names the line."""
    openrca = _header(text) >= OPENRCA
    reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
    try:
        for row in reader:
            place = f"{where}, line {reader.line_num}"
            values = {str(name).strip(): value for name, value in row.items() if isinstance(value, str)}
            if openrca:
                yield _openrca(values, place, mendings)
            else:
                components = [each.strip() for each in values.get("component", "").split(LIST)]
                yield from normal_form.reports({**values, "component": components}, place, mendings)
    except csv.Error as error:
        raise InvalidHistory(f"{where}, line {reader.line_num}: not CSV ({error})") from None


def _header(text: str) -> set[str]:
    first = text.lstrip().split("\n", maxsplit=1)[0][:10_000]
    return {name.strip().strip('"').lower() for name in first.split(",")}


def _openrca(row: dict[str, Any], where: str, mendings: Mendings) -> Report:
    reason = row.get("reason", "")
    component = row.get("component", "")
    system = f" ({row['system']})" if row.get("system") else ""
    found = incident(
        where,
        mendings,
        start=_start(row, where, mendings),
        component=component,
        kind="-".join(reason.lower().split()) or "unknown",
        severity=severity_of(row.get("severity"), mendings),
        title=f"{reason} on {component}{system}",
    )
    return Report((where,), found)


def _start(row: dict[str, Any], where: str, mendings: Mendings) -> datetime:
    if row.get("timestamp"):
        try:
            epoch = datetime.fromtimestamp(float(row["timestamp"]), tz=UTC)
        except (ValueError, OverflowError, OSError):
            message = f"{where}: timestamp is {shown(row['timestamp'])}, expected seconds since 1970"
            raise InvalidHistory(message) from None
        return time_of(epoch, "timestamp", where, mendings)
    return time_of(f"{row.get('datetime_local_utc8', '')}+08:00", "datetime_local_utc8", where, mendings)
