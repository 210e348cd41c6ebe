"""A history as rows to learn from: each component's metrics as robust z-scores, a window of them as features, what went
wrong lately, a label.

A row is one component at one time. It sees the window that ends then, incidents before it, and nothing later. Its
label is whether an incident of the component sets in within the horizon after it. Rows during an incident are left out:
only minutes that are normal now can precede anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.history.frame import History
from chaosprsa.models.counters import counters_of, measured
from chaosprsa.models.features import rolling_features
from chaosprsa.models.recency import RECENCY, onset_and_end, recency
from chaosprsa.types import Incident

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Normals = Mapping[str, Mapping[str, tuple[float, float]]]  # component -> metric -> (median, spread)
WINDOW_STEPS = 30
RECENT_STEPS = 5
LONG_STEPS = 120
HELD_STEPS = 3  # a missing sample is taken as its last known value for this long
MAX_METRICS = 20
MAX_Z = 50.0
WINDOW_FEATURES = (
    "mean",
    "standard_deviation",
    "minimum",
    "maximum",
    "quantile__q_0.9",
    "mean_abs_change",
    'linear_trend__attr_"slope"',
    "autocorrelation__lag_1",
)
RECENT_FEATURES = ("mean", "maximum", "minimum")
LONG_FEATURES = ("mean", "standard_deviation", "minimum", "maximum")
USUAL_METRICS = (
    "request_rate_per_s",
    "success_ratio",
    "latency_p50_ms",
    "latency_p90_ms",
    "latency_p99_ms",
    "cpu_usage_cores",
    "memory_bytes",
    "replicas",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which metrics make the features, and what is normal for each component and metric: (median, spread).

    counters: the metrics that count since boot; what is normal for those is of their increase a step.
    """

    metrics: tuple[str, ...]
    normals: Normals
    counters: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """The features' names: those of windows, then RECENCY."""
        return (*self.window_columns, *RECENCY)

    @property
    def window_columns(self) -> tuple[str, ...]:
        """As tsfresh writes them: metric__feature; last5 and last120 mean so many steps."""
        return _window_columns(self.metrics)


@cache
def _window_columns(metrics: tuple[str, ...]) -> tuple[str, ...]:
    """Asked for with every word of evidence."""
    whole = [f"{metric}__{name}" for metric in metrics for name in WINDOW_FEATURES]
    others = [
        f"{metric}.last{width}__{name}"
        for width, names in ((RECENT_STEPS, RECENT_FEATURES), (LONG_STEPS, LONG_FEATURES))
        for metric in metrics
        for name in names
    ]
    return (*whole, *others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """rows: shape (rows, features). at: the grid time each ends at. component: its index in `components`."""

    rows: FloatArray
    at: IntArray
    component: IntArray
    components: tuple[str, ...]

    def only(self, used: BoolArray) -> "Samples":
        """The rows where `used` holds."""
        return replace(self, rows=self.rows[used], at=self.at[used], component=self.component[used])


def layout_of(history: History, normals: Normals) -> Layout:
    """The usual metrics that are there, then those that most components have; MAX_METRICS at most."""
    own = history.metrics[history.metrics["component"].isin(history.components).to_numpy()]
    spread = own.groupby("metric")["component"].nunique()
    names = [str(name) for name in spread.index]
    order = sorted(names, key=lambda name: (name not in USUAL_METRICS, -int(spread[name]), name))
    metrics, counters = tuple(order[:MAX_METRICS]), counters_of(history)
    return Layout(metrics=metrics, normals=_with_increases(history, normals, metrics, counters), counters=counters)


def _with_increases(
    history: History, normals: Normals, metrics: Sequence[str], counters: Sequence[str]
) -> dict[str, dict[str, tuple[float, float]]]:
    """The normals of `metrics`, with a counter's increase a step in place of its count."""
    found = {name: {metric: own[metric] for metric in metrics if metric in own} for name, own in normals.items()}
    for metric in set(metrics) & set(counters):
        table = measured(history, metric, counters)
        middle = table.median()
        spread = (1.4826 * (table - middle).abs().median()).clip(lower=(0.01 * middle.abs()).clip(lower=1e-9))
        for name in table.columns:
            if np.isfinite(middle[name]):
                found.setdefault(str(name), {})[metric] = (float(middle[name]), float(spread[name]))
    return found


def horizon_steps(horizon: timedelta, step_s: float) -> int:
    """A horizon on this step, one step at least."""
    return max(1, round(horizon.total_seconds() / step_s))


def scores(history: History, layout: Layout, components: Sequence[str]) -> FloatArray:
    """Robust z-scores, shape (components, metrics, grid times); NaN where there is no sample or no normal."""
    found = np.full((len(components), len(layout.metrics), len(history.grid)), np.nan)
    for at, metric in enumerate(layout.metrics):
        table = measured(history, metric, layout.counters).reindex(columns=list(components)).ffill(limit=HELD_STEPS)
        known = [layout.normals.get(name, {}).get(metric, (np.nan, 1.0)) for name in components]
        middle, spread = np.array(known).T
        found[:, at] = ((table.to_numpy(dtype=float) - middle) / spread).T
    return np.asarray(np.clip(found, -MAX_Z, MAX_Z))


def rows_at(history: History, layout: Layout, at: IntArray) -> Samples:
    """The rows of every component at these grid times (WINDOW_STEPS - 1 or later), but those without any value.

    The history's incidents are those that are known: at each time, only what lies before it is seen of them.
    """
    components = history.components
    z = scores(history, layout, components)
    shapes = ((WINDOW_STEPS, WINDOW_FEATURES), (RECENT_STEPS, RECENT_FEATURES), (LONG_STEPS, LONG_FEATURES))
    rows = np.hstack([_windows(z, width, names, at) for width, names in shapes])
    used = np.isfinite(rows).any(axis=1)
    lately = recency(history.incidents, history.topology, components, history.grid_ms[at])
    rows = np.hstack([rows, lately.reshape(len(rows), -1)])
    component = np.repeat(np.arange(len(components)), len(at))
    return Samples(
        rows=rows[used], at=np.tile(at, len(components))[used], component=component[used], components=components
    )


def _windows(z: FloatArray, width: int, names: Sequence[str], at: IntArray) -> FloatArray:
    """Features of the windows that end at these times, shape (components * times, metrics * names).

    NaN where a window reaches back before the history.
    """
    whole = at >= width - 1
    found = np.full((z.shape[0], len(at), z.shape[1] * len(names)), np.nan)
    if whole.any():
        features = np.moveaxis(rolling_features(z, width, names, at[whole]), 2, 1)
        found[:, whole] = features.reshape(*features.shape[:2], -1)
    return found.reshape(-1, found.shape[2])


def label(
    samples: Samples, incidents: Sequence[Incident], grid: pd.DatetimeIndex, horizon: int
) -> tuple[BoolArray, BoolArray]:
    """For each row: whether an incident of its component sets in within `horizon` steps; whether it may be used."""
    millis = np.asarray(grid.as_unit("ms").asi8)
    shape = (len(samples.components), len(millis))
    coming, normal = np.zeros(shape, dtype=bool), np.ones(shape, dtype=bool)
    index = {name: i for i, name in enumerate(samples.components)}
    step = (int(millis[-1]) - int(millis[0])) / max(1, len(millis) - 1)
    for incident in incidents:
        first, last = (int(np.searchsorted(millis, time)) for time in onset_and_end(incident))
        for name in set(incident.components) & set(index):
            coming[index[name], max(0, first - horizon) : first] = True
            normal[index[name], first : last + 1] = False
    unknown_future = (millis[-1] - millis) < horizon * step
    known = coming | ~unknown_future[None, :]
    return coming[samples.component, samples.at], (normal & known)[samples.component, samples.at]
