"""Telemetry in the OpenMetrics text format, under the names that dashboards and rules of a real cluster use.

What history/queries.py reads back from Prometheus is written as it would have been scraped: rates as counters that rise
by them, latency as the histogram http_request_duration_seconds whose quantiles they are, CPU, memory, limits and pods
under cAdvisor's and kube-state-metrics' names. Everything else is a gauge (a counter since boot: a counter) called
chaosprsa_<metric>. Each series is labelled simulated="true". It is loaded by

    promtool tsdb create-blocks-from openmetrics telemetry.openmetrics.txt DATA_DIR

https://github.com/OpenObservability/OpenMetrics/blob/main/specification/OpenMetrics.md
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.errors import require
from chaosprsa.history.frame import EDGE, History
from chaosprsa.history.queries import RATE

FloatArray = npt.NDArray[np.float64]
Table = Mapping[tuple[str, str], FloatArray]
SCRAPE_S = 15.0  # between samples: a rate over a minute then has four, as most dashboards ask
EDGES_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
QUANTILES = {"latency_p50_ms": 0.5, "latency_p90_ms": 0.9, "latency_p95_ms": 0.95, "latency_p99_ms": 0.99}
FASTEST, SLOWEST = 0.25, 2.0  # of the lowest and highest known percentile: where the distribution begins and ends
REQUESTS = {RATE, "success_ratio", *QUANTILES}
CONTAINERS = {"cpu_usage_cores", "cpu_limit_cores", "memory_bytes", "memory_limit_bytes", "replicas"}
MOST_PODS = 50
SAMPLED = 20  # steps that tell how large a file becomes
_NOT_A_NAME = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True)
class _Scrapes:
    """When samples are taken: seconds since 1970, shape (scrapes,); the steps they lie in, and how far within."""

    at: FloatArray
    texts: list[str]
    step: npt.NDArray[np.int64]
    part: FloatArray
    step_s: float

    def counted(self, rate: FloatArray) -> FloatArray:
        """A counter that rises by `rate` a second, shape (steps,); a gap counts nothing."""
        steps = np.maximum(np.nan_to_num(rate), 0.0) * self.step_s
        whole = np.append(0.0, np.cumsum(steps))
        return np.asarray(whole[self.step] + steps[self.step] * self.part)

    def held(self, values: FloatArray) -> FloatArray:
        """A gauge: each step's value; NaN in a gap."""
        return np.asarray(values[self.step])


def openmetrics(history: History, namespace: str, label: str = "app", scrape_s: float = SCRAPE_S) -> Iterator[str]:
    """The file, in pieces. label: the pod label that names the service (cluster.service_label in the settings).

    A sample's value is that of the step that ends with it. Raises InvalidNoun for a scrape interval of 0 or less.
    """
    require(scrape_s > 0, f"openmetrics: scrape_s is {scrape_s}, expected above 0")
    own = _NOT_A_NAME.sub("_", label)
    table, scrapes = _table(history), _scrapes(history, scrape_s)
    components = sorted({component for component, _ in table if EDGE not in component})
    yield from _histograms(table, components, scrapes, namespace, own)
    yield from _calls(table, scrapes, namespace, own)
    yield from _containers(table, components, scrapes, namespace, own)
    yield from _others(table, scrapes, namespace, own)
    yield "# EOF\n"


def size_of(history: History, namespace: str, label: str = "app", scrape_s: float = SCRAPE_S) -> int:
    """About how many bytes `openmetrics` writes: those of a few steps, times the steps there are."""
    require(scrape_s > 0, f"openmetrics: scrape_s is {scrape_s}, expected above 0")
    steps = len(history.grid)
    if not steps:
        return 0
    count = min(steps, SAMPLED)
    since = history.grid[(steps - count) // 2]
    rows = history.metrics["timestamp"]
    part = ((rows >= since) & (rows < since + count * pd.Timedelta(seconds=history.step_s))).to_numpy()
    few = History(metrics=history.metrics[part].reset_index(drop=True))
    written = sum(len(piece) for piece in openmetrics(few, namespace, label, scrape_s))
    return round(written * steps / max(len(few.grid), 1))


def _table(history: History) -> Table:
    """(component, metric) -> values on the grid, NaN in gaps; counters as they stand."""
    found: dict[tuple[str, str], FloatArray] = {}
    for metric in history.metric_names:
        table = history.table(metric)
        columns = table.to_numpy(dtype=float)
        found |= {(str(name), metric): columns[:, place] for place, name in enumerate(table.columns)}
    return found


def _scrapes(history: History, scrape_s: float) -> _Scrapes:
    grid = history.grid_ms / 1000
    step_s = history.step_s
    if not len(grid):
        return _Scrapes(np.empty(0), [], np.empty(0, dtype=np.int64), np.empty(0), step_s)
    each = max(1, round(step_s / scrape_s))
    number = np.arange(1, len(grid) * each + 1)  # of scrapes, each at the end of its part of a step
    at = grid[0] - step_s + number * step_s / each
    step = (number - 1) // each
    return _Scrapes(at, [f"{time:.3f}" for time in at.tolist()], step, (number - step * each) / each, step_s)


def _lines(name: str, labels: Mapping[str, str], values: FloatArray, scrapes: _Scrapes) -> str:
    told = ",".join(f'{key}="{_escaped(value)}"' for key, value in {**labels, "simulated": "true"}.items())
    begin = f"{name}{{{told}}}"
    pairs = zip(values.tolist(), scrapes.texts, strict=True)
    return "".join([f"{begin} {value:.12g} {time}\n" for value, time in pairs if value == value])  # noqa: PLR0124  # NaN


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _histograms(table: Table, components: list[str], scrapes: _Scrapes, namespace: str, label: str) -> Iterator[str]:
    family = "http_request_duration_seconds"
    yield f"# TYPE {family} histogram\n"
    for component in components:
        rate = table.get((component, RATE))
        if rate is None:
            continue
        good = np.clip(np.nan_to_num(table.get((component, "success_ratio"), np.ones_like(rate)), nan=1.0), 0.0, 1.0)
        below, mean_s = distribution(
            {name: table[component, name] for name in QUANTILES if (component, name) in table}, len(rate)
        )
        for code, share in (("200", good), ("500", 1 - good)):
            if not np.any(share > 0):
                continue
            labels = {"namespace": namespace, label: component, "pod": f"{component}-0", "code": code}
            for place, edge in enumerate((*EDGES_S, np.inf)):
                within = {**labels, "le": f"{edge:g}" if np.isfinite(edge) else "+Inf"}
                yield _lines(f"{family}_bucket", within, scrapes.counted(rate * share * below[:, place]), scrapes)
            yield _lines(f"{family}_count", labels, scrapes.counted(rate * share), scrapes)
            yield _lines(f"{family}_sum", labels, scrapes.counted(rate * share * mean_s), scrapes)


def distribution(percentiles_ms: Mapping[str, FloatArray], steps: int) -> tuple[FloatArray, FloatArray]:
    """(share of requests faster than each edge and +Inf, shape (steps, edges + 1); their mean, seconds, (steps,)).

    Between the percentiles that are known the distribution is even in the latency, as histogram_quantile takes a bucket
    to be; where none is known, a hundredth of a second.
    """
    known = sorted((QUANTILES[name], values) for name, values in percentiles_ms.items())
    if not known:
        known = [(0.5, np.full(steps, 10.0)), (0.99, np.full(steps, 20.0))]
    values = np.column_stack(
        [np.nan_to_num(each, nan=float(np.nanmedian(each)) if np.isfinite(each).any() else 10.0) for _, each in known]
    )
    points = np.maximum.accumulate(np.maximum(values / 1000, 1e-6), axis=1)
    points = np.column_stack([points[:, :1] * FASTEST, points, points[:, -1:] * SLOWEST])
    shares = np.array([0.0, *(share for share, _ in known), 1.0])
    below = np.empty((steps, len(EDGES_S) + 1))
    for row in range(steps):
        below[row, :-1] = np.interp(EDGES_S, points[row], shares)
    below[:, -1] = 1.0
    middles = (points[:, 1:] + points[:, :-1]) / 2
    return below, np.asarray(middles @ np.diff(shares))


def _calls(table: Table, scrapes: _Scrapes, namespace: str, label: str) -> Iterator[str]:
    """Call edges: count and sum, as a client library without buckets counts them."""
    family = "http_client_request_duration_seconds"
    yield f"# TYPE {family} summary\n"
    for edge in sorted({component for component, _ in table if EDGE in component}):
        rate = table.get((edge, RATE))
        if rate is None:
            continue
        caller, peer = edge.split(EDGE, 1)
        labels = {"namespace": namespace, label: caller, "peer": peer, "code": "200"}
        names = ("latency_mean_ms", "latency_p50_ms")
        mean_ms = next((table[edge, name] for name in names if (edge, name) in table), np.full(len(rate), 10.0))
        yield _lines(f"{family}_count", labels, scrapes.counted(rate), scrapes)
        yield _lines(f"{family}_sum", labels, scrapes.counted(rate * np.nan_to_num(mean_ms) / 1000), scrapes)


def _containers(table: Table, components: list[str], scrapes: _Scrapes, namespace: str, label: str) -> Iterator[str]:
    """Each service's sums, divided evenly among its pods."""
    named = [(component, _pods(table, component)) for component in components]
    named = [(component, pods) for component, pods in named if pods]
    usage, memory = "container_cpu_usage_seconds", "container_memory_working_set_bytes"
    limits, ready = "kube_pod_container_resource_limits", "kube_pod_status_ready"
    yield f"# TYPE {usage} counter\n"
    yield from _shared(table, named, "cpu_usage_cores", f"{usage}_total", {}, scrapes, namespace)
    yield f"# TYPE {memory} gauge\n"
    yield from _shared(table, named, "memory_bytes", memory, {}, scrapes, namespace)
    yield f"# TYPE {limits} gauge\n"
    for metric, resource, unit in (("cpu_limit_cores", "cpu", "core"), ("memory_limit_bytes", "memory", "byte")):
        yield from _shared(table, named, metric, limits, {"resource": resource, "unit": unit}, scrapes, namespace)
    yield f"# TYPE {ready} gauge\n"
    for component, pods in named:
        if (component, "replicas") in table:
            count = np.round(scrapes.held(table[component, "replicas"]))
            for number in range(pods):
                labels = {"namespace": namespace, "pod": f"{component}-{number}", "condition": "true"}
                yield _lines(ready, labels, np.clip(count - number, 0.0, 1.0), scrapes)
    yield "# TYPE kube_pod_labels gauge\n"
    for component, pods in named:
        for number in range(pods):
            labels = {"namespace": namespace, "pod": f"{component}-{number}", f"label_{label}": component}
            yield _lines("kube_pod_labels", labels, np.ones(len(scrapes.at)), scrapes)


def _pods(table: Table, component: str) -> int:
    """As many as it ever has; one where it has metrics of containers and no replicas; 0 where it has none."""
    if not any((component, metric) in table for metric in CONTAINERS):
        return 0
    replicas = table.get((component, "replicas"))
    most = np.nanmax(replicas) if replicas is not None and np.isfinite(replicas).any() else 1.0
    return int(np.clip(round(float(most)), 1, MOST_PODS))


def _shared(
    table: Table,
    named: list[tuple[str, int]],
    metric: str,
    name: str,
    more: Mapping[str, str],
    scrapes: _Scrapes,
    namespace: str,
) -> Iterator[str]:
    for component, pods in named:
        values = table.get((component, metric))
        if values is None:
            continue
        for number in range(pods):
            labels = {"namespace": namespace, "pod": f"{component}-{number}", "container": component, **more}
            each = scrapes.counted(values / pods) if name.endswith("_total") else scrapes.held(values / pods)
            yield _lines(name, labels, each, scrapes)


def _others(table: Table, scrapes: _Scrapes, namespace: str, label: str) -> Iterator[str]:
    """What no usual name is known for, one family a metric."""
    rated = {component for component, metric in table if metric == RATE}
    left: dict[str, list[str]] = {}
    for component, metric in table:
        written = metric in CONTAINERS if EDGE not in component else metric == "latency_mean_ms"
        if not (written or (component in rated and metric in REQUESTS)):
            left.setdefault(metric, []).append(component)
    for metric, components in sorted(left.items()):
        counter = metric.endswith("_total") and all(_rises(table[component, metric]) for component in components)
        family = f"chaosprsa_{_NOT_A_NAME.sub('_', metric)}".removesuffix("_total" if counter else "")
        yield f"# TYPE {family} {'counter' if counter else 'gauge'}\n"
        for component in components:
            labels = {"namespace": namespace, label: component}
            name = f"{family}_total" if counter else family
            yield _lines(name, labels, scrapes.held(table[component, metric]), scrapes)


def _rises(values: FloatArray) -> bool:
    return bool(np.all(np.diff(values[np.isfinite(values)]) >= 0))
