"""The incident process, given the present: how often each fault is to be expected at each component, and when.

The fitted rates (models/incidents.py) by component, kind and clock, raised or lowered by what happened lately, since
incidents raise others; what precursors say of the next minutes moves a component's rate there; surges follow the
forecast load. Faults that the history never had share what the process leaves for the unseen (Good-Turing). A history
without incidents leaves the catalogue's priors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from chaosprsa.faults import CATALOGUE, fault_of_kind
from chaosprsa.models.bundle import Bundle
from chaosprsa.models.precursors import Precursor
from chaosprsa.types import Fault, Incident, Window

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
DAY_S = 86_400.0
CELL_S = 300.0  # the process is constant within five minutes, shorter than any horizon a precursor has
MAX_CELLS = 2016  # a week of them; longer horizons get wider cells
PRECURSOR_BOUNDS = (0.1, 1000.0)  # how far a precursor may move a rate
LATELY_BOUNDS = (0.1, 100.0)  # how far what happened lately may
FIRST_SPAN_S, SPAN_GROWTH = 300.0, 3.0  # over which it is taken as even: five minutes, then ever longer
MOST_LATELY = 2_000  # incidents, the latest
TELLING = 1.1  # a factor below it isn't worth a sentence


@dataclass(frozen=True, slots=True)
class Grid:
    """The horizon in equal cells. starts_s: seconds since `origin`, shape (cells,)."""

    origin: datetime
    starts_s: FloatArray
    cell_s: float

    @classmethod
    def over(cls, origin: datetime, horizon: timedelta) -> "Grid":
        """The cells of [origin, origin + horizon)."""
        total = horizon.total_seconds()
        cells = int(np.clip(np.ceil(total / CELL_S), 1, MAX_CELLS))
        return cls(origin, np.arange(cells, dtype=np.float64) * (total / cells), total / cells)

    @property
    def middles(self) -> FloatArray:
        """Seconds since 1970, shape (cells,)."""
        return np.asarray(self.origin.timestamp() + self.starts_s + self.cell_s / 2)

    def when(self) -> list[datetime]:
        """The cells' middles."""
        return [self.origin + timedelta(seconds=float(start + self.cell_s / 2)) for start in self.starts_s]


@dataclass(frozen=True, slots=True)
class Hazard:
    """One kind at one component. rate_per_s: shape (cells,). seen: how many incidents of just this the history has."""

    component: str
    kind: str
    fault: Fault
    rate_per_s: FloatArray
    seen: int
    evidence: tuple[str, ...]

    def expected(self, cell_s: float) -> float:
        """How many of them the horizon has on average."""
        return float(self.rate_per_s.sum() * cell_s)


def hazards(bundle: Bundle, grid: Grid) -> tuple[Hazard, ...]:
    """Every kind and fault at every service of the topology; rates all above 0."""
    learned = _fitted(bundle, grid) if bundle.incidents.total else _priors(bundle, grid)
    signs = {sign.component: sign for sign in _precursors(bundle)}
    usual = _usual(learned, bundle, grid) if signs else {}
    return tuple(_heeding(hazard, signs.get(hazard.component), usual, bundle, grid) for hazard in learned)


def _fitted(bundle: Bundle, grid: Grid) -> list[Hazard]:
    model = bundle.incidents
    clock = np.array([model.clock(when) for when in grid.when()]) * _of_load(bundle, grid)
    factors, count = _factors(bundle, grid), len(_lately(bundle, grid))
    missing = [fault for fault in Fault if fault not in {fault_of_kind(kind) for kind in model.kinds}]
    found = []
    for component in bundle.topology.services:
        had = model.kinds_of.get(component, {})
        factor = factors.get(component, np.ones(len(grid.starts_s)))
        now = _of_lately(component, float(factor[0]), count)
        for kind in model.kinds:
            rate = model.rate_per_day(component, kind) / DAY_S * clock * factor
            words = _of_the_past(had.get(kind, 0), model.total, model.days, kind, component)
            found.append(Hazard(component, kind, fault_of_kind(kind), rate, had.get(kind, 0), (words, *now)))
        for fault in missing:
            rate = model.rate_per_day(component) * model.unseen_share / len(missing) / DAY_S * clock * factor
            words = (
                f"None of {model.total} incidents was a {fault.value} anywhere; its rate is a share of what the "
                f"process leaves for kinds never seen ({model.unseen_share:.0%})."
            )
            found.append(Hazard(component, fault.value, fault, rate, 0, (words, *now)))
    return [_at_the_entry(hazard, bundle, grid) for hazard in found if _plausible(hazard, bundle.topology.entry)]


def _of_load(bundle: Bundle, grid: Grid) -> FloatArray:
    """What the forecast load multiplies every rate by, where incidents were seen to follow it; shape (cells,)."""
    pull = bundle.incidents.pull
    if pull.exponent == 0 or bundle.topology.entry not in bundle.load:
        return np.ones(len(grid.starts_s))
    return pull.factor(bundle.entry_rate(grid.middles).mean)


def _factors(bundle: Bundle, grid: Grid) -> dict[str, FloatArray]:
    """Each component's rate given what happened lately, over its mean one; shape (cells,), the same within a span."""
    model, past = bundle.incidents, _lately(bundle, grid)
    if not past or not model.process.memories_days:
        return {}
    spans = _spans(len(grid.starts_s) * grid.cell_s)
    which = np.searchsorted(spans, grid.starts_s + grid.cell_s / 2, side="right") - 1
    found: dict[str, list[float]] = {}
    least, most = LATELY_BOUNDS
    for start_s, end_s in pairwise(spans.tolist()):
        window = Window(start=grid.origin + timedelta(seconds=start_s), end=grid.origin + timedelta(seconds=end_s))
        usual = model.probability(window, ())  # nothing is known: the process is at its mean
        for component, chance in model.probability(window, past).items():
            told, mean = (-np.log1p(-min(each, 1 - 1e-12)) for each in (chance, usual.get(component, chance)))
            found.setdefault(component, []).append(float(min(max(told / max(mean, 1e-300), least), most)))
    return {component: np.array(values)[which] for component, values in found.items() if len(values) == len(spans) - 1}


def _spans(horizon_s: float) -> FloatArray:
    """Seconds at which spans begin and end, ever longer: what happened lately fades."""
    bounds = FIRST_SPAN_S * SPAN_GROWTH ** np.arange(64)
    return np.concatenate([[0.0], bounds[bounds < horizon_s * 0.7], [horizon_s]])


def _lately(bundle: Bundle, grid: Grid) -> tuple[Incident, ...]:
    """What happened before the grid begins."""
    return tuple(each for each in bundle.past if each.start < grid.origin)[-MOST_LATELY:]


def _of_lately(component: str, factor: float, count: int) -> tuple[str, ...]:
    if 1 / TELLING < factor < TELLING:
        return ()
    way = f"{factor:.1f} times the" if factor > 1 else f"{factor:.0%} of the"
    return (f"After the {count} incidents known so far, {component} now has {way} mean rate.",)


def _of_the_past(seen: int, total: int, days: float, kind: str, component: str) -> str:
    if not seen:
        return (
            f"{kind} was seen elsewhere, never on {component}: its rate there is borrowed ({total} incidents in all)."
        )
    return f"{seen} of {total} incidents in {days:.1f} days were {kind} on {component}."


def _priors(bundle: Bundle, grid: Grid) -> list[Hazard]:
    """No incidents in the history: the catalogue's orders of magnitude."""
    found = []
    for component in bundle.topology.services:
        for fault, entry in CATALOGUE.items():
            rare = f"{entry.prior_per_day:g} a day"
            words = f"The history has no incidents: the catalogue's prior of {rare} stands in for a rate."
            rate = np.full(len(grid.starts_s), entry.prior_per_day / DAY_S)
            found.append(Hazard(component, fault.value, fault, rate, 0, (words,)))
    return [_at_the_entry(hazard, bundle, grid) for hazard in found if _plausible(hazard, bundle.topology.entry)]


def _plausible(hazard: Hazard, entry: str) -> bool:
    """A surge that no incident tells of comes through the entry."""
    return hazard.fault is not Fault.TRAFFIC_SURGE or hazard.seen > 0 or hazard.component == entry


def _at_the_entry(hazard: Hazard, bundle: Bundle, grid: Grid) -> Hazard:
    """A surge multiplies the load that is there: it is likelier, and worse, when the forecast is high."""
    if hazard.fault is not Fault.TRAFFIC_SURGE:
        return hazard
    if bundle.topology.entry not in bundle.load:
        return hazard
    mean = bundle.entry_rate(grid.middles).mean
    weight = mean / mean.mean() if mean.mean() > 0 else np.ones_like(mean)
    words = (
        f"The load model forecasts {mean.min():.1f} to {mean.max():.1f} requests a second at {bundle.topology.entry}."
    )
    return Hazard(
        hazard.component,
        hazard.kind,
        hazard.fault,
        hazard.rate_per_s * np.maximum(weight, 1e-3),
        hazard.seen,
        (*hazard.evidence, words),
    )


def _precursors(bundle: Bundle) -> Sequence[Precursor]:
    return bundle.precursors.predict(bundle.recent) if bundle.precursors is not None else ()


def _ahead_s(bundle: Bundle, grid: Grid) -> float:
    """How far into the grid the precursors look; 0 or less where they are too old."""
    assert bundle.precursors is not None
    return bundle.precursors.horizon.total_seconds() - (grid.origin - bundle.recent.window.end).total_seconds()


def _usual(every: Sequence[Hazard], bundle: Bundle, grid: Grid) -> dict[str, float]:
    """Each component's mean rate a second while the precursors look ahead."""
    soon = grid.starts_s < _ahead_s(bundle, grid)
    found: dict[str, float] = {}
    for hazard in every if soon.any() else ():
        found[hazard.component] = found.get(hazard.component, 0.0) + float(hazard.rate_per_s[soon].mean())
    return found


def _heeding(hazard: Hazard, sign: Precursor | None, usual: Mapping[str, float], bundle: Bundle, grid: Grid) -> Hazard:
    """The rate with what the component's precursors say of the next minutes. usual: empty where they are too old."""
    if sign is None or bundle.precursors is None or not usual:
        return hazard
    ahead_s = _ahead_s(bundle, grid)
    soon = grid.starts_s < ahead_s
    told = -np.log1p(-min(sign.probability, 1 - 1e-9)) / bundle.precursors.horizon.total_seconds()
    least, most = PRECURSOR_BOUNDS
    factor = float(min(max(told / usual[hazard.component], least), most))
    rate = np.where(soon, hazard.rate_per_s * factor, hazard.rate_per_s)
    told_words = (
        f"Precursors on {hazard.component}: an onset within {ahead_s / 60:.0f} min has probability "
        f"{sign.probability:.2f}, {factor:.1f} times the usual rate."
    )
    words = (told_words, *(f"{each[0].upper()}{each[1:]}." for each in sign.evidence if factor > 1))
    return Hazard(hazard.component, hazard.kind, hazard.fault, rate, hazard.seen, (*hazard.evidence, *words))
