"""How often, when, where, of which kind, how bad and how long: the incident process.

A marked self-exciting process. When: by its own clock (hours and weekdays: incident_clock.py) incidents come by
themselves and raise others, soon after or by a level that stays up for months (selfexciting.py). Where: what raised it
tells, its call edges, or the groups of components seen before (naming.py). Of which kind, how bad: kinds and severities
are drawn towards their overall shares (Dirichlet). How long: durations.py.

Few incidents say little about one component, so its mean rate borrows from the others: with n incidents in t days it is
(n + a) / (t + b), the Gamma-Poisson mean (shrinking.py). A component that was never seen has the mean rate.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.models.durations import Durations
from chaosprsa.models.incident_clock import DAY_S, WeekClock, multiples, seconds
from chaosprsa.models.naming import Group, Naming
from chaosprsa.models.selfexciting import SelfExciting
from chaosprsa.models.shrinking import UNSEEN, shrunk
from chaosprsa.types import Incident, Severity, Topology, Window

FloatArray = npt.NDArray[np.float64]
KIND_PRIOR = 2.0  # a component's kinds weigh against this many incidents of the overall mix
SEVERITY_PRIOR = 4.0  # the same for a kind's severities
LONGEST_S = 366 * DAY_S  # no simulated incident lasts longer


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentModel:
    """Fit it, then ask for rates, shares, durations and streams of incidents.

    days: exposure. rates: incidents a day for each component, in the mean. kinds: incidents of each kind, all
    components. kinds_of: the same for each component. hours, weekdays (UTC, Monday first): multiples of the mean rate,
    with mean 1. severities: incidents for each kind and severity.
    """

    days: float = 0.0
    rates: Mapping[str, float] = field(default_factory=dict)
    prior_rate: float = 0.0
    kinds: Mapping[str, int] = field(default_factory=dict)
    kinds_of: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hours: tuple[float, ...] = (1.0,) * 24
    weekdays: tuple[float, ...] = (1.0,) * 7
    severities: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    durations: Durations = field(default_factory=Durations)
    process: SelfExciting = field(default_factory=lambda: SelfExciting(base=0.0, usual=0.0))
    naming: Naming = field(default_factory=Naming)

    def fit(
        self,
        incidents: Sequence[Incident],
        window: Window,
        components: Sequence[str],
        topology: Topology | None = None,
    ) -> Self:
        """window: when somebody watched; incidents outside it are left out. components: all that could have had one.

        topology: the call graph, along whose edges incidents may raise others. Works with no incidents at all: every
        rate is then a small one that fits having seen none. Raises NotEnoughHistory where the window is empty.
        """
        days = window.duration.total_seconds() / DAY_S
        if days <= 0:
            raise NotEnoughHistory("incident rates need a span of time; the window is empty")
        seen = sorted((each for each in incidents if window.start <= each.start <= window.end), key=_in_order)
        named = Counter(each.component for each in seen if each.component)
        names = sorted({*components, *named})
        if not names:
            raise NotEnoughHistory("incident rates need at least one component: neither metrics nor incidents name one")
        counts = np.array([named[name] for name in names], dtype=float)
        mean = max(len(seen), UNSEEN) / (days * len(names))
        rates = dict(zip(names, (shrunk(counts, days) * mean).tolist(), strict=True))
        hours, weekdays = multiples([each.start for each in seen], window)
        kinds_of = {name: dict(Counter(each.kind for each in seen if each.component == name)) for name in sorted(named)}
        fitted = replace(self, days=days, rates=rates, prior_rate=mean, hours=hours, weekdays=weekdays)
        fitted = replace(fitted, kinds=_counted(seen), kinds_of=kinds_of, severities=_severities(seen))
        timed = [each for each in seen if each.likely_end is not None]
        lengths = np.array([(each.likely_end - each.start).total_seconds() for each in timed if each.likely_end])
        fitted = replace(fitted, durations=Durations.fit([each.kind for each in timed], lengths))
        process, naming = fitted._processes(seen, window, topology)
        return replace(fitted, process=process, naming=naming)

    def _processes(
        self, seen: Sequence[Incident], window: Window, topology: Topology | None
    ) -> tuple[SelfExciting, Naming]:
        start, end = self._clocked([window.start, window.end])
        times = self._clocked([each.start for each in seen]) - start
        process = SelfExciting.fit(times, max(float(end - start), 1e-9))
        total = sum(self.rates.values())
        shares = {name: rate / total for name, rate in self.rates.items()}
        return process, Naming.fit(times, [_group(each) for each in seen], shares, process, topology)

    @property
    def total(self) -> int:
        """Incidents learned from."""
        return sum(self.kinds.values())

    def rate_per_day(
        self, component: str | None = None, kind: str | None = None, when: datetime | None = None
    ) -> float:
        """Incidents a day: of one component or all (None), of one kind or all, at a time or on average. Above 0.

        A component never seen has the mean rate; a kind never seen has the unseen kinds' share.
        """
        names = [component] if component is not None else list(self.rates)
        shares = (1.0 if kind is None else self.kind_shares(name).get(kind, self.unseen_share) for name in names)
        rates = (self.rates.get(name, self.prior_rate) for name in names)
        return float(sum(rate * share for rate, share in zip(rates, shares, strict=True))) * self.clock(when)

    def expected(self, window: Window, component: str | None = None, kind: str | None = None) -> float:
        """The number of incidents to expect within a window."""
        hours = max(1, round(window.duration / timedelta(hours=1)))
        middles = [window.start + window.duration * (i + 0.5) / hours for i in range(hours)]
        mean_clock = sum(self.clock(when) for when in middles) / hours
        return self.rate_per_day(component, kind) * mean_clock * window.duration.total_seconds() / DAY_S

    def clock(self, when: datetime | None) -> float:
        """How many times the mean rate holds at this time; 1 without a time."""
        if when is None:
            return 1.0
        utc = when.astimezone(UTC)
        return self.hours[utc.hour] * self.weekdays[utc.weekday()]

    @property
    def unseen_share(self) -> float:
        """The share of incidents that are of some kind never seen: kinds seen once tell it (Good 1953)."""
        if not self.kinds:
            return 1.0
        once = sum(count == 1 for count in self.kinds.values())
        return (once + UNSEEN) / (self.total + 1.0 + len(self.kinds) * UNSEEN)

    def kind_shares(self, component: str) -> dict[str, float]:
        """Each known kind's share of a component's incidents; with unseen_share they add up to 1."""
        own = self.kinds_of.get(component, {})
        weight = sum(own.values()) + KIND_PRIOR
        total = max(self.total, 1)
        known = 1 - self.unseen_share
        return {
            kind: known * (own.get(kind, 0) + KIND_PRIOR * count / total) / weight for kind, count in self.kinds.items()
        }

    def severity_shares(self, kind: str) -> dict[Severity, float]:
        """Each severity's share of a kind's incidents; they add up to 1."""
        everything = Counter[str]()
        for counts in self.severities.values():
            everything.update(counts)
        total = everything.total() + UNSEEN * len(Severity)
        overall = {each: (everything[each.value] + UNSEEN) / total for each in Severity}
        own = self.severities.get(kind, {})
        weight = sum(own.values()) + SEVERITY_PRIOR
        return {each: (own.get(each.value, 0) + SEVERITY_PRIOR * overall[each]) / weight for each in Severity}

    def duration_quantiles(self, kind: str, levels: Sequence[float] = (0.05, 0.5, 0.95)) -> tuple[float, ...]:
        """Seconds, one for each level between 0 and 1; a kind never seen lasts as long as the others."""
        return tuple(self.durations.quantiles(kind, levels).tolist())

    def intensity_per_day(
        self, component: str | None, times: Sequence[datetime] | FloatArray, past: Sequence[Incident]
    ) -> FloatArray:
        """Incidents a day that name a component (None: any, or nothing at all), given those of the past before each.

        times: datetimes, or seconds since 1970; shape of times. The past is taken as known since its first incident;
        before, the rate was the mean one. Incidents of no component have the intensity of "".
        """
        at_s = times if isinstance(times, np.ndarray) else seconds(times)
        clock = self._clock
        at, before = clock.days(at_s), self._past(past)
        since = min(before.since, float(at.min(initial=np.inf)))
        if component is None:
            rate = self.process.rate(at, before.times, since)
        else:
            rate = self.naming.rate(component, at, before.times, before.groups, since, self.process)
        return np.asarray(rate * clock.speed(at_s))

    def probability(self, window: Window, past: Sequence[Incident]) -> dict[str, float]:
        """Of an incident within the window that names each component ("": that names none), given those before it."""
        start, end = self._clocked([window.start, window.end])
        before = self._past(past, window.start)
        since = min(before.since, float(start))
        found = self.naming.expected(float(start), float(end), before.times, before.groups, since, self.process)
        return {name: float(-np.expm1(-expected)) for name, expected in found.items()}

    def probability_of_any(self, window: Window, past: Sequence[Incident]) -> float:
        """Of an incident of any component, or none, within the window, given those before it."""
        start, end = self._clocked([window.start, window.end])
        before = self._past(past, window.start)
        since = min(before.since, float(start))
        return float(-np.expm1(-self.process.expected(float(start), float(end), before.times, since)))

    def log_likelihood(self, incidents: Sequence[Incident], window: Window, past: Sequence[Incident] = ()) -> float:
        """Nats, of when incidents came within the window (incidents a day), given those of the past before it."""
        start, end = (float(each) for each in self._clocked([window.start, window.end]))
        came, before, since = self._came(incidents, window, past)
        speeds = self._clock.speed(seconds([each.start for each in _within(incidents, window)]))
        return self.process.log_likelihood(came, start, end, before, since) + float(np.sum(np.log(speeds)))

    def residuals(self, incidents: Sequence[Incident], window: Window, past: Sequence[Incident] = ()) -> FloatArray:
        """What each incident's wait is on the model's own clock, put on 0..1; in order, shape (incidents within it,).

        The first wait is from the window's start. Uniform where the model is right (Brown et al. 2002).
        """
        start = float(self._clocked([window.start])[0])
        came, before, since = self._came(incidents, window, past)
        waits = self.process.waits(np.concatenate([[start], came]), np.concatenate([before, came]), since)
        return np.asarray(-np.expm1(-waits))

    def simulate(self, window: Window, past: Sequence[Incident], rng: np.random.Generator) -> tuple[Incident, ...]:
        """One stream of incidents within the window, in order, given those of the past before it."""
        return self.stream(window, past, rng)[0]

    def stream(
        self, window: Window, past: Sequence[Incident], rng: np.random.Generator
    ) -> tuple[tuple[Incident, ...], tuple[int, ...]]:
        """The same, and the number of each one's parent in it: -1 nothing raised it, -2 one of the past did."""
        start, end = (float(each) for each in self._clocked([window.start, window.end]))
        before = self._past(past, window.start)
        since = min(before.since, start)
        days, parents, memories = self.process.simulate(start, end, before.times, since, rng)
        groups = self.naming.drawn(parents.tolist(), memories.tolist(), before.groups, rng)
        first = [group[0] if group else "" for group in groups]
        kinds = self._kinds(first, rng)
        severities, lasting = self._severities_of(kinds, rng), self._lasting(kinds, rng)
        origin, length = window.start, window.duration.total_seconds()
        offsets = np.clip(self._clock.times_s(days) - origin.timestamp(), 0.0, length * (1 - 1e-12))
        starts = [origin + timedelta(seconds=offset) for offset in offsets.tolist()]
        incidents = tuple(
            Incident(
                start=start,
                component=component,
                kind=kind,
                severity=severity,
                end=start + timedelta(seconds=seconds),
                others=group[1:],
            )
            for start, component, kind, severity, seconds, group in zip(
                starts, first, kinds, severities, lasting, groups, strict=True
            )
        )
        return incidents, tuple(np.maximum(parents, -2).tolist())

    def _kinds(self, components: Sequence[str], rng: np.random.Generator) -> list[str]:
        """A kind for each; "unknown" where none was ever seen."""
        u, found = rng.uniform(size=len(components)), ["unknown"] * len(components)
        for component, rows in _rows(components).items():
            shares = self.kind_shares(component)
            for row, kind in zip(rows, _picked(list(shares), list(shares.values()), u[rows]), strict=True):
                found[row] = kind
        return found

    def _severities_of(self, kinds: Sequence[str], rng: np.random.Generator) -> list[Severity]:
        u, found = rng.uniform(size=len(kinds)), [Severity.MAJOR] * len(kinds)
        for kind, rows in _rows(kinds).items():
            shares = self.severity_shares(kind)
            for row, severity in zip(rows, _picked(list(shares), list(shares.values()), u[rows]), strict=True):
                found[row] = severity
        return found

    def _lasting(self, kinds: Sequence[str], rng: np.random.Generator) -> list[float]:
        """Seconds, rounded as the source does."""
        u, found = rng.uniform(size=len(kinds)), np.empty(len(kinds))
        step = self.durations.resolution_s
        for kind, rows in _rows(kinds).items():
            found[rows] = np.round(self.durations.quantiles(kind, u[rows]) / step) * step
        return [float(each) for each in np.minimum(found, LONGEST_S)]

    @property
    def _clock(self) -> WeekClock:
        return WeekClock.of(self.hours, self.weekdays)

    def _clocked(self, times: Sequence[datetime]) -> FloatArray:
        return self._clock.days(seconds(times))

    def _past(self, past: Sequence[Incident], until: datetime | None = None) -> "_Past":
        known = sorted((each for each in past if until is None or each.start < until), key=_in_order)
        times = self._clocked([each.start for each in known])
        return _Past(times, [_group(each) for each in known], float(times[0]) if len(times) else np.inf)

    def _came(
        self, incidents: Sequence[Incident], window: Window, past: Sequence[Incident]
    ) -> tuple[FloatArray, FloatArray, float]:
        """Times within the window and before it, and since when they are known."""
        before = self._past(past, window.start)
        came = self._clocked([each.start for each in _within(incidents, window)])
        return came, before.times, min(before.since, float(self._clocked([window.start])[0]))

    def as_json(self) -> dict[str, Any]:
        """What from_json takes back."""
        return {
            **{each.name: getattr(self, each.name) for each in fields(self)},
            "durations": asdict(self.durations),
            "process": asdict(self.process),
            "naming": self.naming.as_json(),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From as_json's values. Raises TypeError or KeyError where fields are missing or unknown."""
        parts = {
            "durations": Durations.from_json(values["durations"]),
            "process": SelfExciting.from_json(values["process"]),
            "naming": Naming.from_json(values["naming"]),
        }
        lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **lists, **parts})


@dataclass(frozen=True, slots=True)
class _Past:
    """Incidents known: times by the clock, in order, what each named, and since when any are known."""

    times: FloatArray
    groups: list[Group]
    since: float


def _in_order(incident: Incident) -> tuple[datetime, str, str]:
    return incident.start, incident.component, incident.kind


def _within(incidents: Sequence[Incident], window: Window) -> list[Incident]:
    return sorted((each for each in incidents if window.start <= each.start < window.end), key=_in_order)


def _group(incident: Incident) -> Group:
    return tuple(dict.fromkeys(incident.components))


def _rows(values: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    """The numbers at which each value stands, in order of first standing."""
    found: dict[str, list[int]] = {}
    for number, value in enumerate(values):
        found.setdefault(value, []).append(number)
    return {value: np.array(rows, dtype=np.int64) for value, rows in found.items()}


def _picked(values: Sequence[Any], weights: Sequence[float], u: FloatArray) -> list[Any]:
    """By their weights, at quantiles u; nothing to pick leaves "unknown"."""
    if not values:
        return ["unknown"] * len(u)
    sums = np.cumsum(weights)
    places = np.searchsorted(sums, u * sums[-1], side="right")
    return [values[place] for place in np.minimum(places, len(values) - 1).tolist()]


def _counted(seen: Sequence[Incident]) -> dict[str, int]:
    return dict(sorted(Counter(each.kind for each in seen).items()))


def _severities(seen: Sequence[Incident]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for each in seen:
        found.setdefault(each.kind, Counter())[each.severity.value] += 1
    return {kind: dict(sorted(counts.items())) for kind, counts in sorted(found.items())}
