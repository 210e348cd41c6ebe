"""Metrics as they came, mended into the normal form, with every mending said in words."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.errors import InvalidHistory
from chaosprsa.history import holes
from chaosprsa.history.frame import (
    SPARSEST,
    as_categories,
    longest,
    millis_of,
    same_series,
    series_codes,
    step_ms,
    usual_gap,
)

LONGEST_NAME = 253  # characters: what Kubernetes allows for a name
LARGEST = 1e30  # no computer has so many of anything: larger is an overflow


def clean(metrics: pd.DataFrame, now: datetime, where: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The normal form from rows of the right columns and types, and what was mended.

    Rows without a name or with one too long, with a value that is no finite number or larger than anything can be, and
    from the future (after `now`) are dropped; so are times that only a clock gone wrong can have written. Of samples
    at the same time in one series the last written stays; rows are sorted. `where` names the source in messages. Raises
    InvalidHistory where nothing is left.
    """
    total = len(metrics)
    notes: list[str] = []
    for words, bad in (
        ("without a time, component or metric", _nameless),
        (f"whose component or metric has more than {LONGEST_NAME} characters", _long_winded),
        ("whose value is not a finite number", lambda rows: ~np.isfinite(_values(rows))),
        (f"whose value is beyond {LARGEST:g}", lambda rows: np.abs(_values(rows)) > LARGEST),
        (f"from the future (after {now.astimezone(UTC):%Y-%m-%d %H:%M} UTC)", lambda rows: _future(rows, now)),
    ):
        wrong = bad(metrics)
        count = int(wrong.sum())
        if count and count == len(metrics):
            which = f"rows {words}" if words.startswith("whose") else words
            raise InvalidHistory(f"{where}: all {count} rows are {which}; nothing is left to learn from")
        if count:
            notes.append(f"{where}: {count} of {total} rows {words} were dropped")
            metrics = metrics[~wrong]
    metrics, more = _ordered(metrics, where)
    metrics, jumps = _of_one_clock(metrics, where)
    return metrics, (*notes, *more, *jumps, *_gaps(metrics, where))


def _nameless(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    missing = rows[["timestamp", "component", "metric"]].isna().to_numpy().any(axis=1)
    return missing | ((rows["component"] == "") | (rows["metric"] == "")).to_numpy(dtype=bool, na_value=True)


def _long_winded(rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(rows), dtype=bool)
    for name in ("component", "metric"):
        codes, names = pd.factorize(rows[name])
        found |= np.array([len(str(each)) > LONGEST_NAME for each in names], dtype=bool)[codes]
    return found


def _values(rows: pd.DataFrame) -> npt.NDArray[np.float64]:
    return rows["value"].to_numpy(dtype=float)


def _future(rows: pd.DataFrame, now: datetime) -> npt.NDArray[np.bool_]:
    return (rows["timestamp"] > pd.Timestamp(now)).to_numpy()


def _ordered(metrics: pd.DataFrame, where: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Sorted, without duplicates: the last written wins. Names become categories in alphabetical order."""
    metrics = metrics.assign(**{name: as_categories(metrics[name]) for name in ("component", "metric")})
    millis, series = millis_of(metrics["timestamp"]), series_codes(metrics)
    alike = series[1:] == series[:-1]
    if bool(np.all((series[1:] > series[:-1]) | (alike & (millis[1:] > millis[:-1])))):
        return metrics.reset_index(drop=True), ()
    order = np.lexsort((millis, series))
    rising = bool(np.all(order[1:] > order[:-1]))
    same = np.logical_and.reduce([keys[order][1:] == keys[order][:-1] for keys in (millis, series)])
    notes = []
    if not rising:
        notes.append(f"{where}: rows were not in order of component, metric and time; they were sorted")
    if same.any():
        notes.append(
            f"{where}: {int(same.sum())} duplicates (same time, component, metric) were dropped; the last stays"
        )
    return metrics.iloc[order[np.append(~same, True)]].reset_index(drop=True), tuple(notes)


def _of_one_clock(metrics: pd.DataFrame, where: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Without what a clock wrote that had jumped, to 1970 as often as not; other parts stay, however far apart.

    Where no grid can hold two parts that far apart, only the one with most rows stays.
    """
    notes = []
    millis, inside = millis_of(metrics["timestamp"]), same_series(metrics)
    if not len(millis) or millis.max() - millis.min() <= holes.LEAST_MS:
        return metrics, ()
    step, most = usual_gap(millis, inside), longest(inside)
    found = holes.parts(np.unique(millis // step) * step, step)
    bounds = [(int(part[0]), int(part[-1]) + step) for part in found]
    rows = [int(np.sum((millis >= start) & (millis < end))) for start, end in bounds]
    main = int(np.argmax(rows))
    apart = max(SPARSEST[0], SPARSEST[1] * most) * step
    for place, (start, end) in enumerate(bounds):
        far = max(start - bounds[main][1], bounds[main][0] - end)
        if place == main or not (holes.is_jump(found[place]) or far > apart):
            continue
        odd = (millis >= start) & (millis < end)
        first, last = (pd.Timestamp(int(each), unit="ms") for each in (millis[odd].min(), millis[odd].max()))
        span = f"{first:%Y-%m-%d %H:%M}" + (f" to {last:%Y-%m-%d %H:%M}" if last > first else "")
        why = "a clock had jumped" if holes.is_jump(found[place]) else f"too far for a grid of {step / 1000:g} s"
        notes.append(
            f"{where}: {rows[place]} rows of {span} UTC lie {far / 86_400_000:.0f} days from all others: {why}; "
            "they were dropped"
        )
        metrics, millis = metrics[~odd].reset_index(drop=True), millis[~odd]
    return metrics, tuple(notes)


def _gaps(metrics: pd.DataFrame, where: str) -> tuple[str, ...]:
    """Notes where samples are missing: when nothing was measured for months; gaps over 1.5 steps, and the longest."""
    millis, step = millis_of(metrics["timestamp"]), step_ms(metrics)
    long = millis.max() - millis.min() > holes.LEAST_MS
    found = holes.parts(np.unique(millis // step) * step, step) if long else []
    silent = [
        f"{where}: nothing was measured for {(after[0] - before[-1]) / 86_400_000:.0f} days, from "
        f"{pd.Timestamp(int(before[-1]), unit='ms'):%Y-%m-%d %H:%M} UTC on: a hole that stays one"
        for before, after in pairwise(found)
    ]
    before = np.flatnonzero(same_series(metrics) & (np.diff(millis) > 1.5 * step))
    gaps = millis[before + 1] - millis[before]
    begins = [part[0] for part in found[1:]]
    inside = np.searchsorted(begins, millis[before]) == np.searchsorted(begins, millis[before + 1], side="right")
    before, gaps = before[inside], gaps[inside]
    if not len(before):
        return tuple(silent)
    row = metrics.iloc[int(before[np.argmax(gaps)])]
    lasts, missing = timedelta(milliseconds=int(gaps.max())), int(np.sum(gaps // step - 1))
    text = (
        f"{where}: {len(gaps)} gaps (usual is a sample every {step / 1000:g} s, about {missing} are missing); "
        f"the longest lasts {lasts}: {row['component']} {row['metric']} from {row['timestamp']:%Y-%m-%d %H:%M:%S} UTC"
    )
    return (*silent, text)
