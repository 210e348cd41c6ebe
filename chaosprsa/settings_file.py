"""The commented chaosprsa.toml that `init` writes: every field with its value, its unit and its reason."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from chaosprsa.settings import Settings, table_of

HEADER = """\
# chaosprsa's settings. Written by `chaos prsa init`; yours to edit.
# Each field is followed by what it means, its unit, and why the default is what it is.
"""


def render_settings(settings: Settings, remarks: Mapping[str, str]) -> str:
    """TOML that read_settings reads back to the same Settings.

    remarks: by "table.field" (or "slo.SERVICE.field"), where a value came from; printed beside it.
    """
    return HEADER + "".join("\n" + "\n".join(part) + "\n" for part in _tables(settings, remarks))


def _tables(settings: Settings, remarks: Mapping[str, str]) -> Iterator[list[str]]:
    for name in Settings.model_fields:
        if table_of(name)[1]:
            for key, table in getattr(settings, name).items():
                yield list(_table(f"{name}.{_key(key)}", f"{name}.{key}", table, remarks))
        else:
            yield list(_table(name, name, getattr(settings, name), remarks))


def _table(title: str, path: str, table: BaseModel, remarks: Mapping[str, str]) -> Iterator[str]:
    yield f"[{title}]"
    for name, field in type(table).model_fields.items():
        yield from _comment(field, remarks.get(f"{path}.{name}"))
        yield f"{name} = {toml_value(getattr(table, name))}"


def _comment(field: FieldInfo, remark: str | None) -> Iterator[str]:
    text = (field.description or "") + (f" Here: {remark}" if remark else "")
    yield from textwrap.wrap(text, width=116, initial_indent="# ", subsequent_indent="#   ")


def _key(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() and name.isascii() else json.dumps(name)


def toml_value(value: Any) -> str:
    """A value as TOML: strings, numbers, booleans, arrays, inline tables (also of dataclasses)."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(str(key))} = {toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        items = [toml_value(item) for item in value]
        one_line = "[" + ", ".join(items) + "]"
        return one_line if len(one_line) < 90 else "[\n    " + ",\n    ".join(items) + ",\n]"
    if hasattr(value, "__dataclass_fields__"):
        return toml_value({name: getattr(value, name) for name in value.__dataclass_fields__})
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # TOML escapes DEL, JSON does not
