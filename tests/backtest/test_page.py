import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from chaosprsa.backtest.run import backtest
from chaosprsa.cli.group import prsa
from chaosprsa.documents import read_document, to_json
from chaosprsa.errors import BadInput, NotEnoughHistory
from chaosprsa.history.files import write_history
from chaosprsa.history.frame import History, empty_metrics
from chaosprsa.report.backtest import render_backtest, verdicts
from chaosprsa.types import Backtest, Incident

START = datetime(2026, 3, 2, tzinfo=UTC)
SETTINGS = """
[cluster]
namespace = "shop"
[topology]
services = ["web"]
entry = "web"
[slo.web]
latency_ms = 300
"""


def made(days: float = 24) -> History:
    rng = np.random.default_rng(4)
    at = np.arange(0, days * 86_400, 900.0)
    rate = rng.poisson(400 + 200 * np.sin(2 * np.pi * at / 86_400)) / 10
    times = pd.to_datetime((START.timestamp() + at) * 1000, unit="ms", utc=True).as_unit("ms")
    metrics = pd.DataFrame({"timestamp": times, "component": "web", "metric": "request_rate_per_s", "value": rate})
    incidents = tuple(
        Incident(
            start=START + timedelta(days=float(day)),
            end=START + timedelta(days=float(day), minutes=20),
            component="web",
            kind="outage",
        )
        for day in np.sort(rng.uniform(0, days, 60))
    )
    return History(metrics=metrics, incidents=incidents)


@pytest.fixture(scope="module")
def found() -> Backtest:
    return backtest(made(), None, count=4, horizon=timedelta(hours=24), seed=3)


def test_the_page_is_whole_and_loads_nothing(found):
    page = render_backtest(found, "a <b> namespace")
    assert "a &lt;b&gt; namespace" in page
    assert not re.search(r'(src|href)="https?:', page)
    assert "<script" not in page
    for part in (
        "In short",
        "Load",
        "Incidents",
        "Early warnings",
        "How it was done",
        "shrunk rate x weekday",
        "last day",
    ):
        assert part in page


def test_the_verdicts_say_better_and_worse_as_the_figures_do(found):
    lines = verdicts(found)
    model, weekday, constant = found.incidents.anywhere
    best = min(weekday, constant, key=lambda each: each.brier)
    told = next(line for line in lines if line.startswith("An incident anywhere"))
    assert ("better" in told) == (model.brier < best.brier)
    assert best.method in told


def test_a_horizon_that_the_history_shortens_is_said(found):
    assert not any("as asked" in line for line in verdicts(found))
    line = verdicts(replace(found, horizon_s=3600.0, asked_s=86_400.0))[0]
    assert line.startswith("Each forecast was followed for 1 h, not 24 h as asked")


@pytest.mark.parametrize(("coverage", "said"), [(0.99, "too wide"), (0.6, "too narrow"), (0.9, "keep their word")])
def test_intervals_are_said_to_be_too_wide_or_too_narrow(found, coverage, said):
    scores = (replace(found.load[0].scores[0], coverage=coverage), *found.load[0].scores[1:])
    changed = replace(found, load=(replace(found.load[0], scores=scores),))
    assert said in next(line for line in verdicts(changed) if line.startswith("Load"))


def test_where_nothing_happened_no_average_precision_is_given(found):
    quiet = replace(found, incidents=replace(found.incidents, base_rate=0.0))
    assert "nothing happened" in next(line for line in verdicts(quiet) if line.startswith("An incident anywhere"))
    assert '<td class="r">nothing happened</td>' in render_backtest(quiet, "shop")
    assert "nothing happened" not in render_backtest(found, "shop")


def test_the_same_seed_has_the_same_figures(found):
    assert to_json(backtest(made(), None, count=4, horizon=timedelta(hours=24), seed=3)) == to_json(found)


def test_a_horizon_of_nothing_and_a_history_of_nothing_are_refused():
    with pytest.raises(BadInput, match="horizon"):
        backtest(made(), None, count=4, horizon=timedelta(0), seed=1)
    one = Incident(start=START, component="web", kind="outage")
    two = Incident(start=START + timedelta(days=9), component="web", kind="outage")
    with pytest.raises(NotEnoughHistory, match="nothing can be judged"):
        backtest(History(metrics=empty_metrics(), incidents=(one, two)), None, 2, timedelta(hours=1), seed=1)


def test_the_command_writes_page_and_figures_and_prints_the_verdicts(tmp_path):
    write_history(made(8), tmp_path / "past")
    (tmp_path / "chaosprsa.toml").write_text(SETTINGS)
    settings = str(tmp_path / "chaosprsa.toml")
    arguments = ["backtest", "--history", str(tmp_path / "past"), "--origins", "2", "--settings", settings]
    printed = CliRunner().invoke(prsa, arguments)
    assert printed.exit_code == 0, printed.output
    assert "Load: " in printed.output
    figures = read_document(tmp_path / "backtest" / "backtest.json", Backtest)
    assert len(figures.origins) == 2
    assert (tmp_path / "backtest" / "backtest.html").read_text().startswith("<!doctype html>")
    again = CliRunner().invoke(prsa, [*arguments, "--json"])
    assert json.loads(again.stdout)["lineage"]["id"] == figures.lineage.id


def test_a_history_that_is_not_there_ends_with_exit_2_and_writes_nothing(tmp_path):
    (tmp_path / "chaosprsa.toml").write_text(SETTINGS)
    arguments = ["backtest", "--history", str(tmp_path / "none"), "--settings", str(tmp_path / "chaosprsa.toml")]
    printed = CliRunner().invoke(prsa, arguments)
    assert printed.exit_code == 2
    assert "none" in printed.output
    assert not (tmp_path / "backtest").exists()
