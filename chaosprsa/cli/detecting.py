"""`chaos prsa detect`."""

from datetime import timedelta
from pathlib import Path

import click

from chaosprsa.cli.options import duration, exit_with, history_option, json_option, settings_option, show
from chaosprsa.progress import one_step


@click.command()
@history_option
@click.option("--last", type=duration, default="6h", show_default=True, help="How far back it looks, from the end.")
@click.option(
    "--false-alarms",
    type=click.FloatRange(0.001, 60),
    default=0.5,
    show_default=True,
    help="False alarms an hour that the threshold is set for, from normal time.",
)
@settings_option
@json_option
def detect(history: Path | None, last: timedelta, false_alarms: float, settings_file: Path, as_json: bool) -> None:
    """Say what is wrong in the metrics: since when, which component began it, which kind, on what evidence.

    What lies before --last, and the bundle's last hours where there is one, is what is usual. Every sample is judged
    by those before it alone.

    Example: chaos prsa detect --history ./history --last 2h

    Exit codes: 0 nothing wrong, 1 something is or was, 2 bad input or a source is unreachable, 3 too little to tell:
    with less than two hours of normal time, from before --last or from the bundle, nobody knows what is usual.
    """
    from chaosprsa.chain import detecting
    from chaosprsa.chain.context import load
    from chaosprsa.documents import to_json

    with one_step("looking") as progress:
        found = detecting.detect(load(settings_file, progress), history, last, false_alarms)
    lines = [each.in_words() for each in found.findings]
    for each, place in zip(found.findings, range(0, 2 * len(found.findings), 2), strict=True):
        others = ", ".join(f"{one.component} ({one.kind}, {one.score:.1f})" for one in each.suspects[1:3])
        lines.insert(place + 1, f"  or {others or 'nobody else'}")
    when = f"{found.window.start:%Y-%m-%d %H:%M} to {found.window.end:%Y-%m-%d %H:%M} UTC"
    nothing = "nothing wrong" if found.conclusive else "too little normal time to tell whether anything is wrong"
    notes = [f"note  {note}" for note in found.notes]
    show(as_json, to_json(found), "\n".join([*(lines or [f"{nothing}, {when}"]), *notes]))
    exit_with(detecting.verdict(found))
