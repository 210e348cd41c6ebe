from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from chaosprsa.backtest.baselines import Poisson, ShrunkWeekday
from chaosprsa.backtest.incidents import incident_backtest
from chaosprsa.backtest.origins import origins
from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History, empty_metrics
from chaosprsa.types import Incident, Window

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
DAY = timedelta(days=1)


def at(day: float, component: str = "web") -> Incident:
    start = START + DAY * day
    return Incident(start=start, end=start + timedelta(minutes=30), component=component, kind="outage")


def history(incidents) -> History:
    return History(metrics=empty_metrics(), incidents=tuple(sorted(incidents, key=lambda each: each.start)))


def poisson(days: float, per_day: float, seed: int = 1) -> list[Incident]:
    rng = np.random.default_rng(seed)
    count = rng.poisson(days * per_day)
    return [at(day, str(rng.choice(["web", "store"]))) for day in rng.uniform(0, days, count)]


def judged(incidents, days: float, count: int = 4):
    window = Window(start=START, end=START + DAY * days)
    return incident_backtest(history(incidents), None, window, origins(window, count), seed=1)


def test_a_constant_rate_is_judged_as_well_as_it_can_be():
    """Theory: with a known rate r the Brier score of a cell is p (1 - p), its log-likelihood an incident log r - 1."""
    found = judged(poisson(400, 0.5), 400)
    p = 1 - np.exp(-0.5)
    assert found.cell_s == 86_400
    assert found.anywhere[0].brier == pytest.approx(p * (1 - p), rel=0.1)
    assert found.poisson_log_likelihood == pytest.approx(np.log(0.5) - 1, abs=0.1)
    assert found.log_likelihood == pytest.approx(found.poisson_log_likelihood, abs=0.1)
    assert found.uniform.p > 0.01
    assert found.poisson_uniform.p > 0.01


def test_bunches_are_foreseen_better_than_by_counting():
    """Every week one incident raises five more within hours: the model sees them come, a rate does not."""
    bunched = [at(7 * week + 2 + hour / 24) for week in range(40) for hour in (0, 1, 2, 3, 5, 8)]
    found = judged(bunched, 280)
    assert found.log_likelihood > found.poisson_log_likelihood + 0.5
    assert found.poisson_uniform.p < 1e-6


def test_weekdays_are_told_apart_by_the_baseline():
    mondays = [at(7 * week + hour / 24) for week in range(20) for hour in (9, 15)]
    fitted = ShrunkWeekday.fit(mondays, Window(start=START, end=START + 140 * DAY), ("web",))
    assert fitted.probability(START, 86_400)[0] > 3 * fitted.probability(START + DAY, 86_400)[0]


def test_a_component_without_incidents_borrows_from_the_others():
    fitted = ShrunkWeekday.fit(
        [at(day) for day in range(30)], Window(start=START, end=START + 30 * DAY), ("web", "new")
    )
    web, new = fitted.probability(START, 86_400)[1]
    assert 0 < new < web


def test_a_constant_rate_says_what_its_counts_say():
    fitted = Poisson.fit([at(day) for day in range(10)], Window(start=START, end=START + 20 * DAY), ("web", "new"))
    anywhere, each_one = fitted.probability(86_400)
    assert anywhere == pytest.approx(1 - np.exp(-0.5))
    assert each_one == pytest.approx([1 - np.exp(-0.5), 0.0])


def test_a_weekday_is_utcs_wherever_the_clock_stands():
    mondays = [at(7 * week + hour / 24) for week in range(20) for hour in (9, 15)]
    fitted = ShrunkWeekday.fit(mondays, Window(start=START, end=START + 140 * DAY), ("web",))
    sunday_in_hawaii = START.astimezone(timezone(timedelta(hours=-10)))
    assert fitted.probability(sunday_in_hawaii, 86_400)[0] == fitted.probability(START, 86_400)[0]


def test_without_any_incident_the_baselines_fit_having_seen_none():
    span = Window(start=START, end=START + 10 * DAY)
    weekday, constant = ShrunkWeekday.fit([], span, ("web", "new")), Poisson.fit([], span, ("web", "new"))
    assert weekday.probability(START, 86_400)[0] == pytest.approx(1 - np.exp(-0.05), rel=0.01)
    assert constant.probability(86_400)[0] == pytest.approx(1 - np.exp(-0.05))


def test_short_histories_are_cut_in_forty_cells():
    found = judged(poisson(10, 6), 10)
    assert found.cell_s == pytest.approx(5 * 86_400 / 40)


def test_too_few_incidents_are_not_judged():
    with pytest.raises(NotEnoughHistory, match="at least 10 and 5"):
        judged([at(day) for day in range(8)], 100)
    with pytest.raises(NotEnoughHistory, match="at least 10 and 5"):
        judged([], 100)


def test_incidents_that_name_no_component_count_for_the_whole():
    found = judged([*poisson(200, 0.4), *(at(day, "") for day in np.arange(1, 199, 4.0))], 200)
    assert found.components == 2
    assert found.base_rate > found.component_base_rate
