"""A history as moves: how far each metric of each component went within each span, and in its own warm-up.

A recording is a stretch without a long silence; no move reaches across one. The first minutes of a recording
(WARM_UP) show what a component does when it is left alone; nothing is judged in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from chaosprsa.history.frame import History
from chaosprsa.models.counters import measured
from chaosprsa.models.drift import Spans, changes, pieces
from chaosprsa.types import Incident, Topology

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
WARM_UP = timedelta(minutes=25)
GAP = timedelta(minutes=5)  # a longer silence of everything starts a new recording, with its own warm-up
UNKNOWN_LENGTH = timedelta(minutes=30)  # how long an incident without an end is taken to last
LEAST_QUIET = 0.3  # with less of the history quiet, incidents are the usual
MAX_NEIGHBOURS = 16
INDICES = ("core_id", "cpu_cores", "load_cores")  # numbers that name or count the hardware


@dataclass(frozen=True, slots=True)
class Moves:
    """moves: shape (metrics, spans, components, times), NaN where a span reaches beyond the recording.

    warm: shape (metrics, components, times), the largest shortest move in the recording's warm-up, NaN at times within
    it. levels: shape (metrics, components), mean sizes.
    """

    moves: Float32Array
    warm: Float32Array
    levels: FloatArray

    @property
    def judged(self) -> BoolArray:
        """Shape (times,): after a warm-up."""
        return np.asarray(~np.isnan(self.warm).all(axis=(0, 1)), dtype=bool)


def moves_of(history: History, metrics: Sequence[str], counters: Sequence[str], spans: Spans, at: IntArray) -> Moves:
    """Of the history's components, at these grid times."""
    components = list(history.components)
    since = since_start(history)
    reach = np.array(spans.lags)[:, None] + spans.width - 1
    moves = np.full((len(metrics), len(spans.lags), len(components), len(at)), np.nan, dtype=np.float32)
    warm = np.full((len(metrics), len(components), len(at)), np.nan, dtype=np.float32)
    levels = np.zeros((len(metrics), len(components)))
    for i, metric in enumerate(metrics):
        values = measured(history, metric, counters).reindex(columns=components).to_numpy(dtype=float)
        moves[i] = np.where((since[at] >= reach)[:, None, :], changes(values, spans, at), np.nan)
        warm[i] = _warm(values, since, at, spans, warm_steps(spans, history.step_s))
        levels[i] = np.abs(np.nan_to_num(values)).sum(axis=0) / np.maximum(np.isfinite(values).sum(axis=0), 1)
    return Moves(moves, warm, levels)


def warm_steps(spans: Spans, step_s: float) -> int:
    """WARM_UP on this step, and no less than the shortest move needs."""
    return max(spans.lags[0] + spans.width + 1, round(WARM_UP.total_seconds() / step_s))


def _warm(values: FloatArray, since: IntArray, at: IntArray, spans: Spans, length: int) -> FloatArray:
    found = np.full((values.shape[1], len(at)), np.nan)
    short = Spans(spans.width, spans.lags[:1])
    begins = at - since[at]
    for begin in np.unique(begins):
        times = np.arange(begin + short.lags[0] + short.width - 1, min(begin + length, len(values)))
        own = np.nan_to_num(np.abs(changes(values, short, times)[0])).max(axis=1, initial=0.0)
        found[:, (begins == begin) & (since[at] >= length)] = own[:, None]
    return found


def since_start(history: History) -> IntArray:
    """Shape (grid times,): steps since the recording that each time is in began; 0 where nothing was recorded."""
    grid, step = history.grid_ms, round(history.step_s * 1000)
    millis = history.metrics["timestamp"].dt.tz_convert(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    at = np.clip((np.unique(millis) - grid[0] + step // 2) // step, 0, len(grid) - 1)
    present = np.zeros(len(grid), dtype=bool)
    present[at] = True
    since = np.zeros(len(grid), dtype=np.int64)
    for first, past in pieces(present, max(2, round(GAP.total_seconds() / history.step_s))):
        since[first:past] = np.arange(past - first)
    return since


def quiet_times(history: History) -> BoolArray:
    """Shape (grid times,): no incident lasts; all where that would leave too little."""
    quiet = np.ones(len(history.grid), dtype=bool)
    for each in history.incidents:
        first, past = _between(history, each.start, _end(each))
        quiet[first:past] = False
    return quiet if quiet.mean() >= LEAST_QUIET else np.ones(len(quiet), dtype=bool)


def soon(history: History, horizon: timedelta) -> tuple[BoolArray, BoolArray]:
    """Whether each component's incident sets in within the horizon, and whether it is on, shape (components, times)."""
    shape = (len(history.components), len(history.grid))
    coming, lasting = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    index = {name: i for i, name in enumerate(history.components)}
    for each in history.incidents:
        began = each.impact_start or each.start
        rows = [index[name] for name in set(each.components) & set(index)]
        for table, (first, past) in (
            (coming, _between(history, began - horizon, began)),
            (lasting, _between(history, began, max(began, _end(each)) + timedelta(seconds=history.step_s))),
        ):
            table[rows, first:past] = True
    return coming, lasting


def neighbours_of(topology: Topology | None, components: Sequence[str]) -> IntArray:
    """Callers and callees of each as indices, shape (components, most), -1 where there is none."""
    index = {name: i for i, name in enumerate(components)}
    found: list[set[int]] = [set() for _ in components]
    for edge in topology.edges if topology else ():
        if edge.caller in index and edge.callee in index:
            found[index[edge.caller]].add(index[edge.callee])
            found[index[edge.callee]].add(index[edge.caller])
    table = np.full((len(components), min(MAX_NEIGHBOURS, max((len(each) for each in found), default=0))), -1)
    for i, each in enumerate(found):
        chosen = sorted(each)[: table.shape[1]]
        table[i, : len(chosen)] = chosen
    return table


def moving_metrics(history: History, most: int) -> tuple[str, ...]:
    """The metrics that most components have, but those that name the hardware, sorted."""
    own = history.metrics[history.metrics["component"].isin(history.components).to_numpy()]
    spread = own.groupby("metric", observed=True)["component"].nunique()
    names = sorted((str(name) for name in spread.index), key=lambda name: (-int(spread[name]), name))
    return tuple(sorted([name for name in names if name not in INDICES][:most]))


def _end(incident: Incident) -> datetime:
    return incident.likely_end or incident.start + UNKNOWN_LENGTH


def _between(history: History, start: datetime, end: datetime) -> tuple[int, int]:
    """Grid times from start on and before end."""
    grid = history.grid_ms
    first, past = (int(np.searchsorted(grid, round(time.timestamp() * 1000))) for time in (start, end))
    return first, past
