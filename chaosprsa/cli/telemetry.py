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
@click.option(
    "--most",
    "most_mib",
    type=click.FloatRange(min=1),
    default=500.0,
    show_default=True,
    help="MiB that the OpenMetrics file may have; a larger one is refused before it is written.",
)
@seed_option
@settings_option
@json_option
def telemetry(scrape_s: float, most_mib: float, seed: int, settings_file: Path, as_json: bool) -> None:
    """Write the issues' telemetry for other tools: OpenMetrics for Prometheus, and lines of log.

    The metrics have the names that `learn` reads from Prometheus, so dashboards and rules work on them as they are.
    Load them into a Prometheus of your own: promtool tsdb create-blocks-from openmetrics FILE DATA_DIR.

    A day of ten services at 15 s has some 350 MiB; --scrape 60 makes a quarter of it.

    Example: chaos prsa telemetry --scrape 30

    Exit codes: 0 written, 2 bad input, no issues, or more than --most.
    """
    from chaosprsa.chain import telemetry as link
    from chaosprsa.chain.context import load

    with one_step("reading telemetry") as progress:
        planned = link.plan(load(settings_file, progress), scrape_s, most_mib)
    with one_step(f"writing about {max(planned.mib, 1):,.0f} MiB") as progress:
        metrics, logs = link.telemetry(load(settings_file, progress), planned, seed)
    written = "".join(f"{name} ({_size(name.stat().st_size)})\n" for name in (metrics, logs))
    text = f"{written}Next: promtool tsdb create-blocks-from openmetrics {metrics} DATA_DIR"
    show(as_json, {"metrics": str(metrics), "logs": str(logs)}, text)


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"
