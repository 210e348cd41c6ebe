"""`chaos prsa lab ...`: the embedded cluster."""

from collections.abc import Mapping
from pathlib import Path

import click

from chaosprsa.cli.options import json_option, seed_option, show
from chaosprsa.progress import one_step

STATE = Path(".chaosprsa/lab")


@click.group()
def lab() -> None:
    """The lab: a small cluster in one process tree, without root or containers."""


@lab.command("up")
@click.option(
    "--topology",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A call graph (topology.json); the shop without it.",
)
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), default=STATE, show_default=True)
@seed_option
@json_option
def up(topology: Path | None, state: Path, seed: int, as_json: bool) -> None:
    """Start the lab and stay in front until Ctrl-C: a Kubernetes API, a data plane, Prometheus.

    Example: chaos prsa lab up &   then   export KUBECONFIG=.chaosprsa/lab/kubeconfig

    Exit codes: 0 or 130 ended by you, 2 bad input or it can't start.
    """
    from chaosprsa.chain import labs

    def announce(description: Mapping[str, str]) -> None:
        lines = [f"  {name:11s} {value}" for name, value in description.items()]
        show(as_json, dict(description), "\n".join(["The lab is up; Ctrl-C ends it.", *lines]))

    labs.lab_in_front(state, topology, seed, announce)


@lab.command("down")
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), default=STATE, show_default=True)
@json_option
def down(state: Path, as_json: bool) -> None:
    """End a lab that runs elsewhere.

    Example: chaos prsa lab down

    Exit codes: 0 ended or none was running.
    """
    from chaosprsa.chain import labs

    ended = labs.lab_down(state)
    show(as_json, {"ended": ended}, "the lab has ended" if ended else "no lab was running")


@lab.command("status")
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), default=STATE, show_default=True)
@json_option
def status(state: Path, as_json: bool) -> None:
    """Say whether a lab runs, and where.

    Example: chaos prsa lab status

    Exit codes: 0 it runs, 1 it doesn't.
    """
    from chaosprsa.chain import labs

    description = labs.lab_status(state)
    show(
        as_json,
        description,
        "\n".join(f"{name:11s} {value}" for name, value in description.items()) or "no lab is running",
    )
    raise SystemExit(0 if description else 1)


@lab.command("history")
@click.option("--days", type=click.FloatRange(0.1, 400), default=7.0, show_default=True)
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), default=Path("history"), show_default=True)
@click.option("--topology", type=click.Path(dir_okay=False, path_type=Path), help="A call graph; the shop without it.")
@click.option("--force", is_flag=True, help="Replace the files that are there.")
@seed_option
@json_option
def history(days: float, output: Path, topology: Path | None, force: bool, seed: int, as_json: bool) -> None:
    """Make a history: day and week load, injected faults, incidents; in the normal form.

    Example: chaos prsa lab history --days 7 --seed 1 --output history

    Exit codes: 0 written, 2 bad input.
    """
    from chaosprsa.chain import labs
    from chaosprsa.errors import Refused

    if output.is_dir() and any(output.iterdir()) and not force:
        raise Refused(
            f"{output}: there are files already; name another folder with --output, or replace them with --force"
        )
    with one_step("making a history"):
        made = labs.lab_history(days, seed, topology, output)
    text = f"{output}: {len(made.metrics)} rows, {len(made.incidents)} incidents"
    show(as_json, {"history": str(output), "rows": len(made.metrics), "incidents": len(made.incidents)}, text)
