"""How often, when, where, of which kind, how bad and how long: the incident process.

A marked self-exciting process. When: by its own clock (hours and weekdays: incident_clock.py) incidents come by
themselves and raise others, soon after or by a level that stays up for months (selfexciting.py). Where: what raised it
tells, its call edges, or the groups of components seen before (naming.py). Of which kind: a component's kinds are
drawn towards their overall shares (Dirichlet). How bad: incident_severities.py. How long: durations.py.

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
from chaosprsa.models.incident_load import LoadPull
from chaosprsa.models.incident_severities import counted, severity_shares
from chaosprsa.models.incident_streams import Known, in_order, incidents_of
from chaosprsa.models.naming import Naming
from chaosprsa.models.selfexciting import SelfExciting
from chaosprsa.models.shrinking import UNSEEN, prior_weight, shrunk
from chaosprsa.types import Incident, Severity, Topology, Window

FloatArray = npt.NDArray[np.float64]
KIND_PRIOR = 2.0  # a component's kinds weigh against this many incidents of the overall mix


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentModel:
    """Fit it, then ask for rates, shares, durations and streams of incidents.

    days: exposure. rates: incidents a day for each component, in the mean. kinds: incidents of each kind, all
    components. kinds_of: the same for each component. hours, weekdays (UTC, Monday first): multiples of the mean rate,
    with mean 1. severities: incidents for each kind and severity; breadths: for one component or several, and severity.
    """

    days: float = 0.0
    rates: Mapping[str, float] = field(default_factory=dict)
    prior_rate: float = 0.0
    kinds: Mapping[str, int] = field(default_factory=dict)
    kinds_of: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hours: tuple[float, ...] = (1.0,) * 24
    weekdays: tuple[float, ...] = (1.0,) * 7
    severities: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    breadths: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    durations: Durations = field(default_factory=Durations)
    process: SelfExciting = field(default_factory=lambda: SelfExciting(base=0.0, usual=0.0))
    naming: Naming = field(default_factory=Naming)
    pull: LoadPull = field(default_factory=LoadPull)

    def fit(
        self,
        incidents: Sequence[Incident],
        window: Window,
        components: Sequence[str],
        topology: Topology | None = None,
        load: tuple[FloatArray, FloatArray] | None = None,
    ) -> Self:
        """window: when somebody watched; incidents outside it are left out. components: all that could have had one.

        topology: the call graph, along whose edges incidents may raise others. load: times (seconds since 1970) and
        the load that incidents may follow then; `pull` says how, and the caller applies it to the load to come.

        Works with no incidents at all: every rate is then a small one that fits having seen none. Raises
        NotEnoughHistory where the window is empty.
        """
        days = window.duration.total_seconds() / DAY_S
        if days <= 0:
            raise NotEnoughHistory(
                f"all that is known is of one moment, {window.start:%Y-%m-%d %H:%M} UTC; incident rates need a span of "
                "time: give metrics too, or incidents of other days"
            )
        seen = sorted((each for each in incidents if window.start <= each.start <= window.end), key=in_order)
        named = Counter(each.component for each in seen if each.component)
        names = sorted({*components, *named})
        if not names:
            raise NotEnoughHistory("incident rates need at least one component: neither metrics nor incidents name one")
        counts = np.array([named[name] for name in names], dtype=float)
        mean = max(len(seen), UNSEEN) / (days * len(names))
        rates = dict(zip(names, (shrunk(counts, days) * mean).tolist(), strict=True))
        hours, weekdays = multiples([each.start for each in seen], window)
        fitted = replace(self, days=days, rates=rates, prior_rate=mean, hours=hours, weekdays=weekdays)
        severities, breadths = counted(seen)
        fitted = replace(fitted, severities=severities, breadths=breadths)
        fitted = replace(fitted, kinds=_counted(seen), kinds_of=_kinds_of(seen))
        timed = [each for each in seen if each.likely_end is not None]
        lengths = np.array([(each.likely_end - each.start).total_seconds() for each in timed if each.likely_end])
        fitted = replace(fitted, durations=Durations.fit([each.kind for each in timed], lengths))
        process, naming = _processes(seen, window, fitted.week_clock, rates, topology)
        starts_s = seconds([each.start for each in seen])
        pull = LoadPull() if load is None else LoadPull.fit(*load, starts_s, fitted.week_clock)
        return replace(fitted, process=process, naming=naming, pull=pull)

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

    def severity_shares(self, kind: str, breadth: str | None = None) -> dict[Severity, float]:
        """Each severity's share of a kind's incidents; they add up to 1. breadth: incident_severities.breadth_of."""
        return severity_shares(self.severities, self.breadths, kind, breadth)

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
        at, known = self.week_clock.days(at_s), self._known(past)
        since = min(known.since, float(at.min(initial=np.inf)))
        if component is None:
            rate = self.process.rate(at, known.times, since)
        else:
            rate = self.naming.rate(component, at, known.times, known.groups, since, self.process)
        return np.asarray(rate * self.week_clock.speed(at_s))

    def probability(self, window: Window, past: Sequence[Incident]) -> dict[str, float]:
        """Of an incident within the window that names each component ("": that names none), given those before it."""
        start, end = self._span(window)
        known = self._known(past, window.start)
        since = min(known.since, start)
        found = self.naming.expected(start, end, known.times, known.groups, since, self.process)
        return {name: float(-np.expm1(-expected)) for name, expected in found.items()}

    def probability_of_any(self, window: Window, past: Sequence[Incident]) -> float:
        """Of an incident of any component, or none, within the window, given those before it."""
        start, end = self._span(window)
        known = self._known(past, window.start)
        return float(-np.expm1(-self.process.expected(start, end, known.times, min(known.since, start))))

    def log_likelihood(self, incidents: Sequence[Incident], window: Window, past: Sequence[Incident] = ()) -> float:
        """Nats, of when incidents came within the window (incidents a day), given those of the past before it."""
        (start, end), known = self._span(window), self._known(past, window.start)
        starts_s = seconds([each.start for each in _within(incidents, window)])
        times, since = self.week_clock.days(starts_s), min(known.since, start)
        speeds = float(np.sum(np.log(self.week_clock.speed(starts_s))))
        return self.process.log_likelihood(times, start, end, known.times, since) + speeds

    def residuals(self, incidents: Sequence[Incident], window: Window, past: Sequence[Incident] = ()) -> FloatArray:
        """What each incident's wait is on the model's own clock, put on 0..1; in order, shape (incidents within it,).

        The first wait is from the window's start. Uniform where the model is right (Brown et al. 2002).
        """
        start, known = self._span(window)[0], self._known(past, window.start)
        times = self.week_clock.days(seconds([each.start for each in _within(incidents, window)]))
        every, marks = np.concatenate([known.times, times]), np.concatenate([[start], times])
        return np.asarray(-np.expm1(-self.process.waits(marks, every, min(known.since, start))))

    def simulate(self, window: Window, past: Sequence[Incident], rng: np.random.Generator) -> tuple[Incident, ...]:
        """One stream of incidents within the window, in order, given those of the past before it."""
        return self.stream(window, past, rng)[0]

    def stream(
        self, window: Window, past: Sequence[Incident], rng: np.random.Generator
    ) -> tuple[tuple[Incident, ...], tuple[int, ...]]:
        """The same, and the number of each one's parent in it: -1 nothing raised it, -2 one of the past did."""
        start, end = self._span(window)
        known = self._known(past, window.start)
        since = min(known.since, start)
        days, parents, memories = self.process.simulate(start, end, known.times, since, rng)
        groups = self.naming.drawn(parents.tolist(), memories.tolist(), start, (known.times, known.groups), rng)
        starts_s = self.week_clock.times_s(days)
        return incidents_of(starts_s, groups, window, self, rng), tuple(np.maximum(parents, -2).tolist())

    @property
    def week_clock(self) -> WeekClock:
        """Hours and weekdays as a clock."""
        return WeekClock.of(self.hours, self.weekdays)

    def _span(self, window: Window) -> tuple[float, float]:
        """Start and end on the process's clock."""
        start, end = self.week_clock.days(seconds([window.start, window.end]))
        return float(start), float(end)

    def _known(self, past: Sequence[Incident], until: datetime | None = None) -> Known:
        return Known.of([each for each in past if until is None or each.start < until], self.week_clock)

    def as_json(self) -> dict[str, Any]:
        """What from_json takes back."""
        return {
            **{each.name: getattr(self, each.name) for each in fields(self)},
            "durations": asdict(self.durations),
            "process": asdict(self.process),
            "naming": self.naming.as_json(),
            "pull": asdict(self.pull),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From as_json's values. Raises TypeError or KeyError where fields are missing or unknown."""
        parts = {
            "durations": Durations.from_json(values["durations"]),
            "process": SelfExciting.from_json(values["process"]),
            "naming": Naming.from_json(values["naming"]),
            "pull": LoadPull.from_json(values["pull"]),
        }
        lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **lists, **parts})


def _processes(
    seen: Sequence[Incident], window: Window, clock: WeekClock, rates: Mapping[str, float], topology: Topology | None
) -> tuple[SelfExciting, Naming]:
    """When incidents come, and which components they name."""
    start, end = clock.days(seconds([window.start, window.end]))
    known = Known.of(seen, clock)
    times = known.times - start
    process = SelfExciting.fit(times, float(end - start))
    total = sum(rates.values())
    shares = {name: rate / total for name, rate in rates.items()}
    named = Counter(group[0] for group in known.groups if group)
    alike = prior_weight(np.array([named[name] for name in rates], dtype=np.float64), 1.0)
    return process, Naming.fit(times, known.groups, shares, process, topology, alike)


def _within(incidents: Sequence[Incident], window: Window) -> list[Incident]:
    return sorted((each for each in incidents if window.start <= each.start < window.end), key=in_order)


def _counted(seen: Sequence[Incident]) -> dict[str, int]:
    return dict(sorted(Counter(each.kind for each in seen).items()))


def _kinds_of(seen: Sequence[Incident]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for each in seen:
        if each.component:
            found.setdefault(each.component, Counter())[each.kind] += 1
    return {name: dict(counts) for name, counts in sorted(found.items())}
