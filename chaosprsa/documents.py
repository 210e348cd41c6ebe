"""The files that cross commands: every one is a noun in JSON under a published schema, written whole or not at all.

A document is `{"schema": "chaosprsa/<name>/<version>", ...the noun's fields}`. Reading refuses another version, unknown
fields and half-written files with a message that names the file and the field.
"""

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from chaosprsa.errors import InvalidDocument
from chaosprsa.types import (
    Backtest,
    Comparison,
    Incident,
    Lineage,
    LoadProfile,
    Outcome,
    Recommendation,
    RolloutOutcome,
    RolloutPlan,
    SimulatedIssue,
    Study,
    Topology,
)

Noun = TypeVar("Noun")
VERSION = 1
_CONTENT = json.JSONEncoder(sort_keys=True, default=str)  # json.dumps would make one for each of ten thousand issues
_ABSENT = object()
DOCUMENTS: Mapping[str, type] = {
    "backtest": Backtest,
    "comparison": Comparison,
    "incident": Incident,
    "issue": SimulatedIssue,
    "outcome": Outcome,
    "profile": LoadProfile,
    "recommendation": Recommendation,
    "rollout-outcome": RolloutOutcome,
    "rollout-plan": RolloutPlan,
    "study": Study,
    "topology": Topology,
}
_NAMES = {noun: name for name, noun in DOCUMENTS.items()}
_WRITERS: Mapping[type, str] = {
    SimulatedIssue: "issues",
    Study: "generate",
    LoadProfile: "generate",
    Outcome: "trial",
    Recommendation: "recommend",
    RolloutPlan: "recommend",
}


_adapters: dict[type, TypeAdapter[Any]] = {}


def _adapter(noun: type) -> TypeAdapter[Any]:
    """Built at the first use: an adapter takes milliseconds to build."""
    if noun not in _adapters:
        _adapters[noun] = TypeAdapter(noun)
    return _adapters[noun]


def to_json(noun: object) -> dict[str, Any]:
    """The noun as JSON values; `from_` becomes `from`."""
    values: dict[str, Any] = _adapter(type(noun)).dump_python(noun, mode="json")
    return _renamed(values, str.rstrip) if _has_underscores(type(noun)) else values


_underscored: dict[type, bool] = {}


def _has_underscores(noun: type) -> bool:
    """Whether a field's name, its own or a part's, ends with one: only then is renaming worth its time."""
    if noun not in _underscored:
        schema = _adapter(noun).json_schema(mode="serialization")
        parts = (schema, *schema.get("$defs", {}).values())
        _underscored[noun] = any(name.endswith("_") for part in parts for name in part.get("properties", {}))
    return _underscored[noun]


def _renamed(value: Any, rename: Any) -> Any:
    if isinstance(value, dict):
        return {rename(key, "_"): _renamed(item, rename) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, rename) for item in value]
    return value


def _python_name(key: str, _: str) -> str:
    return "from_" if key == "from" else key


def from_json(values: Mapping[str, Any], noun: type[Noun], where: str) -> Noun:
    """The noun that these JSON values describe. Raises InvalidDocument, which says where."""
    try:
        found: Noun = _adapter(noun).validate_python(_renamed(dict(values), _python_name))
    except ValidationError as error:
        raise InvalidDocument(f"{where}: {first_problem(error)}") from None
    unknown = _unknown_field(values, to_json(found))
    if unknown:
        raise InvalidDocument(f"{where}: {unknown} is not a known field; it may be from another version")
    return found


def _unknown_field(given: Any, known: Any) -> str | None:
    """The path of the first field that the noun dropped."""
    if isinstance(given, Mapping) and isinstance(known, dict):
        pairs = [(str(key), item, known.get(key, _ABSENT)) for key, item in given.items()]
    elif isinstance(given, list) and isinstance(known, list):
        pairs = [(str(index), *pair) for index, pair in enumerate(zip(given, known, strict=True))]
    else:
        return None
    for key, item, counterpart in pairs:
        inner = "" if counterpart is _ABSENT else _unknown_field(item, counterpart)
        if inner is not None:
            return f"{key}.{inner}".rstrip(".")
    return None


def first_problem(error: ValidationError) -> str:
    """A pydantic error in one line: the field, what it is, what was expected."""
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"]) or "the document"
    given = problem["input"]
    shown = "" if isinstance(given, dict | list) or problem["type"] == "missing" else f" (it is {str(given)[:80]!r})"
    return f"{field}: {problem['msg']}{shown}"


def write_document(path: Path, noun: object) -> Path:
    """Write one noun, atomically. Same noun, same bytes."""
    name = _NAMES[type(noun)]
    text = json.dumps({"schema": f"chaosprsa/{name}/{VERSION}", **to_json(noun)}, indent=1, ensure_ascii=False)
    return write_text(path, text + "\n")


def read_document(path: Path, noun: type[Noun]) -> Noun:
    """Read one noun. Raises InvalidDocument: not there, not JSON, another schema or version, wrong fields."""
    return _checked(_parsed(_text(path, noun), str(path)), noun, str(path))


def write_lines(path: Path, nouns: Iterable[object]) -> Path:
    """Write nouns as JSONL, one a line, each with its schema; atomically."""
    lines = (
        json.dumps({"schema": f"chaosprsa/{_NAMES[type(noun)]}/{VERSION}", **to_json(noun)}, ensure_ascii=False)
        for noun in nouns
    )
    return write_text(path, "".join(line + "\n" for line in lines))


def read_lines(path: Path, noun: type[Noun]) -> tuple[Noun, ...]:
    """Read JSONL that write_lines wrote."""
    numbered = enumerate(_text(path, noun).splitlines(), start=1)
    return tuple(
        _checked(_parsed(line, f"{path}, line {number}"), noun, f"{path}, line {number}")
        for number, line in numbered
        if line.strip()
    )


def _text(path: Path, noun: type) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        first = f"run chaos prsa {_WRITERS[noun]} first" if noun in _WRITERS else "run the command that writes it first"
        raise InvalidDocument(f"{path}: there is no such file; {first}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDocument(f"{path}: it can't be read: {error}") from None


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        message = f"{where}: not JSON ({error}); it may be half written: run the command that writes it again"
        raise InvalidDocument(message) from None
    if not isinstance(values, dict):
        raise InvalidDocument(f"{where}: expected a JSON object")
    return values


def _checked(values: dict[str, Any], noun: type[Noun], where: str) -> Noun:
    expected = f"chaosprsa/{_NAMES[noun]}/{VERSION}"
    found = values.pop("schema", None)
    if found != expected:
        message = f"{where}: its schema is {found!r}, expected {expected!r}; write it again with this version"
        raise InvalidDocument(message)
    return from_json(values, noun, where)


def write_text(path: Path, text: str) -> Path:
    """Write a text file so that a reader sees the old one or the new one, never half of it."""
    return write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> Path:
    """The same for bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except PermissionError as error:  # which names the temporary file, that nobody asked for
        raise PermissionError(error.errno, error.strerror, str(path)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def json_schema(name: str, noun: type | None = None) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a document; noun: of one that isn't in DOCUMENTS. KeyError: no such name."""
    schema = _adapter(noun or DOCUMENTS[name]).json_schema(mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["$id"] = f"chaosprsa/{name}/{VERSION}"
    schema["properties"]["schema"] = {"const": schema["$id"]}
    for part in (schema, *schema.get("$defs", {}).values()):
        if "from_" in part.get("properties", {}):
            part["properties"] = {_strip(key): value for key, value in part["properties"].items()}
            part["required"] = [_strip(key) for key in part["required"]]
    return schema


def _strip(key: str) -> str:
    return key.rstrip("_")


def lineage(kind: str, content: object, parents: Sequence[Lineage] = ()) -> Lineage:
    """An id from the content itself: the same content from the same parents has the same id.

    content: anything json can dump with str as a fallback.
    """
    ids = tuple(parent.id for parent in parents)
    digest = hashlib.sha256(_CONTENT.encode([kind, content, ids]).encode()).hexdigest()
    return Lineage(id=f"{kind}-{digest[:12]}", parents=ids)
