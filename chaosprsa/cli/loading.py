"""`chaos prsa load`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from chaosprsa.cli.options import duration as span
from chaosprsa.cli.options import history_option, json_option, seed_option, settings_option, show
from chaosprsa.progress import one_step


@click.command()
@history_option
@click.option("--start", type=click.DateTime(), help="When it is to be, UTC; without it, where the history ends.")
@click.option("--duration", type=span, default="1h", show_default=True, help="How long it lasts.")
@click.option(
    "--scale", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True, help="Of the load."
)
@seed_option
@settings_option
@json_option
def load(
    history: Path | None,
    start: datetime | None,
    duration: timedelta,
    scale: float,
    seed: int,
    settings_file: Path,
    as_json: bool,
) -> None:
    """Draw a load that production might have, bursts and all, as a profile that Locust plays; write it to loads/.

    At the level that the load model forecasts, with the unrest of the past at every scale that the history shows, and
    a copy of no day that was seen. Play it on a game day: CHAOSPRSA_PROFILE=FILE locust -f loadtests/locustfile.py

    Example: chaos prsa load --duration 2h --scale .5

    Exit codes: 0 written, 2 bad input or too little history.
    """
    from chaosprsa.chain import loading
    from chaosprsa.chain.context import load as context_of
    from chaosprsa.documents import to_json

    with one_step("drawing a load") as progress:
        context = context_of(settings_file, progress)
        begin = start.replace(tzinfo=UTC) if start else None
        profile, path = loading.load(context, history, begin, duration, scale, seed)
    levels = [point.level for point in profile.points]
    told = (
        f"{path}: {profile.duration_s:.0f} s, mean {sum(levels) / len(levels):.3g}, most {max(levels):.3g} requests/s"
    )
    show(as_json, to_json(profile), told)
