"""The incident process at rolling origins, in cells of equal length: each is forecast from all that began before it."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from chaosprsa.backtest.baselines import Poisson, ShrunkWeekday
from chaosprsa.backtest.scores import incident_score, reliability, same, uniform
from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.types import Incident, IncidentBacktest, IncidentScore, Topology, Window

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
DAY = timedelta(days=1)
LONG_DAYS = 20  # of judged time, and a cell is a day, as one plans; else the time is cut in CELLS
CELLS = 40
MIN_PAST, MIN_JUDGED = 10, 5  # incidents: with fewer every score is luck
STREAMS = 50
RESIDUALS_SHOWN = 300
MODEL, WEEKDAY, POISSON = "chaosprsa", "shrunk rate x weekday", "constant rate"


@dataclass(frozen=True, slots=True)
class _Stretch:
    """From one origin to the next: what was fitted before it, and what came."""

    window: Window
    past: tuple[Incident, ...]
    came: tuple[Incident, ...]
    model: IncidentModel
    weekday: ShrunkWeekday
    poisson: Poisson


def incident_backtest(
    history: History, topology: Topology | None, window: Window, origins: Sequence[datetime], seed: int
) -> IncidentBacktest:
    """Raises NotEnoughHistory with fewer than 10 incidents before the first origin or 5 after it."""
    incidents = sorted(history.incidents, key=lambda each: each.start)
    _check(incidents, origins[0])
    components = _components(history, topology)
    stretches = list(_stretches(incidents, topology, window, origins, components))
    cell = DAY if (window.end - origins[0]) / DAY >= LONG_DAYS else (window.end - origins[0]) / CELLS
    forecast, happened = _cells(stretches, components, cell)
    came = [each for stretch in stretches for each in stretch.came]
    residuals = np.sort(np.concatenate([_uniform_gaps(stretch) for stretch in stretches]))
    constant = np.concatenate([_poisson_gaps(stretch) for stretch in stretches])
    simulated = _simulated(stretches[0], window, seed)
    return IncidentBacktest(
        cell_s=cell.total_seconds(),
        cells=len(happened),
        incidents=len(came),
        components=len(components),
        base_rate=float(happened[:, 0].mean()),
        component_base_rate=float(happened[:, 1:].mean()),
        anywhere=_scores(forecast, happened, slice(0, 1)),
        by_component=_scores(forecast, happened, slice(1, None)),
        reliability=reliability(forecast[MODEL][:, 1:], happened[:, 1:]),
        log_likelihood=sum(_log_likelihood(each) for each in stretches) / len(came),
        poisson_log_likelihood=sum(_poisson_log_likelihood(each) for each in stretches) / len(came),
        residuals=tuple(np.round(residuals[:: -(-len(residuals) // RESIDUALS_SHOWN)], 6).tolist()),
        uniform=uniform(residuals),
        poisson_uniform=uniform(constant),
        gaps=same(_gaps(simulated), _gaps([came])),
        durations=same(_durations(simulated), _durations([came])),
    )


def _check(incidents: Sequence[Incident], first: datetime) -> None:
    past = sum(each.start < first for each in incidents)
    if past < MIN_PAST or len(incidents) - past < MIN_JUDGED:
        raise NotEnoughHistory(
            f"{past} incidents began before the first origin and {len(incidents) - past} after it; at least "
            f"{MIN_PAST} and {MIN_JUDGED} are needed"
        )


def _components(history: History, topology: Topology | None) -> tuple[str, ...]:
    services = topology.services if topology else ()
    named = sorted({name for each in history.incidents for name in each.components})
    found = tuple(dict.fromkeys((*services, *history.components, *named)))
    if not found:
        raise NotEnoughHistory("no incident names a component, and there are neither metrics nor a call graph")
    return found


def _stretches(
    incidents: Sequence[Incident],
    topology: Topology | None,
    window: Window,
    origins: Sequence[datetime],
    components: Sequence[str],
) -> Iterator[_Stretch]:
    for start, end in zip(origins, (*origins[1:], window.end + timedelta(milliseconds=1)), strict=True):
        past = tuple(each for each in incidents if each.start < start)
        before = Window(start=window.start, end=start)
        yield _Stretch(
            window=Window(start=start, end=end),
            past=past,
            came=tuple(each for each in incidents if start <= each.start < end),
            model=IncidentModel().fit(past, before, components, topology),
            weekday=ShrunkWeekday.fit(past, before, components),
            poisson=Poisson.fit(past, before, components),
        )


def _cells(
    stretches: Sequence[_Stretch], components: Sequence[str], cell: timedelta
) -> tuple[dict[str, FloatArray], BoolArray]:
    """By method, and what happened: shape (cells, 1 + components); the first column is any component."""
    rows: dict[str, list[FloatArray]] = {MODEL: [], WEEKDAY: [], POISSON: []}
    happened: list[BoolArray] = []
    for stretch in stretches:
        start, every = stretch.window.start, (*stretch.past, *stretch.came)
        while start + cell <= stretch.window.end + timedelta(milliseconds=1):
            span = Window(start=start, end=start + cell)
            rows[MODEL].append(_model_row(stretch, span, [each for each in every if each.start < start], components))
            anywhere, each_one = stretch.weekday.probability(start, cell.total_seconds())
            rows[WEEKDAY].append(np.concatenate([[anywhere], each_one]))
            anywhere, each_one = stretch.poisson.probability(cell.total_seconds())
            rows[POISSON].append(np.concatenate([[anywhere], each_one]))
            happened.append(_happened(stretch.came, span, components))
            start += cell
    return {name: np.array(row) for name, row in rows.items()}, np.array(happened)


def _happened(came: Sequence[Incident], span: Window, components: Sequence[str]) -> BoolArray:
    began = [each for each in came if span.start <= each.start < span.end]
    named = {name for each in began for name in each.components}
    return np.array([bool(began), *(name in named for name in components)])


def _scores(forecast: dict[str, FloatArray], happened: BoolArray, part: slice) -> tuple[IncidentScore, ...]:
    return tuple(incident_score(name, rows[:, part], happened[:, part]) for name, rows in forecast.items())


def _poisson_gaps(stretch: _Stretch) -> FloatArray:
    """Gaps on a constant rate's clock, put on 0..1."""
    return -np.expm1(-_days_between(stretch) * stretch.poisson.any_rate)


def _days_between(stretch: _Stretch) -> FloatArray:
    """Days since the incident before, or since the stretch began."""
    starts = [stretch.window.start, *(each.start for each in stretch.came)]
    return np.array([(after - before) / DAY for before, after in itertools.pairwise(starts)])


def _poisson_log_likelihood(stretch: _Stretch) -> float:
    days = stretch.window.duration / DAY
    return float(len(stretch.came) * np.log(stretch.poisson.any_rate) - stretch.poisson.any_rate * days)


def _gaps(streams: Sequence[Sequence[Incident]]) -> FloatArray:
    """Hours between incidents."""
    found = [np.diff([each.start.timestamp() for each in stream]) / 3600 for stream in streams if len(stream) > 1]
    return np.concatenate(found) if found else np.empty(0)


def _durations(streams: Sequence[Sequence[Incident]]) -> FloatArray:
    """Minutes, of those with an end."""
    ends = [(each.likely_end - each.start) for stream in streams for each in stream if each.likely_end]
    return np.array([each / timedelta(minutes=1) for each in ends])


def _model_row(stretch: _Stretch, span: Window, before: Sequence[Incident], components: Sequence[str]) -> FloatArray:
    """The model's probabilities for one cell: any component, then each."""
    named = stretch.model.probability(span, before)
    anywhere = stretch.model.probability_of_any(span, before)
    return np.array([anywhere, *(named.get(name, 0.0) for name in components)])


def _uniform_gaps(stretch: _Stretch) -> FloatArray:
    return stretch.model.residuals(stretch.came, stretch.window, stretch.past)


def _log_likelihood(stretch: _Stretch) -> float:
    return stretch.model.log_likelihood(stretch.came, stretch.window, stretch.past)


def _simulated(first: _Stretch, window: Window, seed: int) -> list[tuple[Incident, ...]]:
    """Streams of the whole judged time, as the first origin would have drawn them."""
    rng = np.random.default_rng(seed)
    judged = Window(start=first.window.start, end=window.end)
    return [first.model.simulate(judged, first.past, rng) for _ in range(STREAMS)]
