"""What past incidents did to the metrics: the course of each series that left its usual range, from the onset on.

Every series of the stricken component and of those that the source names with it is kept; one of its neighbours in the
call graph where it left the range of its own quiet 99 % more often than chance would have it. Counters are kept as
their increments. Synthetic telemetry replays these (telemetry/learned.py), never as they were.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from chaosprsa.history.frame import EDGE, History
from chaosprsa.models.series import Wide, wide
from chaosprsa.types import Incident, Topology

FloatArray = npt.NDArray[np.float64]
BEFORE = 30  # steps that an incident's level is taken from
TAIL = 5  # steps after its end: the way back
MAX_STEPS = 240  # of one trajectory; longer incidents are thinned to it
PER_KIND = 12  # the latest incidents of a kind
PER_INCIDENT = 240  # series: those of the stricken, then those that left their range furthest
RANGE = 0.99  # of quiet samples lie within the usual range
UNKNOWN_STEPS = 5  # how long an incident without an end is taken to last
_COLUMNS = {
    "signature": pa.int32(),
    "kind": pa.string(),
    "at": pa.string(),
    "start_s": pa.float64(),
    "steps": pa.int32(),
    "component": pa.string(),
    "metric": pa.string(),
    "relation": pa.string(),
    "level": pa.float64(),
    "noise": pa.float64(),
    "deviation": pa.list_(pa.float32()),
}
OWN, NAMED, CALLER, CALLEE, EDGE_IN, OTHER = "own", "named", "caller", "callee", "edge", "other"


@dataclass(frozen=True, slots=True, eq=False)
class Trajectory:
    """One series through one incident. relation: of its component to the stricken one.

    level: before the onset, in the metric's unit; of a counter, its increment a step. noise: mean absolute change from
    step to step before the onset. deviation: from the level, shape (steps + tail,), NaN where there was no sample.
    """

    component: str
    metric: str
    relation: str
    level: float
    noise: float
    deviation: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Signature:
    """What one incident did. at: where it began. start_s: when, since 1970. steps: from onset to end, in samples."""

    kind: str
    at: str
    start_s: float
    steps: int
    trajectories: tuple[Trajectory, ...]


def signatures_of(history: History, topology: Topology, kinds_until: int = PER_KIND) -> tuple[Signature, ...]:
    """Of the latest incidents of each kind, in the order of their start; empty without metrics or incidents."""
    if not len(history.metrics) or not history.incidents:
        return ()
    table = wide(history)
    spans = [_span(incident, table) for incident in history.incidents]
    busy = np.zeros(len(table.millis), dtype=bool)
    for first, last in spans:
        busy[first : last + 1] = True
    reach = _reach(table, busy)
    found = []
    for number in _latest(history.incidents, kinds_until):
        incident, (first, last) = history.incidents[number], spans[number]
        if first < last and incident.component and first < len(table.millis):
            found.append(_signature(incident, first, last, table, busy, reach, topology))
    return tuple(each for each in found if each.trajectories)


def _latest(incidents: Sequence[Incident], count: int) -> list[int]:
    """Indices of the last `count` of each kind, rising."""
    left: dict[str, int] = {}
    kept = []
    for number in range(len(incidents) - 1, -1, -1):
        kind = incidents[number].kind
        left[kind] = left.get(kind, count) - 1
        if left[kind] >= 0:
            kept.append(number)
    return kept[::-1]


def _span(incident: Incident, table: Wide) -> tuple[int, int]:
    """The rows from the first sample at or after the onset to the first after the end."""
    first = int(np.searchsorted(table.millis, incident.start.timestamp() * 1000))
    end = incident.likely_end
    if end is None:
        return first, min(first + UNKNOWN_STEPS, len(table.millis))
    return first, int(np.searchsorted(table.millis, end.timestamp() * 1000, side="right"))


def _reach(table: Wide, busy: npt.NDArray[np.bool_]) -> FloatArray:
    """Shape (series,): how far from its median a series usually is at most, while nothing is wrong."""
    quiet = table.samples[~busy] if (~busy).sum() >= BEFORE else table.samples
    quiet = quiet[:: max(1, len(quiet) // 2000)]
    with np.errstate(invalid="ignore"):
        middle = _nan_median(quiet)
        reach = _nan_quantile(np.abs(quiet - middle), RANGE)
    return np.asarray(np.where(reach > 0, reach, np.maximum(np.abs(middle) * 1e-3, 1e-9)))


def _nan_median(values: FloatArray) -> FloatArray:
    return _nan_quantile(values, 0.5)


def _nan_quantile(values: FloatArray, share: float) -> FloatArray:
    """Along the first axis, gaps left out; NaN where a series has nothing. Sorts once: NaN goes last."""
    ordered = np.sort(values, axis=0)
    count = np.isfinite(values).sum(axis=0)
    at = np.clip(np.ceil(share * count).astype(int) - 1, 0, None)
    found = np.take_along_axis(ordered, at[None, :], axis=0)[0]
    return np.asarray(np.where(count > 0, found, np.nan))


def _signature(
    incident: Incident,
    first: int,
    last: int,
    table: Wide,
    busy: npt.NDArray[np.bool_],
    reach: FloatArray,
    topology: Topology,
) -> Signature:
    columns, relations = _related(incident, table, topology)
    rows = _thinned(first, last, len(table.millis))
    steps = int((rows < last).sum())
    shown = table.samples[np.ix_(rows, columns)]
    deviation = shown - _level(first, table.samples[:, columns], busy)
    level = shown - deviation
    noise = noise_of(table.samples[max(0, first - BEFORE) : first, columns])
    own = np.array([relation in (OWN, NAMED) for relation in relations], dtype=bool)
    with np.errstate(invalid="ignore"):
        beyond = np.abs(deviation[:steps]) > reach[columns]
        far = np.nanmax(np.where(beyond, np.abs(deviation[:steps]) / reach[columns], 0.0), axis=0)
    needed = np.maximum(1, np.ceil(steps * 0.15)) + (steps > 2)
    order = np.lexsort((-far, ~own))  # every series of the stricken, then those that went furthest
    kept = [place for place in order[:PER_INCIDENT] if own[place] or beyond[:, place].sum() >= needed]
    trajectories = tuple(
        Trajectory(
            component=table.keys[columns[place]][0],
            metric=table.keys[columns[place]][1],
            relation=relations[place],
            level=float(_first_finite(level[:, place])),
            noise=float(noise[place]),
            deviation=deviation[:, place].astype(np.float32).astype(np.float64),  # as a bundle keeps it
        )
        for place in sorted(kept)
    )
    return Signature(incident.kind, incident.component, incident.start.timestamp(), steps, trajectories)


def _first_finite(values: FloatArray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite[0]) if len(finite) else 0.0


def noise_of(samples: FloatArray) -> FloatArray:
    """The mean absolute change from row to row, gaps left out; shape (series,), 0 where a series has no two samples."""
    steps = np.abs(np.diff(samples, axis=0))
    there = np.isfinite(steps)
    return np.asarray(np.where(there, steps, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1))


def _thinned(first: int, last: int, total: int) -> npt.NDArray[np.int64]:
    """Rows of the incident and its tail; an incident of more than MAX_STEPS keeps that many, evenly spread."""
    inside = np.arange(first, last)
    if len(inside) > MAX_STEPS:
        inside = first + np.arange(MAX_STEPS) * (last - first) // MAX_STEPS
    return np.concatenate([inside, np.arange(last, min(last + TAIL, total))])


def _level(first: int, values: FloatArray, busy: npt.NDArray[np.bool_]) -> FloatArray:
    """The median of the quiet steps before the onset; of any steps before it; of all where there are none."""
    before = np.arange(max(0, first - BEFORE), first)
    quiet = before[~busy[before]]
    for rows in (quiet, before):
        if len(rows) >= 3:
            level = _nan_median(values[rows])
            return np.asarray(np.where(np.isfinite(level), level, _nan_median(values)))
    return _nan_median(values[~busy] if (~busy).any() else values)


def relation_to(stricken: str, named: Sequence[str], component: str, topology: Topology) -> str:
    """What a component is to the stricken one: itself, named with it, a caller, a callee, an edge into it, other."""
    if component == stricken:
        return OWN
    if component in named:
        return NAMED
    if EDGE in component:
        return EDGE_IN if component.split(EDGE)[1] == stricken else OTHER
    return neighbours(topology, stricken).get(component, OTHER)


def neighbours(topology: Topology, stricken: str) -> Mapping[str, str]:
    """Callers, however far up, and direct callees."""
    found = {edge.callee: CALLEE for edge in topology.callees(stricken)}
    frontier, seen = [stricken], {stricken}
    while frontier:
        callers = {edge.caller for name in frontier for edge in topology.callers(name)} - seen
        found |= dict.fromkeys(callers, CALLER)
        seen |= callers
        frontier = sorted(callers)
    return found


def _related(incident: Incident, table: Wide, topology: Topology) -> tuple[npt.NDArray[np.int64], list[str]]:
    around = neighbours(topology, incident.component)
    columns, relations = [], []
    for place, (component, _) in enumerate(table.keys):
        edge_in = EDGE in component and component.split(EDGE)[1] == incident.component
        users = component == topology.entry or component not in topology.services  # whoever is beside the graph
        if component in around or component in incident.components or edge_in or (users and EDGE not in component):
            columns.append(place)
            relations.append(relation_to(incident.component, incident.others, component, topology))
    return np.array(columns, dtype=np.int64), relations


def signatures_parquet(signatures: Sequence[Signature]) -> bytes:
    """One row a trajectory: same signatures, same bytes."""
    columns = zip(*_rows(signatures), strict=True)
    arrays = [pa.array(list(column), kind) for column, kind in zip(columns, _COLUMNS.values(), strict=True)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays, names=list(_COLUMNS)), sink, compression="zstd")
    return bytes(sink.getvalue())


def _rows(signatures: Sequence[Signature]) -> Iterator[tuple[object, ...]]:
    for number, one in enumerate(signatures):
        for each in one.trajectories:
            values = each.deviation.astype(np.float32).tolist()
            yield (
                number,
                one.kind,
                one.at,
                one.start_s,
                one.steps,
                each.component,
                each.metric,
                each.relation,
                each.level,
                each.noise,
                values,
            )


def read_signatures(content: bytes) -> tuple[Signature, ...]:
    """What signatures_parquet wrote."""
    rows: pd.DataFrame = pq.read_table(pa.BufferReader(content)).to_pandas()
    found = []
    for _, own in rows.groupby("signature", sort=True):
        trajectories = tuple(
            Trajectory(
                component=str(row.component),
                metric=str(row.metric),
                relation=str(row.relation),
                level=float(str(row.level)),
                noise=float(str(row.noise)),
                deviation=np.asarray(row.deviation, dtype=np.float64),
            )
            for row in own.itertuples(index=False)
        )
        first = own.iloc[0]
        found.append(
            Signature(
                kind=str(first["kind"]),
                at=str(first["at"]),
                start_s=float(first["start_s"]),
                steps=int(first["steps"]),
                trajectories=trajectories,
            )
        )
    return tuple(found)
