"""A made history of any size, for what asks how long and how much: seeded, with days, weeks, calls and incidents.

Each component is called by an earlier one and follows the load of its caller with noise of its own. Incidents come in
proportion to the load; memory grows before those of kind memory-leak, so that there is something to see ahead.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.history.frame import History
from chaosprsa.types import Edge, Incident, Severity, Topology

FloatArray = npt.NDArray[np.float64]
START = datetime(2025, 1, 6, tzinfo=UTC)
METRICS = ("cpu_usage_cores", "latency_p99_ms", "memory_bytes", "request_rate_per_s", "success_ratio")
KINDS = ("memory-leak", "cpu-exhaustion", "latency", "error-rate", "pod-failure")
RAMP = 25  # minutes in which memory grows before a leak is felt


def made_history(components: int, points: int, incidents: int, rng: np.random.Generator) -> History:
    """Five metrics a component, a sample a minute."""
    names = [f"service-{i:04d}" for i in range(components)]
    callers = [int(rng.integers(0, i)) if i else -1 for i in range(components)]
    at = np.sort(rng.choice(np.arange(60, points - 30), incidents, replace=False))
    where = rng.integers(0, components, incidents)
    kinds = rng.choice(len(KINDS), incidents, p=[0.5, 0.2, 0.1, 0.1, 0.1])
    metrics = _metrics(names, callers, _load(points, rng), list(zip(at, where, kinds, strict=True)), rng)
    happened = tuple(_incident(names[c], int(t), KINDS[k], rng) for t, c, k in zip(at, where, kinds, strict=True))
    edges = tuple(Edge(caller=names[caller], callee=names[i]) for i, caller in enumerate(callers) if i)
    return History(
        metrics=metrics, incidents=happened, topology=Topology(services=tuple(names), edges=edges, entry=names[0])
    )


def _load(points: int, rng: np.random.Generator) -> FloatArray:
    """The load's course, shape (points,): day and week."""
    minute = np.arange(points)
    day = 1 + 0.5 * np.sin(2 * np.pi * (minute / 1440 - 0.3))
    week = np.where((minute // 1440) % 7 < 5, 1.0, 0.7)
    return np.asarray(30.0 * day * week * np.exp(rng.normal(0, 0.02, points)))


def _metrics(
    names: list[str],
    callers: list[int],
    load: FloatArray,
    felt: list[tuple[int, int, int]],
    rng: np.random.Generator,
) -> pd.DataFrame:
    points = len(load)
    share: list[float] = []
    values = np.empty((len(names), len(METRICS), points))
    for i, caller in enumerate(callers):
        share.append(1.0 if caller < 0 else share[caller] * float(rng.uniform(0.5, 1.2)))
        rate = load * share[i] * rng.normal(1, 0.05, points)
        values[i] = [
            rate * 0.01 * rng.normal(1, 0.05, points),
            80 * np.exp(rng.normal(0, 0.1, points)),
            2e8 * rng.normal(1, 0.02, points),
            rate,
            1 - rng.gamma(1, 0.001, points),
        ]
    for time, i, kind in felt:
        if KINDS[kind] == "memory-leak":
            values[i, 2, max(0, time - RAMP) : time] += np.linspace(0, 5e7, RAMP)[-min(RAMP, time) :]
        values[i, 1, time : time + 10] *= 4
    times = pd.date_range(START, periods=points, freq="min").as_unit("ms")
    series = len(names) * len(METRICS)
    return pd.DataFrame(
        {
            "timestamp": times[np.tile(np.arange(points), series)],
            "component": np.repeat(np.array(names, dtype=object), len(METRICS) * points),
            "metric": np.tile(np.repeat(np.array(METRICS, dtype=object), points), len(names)),
            "value": values.ravel(),
        }
    )


def _incident(component: str, minute: int, kind: str, rng: np.random.Generator) -> Incident:
    start = START + timedelta(minutes=minute)
    lasting = timedelta(seconds=float(np.clip(rng.lognormal(6.5, 0.7), 60, 7200)))
    severity = list(Severity)[int(rng.integers(0, len(Severity)))]
    return Incident(start=start, end=start + lasting, component=component, kind=kind, severity=severity, title=kind)
