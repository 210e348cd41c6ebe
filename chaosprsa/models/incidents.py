"""How often, where, of which kind, how bad and how long: the incident process.

Few incidents say little about one component, so each rate borrows from the others. With n incidents of a component in t
days its rate is (n + a) / (t + b), the Gamma-Poisson mean; a / b is the mean of all components and a is the most likely
one a posteriori under a log-normal prior (Robbins 1956; Gelman et al., Bayesian Data Analysis, 2.6). A component that
was never seen has the mean rate. Kinds and severities are drawn towards their overall shares (Dirichlet), hours and
weekdays towards 1 (Gamma-Poisson), durations are log-normal with each kind's mean drawn towards the mean of all.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, ndtri

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.types import Incident, Severity, Window

FloatArray = npt.NDArray[np.float64]
DAY_S = 86_400.0
UNSEEN = 0.5  # what something never seen counts, in incidents (Jeffreys' prior)
KIND_PRIOR = 2.0  # a component's kinds weigh against this many incidents of the overall mix
SEVERITY_PRIOR = 4.0  # the same for a kind's severities
MIN_FOR_CLOCK = 20  # fewer incidents say nothing about hours or weekdays
USUAL_DURATION_S = 1800.0  # where no incident has an end: half an hour, give or take a factor of e
USUAL_SPREAD = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentModel:
    """Fit it, then ask for rates, shares and durations.

    days: exposure. rates: incidents a day for each component. kinds: incidents of each kind, all components.
    kinds_of: the same for each component. hours, weekdays (UTC, Monday first): multiples of the mean rate, with mean 1.
    severities: incidents for each kind and severity. durations: for each kind (count, mean of log seconds).
    """

    days: float = 0.0
    rates: Mapping[str, float] = field(default_factory=dict)
    prior_rate: float = 0.0
    kinds: Mapping[str, int] = field(default_factory=dict)
    kinds_of: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    hours: tuple[float, ...] = (1.0,) * 24
    weekdays: tuple[float, ...] = (1.0,) * 7
    severities: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    durations: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    duration_mean: float = float(np.log(USUAL_DURATION_S))
    duration_within: float = USUAL_SPREAD
    duration_prior: float = 4.0

    def fit(self, incidents: Sequence[Incident], window: Window, components: Sequence[str]) -> Self:
        """window: when somebody watched; incidents outside it are left out. components: all that could have had one.

        Works with no incidents at all: every rate is then a small one that fits having seen none. Raises
        NotEnoughHistory where the window is empty.
        """
        days = window.duration.total_seconds() / DAY_S
        if days <= 0:
            raise NotEnoughHistory("incident rates need a span of time; the window is empty")
        seen = [each for each in incidents if window.start <= each.start <= window.end]
        named = Counter(each.component for each in seen if each.component)
        names = sorted({*components, *named})
        if not names:
            raise NotEnoughHistory("incident rates need at least one component: neither metrics nor incidents name one")
        counts = np.array([named[name] for name in names], dtype=float)
        mean = max(len(seen), UNSEEN) / (days * len(names))
        rates = _shrunk(counts, days) * mean
        kinds_of = {name: dict(Counter(each.kind for each in seen if each.component == name)) for name in sorted(named)}
        hours, weekdays = _clock(seen, window)
        fitted = replace(self, days=days, prior_rate=mean, hours=hours, weekdays=weekdays, kinds_of=kinds_of)
        fitted = replace(fitted, rates=dict(zip(names, rates.tolist(), strict=True)), kinds=_counted(seen))
        return replace(fitted, severities=_severities(seen), **_durations(seen))

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
        count, mean = self.durations.get(kind, (0, self.duration_mean))
        weight = count + self.duration_prior
        middle = (count * mean + self.duration_prior * self.duration_mean) / weight
        spread = self.duration_within * np.sqrt(1 + 1 / weight)
        return tuple(float(np.exp(middle + spread * ndtri(level))) for level in levels)

    def as_json(self) -> dict[str, Any]:
        """What from_json takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From as_json's values. Raises TypeError where fields are missing or unknown."""
        lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        durations = {kind: (int(count), float(mean)) for kind, (count, mean) in values["durations"].items()}
        return cls(**{**values, **lists, "durations": durations})


def _counted(seen: Sequence[Incident]) -> dict[str, int]:
    return dict(sorted(Counter(each.kind for each in seen).items()))


def _severities(seen: Sequence[Incident]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for each in seen:
        found.setdefault(each.kind, Counter())[each.severity.value] += 1
    return {kind: dict(sorted(counts.items())) for kind, counts in sorted(found.items())}


def _shrunk(counts: FloatArray, exposure: FloatArray | float) -> FloatArray:
    """Rates as multiples of their mean, which they keep: (n + a) / (expected + a), a by maximum a posteriori.

    counts: shape (groups,). exposure: days for each; what counts is its share.
    """
    shares = np.broadcast_to(np.asarray(exposure, dtype=float), counts.shape)
    expected = shares / shares.sum() * max(float(counts.sum()), UNSEEN)
    known = counts if counts.sum() > 0 else expected

    def surprise(log_a: float) -> float:
        a = float(np.exp(log_a))
        fit = (
            gammaln(known + a) - gammaln(a) + a * np.log(a / (a + expected)) + known * np.log(expected / (a + expected))
        )
        return log_a**2 / 8 - float(np.sum(fit[expected > 0]))

    from scipy.optimize import minimize_scalar  # late: only learning needs it

    a = float(np.exp(minimize_scalar(surprise, bounds=(-5.0, 7.0), method="bounded").x))
    multiples = (known + a) / (expected + a)
    return np.asarray(multiples / float(np.sum(multiples * expected) / expected.sum()))


def _clock(seen: Sequence[Incident], window: Window) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Multiples for 24 hours and 7 weekdays (UTC); all 1 where incidents or weeks are too few to tell."""
    hours: tuple[float, ...] = (1.0,) * 24
    weekdays: tuple[float, ...] = (1.0,) * 7
    whole_days = window.duration // timedelta(days=1)
    if len(seen) < MIN_FOR_CLOCK or whole_days < 7:
        return hours, weekdays
    starts = [each.start.astimezone(UTC) for each in seen]
    watched = _hours_watched(window)
    by_hour = np.bincount([start.hour for start in starts], minlength=24).astype(float)
    hours = tuple(_mean_one(_shrunk(by_hour, watched.sum(axis=0))))
    if whole_days >= 28:
        by_day = np.bincount([start.weekday() for start in starts], minlength=7).astype(float)
        weekdays = tuple(_mean_one(_shrunk(by_day, watched.sum(axis=1))))
    return hours, weekdays


def _hours_watched(window: Window) -> FloatArray:
    """Shape (7, 24): how often each hour of the week lies in the window."""
    first = int(window.start.timestamp() // 3600)
    last = max(first + 1, int(window.end.timestamp() // 3600))
    of_week = (np.arange(first, last) + 3 * 24) % (7 * 24)  # 1970 began on a Thursday
    return np.bincount(of_week, minlength=7 * 24).reshape(7, 24).astype(float)


def _mean_one(multiples: FloatArray) -> list[float]:
    return [float(value) for value in multiples / multiples.mean()]


def _durations(seen: Sequence[Incident]) -> dict[str, Any]:
    """The log-normal of each kind: count and mean; the mean of all, the spread within kinds, the prior's weight."""
    timed = [
        (each.kind, (each.likely_end - each.start).total_seconds()) for each in seen if each.likely_end is not None
    ]
    if not timed:
        return {}
    kinds, codes = np.unique([kind for kind, _ in timed], return_inverse=True)
    logs = np.log(np.maximum([seconds for _, seconds in timed], 1.0))
    counts = np.bincount(codes)
    means = np.bincount(codes, weights=logs) / counts
    overall = float(logs.mean())
    freedom = max(1, len(logs) - len(kinds))
    within = (float(np.sum((logs - means[codes]) ** 2)) + USUAL_SPREAD**2 * 0.5) / (freedom + 2)
    between = max(float(np.average((means - overall) ** 2, weights=counts)), 1e-6)
    return {
        "durations": {str(kind): (int(n), float(mean)) for kind, n, mean in zip(kinds, counts, means, strict=True)},
        "duration_mean": overall,
        "duration_within": float(np.sqrt(within)),
        "duration_prior": float(np.clip(within / between, 1.0, 20.0)),
    }
