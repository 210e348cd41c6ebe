"""A bundle as a folder: manifest.json, JSON, Parquet, skops; never pickle.

The manifest names the SHA-256 of every other file, so a bundle is whole or refused; the folder appears under its name
only when complete. The same history and seed give the same bytes. `learn` makes one, `save_bundle` and `load_bundle`
keep it.
"""

import errno
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from chaosprsa.documents import from_json, lineage, to_json
from chaosprsa.errors import InvalidDocument, Refused
from chaosprsa.history.files import metrics_parquet
from chaosprsa.history.frame import COLUMNS, History, empty_metrics
from chaosprsa.history.log_templates_file import TEMPLATES, parsed_templates, templates_text
from chaosprsa.models.felt import Felt
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.models.learned import Bundle, learn_parts
from chaosprsa.models.load import LoadModel
from chaosprsa.models.precursors import PrecursorModel
from chaosprsa.models.signatures import read_signatures, signatures_parquet
from chaosprsa.models.skopsfile import model_bytes, model_from_bytes
from chaosprsa.progress import Progress, silent
from chaosprsa.types import Incident, Lineage, Topology, Window

__all__ = ["Bundle", "check_place", "learn", "load_bundle", "save_bundle", "window_of"]
SCHEMA = "chaosprsa/bundle/1"
MANIFEST = "manifest.json"
PRECURSORS = "precursors.json"
CLASSIFIER = "precursors.skops"
PAST = "past_incidents.json"
FELT = "felt.json"
SIGNATURES = "signatures.parquet"
# A classifier of another minor version may load and answer otherwise.
CHECKED = "scikit-learn"
PACKAGES = ("chaosprsa", "numpy", "pandas", "pyarrow", "scikit-learn", "scipy", "skops")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """manifest.json: what was learned from, with what, and the SHA-256 of every other file."""

    lineage: Lineage
    seed: int
    window: Window
    samples: int
    step_s: float
    components: tuple[str, ...]
    metrics: tuple[str, ...]
    incidents: Mapping[str, float]
    versions: Mapping[str, str]
    notes: tuple[str, ...]
    files: Mapping[str, str]


def learn(history: History, topology: Topology | None = None, seed: int = 0, progress: Progress = silent) -> Bundle:
    """Everything a history teaches. topology: what settings know; None: the history's own.

    Raises NotEnoughHistory, which says how short it is.
    """
    bundle = learn_parts(history, topology, seed, progress)
    contents = _contents(bundle)
    files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    made = lineage("bundle", {"files": files, "seed": seed})
    bundle = replace(bundle, lineage=made)
    bundle = replace(bundle, manifest=_manifest(bundle, history, files))
    object.__setattr__(bundle, "files", contents)
    return bundle


def save_bundle(bundle: Bundle, folder: Path) -> None:
    """Write the folder, in place of an older bundle. Raises Refused where something else stands there."""
    check_place(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.new."))
    try:
        for name, content in (bundle.files or _contents(bundle)).items():
            (fresh / name).write_bytes(content)
        (fresh / MANIFEST).write_bytes(_dumped(bundle.manifest))
        fresh.chmod(0o755)
        _swap(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def check_place(folder: Path) -> None:
    """Raises what save_bundle would: Refused where something else is there, PermissionError without the right."""
    if folder.exists() and not _replaceable(folder):
        raise Refused(f"{folder}: something other than a model bundle is there; it is left alone: move it away")
    if folder.parent.is_dir() and not os.access(folder.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


def window_of(folder: Path) -> Window:
    """The time that a bundle was learned from. Raises InvalidDocument, as load_bundle does."""
    return from_json(_checked_manifest(folder)["window"], Window, f"{folder / MANIFEST}, window")


def load_bundle(folder: Path) -> Bundle:
    """Read what save_bundle wrote. Raises InvalidDocument: absent, half written, changed, of another version."""
    manifest = _checked_manifest(folder)
    contents = {name: _verified(folder, name, digest) for name, digest in manifest["files"].items()}
    try:
        return _bundle(contents, manifest, folder)
    except (KeyError, TypeError, ValueError, pa.ArrowInvalid) as error:
        raise InvalidDocument(f"{folder}: it lacks a part or a field ({error!r}); run learn again") from None


def _contents(bundle: Bundle) -> dict[str, bytes]:
    """Every file but the manifest."""
    files = {
        "load.json": _dumped({name: model.as_json() for name, model in sorted(bundle.load.items())}),
        "incidents.json": _dumped(bundle.incidents.as_json()),
        "normals.json": _dumped(bundle.normals),
        "topology.json": _dumped({"schema": "chaosprsa/topology/1", **to_json(bundle.topology)}),
        "recent_incidents.json": _dumped([to_json(each) for each in bundle.recent.incidents]),
        PAST: _dumped([to_json(each) for each in bundle.past]),
        FELT: _dumped([to_json(each) for each in bundle.felt]),
    }
    if bundle.recent.log_templates:
        files[TEMPLATES] = templates_text(bundle.recent.log_templates).encode()
    if len(bundle.recent.metrics):
        files["recent.parquet"] = metrics_parquet(bundle.recent.metrics)
    if bundle.signatures:
        files[SIGNATURES] = signatures_parquet(bundle.signatures)
    if bundle.precursors is not None:
        files[PRECURSORS] = _dumped(bundle.precursors.as_json())
        if bundle.precursors.experts is not None:
            files[CLASSIFIER] = model_bytes(list(bundle.precursors.experts.classifiers))
    return files


def _manifest(bundle: Bundle, history: History, files: Mapping[str, str]) -> dict[str, Any]:
    manifest = Manifest(
        lineage=bundle.lineage,
        seed=bundle.seed,
        window=bundle.window,
        samples=len(history.metrics),
        step_s=history.step_s,
        components=history.components,
        metrics=history.metric_names,
        incidents={"count": len(history.incidents), "days": bundle.incidents.days},
        versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        notes=bundle.notes,
        files=files,
    )
    return {"schema": SCHEMA, **to_json(manifest)}


def _dumped(values: Any) -> bytes:
    return (json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _replaceable(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MANIFEST).exists() or not any(folder.iterdir()))


def _swap(fresh: Path, folder: Path) -> None:
    """The fresh folder under the name; the old one goes only when the new one stands."""
    if not folder.exists():
        fresh.replace(folder)
        return
    old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
    folder.replace(old / folder.name)
    try:
        fresh.replace(folder)
    except OSError:
        (old / folder.name).replace(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _checked_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidDocument(f"{folder}: no model bundle, or half of one (no {MANIFEST}); run learn first") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidDocument(f"{path}: not a whole manifest ({error}); run learn again") from None
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if schema != SCHEMA:
        raise InvalidDocument(f"{path}: its schema is {schema!r}, expected {SCHEMA!r}; run learn again")
    if not isinstance(manifest.get("files"), dict) or not isinstance(manifest.get("versions"), dict):
        raise InvalidDocument(f"{path}: it names no files or versions; run learn again")
    then, now = (".".join(str(each).split(".")[:2]) for each in (manifest["versions"].get(CHECKED), version(CHECKED)))
    if CLASSIFIER in manifest["files"] and then != now:
        raise InvalidDocument(f"{path}: learned with {CHECKED} {then}, this is {now}; run learn again")
    return manifest


def _verified(folder: Path, name: str, digest: str) -> bytes:
    path = folder / name
    if name != Path(name).name or name == "..":
        raise InvalidDocument(f"{folder}: its manifest names {name!r}, which isn't in its own folder; run learn again")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidDocument(
            f"{path}: the manifest names it and it can't be read ({error}); run learn again"
        ) from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise InvalidDocument(f"{path}: it was changed after it was written (its SHA-256 differs); run learn again")
    return content


def _bundle(contents: Mapping[str, bytes], manifest: Mapping[str, Any], folder: Path) -> Bundle:
    values = {name: json.loads(content) for name, content in contents.items() if name.endswith(".json")}
    graph = {key: value for key, value in values["topology.json"].items() if key != "schema"}
    topology = from_json(graph, Topology, f"{folder}/topology.json")
    incidents = tuple(
        from_json(each, Incident, f"{folder}/recent_incidents.json") for each in values["recent_incidents.json"]
    )
    past = tuple(from_json(each, Incident, f"{folder}/{PAST}") for each in values[PAST])
    learned = contents.get(CLASSIFIER)
    classifiers = None if learned is None else model_from_bytes(learned, f"{folder}/{CLASSIFIER}")
    precursors = PrecursorModel.from_json(values[PRECURSORS], classifiers) if PRECURSORS in contents else None
    templates = parsed_templates(contents[TEMPLATES].decode()) if TEMPLATES in contents else {}
    recent = History(_metrics(contents.get("recent.parquet")), incidents, topology, log_templates=templates)
    return Bundle(
        load={name: LoadModel.from_json(model) for name, model in values["load.json"].items()},
        incidents=IncidentModel.from_json(values["incidents.json"]),
        precursors=precursors,
        topology=topology,
        normals={
            name: {metric: (pair[0], pair[1]) for metric, pair in own.items()}
            for name, own in values["normals.json"].items()
        },
        recent=recent,
        window=from_json(manifest["window"], Window, f"{folder}/{MANIFEST}"),
        notes=tuple(manifest["notes"]),
        seed=manifest["seed"],
        past=past,
        signatures=read_signatures(contents[SIGNATURES]) if SIGNATURES in contents else (),
        felt=tuple(from_json(each, Felt, f"{folder}/{FELT}") for each in values[FELT]),
        lineage=from_json(manifest["lineage"], Lineage, f"{folder}/{MANIFEST}"),
        manifest=manifest,
    )


def _metrics(content: bytes | None) -> pd.DataFrame:
    if content is None:
        return empty_metrics()
    rows: pd.DataFrame = pq.read_table(pa.BufferReader(content)).to_pandas()
    return rows[list(COLUMNS)]
