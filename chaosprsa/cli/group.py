"""The group `prsa`: its commands are found by name and imported when called, so that --help is quick."""

import errno
import importlib
import signal
from types import FrameType
from typing import Any, NoReturn

import click

from chaosprsa import __version__
from chaosprsa.errors import ChaosPrsaError

COMMANDS = {
    "init": "setup",
    "learn": "learning",
    "backtest": "backtesting",
    "detect": "detecting",
    "issues": "learning",
    "telemetry": "telemetry",
    "alert": "alerting",
    "load": "loading",
    "generate": "learning",
    "shadow": "rehearsal",
    "trial": "rehearsal",
    "recommend": "answer",
    "explain": "answer",
    "compare": "comparing",
    "rollout": "answer",
    "restore": "safety",
    "stop": "safety",
    "resume": "safety",
    "report": "reporting",
    "schema": "reporting",
    "lab": "lab",
    "demo": "demo",
}
CHANGING = ("shadow", "trial", "recommend", "rollout", "restore", "stop", "resume", "lab", "demo")  # a cluster
INTERRUPTED = 130
TERMINATED = 143
_OWN_FOLDER = "work in a folder that you may write to"
_IN_THE_WAY = "something else has this name: move it away, or work in another folder"
REMEDIES = {
    errno.EACCES: _OWN_FOLDER,
    errno.EROFS: _OWN_FOLDER,
    errno.EEXIST: _IN_THE_WAY,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.ENOSPC: "make room, and run it again",
}


class PrsaGroup(click.Group):
    """Lists commands in the chain's order; turns our errors into one message and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"chaosprsa.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        previous = signal.signal(signal.SIGTERM, _terminate)
        try:
            return super().invoke(ctx)
        except ChaosPrsaError as error:
            _end(str(error), error.exit_code)
        except KeyboardInterrupt:
            _end(_interrupted(ctx.invoked_subcommand), INTERRUPTED)
        except BrokenPipeError:
            raise SystemExit(0) from None
        except OSError as error:
            remedy = REMEDIES.get(error.errno or 0, "")
            _end(f"{error.filename or 'the system'}: {error.strerror or error}{remedy and '; ' + remedy}", 2)
        finally:
            signal.signal(signal.SIGTERM, previous)


def _interrupted(command: str | None) -> str:
    if command in CHANGING:
        return "Interrupted. Run it again to go on; what it changed in a cluster is put back by: chaos prsa restore"
    return "Interrupted. Nothing is half written; run it again"


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM unwinds like Ctrl-C, so that every `finally` puts back what it must."""
    raise SystemExit(TERMINATED)


def _end(message: str, code: int) -> NoReturn:
    click.echo(message, err=True)
    raise SystemExit(code) from None


@click.group(cls=PrsaGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="chaosprsa")
def prsa() -> None:
    """Rehearse the next incident: learn from history, simulate issues, play them in a shadow, find the allocation
    that survives at the least cost, and roll it out.

    The nine links, in order: init, learn, issues, generate, shadow, trial, recommend, rollout, report.
    Each can be run again alone. `chaos prsa demo` runs them all on an embedded lab.

    Exit codes: 0 passed, 1 failed verdict, 2 bad input, a refusal, or something outside
    is missing, 3 inconclusive or invalid, 130 Ctrl-C, 143 SIGTERM.
    """
