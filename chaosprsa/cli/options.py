"""What commands share: the settings file, --json, durations, and how a verdict becomes an exit code."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import click

from chaosprsa.types import Verdict

Command = TypeVar("Command", bound=Callable[..., Any])

EXIT_CODES = {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.INCONCLUSIVE: 3, Verdict.INVALID: 3}
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(text: str) -> timedelta:
    """30s, 90m, 24h, 7d, as a click type."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd])", str(text).strip())
    if not match or not float(match[1]):
        raise click.BadParameter(f"{text!r} is not a duration above zero; write 30s, 90m, 24h or 7d")
    return timedelta(seconds=float(match[1]) * _UNITS[match[2]])


def settings_option(command: Command) -> Command:
    """--settings FILE; the working folder is the file's own. A file that is wrong is refused before anything else."""
    return click.option(
        "--settings",
        "settings_file",
        type=click.Path(dir_okay=False, path_type=Path),
        default=Path("chaosprsa.toml"),
        show_default=True,
        callback=_read,
        help="The settings; every other file lies beside it.",
    )(command)


def _read(_context: click.Context, _option: click.Parameter, file: Path) -> Path:
    """The path, once the settings in it are known to be right: what a command imports takes seconds."""
    from chaosprsa.settings import read_settings

    read_settings(file)
    return file


def history_option(command: Command) -> Command:
    """--history DIR, for what can also be had from the settings' sources."""
    return click.option(
        "--history", type=click.Path(path_type=Path), help="A folder in the normal form instead of [sources]."
    )(command)


def json_option(command: Command) -> Command:
    """--json: the result as JSON on standard output, progress on standard error."""
    return click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(command)


def study_option(command: Command) -> Command:
    """--study NAME."""
    return click.option(
        "--study", default="next", show_default=True, help="The study's name: a folder under generated/."
    )(command)


def seed_option(command: Command) -> Command:
    """--seed N."""
    return click.option(
        "--seed", type=click.IntRange(0, 2**32 - 1), default=1, show_default=True, help="Same seed, same output."
    )(command)


def show(as_json: bool, result: Any, text: str) -> None:
    """Print one or the other."""
    click.echo(json.dumps(result, indent=1, ensure_ascii=False, default=str) if as_json else text)


def exit_with(verdict: Verdict) -> None:
    """End with the verdict's exit code."""
    raise SystemExit(EXIT_CODES[verdict])
