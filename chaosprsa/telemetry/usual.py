"""The normal part of synthetic telemetry: what every series would have shown had nothing gone wrong.

The stationary bootstrap (Politis & Romano 1994) of the last hours, all series at the same times, so that what moves
together in time and across metrics keeps doing so; a block begins where it fits what is there already (matched-block
bootstrap: Carlstein, Do, Hall, Hesterberg and Kuensch 1998). What is left of the jump is carried on and fades as fast
as the series itself forgets its level. Where a load model knows the day, its course is laid under.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from chaosprsa.history.frame import History
from chaosprsa.history.queries import RATE
from chaosprsa.models.bundle import Bundle
from chaosprsa.models.normals import quiet_rows
from chaosprsa.models.series import Wide, wide
from chaosprsa.models.signatures import BEFORE, noise_of
from chaosprsa.telemetry.shapes import Shape, shape_of, stays

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
MEAN_BLOCK = 60  # steps
CANDIDATES = 12  # places looked at for the next block
MATCHED = 64  # series that a block's beginning is matched on
SMOOTH = 9  # steps that a series' level is the mean of
FEWEST = 12  # samples below which a series has nothing to draw blocks from
LAG = 10  # steps, that a level's memory is measured over
USUAL_MEMORY = 0.95  # of a level, a step, where the past is too short to tell
FOLLOWS = 0.3  # share of a metric's variance that the load must explain to move it along


@dataclass(frozen=True, slots=True)
class Past:
    """The last quiet hours, a column a series that the bundle knows normals of.

    samples: shape (rows, series), of counters their increments. normal: (median, spread), shape (series, 2). last:
    where each counter stood, NaN for the others. present: the level at the end, shape (series,); restless: the mean
    absolute change from step to step in the last half hour. steady: it moves in steps, and often stays as it is.
    end_s: since 1970.
    """

    keys: tuple[tuple[str, str], ...]
    times: FloatArray
    samples: FloatArray
    level: FloatArray
    normal: FloatArray
    counter: BoolArray
    last: FloatArray
    present: FloatArray
    restless: FloatArray
    steady: BoolArray
    shape: Shape
    step_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Usual:
    """Shape (times, series) each; level is the samples without their noise. NaN: no sample."""

    samples: FloatArray
    level: FloatArray


def past_of(bundle: Bundle) -> Past:
    """What the normal part is drawn from; a bundle without metrics gives no rows."""
    keys = tuple((name, metric) for name in sorted(bundle.normals) for metric in sorted(bundle.normals[name]))
    normal = np.array([bundle.normals[name][metric] for name, metric in keys], dtype=float).reshape(-1, 2)
    every = _aligned(wide(bundle.recent), keys)
    quiet = _aligned(wide(_quiet(bundle.recent)), keys)
    counter = every.counter
    values = np.where(counter, _at(every, quiet.millis), quiet.samples) if counter.any() else quiet.samples
    level = _smooth(values)
    normal = np.where(counter[:, None], _of_increments(values), normal)
    return Past(
        keys=keys,
        times=quiet.millis / 1000,
        samples=values,
        level=level,
        normal=normal,
        counter=counter,
        last=every.last,
        present=_last_level(every.samples, normal[:, 0]),
        restless=noise_of(every.samples[-BEFORE:]),
        steady=stays(quiet.samples),
        shape=shape_of([metric for _, metric in keys], values),
        step_s=bundle.recent.step_s if len(bundle.recent.metrics) else 60.0,
        end_s=float(every.millis[-1] / 1000) if len(every.millis) else 0.0,
    )


def _of_increments(values: FloatArray) -> FloatArray:
    """Median and spread of each column, shape (series, 2): what a counter's normal is told by; 0 where it is empty."""
    filled = np.where(np.isfinite(values).any(axis=0), values, 0.0)
    middle = np.nanmedian(filled, axis=0) if len(filled) else np.zeros(values.shape[1])
    spread = np.nanmedian(np.abs(filled - middle), axis=0) if len(filled) else np.zeros(values.shape[1])
    return np.column_stack([middle, 1.4826 * spread])


def _quiet(recent: History) -> History:
    if not len(recent.metrics) or not recent.incidents:
        return recent
    return History(metrics=recent.metrics[quiet_rows(recent)].reset_index(drop=True))


def _aligned(table: Wide, keys: tuple[tuple[str, str], ...]) -> Wide:
    """The table with the columns of `keys`, empty ones for series that it doesn't have."""
    place = {key: number for number, key in enumerate(table.keys)}
    at = np.array([place.get(key, -1) for key in keys], dtype=np.int64)
    there = at >= 0
    values = np.full((len(table.millis), len(keys)), np.nan)
    counter, last = np.zeros(len(keys), dtype=bool), np.full(len(keys), np.nan)
    values[:, there] = table.samples[:, at[there]]
    counter[there], last[there] = table.counter[at[there]], table.last[at[there]]
    return replace(table, keys=keys, samples=values, counter=counter, last=last)


def _at(table: Wide, millis: IntArray) -> FloatArray:
    """The table's rows nearest to these times: increments are taken before incidents are cut out, not across."""
    rows = np.clip(np.searchsorted(table.millis, millis), 0, max(len(table.millis) - 1, 0))
    return np.asarray(table.samples[rows])


def _smooth(values: FloatArray) -> FloatArray:
    """A centred mean over SMOOTH rows, gaps left out; shape as given."""
    there = np.isfinite(values)
    half, rows = SMOOTH // 2, len(values)
    zero = np.zeros((1, values.shape[1]))
    total = np.vstack([zero, np.cumsum(np.where(there, values, 0.0), axis=0)])
    count = np.vstack([zero, np.cumsum(there, axis=0)])
    low, high = np.clip(np.arange(rows) - half, 0, rows), np.clip(np.arange(rows) + half + 1, 0, rows)
    seen = count[high] - count[low]
    return np.where(seen > 0, (total[high] - total[low]) / np.maximum(seen, 1), np.nan)


def _last_level(values: FloatArray, otherwise: FloatArray) -> FloatArray:
    tail = values[-SMOOTH:]
    count = np.isfinite(tail).sum(axis=0)
    mean = np.where(np.isfinite(tail), tail, 0.0).sum(axis=0) / np.maximum(count, 1)
    return np.where(count > 0, mean, otherwise)


def usual(past: Past, bundle: Bundle, times: FloatArray, rng: np.random.Generator) -> Usual:
    """times: seconds since 1970, evenly spaced. Series with too little past are noise around their normal."""
    noise = past.normal[:, 1] * rng.standard_normal((len(times), len(past.keys)))
    values, level = past.normal[:, 0] + noise, np.broadcast_to(past.normal[:, 0], noise.shape)
    known = np.isfinite(past.samples).sum(axis=0) >= FEWEST
    if known.any():
        drawn, drawn_level = _blocks(past, bundle, times, rng)
        values, level = np.where(known, drawn, values), np.where(known, drawn_level, level)
    longer = (times[1] - times[0]) / past.step_s if len(times) > 1 else 1.0
    return Usual(*(np.where(past.counter, each * longer, each) for each in (values, level)))


def _blocks(past: Past, bundle: Bundle, times: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """(values, level), shape (times, series) each."""
    source, seams = _path(past, len(times), rng)
    carried = np.zeros((len(times), len(past.keys)))
    memory = _memory(past.level)
    ahead = max(0.0, (times[0] - past.end_s) / past.step_s)
    middle = np.where(np.isfinite(past.normal[:, 0]), past.normal[:, 0], past.present)
    now = middle + (past.present - middle) * memory**ahead
    for first, last in zip(seams, [*seams[1:], len(times)], strict=True):
        gap = now - past.level[source[first]]
        gap = np.where(np.isfinite(gap), gap, 0.0)
        fades = memory ** np.arange(last - first)[:, None]
        carried[first:last] = gap * np.where(past.steady, fades[(last - first) // 2], fades)
        now = past.level[source[last - 1]] + carried[last - 1]
    carried += _course(past, bundle, times, source)
    return past.samples[source] + carried, past.level[source] + carried


def _path(past: Past, length: int, rng: np.random.Generator) -> tuple[IntArray, list[int]]:
    """Which row of the past each time is drawn from, and where blocks begin."""
    rows = len(past.times)
    ends = _run_ends(past.times, past.step_s)
    scale = np.maximum(past.normal[:, 1], 1e-12)
    columns = np.flatnonzero(np.isfinite(past.level).mean(axis=0) > 0.5)
    columns = columns[np.linspace(0, len(columns) - 1, min(MATCHED, len(columns))).astype(int)]
    told, here = _told(past, columns, scale)
    source, seams, at = np.empty(length, dtype=np.int64), [], 0
    while at < length:
        places = rng.integers(0, rows, size=min(CANDIDATES, rows))
        place = int(places[np.argmin(np.abs(told[places] - here).sum(axis=1))])
        steps = min(int(rng.geometric(1 / MEAN_BLOCK)), int(ends[place]) - place, length - at)
        source[at : at + steps] = np.arange(place, place + steps)
        seams.append(at)
        at += steps
        here = told[source[at - 1]]
    return source, seams


def _told(past: Past, columns: IntArray, scale: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What rows are compared by, shape (rows, features), and the same of now: each series' level and restlessness."""
    steps = np.abs(np.diff(past.samples[:, columns], axis=0, prepend=past.samples[:1, columns]))
    usually = np.maximum(noise_of(past.samples[:, columns]), 1e-12)
    moves = np.log(_smooth(steps) / usually + 0.1)
    levels = np.clip((past.level - past.normal[:, 0]) / scale, -5, 5)[:, columns]
    now = np.clip((past.present - past.normal[:, 0]) / scale, -5, 5)[columns]
    now_moves = np.log(past.restless[columns] / usually + 0.1)
    return np.nan_to_num(np.hstack([levels, moves])), np.nan_to_num(np.append(now, now_moves))


def _run_ends(times: FloatArray, step_s: float) -> IntArray:
    """For each row, the row after the last of its run of evenly spaced ones."""
    broken = np.append(np.diff(times) > 1.5 * step_s, True)
    after = np.flatnonzero(broken) + 1
    return after[np.searchsorted(after, np.arange(len(times)), side="right")]


def _memory(level: FloatArray) -> FloatArray:
    """The share of a level's distance from its mean that is left a step later, shape (series,): 0 to 1."""
    if len(level) < 4 * LAG:
        return np.full(level.shape[1], USUAL_MEMORY)
    filled = np.where(np.isfinite(level), level, 0.0)
    count = np.maximum(np.isfinite(level).sum(axis=0), 1)
    centred = np.where(np.isfinite(level), level - filled.sum(axis=0) / count, 0.0)
    variance = (centred**2).mean(axis=0)
    shared = (centred[LAG:] * centred[:-LAG]).mean(axis=0)
    ratio = np.where(variance > 0, shared / np.where(variance > 0, variance, 1.0), 0.0)
    return np.asarray(np.clip(ratio, 0.0, 0.999) ** (1 / LAG))


def _course(past: Past, bundle: Bundle, times: FloatArray, source: IntArray) -> FloatArray:
    """What the load model says these times differ by from those that were drawn, shape (times, series)."""
    shift = np.zeros((len(times), len(past.keys)))
    for component, columns in _by_component(past):
        model = bundle.load.get(component)
        rate = next((place for place in columns if past.keys[place][1] == RATE), None)
        if model is None or rate is None:
            continue
        then, later = model.forecast(past.times).mean, model.forecast(times).mean
        moved = later / np.maximum(then[source], 1e-9)
        rates = past.samples[:, rate]
        shift[:, rate] = np.nan_to_num(rates[source] * (np.clip(moved, 0.1, 10.0) - 1))
        for place in columns:
            if place != rate:
                shift[:, place] = _elasticity(past.samples[:, place], rates) * (later - then[source])
    return shift


def _by_component(past: Past) -> Iterator[tuple[str, list[int]]]:
    own: dict[str, list[int]] = {}
    for place, (component, _) in enumerate(past.keys):
        own.setdefault(component, []).append(place)
    yield from own.items()


def _elasticity(values: FloatArray, rates: FloatArray) -> float:
    """By how much the metric rises with a request a second more; 0 where the load explains too little of it."""
    there = np.isfinite(values) & np.isfinite(rates)
    if there.sum() < FEWEST:
        return 0.0
    x, y = rates[there] - rates[there].mean(), values[there] - values[there].mean()
    square, shared, whole = float(x @ x), float(x @ y), float(y @ y)
    return shared / square if square > 0 and whole > 0 and shared**2 / (square * whole) > FOLLOWS else 0.0
