"""Traces of requests a second from files with one number a line (.txt or .txt.gz), for the benchmarks of load."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
DAY_S = 86_400
MINUTE_S = 60
GAP_REQUESTS = 300.0  # a stretch of empty minutes in which the median minute would have had this many is a gap
_STARTS = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d)_(\d\d)")
_FIRST_DAY = re.compile(r"days?(\d+)")


@dataclass(frozen=True)
class Trace:
    """name: the file's. word: the letters it begins with. start_s: seconds since 1970, as far as the name says it.
    rates: requests a second, one value a second, NaN in gaps of the recording.
    """

    name: str
    word: str
    start_s: float
    rates: FloatArray


def traces(folders: Sequence[Path], shortest_s: int = 600) -> Iterator[Trace]:
    """Every file of numbers below the folders, or named itself, at least this long, in the order of their names."""
    for folder in folders:
        inside = [*folder.rglob("*.txt"), *folder.rglob("*.txt.gz")]
        for file in [folder] if folder.is_file() else sorted(inside):
            rates = _numbers(file)
            if rates is not None and len(rates) >= shortest_s:
                word = re.match(r"[a-z]*", file.name.lower())
                yield Trace(file.name.split(".")[0], word.group() if word else "", _start(file.name), gaps(rates))


def gaps(rates: FloatArray) -> FloatArray:
    """NaN for whole minutes without a request where by the median minute there should have been hundreds."""
    minutes = rates[: len(rates) // MINUTE_S * MINUTE_S].reshape(-1, MINUTE_S).sum(axis=1)
    empty = np.concatenate([[0], (minutes == 0).astype(int), [0]])
    found = rates.copy()
    for first, end in np.flatnonzero(np.diff(empty)).reshape(-1, 2):
        if (end - first) * np.median(minutes) > GAP_REQUESTS:
            found[first * MINUTE_S : end * MINUTE_S] = np.nan
    return found


def means(values: FloatArray, size: int) -> FloatArray:
    """Of `size` neighbours each; what is NaN is left out, NaN where all are."""
    table = values[: len(values) // size * size].reshape(-1, size)
    known = np.isfinite(table)
    sums = np.where(known, table, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), sums / np.maximum(known.sum(axis=1), 1), np.nan)


def _numbers(file: Path) -> FloatArray | None:
    try:
        return np.loadtxt(file, ndmin=1)
    except ValueError:
        return None  # a text that is no trace


def _start(name: str) -> float:
    """From "1995-07-01T00_00" in the name, or from "days15-22": the 14th day after 2021-08-01; else 2021-08-01."""
    if stamp := _STARTS.search(name):
        day, hour, minute = stamp.groups()
        return datetime.fromisoformat(f"{day}T{hour}:{minute}:00").replace(tzinfo=UTC).timestamp()
    first = _FIRST_DAY.search(name)
    return datetime(2021, 8, 1, tzinfo=UTC).timestamp() + (int(first.group(1)) - 1 if first else 0) * DAY_S
