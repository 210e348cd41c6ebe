"""Prometheus' HTTP API: ranges in pieces, time limits, retries; and a history from the usual metrics of a cluster.

The only file that knows this API. It works with whatever speaks it too (Thanos, Mimir, VictoriaMetrics).
"""

import math
import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.errors import NotEnoughHistory, QueryRefused, SourceUnreachable
from chaosprsa.history.frame import EDGE, History
from chaosprsa.history.mending import clean
from chaosprsa.history.queries import EDGE_QUERIES, SERVICE, SERVICE_QUERIES, promql
from chaosprsa.history.topology import topology_of_edges
from chaosprsa.types import Window

__all__ = ["SERVICE_QUERIES", "PrometheusClient", "read_prometheus"]
MAX_POINTS = 11_000  # Prometheus' own limit of points a series in one answer
BACKOFF_S = 0.5  # before the first retry; doubled each time
RETRIED = frozenset({429, 502, 503, 504})
SCRAPES_A_RATE = 4  # a rate over this many scrapes outlives a lost one
Labels = dict[str, str]
FloatArray = npt.NDArray[np.float64]
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhd])")


@dataclass(frozen=True, slots=True)
class PrometheusClient:
    """One server. timeout_s: of one request; retries: further tries where it does not answer or is overloaded."""

    url: str
    timeout_s: float = 30.0
    retries: int = 2
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def ready(self) -> bool:
        """Whether it answers queries now; never raises."""
        try:
            return (
                httpx.get(f"{self._base}/-/ready", timeout=min(self.timeout_s, 5.0), verify=_tls()).status_code == 200
            )
        except (httpx.HTTPError, httpx.InvalidURL):
            return False

    def instant(self, query: str, at: datetime | None = None) -> list[tuple[Labels, float]]:
        """Each series' labels and value at a time (None: now); an empty list where there is none.

        Raises SourceUnreachable, or QueryRefused with the server's reason.
        """
        arguments = {"query": query} | ({} if at is None else {"time": f"{at.timestamp():.3f}"})
        data = self._ask("query", arguments)
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(dict(each["metric"]), float(each["value"][1])) for each in data["result"]]

    def range(self, query: str, window: Window, step_s: float, by: str = SERVICE) -> pd.DataFrame:
        """A row a step from the window's start to its end (UTC), a column a series, NaN where it has no sample.

        A column is named by the series' label `by`, else by all its labels as Prometheus writes them. Long windows are
        asked in pieces of 11,000 points. Raises SourceUnreachable, or QueryRefused with the server's reason.
        """
        steps = math.floor(window.duration.total_seconds() / step_s) + 1
        found: dict[str, FloatArray] = {}
        for first in range(0, steps, MAX_POINTS):
            last = min(first + MAX_POINTS, steps) - 1
            start = window.start.timestamp()
            bounds = {"start": f"{start + first * step_s:.3f}", "end": f"{start + last * step_s:.3f}"}
            for labels, points in self._matrix(query, bounds, step_s):
                column = found.setdefault(labels.get(by) or label_text(labels), np.full(steps, np.nan))
                at = np.rint((points[:, 0] - start) / step_s).astype(int)
                column[at] = points[:, 1]
        millis = np.rint((window.start.timestamp() + np.arange(steps) * step_s) * 1000).astype("datetime64[ms]")
        return pd.DataFrame(found, index=pd.DatetimeIndex(millis).tz_localize("UTC")).sort_index(axis=1)

    def scrape_interval_s(self) -> float | None:
        """The longest interval of its scrape targets; None where it has none or doesn't say."""
        try:
            targets = self._ask("targets", {"state": "active"})["activeTargets"]
            return max((_seconds(each["scrapeInterval"]) for each in targets), default=None)
        except (QueryRefused, KeyError, TypeError, ValueError):
            return None

    @property
    def _base(self) -> str:
        return self.url.rstrip("/")

    def _matrix(self, query: str, bounds: Mapping[str, str], step_s: float) -> Iterator[tuple[Labels, FloatArray]]:
        data = self._ask("query_range", {"query": query, **bounds, "step": f"{step_s:g}"})
        for series in data["result"]:
            yield dict(series["metric"]), np.array(series["values"], dtype=float)

    def _ask(self, what: str, arguments: Mapping[str, str]) -> Any:
        """The `data` of an answer, after retries."""
        for attempt in range(self.retries + 1):
            try:
                return self._once(what, arguments)
            except SourceUnreachable as error:
                if isinstance(error, QueryRefused) or attempt == self.retries:
                    raise
                self.sleep(BACKOFF_S * 2**attempt)
        raise AssertionError("unreachable")

    def _once(self, what: str, arguments: Mapping[str, str]) -> Any:
        where = f"Prometheus at {self.url}"
        url = f"{self._base}/api/v1/{what}"
        method = "GET" if what == "targets" else "POST"  # long queries don't fit a URL
        body: dict[str, Any] = {"params": dict(arguments)} if method == "GET" else {"data": dict(arguments)}
        try:
            answer = httpx.request(method, url, timeout=self.timeout_s, verify=_tls(), **body)
        except httpx.TimeoutException:
            raise SourceUnreachable(
                f"{where}: no answer in {self.timeout_s:g} s; ask for a shorter window or a longer step, or raise "
                "timeout_s in [sources]"
            ) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise SourceUnreachable(f"{where}: {reason}; is it running, is the URL right?") from None
        if answer.status_code in RETRIED:
            raise SourceUnreachable(f"{where}: it answered {answer.status_code}; it is overloaded or not up yet")
        try:
            values = answer.json()
            if values["status"] == "success":
                return values["data"]
            reason = str(values.get("error", values))
        except (ValueError, KeyError, TypeError):
            reason = f"HTTP {answer.status_code} and no Prometheus answer; is the URL right?"
        asked = f", query {arguments['query']}" if "query" in arguments else ""
        raise QueryRefused(f"{where}{asked}: {reason}")


def label_text(labels: Mapping[str, str]) -> str:
    """Labels as Prometheus writes them, sorted: name{a="b"}."""
    named = ", ".join(f'{key}="{value}"' for key, value in sorted(labels.items()) if key != "__name__")
    return f"{labels.get('__name__', '')}{{{named}}}"


def read_prometheus(
    client: PrometheusClient,
    namespace: str,
    window: Window,
    step_s: float,
    label: str = "app",
    queries: Mapping[str, str] | None = None,
) -> History:
    """A namespace's history, call edges and call graph included where its metrics show them.

    label: the pod label that names the service. queries: metric name -> PromQL with one series a service (label
    `service`), instead of or besides the built-in ones; $namespace, $label and $window are filled in.
    Raises SourceUnreachable, QueryRefused; NotEnoughHistory where no query finds anything.
    """
    interval = client.scrape_interval_s() or step_s / 2
    rate_s = max(step_s, SCRAPES_A_RATE * interval)
    parts, silent = [], []
    for metric, template in {**SERVICE_QUERIES, **(queries or {})}.items():
        part = _long(client.range(promql(template, namespace, label, rate_s), window, step_s), metric)
        parts.append(part)
        if not len(part):
            silent.append(metric)
    for metric, template in EDGE_QUERIES.items():
        edges = _long(client.range(promql(template, namespace, label, rate_s), window, step_s), metric)
        parts.append(edges[edges["component"].str.contains(EDGE, regex=False)] if len(edges) else edges)
    rows = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    where = f"Prometheus at {client.url}, namespace {namespace}"
    if not len(rows):
        raise NotEnoughHistory(
            f"{where}: no query found a series from {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC; "
            "check the namespace and the service label, or give your own queries in [sources.queries]"
        )
    notes = (f"{where}: nothing was found for {', '.join(silent)}",) if silent else ()
    metrics, mended = clean(rows, window.end + timedelta(seconds=step_s), where)
    return History(metrics=metrics, topology=topology_of_edges(metrics), notes=(*notes, *mended))


def _long(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The normal form of one metric's table; NaN is no sample. Series without a service are left out."""
    names = [name for name in table.columns if not str(name).endswith("}")]
    values = table[names].to_numpy(dtype=float).T
    present = np.isfinite(values)
    series, times = np.nonzero(present)
    return pd.DataFrame(
        {
            "timestamp": table.index[times],
            "component": pd.array([names[i] for i in series], dtype="str"),
            "metric": pd.array([metric] * len(series), dtype="str"),
            "value": values[present],
        }
    )


@cache
def _tls() -> ssl.SSLContext:
    """Made once: reading the certificates takes longer than most queries."""
    return httpx.create_ssl_context()


def _seconds(text: str) -> float:
    """Prometheus' durations: 15s, 1m, 1m30s, 500ms."""
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
    parts = _DURATION.findall(text)
    if not parts:
        raise ValueError(text)
    return float(sum(float(number) * units[unit] for number, unit in parts))
