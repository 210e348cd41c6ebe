"""A twin where no trial was played yet: from production's own metrics, as calibration takes it from trials' phases.

Demand is CPU used over requests; waits are what is left of latency after CPU and callees; calls are the rates'. Nothing
held it to a trial, so it is never trusted. A mean latency is not in the normal form: it is that of the lognormal law
with the median and the 99th percentile that are.
"""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.history.queries import RATE
from chaosprsa.twin.calibrate import GUESSED_SPREAD, implied
from chaosprsa.twin.observed import Observed
from chaosprsa.twin.parameters import Twin
from chaosprsa.twin.queueing import Floats
from chaosprsa.types import Allocation, Phase, Resources, ServiceAllocation, Topology, TwinFit

USUAL_START_S = 30.0  # an image that is there, a process that starts, probes that pass: the usual order
LOOKED_AT, ROW = timedelta(days=1), "5min"
MIB = 1024.0**2
MOST_SIGMA = 1.5  # of a latency's logarithm: more is two kinds of request, not one law
Z99 = 2.3263
UNJUDGED = TwinFit(
    trusted=False,
    latency_ratio=None,
    error_share_gap=None,
    trials=0,
    reason="taken from the history's load and CPU use; no trial was played that could judge it",
)


def twin_of_past(past: History, topology: Topology, present: Allocation, timeout_s: float = 10.0) -> Twin:
    """From the last day. present: for what the metrics don't say of pods. Raises NotEnoughHistory without any CPU use.

    Raises BadInput where calls go round in a circle.
    """
    tables = _Tables(past.last(LOOKED_AT), topology)
    rate = tables.of(RATE)
    if not np.any(np.isfinite(rate * tables.of("cpu_usage_cores"))):
        raise NotEnoughHistory(
            f"the history's last day holds no {RATE} and cpu_usage_cores of one service at the same time: "
            "what a request costs can't be told; play trials, or give a history with both"
        )
    count = len(topology.services)
    start = np.full(count, USUAL_START_S), np.full(count, GUESSED_SPREAD)
    twin = implied(_rows(tables, rate, topology, present), topology, start, timeout_s)
    guessed = f"pods are taken to start in {USUAL_START_S:.0f} s: no trial killed any"
    return replace(twin.judged(UNJUDGED), notes=(*twin.notes, guessed))


def allocation_of_past(past: History, topology: Topology) -> Allocation | None:
    """Pods and limits in the last hour's middle; requests are taken as the limits. None where a service lacks any."""
    tables = _Tables(past.last(timedelta(hours=1)), topology)
    pods = tables.middle("replicas")
    cores, memory = (tables.middle(name) / pods for name in ("cpu_limit_cores", "memory_limit_bytes"))
    if not np.all(np.isfinite(pods) & (pods >= 1) & np.isfinite(cores) & (cores > 0) & np.isfinite(memory)):
        return None
    given = zip(topology.services, np.rint(pods), np.rint(cores * 1000), np.rint(memory / MIB), strict=True)
    return Allocation(services=tuple(_given(name, *map(int, values)) for name, *values in given))


def _given(name: str, pods: int, millicores: int, mib: int) -> ServiceAllocation:
    cpu, memory = max(millicores, 1), max(mib, 1)
    resources = Resources(
        cpu_request_millicores=cpu, cpu_limit_millicores=cpu, memory_request_mib=memory, memory_limit_mib=memory
    )
    return ServiceAllocation(service=name, replicas=pods, resources=resources)


class _Tables:
    """The history's metrics with a column a service, in rows of five minutes."""

    def __init__(self, past: History, topology: Topology) -> None:
        self._past, self._services = past, list(topology.services)

    def of(self, metric: str) -> Floats:
        """Shape (rows, services); NaN where nothing was seen."""
        return np.asarray(self._table(metric).resample(ROW).mean(), dtype=np.float64)

    def calls(self) -> Floats | None:
        """Calls a second along edges, shape (rows, callers, callees); None where callers count none."""
        names = [f"{caller}->{callee}" for caller in self._services for callee in self._services]
        seen = self._past.table(RATE)
        if seen.columns.intersection(names).empty:
            return None
        rows = np.asarray(seen.reindex(columns=names).astype(float).resample(ROW).mean(), dtype=np.float64)
        return rows.reshape(len(rows), len(self._services), -1)

    def middle(self, metric: str) -> Floats:
        """The median, shape (services,)."""
        table = self._table(metric)
        return np.asarray(table.median() if len(table) else np.full(len(self._services), np.nan), dtype=np.float64)

    def _table(self, metric: str) -> pd.DataFrame:
        return self._past.table(metric).reindex(columns=self._services).astype(float)


def _rows(tables: _Tables, rate: Floats, topology: Topology, present: Allocation) -> Observed:
    """As trials' phases before a fault."""
    own = [present[name] for name in topology.services]
    pods, cores = tables.of("replicas"), tables.of("cpu_limit_cores")
    pods = np.where(np.isfinite(pods) & (pods > 0), pods, [one.replicas for one in own])
    limit = np.where(np.isfinite(cores) & (cores > 0), cores / pods, [_cores(one) for one in own])
    return Observed(
        phase=(Phase.BEFORE,) * len(rate),
        length_s=np.full(len(rate), 300.0),
        rate=rate,
        failed=1.0 - tables.of("success_ratio"),
        latency_s=_mean_latency_s(tables),
        cpu_cores=tables.of("cpu_usage_cores"),
        memory_mib=tables.of("memory_bytes") / MIB / pods,
        ready=pods,
        limit_cores=limit,
        edge_rate=tables.calls(),
    )


def _cores(one: ServiceAllocation) -> float:
    return one.resources.cpu_limit_millicores / 1000


def _mean_latency_s(tables: _Tables) -> Floats:
    median, high = tables.of("latency_p50_ms") / 1000, tables.of("latency_p99_ms") / 1000
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.clip(np.nan_to_num(np.log(high / median)) / Z99, 0.0, MOST_SIGMA)
    return np.asarray(median * np.exp(sigma**2 / 2))
