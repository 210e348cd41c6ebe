"""The log of a load: every request as one line of CSV, second by second sums, and when it began.

FOLDER/requests.csv   time_s,endpoint,latency_ms,ok   time_s: the intended arrival, seconds since the load began
FOLDER/seconds.csv    time_s,requests,failures,in_flight,latency_p50_ms,latency_p95_ms,latency_p99_ms
                      of the answers that came in that second; a latency is empty in a second without answers
FOLDER/load.json      {"profile", "seed", "started", "started_epoch_s", "duration_s", "ended", "requests", "failures"};
                      "ended" is null until the load has ended by itself
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np

from chaosprsa.documents import write_text
from chaosprsa.errors import InvalidDocument
from chaosprsa.types import LoadProfile

REQUESTS = "requests.csv"
SECONDS = "seconds.csv"
LOAD = "load.json"
REQUEST_FIELDS = ("time_s", "endpoint", "latency_ms", "ok")
SECOND_FIELDS = ("time_s", "requests", "failures", "in_flight", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms")
FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
BoolArray = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Requests:
    """What a log says: arrays of equal length, sorted by time."""

    time_s: FloatArray
    endpoint: tuple[str, ...]
    latency_ms: FloatArray
    ok: BoolArray

    def __len__(self) -> int:
        return len(self.time_s)

    def between(self, start_s: float, end_s: float) -> Self:
        """The requests that arrived in [start_s, end_s)."""
        inside = (self.time_s >= start_s) & (self.time_s < end_s)
        kept = tuple(name for name, keep in zip(self.endpoint, inside, strict=True) if keep)
        return type(self)(self.time_s[inside], kept, self.latency_ms[inside], self.ok[inside])


def read_requests(folder: Path) -> Requests:
    """The log in a folder; a last line that is still being written is left out.

    Raises InvalidDocument where there is no log or a line is damaged.
    """
    path = folder / REQUESTS
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDocument(f"{path}: no log of a load can be read there ({error}); play the load first") from None
    whole = text[: text.rfind("\n") + 1]
    rows = list(csv.reader(whole.splitlines()))
    if not rows or tuple(rows[0]) != REQUEST_FIELDS:
        raise InvalidDocument(f"{path}: expected a first line {','.join(REQUEST_FIELDS)}")
    return _parsed(rows[1:], path)


def _parsed(rows: Sequence[Sequence[str]], path: Path) -> Requests:
    try:
        ordered = sorted((float(time_s), name, float(latency), ok == "1") for time_s, name, latency, ok in rows)
    except ValueError as error:
        raise InvalidDocument(f"{path}: a damaged line ({error}); play the load again") from None
    return Requests(
        np.array([row[0] for row in ordered], dtype=float),
        tuple(row[1] for row in ordered),
        np.array([row[2] for row in ordered], dtype=float),
        np.array([row[3] for row in ordered], dtype=bool),
    )


def read_load(folder: Path) -> dict[str, Any]:
    """load.json, or an empty dictionary while no load has begun there. Raises InvalidDocument when it is damaged."""
    path = folder / LOAD
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InvalidDocument(f"{path}: it can't be read: {error}") from None
    return found


class LoadLog:
    """Writes the three files while a load is played. Not for threads: one event loop owns it."""

    def __init__(self, folder: Path, profile: LoadProfile) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._profile = folder, profile
        self._started = datetime.now(UTC)
        self._requests, self._request_file = self._open(REQUESTS, REQUEST_FIELDS)
        self._seconds, self._second_file = self._open(SECONDS, SECOND_FIELDS)
        self._recent: list[tuple[float, bool]] = []
        self._total = self._failed = 0
        self._describe(None)

    def _open(self, name: str, fields: tuple[str, ...]) -> tuple[Any, TextIO]:
        file = (self._folder / name).open("w", encoding="utf-8", newline="")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(fields)
        file.flush()
        return writer, file

    def add(self, time_s: float, endpoint: str, latency_ms: float, ok: bool) -> None:
        """One answer (or failure) of the request that was meant to arrive at time_s."""
        self._requests.writerow((f"{time_s:.4f}", endpoint, f"{latency_ms:.3f}", int(ok)))
        self._recent.append((latency_ms, ok))
        self._total += 1
        self._failed += not ok

    def second(self, time_s: int, in_flight: int) -> None:
        """Close a second: its sums are written and everything is on disk."""
        latencies = [latency for latency, _ in self._recent]
        failures = sum(not ok for _, ok in self._recent)
        shown = np.round(np.percentile(latencies, (50, 95, 99)), 3).tolist() if latencies else ["", "", ""]
        self._seconds.writerow((time_s, len(latencies), failures, in_flight, *shown))
        self._recent.clear()
        self._request_file.flush()
        self._second_file.flush()

    def close(self, finished: bool) -> None:
        """The load is over. finished: it was played to its end."""
        self._request_file.close()
        self._second_file.close()
        self._describe(datetime.now(UTC) if finished else None)

    def _describe(self, ended: datetime | None) -> None:
        said = {
            "profile": self._profile.id,
            "seed": self._profile.seed,
            "started": self._started.isoformat(),
            "started_epoch_s": self._started.timestamp(),
            "duration_s": self._profile.duration_s,
            "ended": ended.isoformat() if ended else None,
            "requests": self._total,
            "failures": self._failed,
        }
        write_text(self._folder / LOAD, json.dumps(said, indent=1) + "\n")
