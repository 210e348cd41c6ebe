from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from chaosprsa.backtest.loads import load_backtests
from chaosprsa.backtest.origins import origins
from chaosprsa.errors import BadInput, NotEnoughHistory
from chaosprsa.history.frame import History, empty_metrics
from chaosprsa.types import Window

START = datetime(2026, 3, 2, tzinfo=UTC)


def daily(days: float, noise: float, step_s: float = 300.0) -> History:
    """A day's course with Poisson-like noise, in the normal form."""
    rng = np.random.default_rng(1)
    at = np.arange(0, days * 86_400, step_s)
    rate = 50 + 30 * np.sin(2 * np.pi * at / 86_400) + noise * rng.normal(size=len(at))
    times = pd.to_datetime((START.timestamp() + at) * 1000, unit="ms", utc=True).as_unit("ms")
    return History(
        metrics=pd.DataFrame(
            {"timestamp": times, "component": "web", "metric": "request_rate_per_s", "value": rate.clip(0)}
        )
    )


def test_origins_start_in_the_middle_and_leave_each_the_same_time():
    window = Window(start=START, end=START + timedelta(days=8))
    found = origins(window, 4)
    assert found == tuple(START + timedelta(days=4 + number) for number in range(4))


def test_a_history_of_minutes_and_no_origins_are_refused():
    with pytest.raises(NotEnoughHistory, match="at least"):
        origins(Window(start=START, end=START + timedelta(minutes=5)), 3)
    with pytest.raises(BadInput, match="at least 1"):
        origins(Window(start=START, end=START + timedelta(days=5)), 0)


def test_a_model_that_knows_the_day_beats_the_last_value_and_keeps_its_interval():
    history = daily(10, noise=4.0)
    (found,) = load_backtests(history, origins(history.window, 5), 86_400)
    scores = {each.method: each for each in found.scores}
    assert found.scores[0].method == "chaosprsa"
    assert scores["chaosprsa"].pinball < 0.5 * scores["last value"].pinball
    assert scores["chaosprsa"].pinball < scores["last day"].pinball
    assert 0.8 <= scores["chaosprsa"].coverage <= 0.97


def test_naive_forecasts_appear_only_where_their_past_is_twice_as_long():
    history = daily(2.5, noise=4.0)
    (found,) = load_backtests(history, origins(history.window, 2), 6 * 3600)
    assert {each.method for each in found.scores} == {"chaosprsa", "last value"}


def test_no_forecast_knows_what_comes_after_its_origin():
    history = daily(6, noise=1.0)
    late = history.metrics["timestamp"] >= pd.Timestamp(START + timedelta(days=5))
    changed = History(metrics=history.metrics.assign(value=history.metrics["value"].where(~late, 5_000.0)))
    at = (START + timedelta(days=4),)
    before, after = (load_backtests(each, at, 86_400 - 1)[0] for each in (history, changed))
    assert before == after


def test_without_metrics_there_is_nothing_to_judge():
    assert load_backtests(History(metrics=empty_metrics()), (START,), 3600) == ()
