"""What one line of a log file tells: when, of which component, what. Pure.

Plain text; JSON a line, Docker's and logcli's wrapping included; CSV with a column of times and one of messages. A line
that tells no time or component has those of the line before it (a stack trace), or of its file.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chaosprsa.history.log_times import Stamper
from chaosprsa.history.reports import COMPONENT_LABELS, word_of
from chaosprsa.history.workloads import workload_of_pod

Record = tuple[str, int | None, str]  # component ("": the file's), seconds since 1970, text
TIMES = ("time", "timestamp", "ts", "@timestamp", "t", "datetime", "timeunixnano")
LEVELS = ("level", "severity", "lvl", "levelname", "log.level")
MESSAGES = ("message", "msg", "log", "line", "event", "body", "text")
SERVICES = ("service_name", "service.name", *COMPONENT_LABELS)
PODS = ("pod", "pod_name", "podname", "kubernetes_pod_name")
CONTAINERS = ("container", "container_name", "job")
_CONTAINER_FILE = re.compile(r"^(?P<pod>.+)_[^_]+_.+-[0-9a-f]{64}$")  # /var/log/containers
_POD_FOLDER = re.compile(r"^[^_]+_(?P<pod>.+)_[0-9a-f-]{36}$")  # /var/log/pods/<namespace>_<pod>_<uid>/<container>/
_ENDING = re.compile(r"(?:[-_.](?:\d{4}-?\d\d-?\d\d\S*|\d{1,3})|\.(?:log|txt|gz|out|err|json|jsonl|ndjson|csv))$")


def component_of_file(path: Path) -> str:
    """cart.log.2.gz, cart-2026-01-31.log, a container's or a pod's own file: the workload it is of."""
    for folder in path.parts[:-1][::-1]:
        match = _POD_FOLDER.match(folder)
        if match:
            return workload_of_pod(match["pod"])
    name = path.name
    while (match := _ENDING.search(name)) and match.start():
        name = name[: match.start()]
    match = _CONTAINER_FILE.match(name)
    return workload_of_pod(match["pod"] if match else name)


def component_of_labels(labels: Mapping[str, Any]) -> str:
    """The service, else the pod's workload, else the container; empty where there is none of them."""
    for names, found in ((SERVICES, str), (PODS, workload_of_pod), (CONTAINERS, str)):
        name = next((word_of(labels[name]) for name in names if labels.get(name)), "")
        if name:
            return found(name)
    inner = labels.get("kubernetes")
    return component_of_labels(inner) if isinstance(inner, dict) else ""


def record_of_text(line: str, stamper: Stamper) -> Record:
    """Of a plain line, or of one that is a JSON object."""
    if line.startswith("{") and line.rstrip().endswith("}"):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            values = None
        if isinstance(values, dict):
            return _of_object(values, stamper)
    if line[:1] in " \t":
        return "", None, line
    stamped = stamper.read(line)
    return ("", None, line) if stamped is None else ("", *stamped)


def _of_object(values: Mapping[str, Any], stamper: Stamper) -> Record:
    lowered = {str(name).lower(): value for name, value in values.items()}
    labels = lowered.get("labels")
    component = component_of_labels(lowered) or (component_of_labels(labels) if isinstance(labels, dict) else "")
    text = next((lowered[name] for name in MESSAGES if isinstance(lowered.get(name), str)), "")
    time = _time(lowered, stamper)
    inner = record_of_text(text, stamper) if text[:1] == "{" else ("", None, text)
    level = next((word_of(lowered[name]) for name in LEVELS if lowered.get(name)), "")
    message = inner[2].rstrip()
    return component or inner[0], inner[1] if time is None else time, f"{level.upper()} {message}" if level else message


def _time(values: Mapping[str, Any], stamper: Stamper) -> int | None:
    for name in TIMES:
        value = values.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _epoch(value)
        if isinstance(value, str) and value:
            stamped = stamper.read(value + " ")
            return stamped[0] if stamped else _epoch(float(value)) if re.fullmatch(r"\d{9,20}", value) else None
    return None


def _epoch(value: float) -> int | None:
    """Seconds, milli-, micro- or nanoseconds since 1970, by their size."""
    for unit in (1, 1e3, 1e6, 1e9):
        if 1e8 <= value / unit < 1e10:
            return int(value / unit)
    return None


def table_columns(header: str) -> Sequence[str] | None:
    """The names of a CSV's columns, lower case; None where it has no times or no messages."""
    names = [name.strip().lower() for name in next(csv.reader([header]), [])]
    return names if set(names) & set(TIMES) and set(names) & set(MESSAGES) else None


def records_of_rows(lines: Sequence[str], columns: Sequence[str], stamper: Stamper) -> Iterator[Record]:
    """A row a line; a line that is no whole row belongs to the one before it."""
    for line in lines:
        try:
            row = next(csv.reader([line]), [])
        except csv.Error:
            row = []
        if len(row) != len(columns):
            yield "", None, line
            continue
        yield _of_object(dict(zip(columns, row, strict=True)), stamper)
