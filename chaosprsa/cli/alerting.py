"""`chaos prsa alert`."""

from datetime import timedelta
from pathlib import Path

import click

from chaosprsa.cli.options import duration, json_option, settings_option, show
from chaosprsa.progress import one_step


@click.command()
@click.option("--alertmanager", "url", required=True, help="Alertmanager's URL; nothing is posted anywhere else.")
@click.option(
    "--limit", type=click.IntRange(1, 50), default=5, show_default=True, help="How many issues, likeliest first."
)
@click.option(
    "--for", "lasting", type=duration, default="10m", show_default=True, help="How long they fire, from now on."
)
@click.option("--symptoms", is_flag=True, help="Also what the services that feel it would be alerted for.")
@click.option("--resolve", is_flag=True, help="Post them as resolved: ends a drill before its time.")
@settings_option
@json_option
def alert(
    url: str, limit: int, lasting: timedelta, symptoms: bool, resolve: bool, settings_file: Path, as_json: bool
) -> None:
    """Post simulated alerts to a real Alertmanager, to try its routes and receivers before the day.

    Each is labelled simulated="true" and source="chaosprsa": route or silence on that. At most 200 alerts at once.

    Example: chaos prsa alert --alertmanager http://127.0.0.1:9093 --limit 3 --for 5m

    Exit codes: 0 posted, 2 bad input, no issues, or Alertmanager is out of reach or refuses.
    """
    from chaosprsa.chain import alerting
    from chaosprsa.chain.context import load

    with one_step("posting alerts") as progress:
        posted = alerting.alert(load(settings_file, progress), url, limit, lasting, symptoms, resolve)
    lines = [
        f"  {each['labels']['alertname']} {each['labels']['service']} ({each['labels']['severity']})" for each in posted
    ]
    show(as_json, posted, "\n".join([f"{url}: {'resolved' if resolve else 'firing'}", *lines]))
