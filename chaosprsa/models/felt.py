"""What users felt of past incidents: latency and failures at the entry while each lasted, against shortly before.

From the samples of the entry's latency_p99_ms (p90, p50 where there is none) and success_ratio; what overlapped,
overlapped. The intervals of predicted impacts are calibrated on these (impacts.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from chaosprsa.history.frame import History
from chaosprsa.types import Incident

BEFORE = timedelta(minutes=30)
UNKNOWN_LENGTH = timedelta(minutes=5)  # how long an incident without an end is looked at
FEWEST = 3  # samples before it that a usual level needs
MOST = 2000  # the latest incidents
LATENCIES = ("latency_p99_ms", "latency_p90_ms", "latency_p50_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Felt:
    """One incident. latency_ratio: the median while it lasted over that before; error_share: the mean, 0 to 1."""

    kind: str
    component: str
    start: datetime
    duration_s: float
    latency_ratio: float
    error_share: float


def felt_impacts(history: History, entry: str) -> tuple[Felt, ...]:
    """Of the incidents that the entry's metrics tell of, in order of start; none without such metrics."""
    if not len(history.metrics):
        return ()
    latency = _of(history, LATENCIES, entry)
    success = _of(history, ("success_ratio",), entry)
    found = (_felt(incident, latency, success) for incident in history.incidents[-MOST:])
    return tuple(each for each in found if each is not None)


def _of(history: History, metrics: Sequence[str], entry: str) -> "pd.Series[float]":
    """The first of the metrics that the entry has; empty where it has none."""
    for metric in metrics:
        table = history.table(metric)
        if entry in table and table[entry].notna().any():
            return pd.Series(table[entry].to_numpy(dtype=float), index=table.index)
    return pd.Series(np.empty(0), index=history.grid[:0])


def _felt(incident: Incident, latency: "pd.Series[float]", success: "pd.Series[float]") -> Felt | None:
    end = incident.likely_end or incident.start + UNKNOWN_LENGTH
    then = latency[incident.start : end].dropna()
    usual = latency[incident.start - BEFORE : incident.start].dropna()
    if then.empty or len(usual) < FEWEST or usual.median() <= 0 or then.median() <= 0:
        return None
    good = success[incident.start : end].dropna()
    lost = 1 - float(good.mean()) if len(good) else 0.0
    return Felt(
        kind=incident.kind,
        component=incident.component,
        start=incident.start,
        duration_s=(end - incident.start).total_seconds(),
        latency_ratio=float(then.median() / usual.median()),
        error_share=float(np.clip(lost, 0.0, 1.0)),
    )
