"""`chaos prsa report` and `schema`."""

import json
from pathlib import Path

import click

from chaosprsa.cli.options import json_option, settings_option, show
from chaosprsa.progress import one_step


@click.command()
@settings_option
@json_option
def report(settings_file: Path, as_json: bool) -> None:
    """Write report.html: what was learned, tried, recommended and rolled out, on one page that opens offline.

    Example: chaos prsa report

    Exit codes: 0 written, 2 bad input.
    """
    from chaosprsa.chain import answer
    from chaosprsa.chain.context import load

    with one_step("writing the report") as progress:
        path = answer.report(load(settings_file, progress))
    show(as_json, {"report": str(path)}, str(path))


@click.command()
@click.argument("name", required=False)
def schema(name: str | None) -> None:
    """Print the JSON Schema of a document; without NAME, the documents' names.

    Example: chaos prsa schema recommendation

    Exit codes: 0 printed, 2 no such document.
    """
    from chaosprsa.schemas import NAMES, schema_named

    click.echo("\n".join(NAMES) if name is None else json.dumps(schema_named(name), indent=1))
