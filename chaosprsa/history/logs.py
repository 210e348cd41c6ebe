"""Log files turned into metrics: what each component wrote, how many errors, which statements, how many new ones.

A file or a folder, read once from front to back; memory depends on components and time covered, not on the number of
lines. The metrics are log_lines_per_s, log_errors_per_s, log_new_templates_per_s, and log_template_<id>_per_s for the
ten most frequent templates of a component. A Loki export (query_range's JSON) is read whole.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.errors import InvalidHistory
from chaosprsa.history import holes
from chaosprsa.history.frame import COLUMNS, SPARSEST, History, as_categories
from chaosprsa.history.json_values import json_values
from chaosprsa.history.log_counts import LINES, MOST_ROWS, Counts
from chaosprsa.history.log_lines import line_blocks
from chaosprsa.history.log_records import (
    Record,
    component_of_file,
    component_of_labels,
    record_of_text,
    records_of_rows,
    table_columns,
)
from chaosprsa.history.log_times import Stamper
from chaosprsa.history.reports import Mendings
from chaosprsa.history.texts import read_text
from chaosprsa.types import LogTemplate

IntArray = npt.NDArray[np.int64]
EXPORT_LIMIT = 1 << 28  # bytes of a Loki export; logcli --output=jsonl writes lines, which have no limit
LEAST_COVER = 0.05  # share of the metrics' time that logs must cover for series: of less nothing can be learned
TIMELESS = "log lines have no time, nor has a line before them; they were left out"
CROWDED = "log lines are of components beyond the first thousand; they were left out"
FUTURE = "log lines are from the future; they were left out"


@dataclass(slots=True)
class _Reading:
    """step_s, phase_s: of the grid that counts are laid on."""

    step_s: int
    phase_s: int
    now: datetime
    counts: Counts = field(default_factory=Counts)
    mendings: Mendings = field(default_factory=Mendings)
    lines: int = 0
    unzoned: int = 0
    yearless: int = 0

    def file(self, path: Path) -> None:
        """Count a file's lines."""
        stamper = Stamper(self.now)
        self.blocks(_records(path, stamper, self.mendings), component_of_file(path))
        self.unzoned += bool(stamper.unzoned)
        self.yearless += bool(stamper.yearless)

    def blocks(self, blocks: Iterable[Iterable[Record]], own: str) -> None:
        """Count these. own: the component of lines that name none."""
        last: tuple[str, int | None] = own, None
        for records in blocks:
            last = self._add(records, own, *last)
            self.counts.bound()

    def _add(self, records: Iterable[Record], own: str, component: str, seconds: int | None) -> tuple[str, int | None]:
        """Returns the component and time of the last line, which lines without have, too."""
        limit = int(self.now.timestamp())
        for named, at, text in records:
            if not text or text.isspace():
                continue
            component = named or (component if at is None else own)
            seconds = seconds if at is None else at
            self.lines += 1
            if seconds is None or seconds > limit:
                self.mendings.counts[TIMELESS if seconds is None else FUTURE] += 1
                continue
            counts = self.counts.of(component)
            if counts is None:
                self.mendings.counts[CROWDED] += 1
                continue
            counts.add((seconds - self.phase_s) // self.step_s + 1, text)
        return component, seconds

    def metrics(self, steps: IntArray) -> pd.DataFrame:
        return self.counts.metrics(steps, self.step_s * 1000, self.phase_s * 1000)

    def covered(self) -> tuple[list[IntArray], tuple[str, ...]]:
        """The first and last step of each time in which somebody wrote, without what only a jumped clock can have."""
        step_ms = self.step_s * 1000
        parts = holes.parts(self.counts.steps() * step_ms, step_ms)
        main = max(range(len(parts)), key=lambda place: (len(parts[place]), place))
        jumps = [part for place, part in enumerate(parts) if place != main and holes.is_jump(part)]
        kept = [part for place, part in enumerate(parts) if place == main or not holes.is_jump(part)]
        notes = [
            f"lines of {pd.Timestamp(int(jump[0]), unit='ms'):%Y-%m-%d %H:%M} UTC lie far from all others: a clock had "
            "jumped; they were dropped"
            for jump in jumps
        ]
        if len(kept) > 1:
            notes.append(f"nobody wrote anything in {len(kept) - 1} silences of months: holes that stay holes")
        return [part[[0, -1]] // step_ms for part in kept], tuple(notes)

    def notes(self, name: str) -> tuple[str, ...]:
        counted = (
            (self.unzoned, "files have log times without a zone; they were taken as UTC"),
            (self.yearless, "files have log times without a year; the last year was taken in which they are past"),
        )
        return (*self.mendings.notes(name), *(f"{name}: {count} {words}" for count, words in counted if count))


def with_logs(history: History, paths: Iterable[Path], now: datetime) -> History:
    """The history with the logs' metrics, at its own step, and their templates.

    Raises InvalidHistory: a file that can't be read.
    """
    for path in paths:
        history = _with_logs(history, path, now)
    return history


def _with_logs(history: History, path: Path, now: datetime) -> History:
    reading = _reading(history, now)
    for file in _files(path):
        reading.file(file)
    return _counted(history, reading, path.name)


def with_log_records(history: History, blocks: Iterable[Iterable[Record]], name: str, now: datetime) -> History:
    """The same of records that were read elsewhere, block by block; name: the source's, in notes and as a component."""
    reading = _reading(history, now)
    reading.blocks(blocks, name)
    return _counted(history, reading, name)


def _reading(history: History, now: datetime) -> _Reading:
    """At the metrics' own step and phase, else by minutes."""
    if not len(history.metrics):
        return _Reading(60, 0, now)
    step_s = max(1, round(history.step_s))
    return _Reading(step_s, int(history.grid[0].timestamp()) % step_s, now)


def _counted(history: History, reading: _Reading, name: str) -> History:
    notes = reading.notes(name)
    if not reading.counts.components:
        return replace(history, notes=(*history.notes, *notes, f"{name}: it holds no log lines with a time"))
    templates = _joined(history.log_templates, reading.counts.templates())
    rows, more = _rows(history, reading, name)
    told = f"{name}: {reading.lines} log lines of {len(reading.counts.components)} components were read"
    metrics = _with_rows(history.metrics, rows) if len(rows) else history.metrics
    return replace(history, metrics=metrics, notes=(*history.notes, *notes, told, *more), log_templates=templates)


def _rows(history: History, reading: _Reading, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The metrics over the time that logs and metrics share; of logs alone, over theirs. And what is to be said."""
    if not len(history.metrics):
        return _alone(reading, name)
    steps = reading.counts.steps()
    first, last = int(steps[0]), int(steps[-1])
    begin, end = (int(time.timestamp()) for time in (history.window.start, history.window.end))
    low, high = -(-(begin - reading.phase_s) // reading.step_s), (end - reading.phase_s) // reading.step_s - 1
    inside = min(last, high) - max(first, low) + 1
    if inside < LEAST_COVER * (high - low + 1):
        share = max(inside, 0) / (high - low + 1)
        note = f"{name}: logs cover {share:.1%} of the metrics' time; only their templates are used, no rates"
        return history.metrics[:0], (note,)
    return reading.metrics(np.arange(max(first, low), min(last, high) + 1)), ()


def _alone(reading: _Reading, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """At a longer step where there would be too many rows, or no grid could hold the first line and the last."""
    spans, notes = reading.covered()
    count = sum(int(last - first) + 1 for first, last in spans)
    apart = int(spans[-1][1] - spans[0][0]) + 1
    factor = max(-(-count * reading.counts.series // MOST_ROWS), -(-apart // SPARSEST[0]))
    if factor > 1:
        for each in reading.counts.components.values():
            each.coarsen(factor)
        reading.step_s *= factor
        notes += (f"log lines are far apart; they were counted every {reading.step_s} s",)
    wide = [-(-span // factor) for span in spans]
    steps = np.unique(np.concatenate([np.arange(first, last + 1) for first, last in wide]))
    return reading.metrics(steps), tuple(f"{name}: {note}" for note in notes)


def _with_rows(metrics: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Both, in the normal form's order; where both have a sample the new one counts."""
    columns = {
        name: np.concatenate([metrics[name].astype(object).to_numpy(), rows[name].astype(object).to_numpy()])
        for name in ("component", "metric")
    }
    times = [frame["timestamp"].dt.tz_convert(None).to_numpy().astype("datetime64[ms]") for frame in (metrics, rows)]
    joined = pd.DataFrame(
        {
            "timestamp": pd.DatetimeIndex(np.concatenate(times)).tz_localize("UTC"),
            **{name: as_categories(pd.Series(values)) for name, values in columns.items()},
            "value": np.concatenate([metrics["value"].to_numpy(), rows["value"].to_numpy()]),
        }
    )
    ordered = joined.sort_values(["component", "metric", "timestamp"], kind="stable")
    kept = ordered.drop_duplicates(["component", "metric", "timestamp"], keep="last")
    return kept.reset_index(drop=True)[list(COLUMNS)]


def _joined(
    known: Mapping[str, tuple[LogTemplate, ...]], new: Mapping[str, tuple[LogTemplate, ...]]
) -> dict[str, tuple[LogTemplate, ...]]:
    """Of both, by component; of a template that both have, the larger count."""
    joined: dict[str, tuple[LogTemplate, ...]] = {}
    for name in sorted({*known, *new}):
        both = sorted((*known.get(name, ()), *new.get(name, ())), key=lambda each: (-each.count, each.id))
        joined[name] = tuple({each.id: each for each in reversed(both)}.values())[::-1]
    return joined


def has_log_metrics(history: History) -> bool:
    """Whether logs were counted before."""
    return LINES in history.metric_names


def _files(path: Path) -> list[Path]:
    """Older files first, as far as rotation and dates in their names tell: cart.log.2, cart.log.1, cart.log."""
    if not path.exists():
        raise InvalidHistory(f"{path}: there is no such file or folder of logs")
    if not path.is_dir():
        return [path]
    files = [each for each in path.rglob("*") if each.is_file() and not each.name.startswith(".")]
    return sorted(files, key=lambda each: (component_of_file(each), -_rotation(each), str(each)))


def _rotation(path: Path) -> int:
    parts = [part for part in path.name.removesuffix(".gz").split(".") if part.isdigit()]
    return int(parts[-1][:9]) if parts else 0


def _records(path: Path, stamper: Stamper, mendings: Mendings) -> Iterator[Iterable[Record]]:
    """Blocks of records."""
    blocks = line_blocks(path, mendings)
    lines = next(blocks, [])
    if not lines:
        return
    if _is_export(lines):
        yield from _streams(path)
        return
    columns = table_columns(lines[0]) if ".csv" in path.name.lower() else None
    if columns is not None:
        yield records_of_rows(lines[1:], columns, stamper)
        for block in blocks:
            yield records_of_rows(block, columns, stamper)
        return
    yield (record_of_text(line, stamper) for line in lines)
    for block in blocks:
        yield (record_of_text(line, stamper) for line in block)


def _is_export(lines: list[str]) -> bool:
    head = "".join(lines)[:4096].lstrip()
    return head.startswith("{") and '"result"' in head and ('"stream"' in head or '"streams"' in head)


def _streams(path: Path) -> Iterator[list[Record]]:
    """A Loki answer: {"data": {"result": [{"stream": {labels}, "values": [["nanoseconds", "line"], ...]}, ...]}}."""
    text = read_text(path, "a Loki export is JSON", EXPORT_LIMIT)
    for where, value in json_values(text, str(path)):
        yield from records_of_answer(value, where)


def records_of_answer(value: Any, where: str) -> Iterator[list[Record]]:
    """A list a stream. Raises InvalidHistory where it is no answer of Loki's."""
    try:
        for stream in value["data"]["result"]:
            component = component_of_labels(stream["stream"])
            entries = [(int(entry[0]), str(entry[1])) for entry in stream["values"]]
            yield [(component, at // 1_000_000_000, line) for at, line in sorted(entries)]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise InvalidHistory(
            f'{where}: not a Loki answer; expected {{"data": {{"result": [{{"stream": {{}}, "values": []}}]}}}}'
        ) from None
