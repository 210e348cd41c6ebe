"""A history made faster than real time: the lab's queues in formulas, minute by minute, with what went wrong.

Same parameters and physics as the data plane (physics.py; a test compares the two), load with a day and a week, noise
as counting would make it, and incidents of all seven kinds (misfortune.py) with a record of each.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

from chaosprsa.errors import require
from chaosprsa.history.frame import History
from chaosprsa.lab.misfortune import Mishap, draw_mishaps, happen
from chaosprsa.lab.physics import Conditions, Floats, Flow, flows
from chaosprsa.lab.pods import MIB
from chaosprsa.lab.topology import LabTopology, mean_calls
from chaosprsa.lab.traffic import hour_of_week, load_shape
from chaosprsa.types import Incident, Severity

STEP_S = 60.0
PER_DAY = 4.0
_MONDAY_UTC = datetime(2024, 1, 1, tzinfo=UTC)


def lab_history(
    topology: LabTopology, days: float, seed: int, end: datetime, *, incidents_per_day: float = PER_DAY
) -> History:
    """`days` of one-minute samples before `end` (cut to the minute), with about `incidents_per_day` a day.

    Same arguments, same history. Raises InvalidNoun for less than an hour, or more than a year.
    """
    require(1 / 24 <= days <= 366, f"days is {days}, expected 1/24 to 366")
    require(end.tzinfo is not None, "the end of a history needs a time zone")
    rng = np.random.default_rng(seed)
    minutes = round(days * 1440)
    start = end.astimezone(UTC).replace(second=0, microsecond=0) - timedelta(minutes=minutes)
    load = _load(topology, minutes, start, rng)
    mishaps = draw_mishaps(topology, minutes, hour_of_week(start), incidents_per_day, rng)
    rate, conditions = happen(topology, mishaps, load, rng)
    seen = flows(topology, rate, conditions)
    usual = flows(topology, load, {service.name: Conditions.usual(service, minutes) for service in topology.services})
    recorded = [_incident(mishap, topology, seen, usual, start) for mishap in mishaps]
    incidents = tuple(sorted(recorded, key=lambda incident: (incident.start, incident.component)))
    series = _series(topology, seen, conditions, rng)
    notes = (f"made by the lab's model: {days:g} days, seed {seed}, {len(incidents)} incidents",)
    return History(_frame(series, start, minutes), incidents, topology.topology, notes)


def _load(topology: LabTopology, minutes: int, start: datetime, rng: np.random.Generator) -> Floats:
    """Requests a second at the entry: the curve, days that differ, and noise that lasts some minutes."""
    shape = np.ones(minutes) if topology.steady else load_shape(hour_of_week(start) + np.arange(minutes) / 60)
    days = np.exp(rng.normal(0, 0.05, minutes // 1440 + 2))
    level = np.interp(np.arange(minutes) / 1440, np.arange(len(days)), days)
    shocks = pd.Series(rng.normal(0, 0.02, minutes))
    shocks.iloc[0] *= 0.15  # ewm takes its first value as it is
    noise = shocks.ewm(alpha=0.15, adjust=False).mean() / 0.15  # noise[t] = 0.85 noise[t-1] + shocks[t]
    return np.asarray(topology.rate_per_s * shape * level * np.exp(noise.to_numpy()))


def _incident(
    mishap: Mishap, topology: LabTopology, seen: Mapping[str, Flow], usual: Mapping[str, Flow], start: datetime
) -> Incident:
    """Its record. Severity from what users felt; start: when somebody would have noticed, not when the ramp began."""
    span = slice(int(mishap.start_min), int(mishap.end_min) + 1)
    entry, normal = seen[topology.entry], usual[topology.entry]
    lost = float(np.max(normal.success[span] - entry.success[span]))
    slower = float(np.max(entry.percentile_s(0.99)[span] / normal.percentile_s(0.99)[span]))
    noticed = mishap.start_min + 0.6 * mishap.ramp_min
    cause = f" after {mishap.cause}" if mishap.cause else ""
    return Incident(
        start=start + timedelta(seconds=round(60 * noticed)),
        end=start + timedelta(seconds=round(60 * mishap.end_min)),
        component=mishap.component,
        kind=mishap.fault.value,
        severity=_severity(lost, slower),
        title=f"{mishap.fault.value} of {mishap.component}{cause}",
    )


def _severity(lost: float, slower: float) -> Severity:
    if lost > 0.2 or slower > 10:
        return Severity.CRITICAL
    if lost > 0.02 or slower > 3:
        return Severity.MAJOR
    return Severity.MINOR if lost > 0.002 or slower > 1.3 else Severity.WARNING


Series = tuple[str, str, Floats]


def _series(
    topology: LabTopology, seen: Mapping[str, Flow], conditions: Mapping[str, Conditions], rng: np.random.Generator
) -> Iterator[Series]:
    """(component, metric, values) as Prometheus would have shown them: sums over pods."""
    for service in topology.services:
        flow, has = seen[service.name], conditions[service.name]
        counts = rng.poisson(np.maximum(flow.arrivals_per_s, 0) * STEP_S).astype(float)
        yield from _requests(service.name, counts, flow.success, flow, rng)
        yield service.name, "cpu_usage_cores", flow.cpu_cores * _jitter(0.03, rng, flow.cpu_cores)
        yield service.name, "cpu_limit_cores", has.limit_cores * np.floor(has.replicas)
        memory = flow.memory_mib_per_pod * MIB * np.floor(has.replicas)
        yield service.name, "memory_bytes", memory * _jitter(0.01, rng, memory)
        yield service.name, "memory_limit_bytes", service.resources.memory_limit_mib * MIB * np.floor(has.replicas)
        yield service.name, "replicas", np.floor(has.replicas)
        for callee, calls in mean_calls(service).items():
            edge_counts = rng.poisson(counts * calls).astype(float)
            yield from _requests(f"{service.name}->{callee}", edge_counts, seen[callee].success, seen[callee], rng)


def _requests(
    component: str, counts: Floats, success: Floats, flow: Flow, rng: np.random.Generator
) -> Iterator[Series]:
    """Rate, success and percentiles of a minute with this many requests; a minute without any shows no latency."""
    yield component, "request_rate_per_s", counts / STEP_S
    good = rng.binomial(counts.astype(np.int64), success)
    yield component, "success_ratio", np.where(counts > 0, good / np.maximum(counts, 1), np.nan)
    for name, share in (("latency_p50_ms", 0.5), ("latency_p90_ms", 0.9), ("latency_p99_ms", 0.99)):
        spread = np.minimum(1.3 * np.sqrt(share * (1 - share) / np.maximum(counts, 1)) / (1 - share + 0.01), 0.6)
        value = 1000 * flow.percentile_s(share) * np.exp(rng.normal(0, 1, len(counts)) * spread)
        yield component, name, np.where(counts > 0, value, np.nan)


def _jitter(spread: float, rng: np.random.Generator, like: Floats) -> Floats:
    return np.asarray(np.exp(rng.normal(0, spread, len(like))))


def _frame(series: Iterator[Series], start: datetime, minutes: int) -> pd.DataFrame:
    """The normal form: sorted by component, metric, time; NaN left out."""
    ordered = sorted(series, key=lambda each: each[:2])
    times = np.datetime64(start.replace(tzinfo=None), "ms") + np.arange(minutes) * np.timedelta64(60_000, "ms")
    frame = pd.DataFrame(
        {
            "timestamp": pd.DatetimeIndex(np.tile(times, len(ordered))).tz_localize("UTC"),
            "component": np.repeat(np.array([each[0] for each in ordered], dtype=object), minutes),
            "metric": np.repeat(np.array([each[1] for each in ordered], dtype=object), minutes),
            "value": np.concatenate([each[2] for each in ordered]),
        }
    )
    finite: pd.DataFrame = frame[np.isfinite(frame["value"].to_numpy())]
    return finite.reset_index(drop=True)
