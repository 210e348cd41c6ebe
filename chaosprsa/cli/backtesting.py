"""`chaos prsa backtest`."""

from datetime import timedelta
from pathlib import Path

import click

from chaosprsa.cli.options import duration, history_option, json_option, seed_option, settings_option, show
from chaosprsa.progress import one_step


@click.command()
@history_option
@click.option(
    "--origins", type=click.IntRange(1, 100), default=6, show_default=True, help="How often models are fitted."
)
@click.option("--horizon", type=duration, default="24h", show_default=True, help="How far each forecast is followed.")
@seed_option
@settings_option
@json_option
def backtest(
    history: Path | None, origins: int, horizon: timedelta, seed: int, settings_file: Path, as_json: bool
) -> None:
    """Judge the forecasts on your own past, beside what needs no model; write backtest/backtest.html.

    At origins spread over the later half of the history the models are fitted to what lay before, and scored on what
    came: load against last value, day and week; incidents against a constant rate and a shrunk rate x weekday.

    Example: chaos prsa backtest --history ./history

    Exit codes: 0 judged, whatever the scores; 2 bad input, or too little history to judge anything.
    """
    from chaosprsa.chain import backtesting
    from chaosprsa.chain.context import load
    from chaosprsa.documents import to_json
    from chaosprsa.report.backtest import verdicts

    with one_step("backtesting") as progress:
        context = load(settings_file, progress)
        found = backtesting.backtest(context, history, origins, horizon, seed)
    page = context.workspace.backtest / backtesting.PAGE
    show(as_json, to_json(found), "\n".join([*verdicts(found), found.precursors, str(page)]))
