"""Metrics as they came, mended into the normal form, with every mending said in words."""

from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.errors import InvalidHistory
from chaosprsa.history.frame import as_categories, longest, millis_of, same_series, series_codes, step_ms, usual_gap

LONGEST_NAME = 253  # characters: what Kubernetes allows for a name
LARGEST = 1e30  # no computer has so many of anything: larger is an overflow
JUMP = timedelta(days=30)  # a hole this long, and JUMP_TIMES as long as everything measured, is a clock's, not a pause
JUMP_TIMES = 10


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
    """Without what a clock wrote that had jumped, to 1970 as often as not: the smaller side of each impossible hole."""
    notes = []
    millis, inside = millis_of(metrics["timestamp"]), same_series(metrics)
    step, most = usual_gap(millis, inside), longest(inside)
    jump = round(JUMP.total_seconds() * 1000)
    while len(millis) and millis.max() - millis.min() > max(jump, JUMP_TIMES * step * most):
        times = np.unique(millis // step) * step
        at = int(np.argmax(np.diff(times)))
        hole = int(times[at + 1] - times[at])
        if hole <= max(jump, JUMP_TIMES * step * len(times)):
            break
        early = millis < times[at + 1]
        kept = early if early.sum() > len(millis) / 2 else ~early
        odd = millis[~kept]
        first, last = (pd.Timestamp(int(each), unit="ms") for each in (odd.min(), odd.max()))
        span = f"{first:%Y-%m-%d %H:%M}" + (f" to {last:%Y-%m-%d %H:%M}" if last > first else "")
        notes.append(
            f"{where}: {len(odd)} rows of {span} UTC lie {hole / 86_400_000:.0f} days from all others: a clock had "
            "jumped; they were dropped"
        )
        metrics, millis = metrics[kept].reset_index(drop=True), millis[kept]
    return metrics, tuple(notes)


def _gaps(metrics: pd.DataFrame, where: str) -> tuple[str, ...]:
    """A note where samples are missing: how many gaps longer than 1.5 steps, and the longest."""
    millis, step = millis_of(metrics["timestamp"]), step_ms(metrics)
    before = np.flatnonzero(same_series(metrics) & (np.diff(millis) > 1.5 * step))
    if not len(before):
        return ()
    gaps = millis[before + 1] - millis[before]
    row = metrics.iloc[int(before[np.argmax(gaps)])]
    lasts, missing = timedelta(milliseconds=int(gaps.max())), int(np.sum(gaps // step - 1))
    text = (
        f"{where}: {len(gaps)} gaps (usual is a sample every {step / 1000:g} s, about {missing} are missing); "
        f"the longest lasts {lasts}: {row['component']} {row['metric']} from {row['timestamp']:%Y-%m-%d %H:%M:%S} UTC"
    )
    return (text,)
