"""What the models would have said of one's own past: read the sources, judge, write the page and its figures."""

from datetime import timedelta
from pathlib import Path

from chaosprsa.backtest.run import backtest as judge
from chaosprsa.chain.context import Context
from chaosprsa.chain.learning import past_of
from chaosprsa.documents import write_document, write_text
from chaosprsa.report.backtest import render_backtest
from chaosprsa.types import Backtest

PAGE, FIGURES = "backtest.html", "backtest.json"


def backtest(context: Context, history: Path | None, origins: int, horizon: timedelta, seed: int) -> Backtest:
    """Write backtest/backtest.html and backtest/backtest.json."""
    settings, folder = context.settings, context.workspace.backtest
    found = judge(past_of(context, history), settings.call_graph, origins, horizon, seed, context.progress)
    write_document(folder / FIGURES, found)
    write_text(folder / PAGE, render_backtest(found, settings.cluster.namespace))
    return found
