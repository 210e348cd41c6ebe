"""`chaos prsa restore`, `stop` and `resume`."""

from pathlib import Path

import click

from chaosprsa.cli.options import json_option, settings_option, show
from chaosprsa.progress import one_step


@click.command()
@settings_option
@json_option
def restore(settings_file: Path, as_json: bool) -> None:
    """Put back whatever an interrupted trial or rollout left changed, in the shadow and in production.

    Snapshots are read from .chaosprsa/snapshots and from the cluster. Running it twice does nothing more.

    Example: chaos prsa restore

    Exit codes: 0 as it was, 2 bad input or no cluster.
    """
    from chaosprsa.chain import safety
    from chaosprsa.chain.context import load

    with one_step("restoring") as progress:
        context = load(settings_file, progress)
        done = safety.restore(context)
    show(as_json, {"restored": done}, "\n".join(done) or "nothing to restore")


@click.command()
@settings_option
@json_option
def stop(settings_file: Path, as_json: bool) -> None:
    """Set the stop switch: running experiments halt, new ones and every change are refused.

    Example: chaos prsa stop

    Exit codes: 0 set, 2 bad input or no cluster (the local switch is set all the same).
    """
    from chaosprsa.chain import safety
    from chaosprsa.chain.context import load

    with one_step("stopping") as progress:
        safety.set_stop(load(settings_file, progress), on=True)
    show(as_json, {"stopped": True}, "stopped; go on with: chaos prsa resume")


@click.command()
@settings_option
@json_option
def resume(settings_file: Path, as_json: bool) -> None:
    """Release the stop switch.

    Example: chaos prsa resume

    Exit codes: 0 released, 2 bad input or no cluster.
    """
    from chaosprsa.chain import safety
    from chaosprsa.chain.context import load

    with one_step("resuming") as progress:
        safety.set_stop(load(settings_file, progress), on=False)
    show(as_json, {"stopped": False}, "the stop switch is off")
