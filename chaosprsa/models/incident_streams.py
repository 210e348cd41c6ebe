"""What the incident process knows of the past, and the marks that it draws for simulated incidents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from chaosprsa.models.durations import Durations
from chaosprsa.models.groups import Group
from chaosprsa.models.incident_clock import DAY_S, WeekClock, seconds
from chaosprsa.models.incident_severities import breadth_of
from chaosprsa.types import Incident, Severity, Window

FloatArray = npt.NDArray[np.float64]
Value = TypeVar("Value")
LONGEST_S = 366 * DAY_S  # no simulated incident lasts longer
NO_KIND = "unknown"


@dataclass(frozen=True, slots=True)
class Known:
    """Past incidents. times: days by the process's clock, in order; groups: what each named; since: the first time."""

    times: FloatArray
    groups: list[Group]
    since: float

    @classmethod
    def of(cls, past: Sequence[Incident], clock: WeekClock) -> Self:
        """In whatever order; infinite `since` where there are none."""
        ordered = sorted(past, key=in_order)
        times = clock.days(seconds([each.start for each in ordered]))
        groups = [tuple(dict.fromkeys(each.components)) for each in ordered]
        return cls(times, groups, float(times[0]) if len(times) else np.inf)


class Marking(Protocol):
    """What says of which kind, how bad and how long an incident is."""

    @property
    def durations(self) -> Durations:
        """By kind."""
        ...

    def kind_shares(self, component: str) -> Mapping[str, float]:
        """Of known kinds."""
        ...

    def severity_shares(self, kind: str, breadth: str | None = None) -> Mapping[Severity, float]:
        """Adding up to 1."""
        ...


def incidents_of(
    starts_s: FloatArray, groups: Sequence[Group], window: Window, marking: Marking, rng: np.random.Generator
) -> tuple[Incident, ...]:
    """starts_s: seconds since 1970, moved into the window where rounding put them beside it; groups: one each."""
    first = [group[0] if group else "" for group in groups]
    kinds = _kinds(first, marking, rng)
    severities = _severities(kinds, groups, marking, rng)
    lasting = _lasting(kinds, marking.durations, rng)
    within = window.duration.total_seconds() * (1 - 1e-12)
    offsets = np.clip(starts_s - window.start.timestamp(), 0.0, within).tolist()
    marks = zip(offsets, groups, first, kinds, severities, lasting, strict=True)
    return tuple(_incident(window.start + timedelta(seconds=offset), *rest) for offset, *rest in marks)


def _incident(
    start: datetime, group: Group, component: str, kind: str, severity: Severity, lasting_s: float
) -> Incident:
    end = start + timedelta(seconds=lasting_s)
    return Incident(start=start, component=component, kind=kind, severity=severity, end=end, others=group[1:])


def _kinds(components: Sequence[str], marking: Marking, rng: np.random.Generator) -> list[str]:
    """One for each; "unknown" where no kind was ever seen."""
    u, found = rng.uniform(size=len(components)), [NO_KIND] * len(components)
    for component, rows in _rows(components).items():
        shares = marking.kind_shares(component)
        if shares:
            _put(found, rows, list(shares), list(shares.values()), u)
    return found


def _severities(
    kinds: Sequence[str], groups: Sequence[Group], marking: Marking, rng: np.random.Generator
) -> list[Severity]:
    """By kind, and by how many components are named."""
    u, found = rng.uniform(size=len(kinds)), [Severity.MAJOR] * len(kinds)
    both = list(zip(kinds, (breadth_of(group) for group in groups), strict=True))
    for (kind, breadth), rows in _rows(both).items():
        shares = marking.severity_shares(kind, breadth)
        _put(found, rows, list(shares), list(shares.values()), u)
    return found


def _lasting(kinds: Sequence[str], durations: Durations, rng: np.random.Generator) -> list[float]:
    """Seconds, rounded as the source does."""
    u, found = rng.uniform(size=len(kinds)), np.empty(len(kinds))
    for kind, rows in _rows(kinds).items():
        found[rows] = durations.quantiles(kind, u[rows])
    rounded = np.round(found / durations.resolution_s) * durations.resolution_s
    return [float(each) for each in np.minimum(rounded, LONGEST_S)]


def in_order(incident: Incident) -> tuple[datetime, str, str]:
    """By start; those at the same time by component and kind."""
    return incident.start, incident.component, incident.kind


def _rows(values: Sequence[Value]) -> dict[Value, npt.NDArray[np.int64]]:
    """The numbers at which each value stands, in order of first standing."""
    found: dict[Value, list[int]] = {}
    for number, value in enumerate(values):
        found.setdefault(value, []).append(number)
    return {value: np.array(rows, dtype=np.int64) for value, rows in found.items()}


def _put(
    found: list[Any], rows: npt.NDArray[np.int64], values: Sequence[Any], weights: Sequence[float], u: FloatArray
) -> None:
    """Values by their weights at the quantiles u of these rows."""
    sums = np.cumsum(weights)
    places = np.minimum(np.searchsorted(sums, u[rows] * sums[-1], side="right"), len(values) - 1)
    for row, place in zip(rows.tolist(), places.tolist(), strict=True):
        found[row] = values[place]
