import numpy as np
import pytest
from scipy.stats import norm

from chaosprsa.backtest.scores import incident_score, pinball, reliability, same, uniform


def test_the_true_quantiles_have_the_least_pinball_loss():
    observed = np.random.default_rng(1).normal(size=20_000)
    levels = (0.05, 0.5, 0.95)
    true = np.tile(norm.ppf(levels), (len(observed), 1))
    assert pinball(observed, true, levels) < min(pinball(observed, true * factor, levels) for factor in (0.7, 1.4))


def test_the_pinball_loss_of_a_median_is_half_the_mean_absolute_error():
    assert pinball(np.array([1.0, 5.0]), np.array([[2.0], [2.0]]), (0.5,)) == pytest.approx(0.5 * (1 + 3) / 2)


def test_always_saying_the_base_rate_scores_its_variance():
    happened = np.array([True, False, False, False])
    score = incident_score("always", np.full(4, 0.25), happened)
    assert score.brier == pytest.approx(0.25 * 0.75)
    assert score.log_loss == pytest.approx(-(0.25 * np.log(0.25) + 0.75 * np.log(0.75)))
    assert score.average_precision == pytest.approx(0.25)


def test_a_perfect_ranking_has_average_precision_one_and_nothing_to_rank_has_none():
    assert incident_score("x", np.array([0.9, 0.1]), np.array([True, False])).average_precision == 1.0
    assert incident_score("x", np.array([0.9, 0.1]), np.array([False, False])).average_precision == 0.0


def test_certain_forecasts_that_were_wrong_cost_much_and_stay_finite():
    assert 5 < incident_score("x", np.array([1.0, 0.0]), np.array([False, True])).log_loss < 20


def test_forecasts_that_keep_their_word_lie_on_the_diagonal():
    rng = np.random.default_rng(2)
    forecast = rng.uniform(size=(400, 100))
    bins = reliability(forecast, rng.uniform(size=forecast.shape) < forecast)
    assert sum(each.cells for each in bins) == forecast.size
    assert max(abs(each.predicted - each.happened) for each in bins) < 0.03


def test_equal_forecasts_are_one_bin():
    (only,) = reliability(np.full(50, 0.1), np.arange(50) < 5)
    assert (only.predicted, only.happened, only.cells) == (pytest.approx(0.1), pytest.approx(0.1), 50)


def test_uniform_residuals_agree_and_bunched_ones_do_not():
    rng = np.random.default_rng(3)
    assert uniform(rng.uniform(size=500)).p > 0.01
    assert uniform(rng.uniform(size=500) ** 3).p < 1e-6


def test_too_few_values_are_not_compared():
    assert same(np.array([1.0]), np.array([1.0, 2.0])) is None
    assert same(np.arange(9.0), np.arange(9.0)).distance == 0
