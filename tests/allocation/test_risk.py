"""CVaR and the price on change, against the theory of distributions whose tail is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from chaosprsa.allocation.risk import Risk, cvar, tail_weights
from chaosprsa.allocation.space import Space
from chaosprsa.errors import InvalidNoun
from chaosprsa.types import HOURS_A_MONTH, Prices

LEVELS = st.floats(0, 0.99)


@st.composite
def distributions(draw):
    """Losses with weights that sum to 1."""
    losses = draw(st.lists(st.floats(-5, 5), min_size=1, max_size=12))
    weights = np.array(draw(st.lists(st.floats(0.01, 1), min_size=len(losses), max_size=len(losses))))
    return np.array(losses), weights / weights.sum()


@pytest.mark.parametrize("level", [0.0, 0.5, 0.9, 0.99])
def test_of_a_normal_distribution_it_is_what_its_formula_says(level):
    """mean + deviation * density(quantile) / (1 - level), Rockafellar and Uryasev 2000."""
    share = (np.arange(200_000) + 0.5) / 200_000
    losses = stats.norm.ppf(share, loc=0.3, scale=2.0)
    expected = 0.3 + 2.0 * stats.norm.pdf(stats.norm.ppf(level)) / (1 - level)
    assert cvar(losses, np.full(len(losses), 1 / len(losses)), level) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(
    ("level", "by_hand"), [(0.0, 1.4), (0.5, 2.6), (0.75, 3.2), (0.8, 3.5), (0.9, 4.0), (0.95, 4.0)]
)
def test_of_a_discrete_one_the_last_atom_counts_by_its_part(level, by_hand):
    """A tenth at 4, a tenth at 3, three tenths at 2, half at .2: at .75 that is (.1*4 + .1*3 + .05*2) / .25."""
    losses, weights = np.array([4.0, 0.2, 2.0, 3.0]), np.array([0.1, 0.5, 0.3, 0.1])
    assert cvar(losses, weights, level) == pytest.approx(by_hand)


@given(distributions(), LEVELS)
@settings(max_examples=60)
def test_is_the_least_of_rockafellar_and_uryasevs_function(distribution, level):
    losses, weights = distribution
    function = [t + weights @ np.maximum(losses - t, 0.0) / (1 - level) for t in losses]
    assert cvar(losses, weights, level) == pytest.approx(min(function), abs=1e-9)


@given(distributions(), LEVELS, LEVELS)
@settings(max_examples=60)
def test_lies_between_mean_and_worst_and_rises_with_the_level(distribution, one, other):
    losses, weights = distribution
    low, high = (float(cvar(losses, weights, level)) for level in sorted((one, other)))
    assert weights @ losses - 1e-9 <= low <= high + 1e-9 <= losses.max() + 2e-9


@given(distributions(), distributions(), LEVELS)
@settings(max_examples=60)
def test_is_coherent(distribution, another, level):
    """Moves with a shift, scales, and a sum is never riskier than its parts (Artzner and others 1999)."""
    losses, weights = distribution
    other = np.resize(another[0], losses.shape)
    own = cvar(losses, weights, level)
    assert cvar(losses + 1.5, weights, level) == pytest.approx(own + 1.5)
    assert cvar(3.0 * losses, weights, level) == pytest.approx(3.0 * own)
    assert cvar(losses + other, weights, level) <= own + cvar(other, weights, level) + 1e-9


@given(distributions(), LEVELS)
@settings(max_examples=40)
def test_the_tails_weights_are_a_distribution(distribution, level):
    losses, weights = distribution
    tail = tail_weights(losses, weights, level)
    assert tail.sum() == pytest.approx(1.0)
    assert (tail >= 0).all()
    assert (tail <= weights / (1 - level) + 1e-12).all()


@pytest.mark.parametrize("wrong", [{"level": 1.0}, {"level": -0.1}, {"limit": -0.2}, {"change_share": -1.0}])
def test_a_risk_that_can_not_be_is_refused(wrong):
    with pytest.raises(InvalidNoun, match=next(iter(wrong))):
        Risk(**wrong)


def test_moving_a_service_costs_its_share_and_half_of_it_where_no_pod_restarts():
    present, step = np.array([[2, 1000, 1024], [4, 500, 512]]), np.tile([1, 50, 32], (2, 1))
    prices = Prices(cpu_core_hour=0.1, memory_gib_hour=0.0)
    space = Space(("a", "b"), present, present, present, step, np.ones((2, 2)), prices)
    resized, restarted = present.copy(), present.copy()
    resized[0, 1] = 1050
    restarted[0] = 2, 1000, 992
    both = restarted.copy()
    both[1, 0] = 5
    service_month = 2 * 0.1 * HOURS_A_MONTH  # two cores each
    share = space.change_month(np.stack((present, resized, restarted, both)), 0.1) / service_month
    assert share == pytest.approx([0.0, 0.05, 0.1, 0.15])
