"""docs/reference.md, written from the code: settings, what is searched, commands, activities, documents, errors.

python -m chaosprsa.reference          write docs/reference.md
python -m chaosprsa.reference --print  print it
"""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from pydantic_core import PydanticUndefined

import chaosprsa
from chaosprsa import errors
from chaosprsa.allocation.dimensions import DIMENSIONS
from chaosprsa.cli import prsa
from chaosprsa.documents import write_text
from chaosprsa.schemas import NAMES, schema_named
from chaosprsa.settings import Settings, table_of

PATH = Path(__file__).parent.parent / "docs" / "reference.md"
HEAD = """\
# Reference

Written from the code by `python -m chaosprsa.reference`; a test holds it up to date.
[Settings](#settings) · [What is searched](#what-is-searched) ·
[Commands](#commands) · [Activities](#activities) · [Documents](#documents) · [Errors](#errors)
"""
LIMITS = (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"), ("min_length", "length at least"))


def reference() -> str:
    """The whole text."""
    parts = (HEAD, *_settings(), *_dimensions(), *_commands(), *_activities(), *_documents(), *_errors())
    return "\n".join(parts).rstrip("\n") + "\n"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")


def _code(words: object) -> str:
    return f"`{words}`" if str(words) else ""


def _settings() -> Iterator[str]:
    yield "## Settings\n\n`chaosprsa.toml`, written by `chaos prsa init`. Unknown fields are refused.\n"
    for name in Settings.model_fields:
        table, _ = table_of(name)
        yield f"### {_first(table.__doc__)}\n"
        rows = (_setting(key, entry) for key, entry in table.model_fields.items())
        yield _table(("Field", "Type", "Default", "Allowed", "What it is, and why the default"), rows)


def _dimensions() -> Iterator[str]:
    yield "## What is searched\n"
    yield "Each service's replicas, CPU and memory; the others where `chaosprsa.toml` declares them.\n"
    rows = (
        (_code(one.field), one.type, one.unit, one.range, one.price, one.change, one.applied_to, _BY[one.field.by_hand])
        for one in DIMENSIONS
    )
    yield _table(("Directive", "Type", "Unit", "Range", "Price", "Change", "Where", "Applied by"), rows)


_BY = {True: "you: Kustomize, kubectl", False: "`rollout`, or you"}


def _first(doc: str | None) -> str:
    """A docstring's first paragraph, on one line."""
    return " ".join(inspect.cleandoc(doc or "").split("\n\n")[0].split())


def _setting(name: str, field: Any) -> Sequence[str]:
    default = "required" if field.default is PydanticUndefined else _code(_plain(field.default))
    return _code(name), _type_name(field.annotation), default, _limits(field.metadata), field.description or ""


def _plain(value: Any) -> Any:
    """A default as TOML would show it."""
    if isinstance(value, tuple):
        return "[" + ", ".join(str(_plain(item)) for item in value) + "]"
    if hasattr(value, "__dataclass_fields__"):
        return "{" + ", ".join(f"{name} = {_plain(getattr(value, name))}" for name in value.__dataclass_fields__) + "}"
    return f'"{value}"' if isinstance(value, str) else value


def _type_name(annotation: Any) -> str:
    """Types without their modules."""
    written = annotation.__name__ if isinstance(annotation, type) and "[" not in str(annotation) else str(annotation)
    return _code(re.sub(r"\b(?:\w+\.)+(\w+)", r"\1", written))


def _limits(metadata: Sequence[Any]) -> str:
    found = ((words, getattr(entry, key, None)) for entry in metadata for key, words in LIMITS)
    return ", ".join(f"{words} {limit:g}" for words, limit in found if limit is not None)


def _commands() -> Iterator[str]:
    yield "## Commands\n"
    yield "`chaos prsa COMMAND`, or `chaosprsa COMMAND`. 130 is Ctrl-C in each.\n"
    yield from _group(prsa, click.Context(prsa, info_name="chaos prsa"))


def _group(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _group(command, inner)
        else:
            yield from _command(command, inner)


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"### {context.command_path}\n\n    {usage}\n"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield _paragraph(" ".join(paragraph.split()))
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    yield _table(("Option", "Default", "What it does"), (_option(option, context) for option in options))


def _paragraph(words: str) -> str:
    example = re.fullmatch(r"Example: (.*)", words)
    return f"Example: `{example[1]}`\n" if example else words + "\n"


def _option(option: click.Option, context: click.Context) -> Sequence[str]:
    names = ", ".join([*option.opts, *option.secondary_opts])
    kind = "" if option.is_flag else f" {option.make_metavar(context)}"
    default = "required" if option.required else _default(option)
    return _code(names + kind), default, option.help or ""


def _default(option: click.Option) -> str:
    value = option.default
    plain = isinstance(value, str | int | float | Path) and not (option.is_flag and value is False)
    return _code(value) if plain else ""


def _activities() -> Iterator[str]:
    yield "## Activities\n"
    yield "For hand-written experiments; `chaos discover chaosprsa --no-install` lists them too.\n"
    activities: list[Mapping[str, Any]] = chaosprsa.discover(discover_system=False)["activities"]
    for activity in sorted(activities, key=lambda one: (one["type"], one["mod"], one["name"])):
        yield f"### {activity['mod']}.{activity['name']}\n"
        yield f"{activity['type'].capitalize()}. {_first(activity['doc'])}\n"
        rows = [_argument(argument) for argument in activity.get("arguments", [])]
        if rows:
            yield _table(("Argument", "Type", "Default"), rows)


def _argument(argument: Mapping[str, Any]) -> Sequence[str]:
    default = _code(repr(argument["default"])) if "default" in argument else "required"
    return _code(argument["name"]), _code(argument.get("type", "")), default


def _documents() -> Iterator[str]:
    yield "## Documents\n"
    yield (
        'Every file that crosses a command is JSON with `"schema": "chaosprsa/NAME/VERSION"`.\n'
        "`chaos prsa schema NAME` prints the whole JSON Schema.\n"
    )
    schemas = {name: schema_named(name) for name in NAMES if name != "settings"}
    for name, schema in schemas.items():
        yield f"### {name}\n\n{_first(schema.get('description'))} Schema `{schema['$id']}`.\n"
        yield _fields(schema)
    yield "### Parts of documents\n"
    parts = {title: part for schema in schemas.values() for title, part in schema.get("$defs", {}).items()}
    for title, part in sorted(parts.items()):
        yield f"**{title}**. {_first(part.get('description'))}\n"
        yield _fields(part) if "properties" in part else f"One of {', '.join(_code(one) for one in part['enum'])}.\n"


def _fields(schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = (
        (_code(field), _code(_schema_type(value)), "yes" if field in required else "")
        for field, value in schema["properties"].items()
        if field != "schema"
    )
    return _table(("Field", "Type", "Required"), rows)


def _schema_type(value: Mapping[str, Any]) -> str:
    if "$ref" in value:
        return str(value["$ref"].rsplit("/", 1)[-1])
    if "anyOf" in value:
        return " or ".join(_schema_type(option) for option in value["anyOf"])
    if value.get("type") == "array":
        return f"array of {_schema_type(value.get('items', {}))}"
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"object of {_schema_type(value['additionalProperties'])}"
    return str(value.get("format") or value.get("type", "any"))


def _errors() -> Iterator[str]:
    tree = [
        line for line in inspect.cleandoc(errors.__doc__ or "").splitlines() if re.search(r"ChaosPrsaError|──", line)
    ]
    yield "## Errors\n\nEach is one message on standard error, no traceback: what was wrong, where, what to do.\n"
    yield (
        "```text\n"
        + "\n".join(line.strip() if "──" not in line else line.removeprefix("    ") for line in tree)
        + "\n```\n"
    )
    rows = (
        ("0", "done, or passed"),
        ("1", "a failed verdict"),
        ("2", "bad input or refused; the message says how to mend it"),
        ("3", "inconclusive, invalid, or something outside is missing: never a pass"),
        ("130", "Ctrl-C; what was begun has been put back"),
    )
    yield "### Exit codes\n"
    yield _table(("Code", "Meaning"), rows)


if __name__ == "__main__":
    if "--print" in sys.argv[1:]:
        sys.stdout.write(reference())
    else:
        write_text(PATH, reference())
