"""Synthetic telemetry: what the metrics would have shown had the issues happened, in the normal form.

Each component behaves as usual (its forecast load; for other metrics the history's last hours, resampled in blocks so
that they keep their own rhythm: Politis & Romano 1994) and then feels the issues that touch it. Where issues overlap,
added latencies add up and shares multiply. The issues are the incidents of the result: the truth, for who learns or
drills on it.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

from chaosprsa.errors import require
from chaosprsa.history.frame import History
from chaosprsa.impacts import RESTART_S, Sketch, Surroundings, sketch, surroundings
from chaosprsa.models.bundle import Bundle
from chaosprsa.types import Fault, Incident, SimulatedIssue

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
MARGIN = timedelta(minutes=30)  # of usual behaviour before the first issue and after the last
MAX_STEPS = 10_080  # longer spans get wider steps: a week at 60 s
MEAN_BLOCK = 12  # steps
RAMP_S = 30.0  # an effect is there in full after this long
LATENCIES = ("latency_p50_ms", "latency_p90_ms", "latency_p95_ms", "latency_p99_ms")


def synthesise(bundle: Bundle, issues: Sequence[SimulatedIssue], rng: np.random.Generator) -> History:
    """The metrics from half an hour before the first issue until half an hour after the last one ends.

    Components and metrics are those that the bundle knows normals of. Same bundle, issues and generator: same rows.
    """
    require(bool(issues), "synthetic telemetry needs at least one issue")
    times = _times(bundle, issues)
    effects = _Effects(bundle, issues, times)
    frames = []
    for component in sorted(bundle.normals):
        for metric in sorted(bundle.normals[component]):
            usual = _usual(bundle, component, metric, times, rng)
            frames.append((component, metric, effects.on(component, metric, usual)))
    metrics = pd.DataFrame(
        {
            "timestamp": np.tile(_index(times), len(frames)),
            "component": np.repeat([component for component, _, _ in frames], len(times)),
            "metric": np.repeat([metric for _, metric, _ in frames], len(times)),
            "value": np.concatenate([values for _, _, values in frames]) if frames else np.array([]),
        }
    )
    metrics["timestamp"] = metrics["timestamp"].astype("datetime64[ms, UTC]")
    note = f"synthetic: {len(issues)} simulated issues on usual behaviour; none of this happened"
    return History(metrics, tuple(_incident(issue) for issue in issues), bundle.topology, (note,))


def _times(bundle: Bundle, issues: Sequence[SimulatedIssue]) -> FloatArray:
    start = min(issue.start for issue in issues) - MARGIN
    end = max(issue.start + timedelta(seconds=issue.duration_s) for issue in issues) + MARGIN
    step_s = bundle.recent.step_s if len(bundle.recent.metrics) else 60.0
    span_s = (end - start).total_seconds()
    step_s = max(step_s, np.ceil(span_s / MAX_STEPS / step_s) * step_s)
    first = np.floor(start.timestamp() / step_s) * step_s
    return np.asarray(first + np.arange(int(span_s // step_s) + 2) * step_s)


def _index(times: FloatArray) -> "pd.DatetimeIndex":
    return pd.to_datetime(np.round(times * 1000).astype(np.int64), unit="ms", utc=True)


def _usual(bundle: Bundle, component: str, metric: str, times: FloatArray, rng: np.random.Generator) -> FloatArray:
    """The metric without issues: shape (times,)."""
    median, spread = bundle.normals[component][metric]
    past = _past(bundle.recent, component, metric)
    noise = _blocks(past - np.median(past), len(times), rng) if len(past) >= MEAN_BLOCK else _noise(times, spread, rng)
    if metric == "request_rate_per_s" and component in bundle.load:
        forecast = bundle.load[component].forecast(times)
        width = np.maximum((forecast.high - forecast.low) / (2 * 1.6449), 0.0)
        values = forecast.mean + width * rng.standard_normal(len(times))
    else:
        values = median + noise
    return _possible(metric, values)


def _past(recent: History, component: str, metric: str) -> FloatArray:
    rows = recent.metrics
    return rows["value"][(rows["component"] == component) & (rows["metric"] == metric)].to_numpy(dtype=float)


def _noise(times: FloatArray, spread: float, rng: np.random.Generator) -> FloatArray:
    return spread * rng.standard_normal(len(times))


def _blocks(series: FloatArray, length: int, rng: np.random.Generator) -> FloatArray:
    """The stationary bootstrap: blocks of geometric length from random places, wrapped around."""
    jumps = rng.uniform(size=length) < 1 / MEAN_BLOCK
    jumps[0] = True
    starts = rng.integers(0, len(series), size=length)
    since = np.arange(length) - np.maximum.accumulate(np.where(jumps, np.arange(length), 0))
    origin = starts[np.maximum.accumulate(np.where(jumps, np.arange(length), 0))]
    return np.asarray(series[(origin + since) % len(series)])


def _possible(metric: str, values: FloatArray) -> FloatArray:
    """Within what the metric can be: nothing here is negative, shares end at 1."""
    return np.clip(values, 0.0, 1.0 if metric.endswith("_ratio") else np.inf)


class _Effects:
    """How all the issues together change each component's metrics: sums and products over time, filled once."""

    def __init__(self, bundle: Bundle, issues: Sequence[SimulatedIssue], times: FloatArray) -> None:
        self._times, self._around = times, surroundings(bundle)
        self._added_ms = {name: np.zeros(len(times)) for name in self._around}
        self._kept = {name: np.ones(len(times)) for name in self._around}
        self._load = np.ones(len(times))
        self._own: dict[tuple[str, str], FloatArray] = {}
        for issue in issues:
            self._feel(issue)

    def on(self, component: str, metric: str, usual: FloatArray) -> FloatArray:
        """The metric with the issues that touch the component; call edges and strangers stay as usual."""
        if component not in self._around:
            return usual
        values = usual * self._own.get((component, metric), 1.0)
        if metric in LATENCIES:
            values = values + self._added_ms[component]
        if metric == "success_ratio":
            values = values * self._kept[component]
        if metric == "request_rate_per_s":
            values = values * self._load
        return _possible(metric, values)

    def _feel(self, issue: SimulatedIssue) -> None:
        inside, window = self._window(issue)
        around = self._around[issue.component]
        middle = sketch(issue.fault, issue.strength, issue.duration_s, around)
        surge = issue.fault is Fault.TRAFFIC_SURGE
        for name in self._around if surge else issue.components:
            self._added_ms[name][inside] += window * _added_ms(middle, self._around[name])
            lost = middle.error_share / max(around.reach, 0.05) if name == issue.component else middle.error_share
            self._kept[name][inside] *= 1 - window * min(lost, 1.0)
        if surge:
            self._load[inside] *= 1 + window * (issue.strength - 1)
        for metric, factor in _own_factors(issue).items():
            series = self._own.setdefault((issue.component, metric), np.ones(len(self._times)))
            series[inside] *= 1 + window * (factor - 1)

    def _window(self, issue: SimulatedIssue) -> tuple[slice, FloatArray]:
        """Which samples it touches, and how much of it is there at each: 0 to 1."""
        start = issue.start.timestamp()
        lasts = min(issue.duration_s, RESTART_S * 2) if issue.fault is Fault.POD_KILL else issue.duration_s
        first, last = np.searchsorted(self._times, [start, start + lasts])
        since = self._times[first:last] - start
        return slice(int(first), int(last)), np.asarray(np.clip((since + 1) / RAMP_S, 0.0, 1.0))


def _added_ms(middle: Sketch, around: Surroundings) -> float:
    """What the entry's answers lose is lost here, spread over the calls that one of them makes."""
    return (middle.latency_ratio - 1) * around.entry_ms / max(around.visits, 1.0)


def _own_factors(issue: SimulatedIssue) -> dict[str, float]:
    """What the fault does to metrics of the component itself, as factors."""
    left = max(1 - issue.strength, 0.02)
    pods = 0.0 if issue.strength >= 1 else left
    factors = {
        Fault.CPU_SQUEEZE: {"cpu_limit_cores": left},
        Fault.MEMORY_SQUEEZE: {"memory_limit_bytes": left},
        Fault.REPLICA_LOSS: {"replicas": pods},
        Fault.POD_KILL: {"replicas": pods},
        Fault.TRAFFIC_SURGE: {"cpu_usage_cores": issue.strength, "memory_bytes": 1.05},
    }
    return factors.get(issue.fault, {})


def _incident(issue: SimulatedIssue) -> Incident:
    return Incident(
        start=issue.start,
        component=issue.component,
        kind=issue.kind,
        severity=issue.severity,
        end=issue.start + timedelta(seconds=issue.duration_s),
        title=f"simulated: {issue.id}",
        others=issue.components[1:],
    )
