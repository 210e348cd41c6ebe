"""What grows before it breaks, without a labelled incident: leaks, losses and hogs announce themselves.

It learns how far each metric of each component moves within 10 to 80 minutes while nothing is wrong (models/drift.py),
and how far it is usual that the most moved of all moves. At run time a move counts beside that, and beside what the
component itself did in the first minutes of what is given (WARM_UP), so that a noisy node doesn't cry wolf. A
neighbour in the call graph that moves the same way is a second witness; a component without it must move ALONE times
as far. Strength 1 is the most of a usual minute in a hundred; ALARM is what is worth a warning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.models.counters import counters_of
from chaosprsa.models.drift import Spans, shared
from chaosprsa.models.moves import (
    Moves,
    moves_of,
    moving_metrics,
    neighbours_of,
    quiet_times,
    since_start,
    soon,
    warm_steps,
)
from chaosprsa.models.surprise import Surprise
from chaosprsa.types import Topology

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
HORIZON = timedelta(minutes=30)
USUAL = 0.99  # of moves and of the most moved
ALARM = 1.25  # a quarter beyond what is usual: another week has its own worst minute
ALONE = 5.0
FAR = 20.0  # spreads; further says no more
FLOOR = 0.005  # of a metric's level: less is no move, however steady it was
NO_NEIGHBOURS = 1e-6  # of strength: nobody ever had a witness
CRUMBS = 1e-6  # of a metric's level: what sums in floating point leave
MAX_TIMES = 2000  # that are learned from, evenly over the history
MAX_METRICS = 120
UNTRIED = 0.5  # the trust in an alarm where no incident tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """strength: shape (components, times), NaN in a warm-up; at: the grid times.

    metric, span: which of the model's metrics and spans moved most, as indices; together: whether a neighbour did too.
    """

    components: tuple[str, ...]
    at: IntArray
    strength: FloatArray
    metric: IntArray
    span: IntArray
    together: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthModel:
    """spreads: component -> metric -> the usual move within each span, in the metric's unit.

    most: how far the most moved of all components is in a usual hundredth minute, alone and with a neighbour, in
    spreads. prior: of an onset within the horizon, before anything is seen. trust: the share of alarms that an onset
    followed within the horizon.
    """

    step_s: float = 60.0
    metrics: tuple[str, ...] = ()
    counters: tuple[str, ...] = ()
    spreads: Mapping[str, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)
    most: tuple[float, float] = (1.0, 1.0)
    surprise: Surprise | None = None
    prior: float = 0.0
    trust: float = UNTRIED

    @property
    def spans(self) -> Spans:
        """On the model's step."""
        return Spans.of(self.step_s)

    def fit(self, history: History, horizon: timedelta = HORIZON) -> Self:
        """What is usual is learned from the time without incidents; those labelled only say how far to trust an alarm.

        Raises NotEnoughHistory where there is too little quiet time.
        """
        metrics, counters = moving_metrics(history, MAX_METRICS), counters_of(history)
        spans = Spans.of(history.step_s)
        times, usual = _learnable(history, spans)
        moved = moves_of(history, metrics, counters, spans, times)
        spreads = _spreads(moved.moves[..., usual], moved.levels)
        own, together, _ = _strengths(moved, spreads, spans, neighbours_of(history.topology, history.components))
        found = [float(np.quantile(each[:, usual].max(axis=0), USUAL)) for each in (own, together)]
        most = (max(found[0], 1e-9), max(found[1], 1e-9))
        strength = _joined(own, together, most)
        prior, trust = _labels(history, horizon, strength, times)
        return replace(
            self,
            step_s=history.step_s,
            metrics=metrics,
            counters=counters,
            spreads=_named(spreads, history.components, metrics),
            most=most,
            surprise=Surprise.fit(strength[:, usual]),
            prior=prior,
            trust=trust,
        )

    def track(self, history: History, topology: Topology | None = None, at: IntArray | None = None) -> Track:
        """How far everything moved, at every grid time or at those given, from what came before each of them only.

        topology: else the history's own.
        """
        times = np.arange(len(history.grid)) if at is None else at
        components = history.components
        moved = moves_of(history, self.metrics, self.counters, self.spans, times)
        neighbours = neighbours_of(topology or history.topology, components)
        own, together, leader = _strengths(moved, self._known_spreads(components), self.spans, neighbours)
        return Track(
            components=components,
            at=times,
            strength=np.where(moved.judged, _joined(own, together, self.most), np.nan),
            metric=leader // len(self.spans.lags),
            span=leader % len(self.spans.lags),
            together=together / self.most[1] > own / self.most[0] / ALONE,
        )

    def probability(self, strength: FloatArray, prior: float | None = None) -> FloatArray:
        """Of an onset within the horizon: how surely something grows, times the trust in that. NaN in a warm-up."""
        assert self.surprise is not None
        known = self.prior if prior is None else prior
        return np.maximum(self.surprise.posterior(strength, known) * self.trust, np.where(strength >= 0, known, np.nan))

    def in_words(self) -> str:
        """What it goes by."""
        logs = sum(metric.startswith("log_") for metric in self.metrics)
        those = f"{len(self.metrics)} metrics{f' ({logs} of logs)' if logs else ', none of logs,'}"
        beside = "with their neighbours'" if self.most[1] > NO_NEIGHBOURS else "each by itself: no call graph is known"
        return f"what grows beyond the usual is warned of, by {those} of {len(self.spreads)} components, {beside}"

    def as_json(self) -> dict[str, Any]:
        """What from_json takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From as_json's values. Raises KeyError or TypeError where a field is missing."""
        return cls(
            step_s=values["step_s"],
            metrics=tuple(values["metrics"]),
            counters=tuple(values["counters"]),
            spreads={
                name: {metric: tuple(spread) for metric, spread in own.items()}
                for name, own in values["spreads"].items()
            },
            most=(values["most"][0], values["most"][1]),
            surprise=Surprise(levels=tuple(values["surprise"]["levels"]), tail=tuple(values["surprise"]["tail"])),
            prior=values["prior"],
            trust=values["trust"],
        )

    def _known_spreads(self, components: Sequence[str]) -> FloatArray:
        """Shape (metrics, spans, components); a component never seen has the median of the others."""
        found = np.full((len(self.metrics), len(self.spans.lags), len(components)), np.inf)
        for i, metric in enumerate(self.metrics):
            known = {name: own[metric] for name, own in self.spreads.items() if metric in own}
            if known:
                usual = np.median(list(known.values()), axis=0)
                found[i] = np.array([known.get(name, usual) for name in components]).T
        return found


def _learnable(history: History, spans: Spans) -> tuple[IntArray, BoolArray]:
    """Grid times after a warm-up, MAX_TIMES at most, and which of them have been quiet for as long as a move."""
    quiet, since = quiet_times(history), since_start(history)
    short = spans.lags[0] + spans.width
    calm = np.convolve(quiet, np.ones(short))[: len(quiet)] >= short - 0.5
    found = np.flatnonzero(since >= warm_steps(spans, history.step_s))
    times = found[np.unique(np.linspace(0, len(found) - 1, MAX_TIMES).astype(int))] if len(found) else found
    least = max(8, 2 * spans.lags[-1] // 3)
    if calm[found].sum() < least:
        raise NotEnoughHistory(
            f"what usually grows needs {least} samples in a row without incidents, there are {calm[found].sum()}"
        )
    return times, np.asarray(calm[times], dtype=bool)


def _labels(history: History, horizon: timedelta, strength: FloatArray, times: IntArray) -> tuple[float, float]:
    """The prior, onsets a component and horizon with Jeffreys' half a one where there are none, and the trust."""
    coming, lasting = (each[:, times] for each in soon(history, horizon))
    onsets = sum(len(set(history.components) & set(each.components)) for each in history.incidents)
    recorded = np.count_nonzero(since_start(history)) * history.step_s
    prior = min(0.5, (onsets + 0.5) / (len(history.components) * float(recorded) / horizon.total_seconds() + 1))
    alarms = (strength >= ALARM) & ~lasting
    if not onsets:
        return prior, UNTRIED
    return prior, float((np.sum(alarms & coming) + 0.5) / (np.sum(alarms) + 1))


def _spreads(moves: Float32Array, levels: FloatArray) -> FloatArray:
    """The usual move of each, shape (metrics, spans, components): its own, and not below what is usual for its size.

    A series that never moved is taken to be as large as the mean of all. A metric that moves less often than USUAL,
    such as a count of rare events, has no usual move: infinite, so that one event isn't taken for growth.
    """
    size = np.abs(np.nan_to_num(moves))
    own = np.asarray(np.quantile(size, USUAL, axis=3), dtype=float)
    mean = levels.mean(axis=1, keepdims=True)
    unit = np.where(own.max(axis=1) > 0, np.maximum(levels, 0.01 * mean), np.maximum(levels, mean))[:, None, :, None]
    relative = np.divide(size, unit, out=np.zeros_like(size), where=unit > 0)
    pooled = np.quantile(relative.reshape(*relative.shape[:2], -1), USUAL, axis=2)
    floor = FLOOR * np.median(levels, axis=1)[:, None, None]
    found = np.maximum(own, pooled[:, :, None] * unit[..., 0]) + floor
    return np.where(pooled[:, :, None] > CRUMBS, found, np.inf)


def _strengths(
    moved: Moves, spreads: FloatArray, spans: Spans, neighbours: IntArray
) -> tuple[FloatArray, FloatArray, IntArray]:
    """Alone and with a neighbour, in spreads, shape (components, times); which metric and span led, as one index."""
    moves, shape = moved.moves, moved.moves.shape[2:]
    own, together, both = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    leader = np.zeros(shape, dtype=np.int64)
    growth = np.sqrt(np.array(spans.lags) / spans.lags[0])  # of a random walk's moves
    for i in range(len(moves)):
        for j in range(len(spans.lags)):
            usual = np.maximum(spreads[i, j][:, None], np.nan_to_num(moved.warm[i]) * growth[j])
            scores = np.nan_to_num(np.clip(moves[i, j] / usual, -FAR, FAR))
            alone, witnessed = np.abs(scores), shared(scores, neighbours)
            joined = np.maximum(alone / ALONE, witnessed)
            leader = np.where(joined > both, i * len(spans.lags) + j, leader)
            both = np.maximum(both, joined)
            own, together = np.maximum(own, alone), np.maximum(together, witnessed)
    return own, together, leader


def _joined(own: FloatArray, together: FloatArray, most: tuple[float, float]) -> FloatArray:
    """Strength: 1 is usual for the most moved of all, by whichever witness says more."""
    if most[1] <= NO_NEIGHBOURS:
        return own / most[0]
    return np.maximum(together / most[1], own / most[0] / ALONE)


def _named(
    spreads: FloatArray, components: Sequence[str], metrics: Sequence[str]
) -> dict[str, dict[str, tuple[float, ...]]]:
    """By component and metric; what never moved is left out."""
    return {
        name: {
            metric: tuple(spreads[i, :, k].tolist())
            for i, metric in enumerate(metrics)
            if np.isfinite(spreads[i, :, k]).all()
        }
        for k, name in enumerate(components)
    }
