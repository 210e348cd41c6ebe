"""How well forecasts would have done on one's own past, beside what needs no model."""

from dataclasses import dataclass
from datetime import datetime

from chaosprsa.types.scales import Lineage, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadScore:
    """One way of forecasting a load. pinball: mean quantile loss as a share of the mean load, less is better.

    coverage: the share of samples inside its central 90 % interval; 0.9 keeps its word.
    """

    method: str
    pinball: float
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBacktest:
    """One component's request rate. scores: the model's first. Times in POSIX seconds, rates in requests a second.

    The series are what is shown of it: the forecasts made at each origin, one after the other; equal lengths, thinned.
    """

    component: str
    origins: int
    samples: int
    scores: tuple[LoadScore, ...]
    times_s: tuple[float, ...]
    observed: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentScore:
    """One way of saying how likely an incident is within a cell of time. Less is better but for average_precision.

    average_precision: of the ranking of cells; what chance gets is the share of cells with an incident.
    log_loss: nats a cell.
    """

    method: str
    brier: float
    average_precision: float
    log_loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Cells whose forecasts were alike: the mean forecast, the share that had an incident, and how many they were."""

    predicted: float
    happened: float
    cells: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Kolmogorov and Smirnov's largest distance of two distributions, 0 the same, and its p-value."""

    distance: float
    p: float
    samples: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentBacktest:
    """The incident process, judged on cells of equal length.

    anywhere: an incident of any component within a cell; by_component: one of this component. The model's score first.
    log_likelihood, poisson_log_likelihood: nats an incident, more is better. residuals: what each gap between incidents
    is on the model's own clock, put on 0..1: uniform where the model is right (Brown et al. 2002), sorted. gaps,
    durations: simulated streams against what came.
    """

    cell_s: float
    cells: int
    incidents: int
    components: int
    base_rate: float
    component_base_rate: float
    anywhere: tuple[IncidentScore, ...]
    by_component: tuple[IncidentScore, ...]
    reliability: tuple[ReliabilityBin, ...]
    log_likelihood: float
    poisson_log_likelihood: float
    residuals: tuple[float, ...]
    uniform: Agreement
    poisson_uniform: Agreement
    gaps: Agreement | None
    durations: Agreement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """Rolling origins over one history: at each, the models saw only what lay before it.

    horizon_s: how far each forecast was followed, at most asked_s; less where the history ends sooner. incidents: None
    where there were too few, and notes say so. precursors: one sentence.
    """

    window: Window
    origins: tuple[datetime, ...]
    horizon_s: float
    asked_s: float
    load: tuple[LoadBacktest, ...]
    incidents: IncidentBacktest | None
    precursors: str
    notes: tuple[str, ...]
    seed: int
    lineage: Lineage
