"""Every command explains itself."""

import click
import pytest
from click.testing import CliRunner

from chaosprsa.cli import prsa
from chaosprsa.schemas import NAMES


def commands(group=prsa, path=()):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_help_shows_an_example_and_the_exit_codes(path):
    result = CliRunner().invoke(prsa, [*path, "--help"])
    assert result.exit_code == 0
    assert f"Example: chaos prsa {' '.join(path)}" in result.output
    assert "Exit codes: 0" in result.output


@pytest.mark.parametrize("name", [name for name in NAMES if name != "settings"])
def test_schema_prints_every_document(name):
    result = CliRunner().invoke(prsa, ["schema", name])
    assert result.exit_code == 0
    assert f'"chaosprsa/{name}/1"' in result.stdout


def test_an_unknown_command_is_a_usage_error():
    result = CliRunner().invoke(prsa, ["prophesy"])
    assert result.exit_code == 2
    assert "No such command" in result.output
