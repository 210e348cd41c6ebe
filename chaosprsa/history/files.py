"""A history as a folder in the normal form: metrics.parquet or metrics.csv, incidents.jsonl, topology.json, logs/.

Metrics, incidents or logs must be there, the call graph may be missing: it is then read off the call edges ("a->b")
among the components. Times without a zone are taken as UTC, with a note.
"""

import json
import zlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from chaosprsa.documents import write_bytes, write_document, write_text
from chaosprsa.errors import InvalidHistory
from chaosprsa.history.columns import listed, names_as_text, numbers, utc_times
from chaosprsa.history.frame import COLUMNS, History, as_categories, empty_metrics
from chaosprsa.history.incidents import parse_incidents
from chaosprsa.history.log_templates_file import TEMPLATES, read_templates, templates_text
from chaosprsa.history.mending import clean
from chaosprsa.history.topology import USERS_VIEW, read_topology, topology_of_edges
from chaosprsa.types import Incident, Topology

METRICS = ("metrics.parquet", "metrics.csv", "metrics.csv.gz")
INCIDENTS = "incidents.jsonl"
TOPOLOGY = "topology.json"
LOGS = "logs"

__all__ = ["read_history", "read_metrics", "read_topology", "with_incidents", "write_history"]


def read_history(folder: Path, now: datetime) -> History:
    """Read and mend a folder; `now` tells which samples are from the future.

    Raises InvalidHistory: no such folder, neither metrics nor incidents nor logs, or a file that can't be used.
    """
    if not folder.is_dir():
        raise InvalidHistory(f"{folder}: no such folder; a history is a folder with {METRICS[0]} and {INCIDENTS}")
    present = [folder / name for name in METRICS if (folder / name).exists()]
    metrics, notes = read_metrics(present[0], now) if present else (empty_metrics(), ("there are no metrics",))
    notes += tuple(f"{path.name} was not read: {present[0].name} is there" for path in present[1:])
    incidents: tuple[Incident, ...] = ()
    if (folder / INCIDENTS).exists():
        incidents, more = parse_incidents(folder / INCIDENTS)
        notes += more
    logged = (folder / LOGS).is_dir()
    if not present and not incidents and not logged:
        names = " nor ".join((*METRICS, INCIDENTS, f"{LOGS}/"))
        raise InvalidHistory(
            f"{folder}: holds neither {names}; nothing can be learned. Incidents in other formats: write the settings "
            "by hand (docs/own-cluster.md), without [sources] history, then chaos prsa learn --incidents PATH"
        )
    topology = read_topology(folder / TOPOLOGY) if (folder / TOPOLOGY).exists() else topology_of_edges(metrics)
    metrics, more = _users_view(metrics, topology)
    templates = read_templates(folder / TEMPLATES) if (folder / TEMPLATES).exists() else {}
    history = History(metrics=metrics, topology=topology, notes=notes + more, log_templates=templates)
    if logged:
        history = _with_logs(history, folder / LOGS, now)
    return with_incidents(history, incidents, now)


def _with_logs(history: History, folder: Path, now: datetime) -> History:
    """The logs beside the metrics, unless the metrics hold their counts already."""
    from chaosprsa.history.logs import has_log_metrics, with_logs  # with Drain, which few histories need

    if has_log_metrics(history):
        note = f"{folder.name}/ was not read: the metrics hold the counts of log lines already"
        return replace(history, notes=(*history.notes, note))
    return with_logs(history, (folder,), now)


def with_incidents(history: History, incidents: tuple[Incident, ...], now: datetime) -> History:
    """The history with these incidents added; those from the future are dropped, strangers are said in a note."""
    past = tuple(each for each in incidents if each.start <= now)
    notes = history.notes
    if len(past) < len(incidents):
        notes += (f"{len(incidents) - len(past)} of {len(incidents)} incidents start in the future; they were dropped",)
    known = set(history.components) | set(history.topology.services if history.topology else ())
    strangers = sorted({name for each in past for name in each.components} - known) if known else []
    if strangers:
        notes += (
            f"incidents name {listed(strangers)}: neither metrics nor a call graph know them; they count all the same",
        )
    everything = tuple(sorted((*history.incidents, *past), key=lambda each: (each.start, each.component, each.kind)))
    return replace(history, incidents=everything, notes=notes)


def read_metrics(path: Path, now: datetime) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The normal form from a Parquet or CSV file, and what was mended. Raises InvalidHistory."""
    rows, found = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        wanted = ", ".join(COLUMNS)
        raise InvalidHistory(f"{path}: no column {listed(missing)}; it needs {wanted}, it has {listed(found)}")
    if not len(rows):
        raise InvalidHistory(f"{path}: it has no rows; nothing can be learned from it")
    unknown = [name for name in found if name not in COLUMNS]
    notes = (f"{path.name}: unknown columns were left out: {listed(unknown)}",) if unknown else ()
    try:
        times, more = utc_times(rows["timestamp"], path.name)
        names = {name: names_as_text(rows[name]) for name in ("component", "metric")}
        values = numbers(rows["value"], path.name)
        rows = rows[list(COLUMNS)].assign(timestamp=times, **names, value=values)
        del times, names, values  # so that each column is there once
        frame, mended = clean(rows, now, path.name)
    except InvalidHistory as error:
        raise InvalidHistory(f"{path.parent}: {error}") from None
    pa.default_memory_pool().release_unused()
    return frame, (*notes, *more, *mended)


def _parquet(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Our columns, as far as the file has them, and the names of all."""
    try:
        schema = pq.read_schema(path)
        found = [str(name) for name in schema.names]
        twice = sorted({name for name in found if found.count(name) > 1})
        if twice:
            raise InvalidHistory(f"{path}: it has more than one column {listed(twice)}; leave one of each")
        texts = [name for name in ("component", "metric") if name in found and _is_text(schema.field(name).type)]
        with pq.ParquetFile(path, read_dictionary=texts) as file:
            table = file.read(columns=[name for name in COLUMNS if name in found])
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise InvalidHistory(f"{path}: not a whole Parquet file ({reason}); export it again") from None
    rows = table.to_pandas(split_blocks=True, self_destruct=True)  # a column at a time, none kept twice
    pa.default_memory_pool().release_unused()  # it would keep what reading took for as long as the process lives
    return rows, found


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _csv(path: Path) -> tuple[pd.DataFrame, list[str]]:
    try:
        rows = pd.read_csv(path, dtype={"component": str, "metric": str}, skipinitialspace=True)
    except pd.errors.EmptyDataError:
        raise InvalidHistory(f"{path}: it is empty; expected a header {','.join(COLUMNS)} and rows") from None
    except (UnicodeDecodeError, pd.errors.ParserError, OSError, EOFError, zlib.error, ValueError) as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise InvalidHistory(f"{path}: not CSV ({reason}); expected a header {','.join(COLUMNS)} and rows") from None
    return rows, [str(name) for name in rows.columns]


def _users_view(metrics: pd.DataFrame, topology: Topology | None) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """front_service's metrics given to the entry, whose users' view they are; they win over the entry's own."""
    theirs = (metrics["component"] == USERS_VIEW).to_numpy(dtype=bool, na_value=False)
    if topology is None or USERS_VIEW in topology.services or not theirs.any():
        return metrics, ()
    entry = topology.entry
    names = sorted(metrics.loc[theirs, "metric"].unique())
    own = ((metrics["component"] == entry) & metrics["metric"].isin(names)).to_numpy(dtype=bool, na_value=False)
    kept = metrics[~own]
    component = kept["component"].astype(object).where(~theirs[~own], entry)
    kept = kept.assign(component=as_categories(component))
    kept = kept.sort_values(["component", "metric", "timestamp"], kind="stable", ignore_index=True)
    return kept, (f"{USERS_VIEW} is the users' view of the entry: its {', '.join(names)} were taken as {entry}'s",)


def write_history(history: History, folder: Path) -> None:
    """Write a folder that read_history reads back the same."""
    folder.mkdir(parents=True, exist_ok=True)
    if len(history.metrics):
        write_bytes(folder / METRICS[0], metrics_parquet(history.metrics))
    write_text(folder / INCIDENTS, "".join(json.dumps(_line(each)) + "\n" for each in history.incidents))
    if history.topology is not None:
        write_document(folder / TOPOLOGY, history.topology)
    if history.log_templates:
        write_text(folder / TEMPLATES, templates_text(history.log_templates))


def metrics_parquet(metrics: pd.DataFrame) -> bytes:
    """The normal form as a Parquet file: same rows, same bytes."""
    types = [pa.timestamp("ms", tz="UTC"), pa.string(), pa.string(), pa.float64()]
    schema = pa.schema(list(zip(COLUMNS, types, strict=True)))
    table = pa.Table.from_pandas(metrics[list(COLUMNS)], schema=schema, preserve_index=False).replace_schema_metadata()
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _line(incident: Incident) -> dict[str, Any]:
    def text(time: datetime | None) -> str | None:
        return None if time is None else time.isoformat().replace("+00:00", "Z")

    return {
        "start": text(incident.start),
        "end": text(incident.end),
        "component": list(incident.components) if len(incident.components) != 1 else incident.component,
        "kind": incident.kind,
        "severity": incident.severity.value,
        "title": incident.title,
        "impact_start": text(incident.impact_start),
        "end_estimated": text(incident.end_estimated),
    }
