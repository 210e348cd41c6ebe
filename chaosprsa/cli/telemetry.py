"""`chaos prsa telemetry`."""

from pathlib import Path

import click

from chaosprsa.cli.options import json_option, seed_option, settings_option, show
from chaosprsa.progress import one_step


@click.command()
@click.option(
    "--scrape",
    "scrape_s",
    type=click.FloatRange(1, 3600),
    default=15.0,
    show_default=True,
    help="Seconds between samples, as your Prometheus scrapes.",
)
@seed_option
@settings_option
@json_option
def telemetry(scrape_s: float, seed: int, settings_file: Path, as_json: bool) -> None:
    """Write the issues' telemetry for other tools: OpenMetrics for Prometheus, and lines of log.

    The metrics have the names that `learn` reads from Prometheus, so dashboards and rules work on them as they are.
    Load them into a Prometheus of your own: promtool tsdb create-blocks-from openmetrics FILE DATA_DIR.

    Example: chaos prsa telemetry --scrape 15

    Exit codes: 0 written, 2 bad input or no issues.
    """
    from chaosprsa.chain import telemetry as link
    from chaosprsa.chain.context import load

    with one_step("writing telemetry") as progress:
        metrics, logs = link.telemetry(load(settings_file, progress), scrape_s, seed)
    text = f"{metrics}\n{logs}\nNext: promtool tsdb create-blocks-from openmetrics {metrics} DATA_DIR"
    show(as_json, {"metrics": str(metrics), "logs": str(logs)}, text)
