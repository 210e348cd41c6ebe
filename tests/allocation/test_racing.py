"""Races among candidates whose true worth is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit

from chaosprsa.allocation.racing import Rules, least_detectable, race
from chaosprsa.errors import InvalidNoun

RULES = Rules()
RACES = 100


def measured(truth, noise, seed, *, shared=0.7, skewed=False, constraints=3):
    """True misses of one constraint, and less of the others; of the noise's variance a share is common to all."""
    rng, shape = np.random.default_rng(seed), (len(truth) + 1, RULES.most, constraints)
    drawn = rng.gamma(4.0, size=shape) / 2.0 - 2.0 if skewed else rng.standard_normal(shape)
    least = np.array(truth)[:, None, None] - 0.02 * np.arange(constraints)
    values = least + noise * (np.sqrt(shared) * drawn[-1] + np.sqrt(1 - shared) * drawn[:-1])
    return lambda at, repeat: values[at, repeat]


@pytest.mark.parametrize("skewed", [False, True])
@pytest.mark.parametrize("truth", [(0.05, -0.02, -0.2, -0.3), (0.03, 0.02, -0.01, -0.01), (-0.01, -0.1, -0.2, 0.1)])
def test_the_best_is_dropped_no_more_often_than_the_stated_error(truth, skewed):
    """Dropped: shown to miss, or a cheaper one that truly misses was shown to hold."""
    best = next(at for at, value in enumerate(truth) if value <= 0)
    wrong = 0
    for seed in range(RACES):
        found = race((1.0, 2.0, 3.0, 4.0), measured(truth, 0.05, seed, skewed=skewed), RULES)
        wrong += found.holds[best] is False or any(found.holds[at] for at in range(best))
    assert wrong <= RULES.error * RACES


def test_fewer_repeats_than_a_fixed_design_and_the_same_answer():
    truth, prices = (0.3, -0.15, -0.3, -0.4), (1.0, 2.0, 3.0, 4.0)
    found = [race(prices, measured(truth, 0.03, seed), RULES) for seed in range(50)]
    assert {one.chosen for one in found} == {1}
    assert np.mean([one.repeats for one in found]) < 0.5 * len(truth) * RULES.most


def test_only_those_in_question_are_repeated():
    """The second is close to the limit; the first misses and the third holds for sure."""
    found = race((1.0, 2.0, 3.0), measured((0.5, 0.001, -0.5), 0.03, 4), RULES)
    assert [len(row) for row in found.values] == [RULES.first, RULES.most, RULES.first]


def test_equal_ones_are_called_equal_and_the_cheaper_is_taken():
    taken = [race((1.0, 2.0), measured((0.0, 0.0), 0.05, seed, constraints=1), RULES) for seed in range(60)]
    called = [one for one in taken if one.chosen is not None]
    assert np.mean([one.chosen == 0 for one in called]) > 0.95
    assert np.mean([len(one.equal) == 1 for one in called]) > 0.95


def test_where_none_holds_none_is_chosen():
    found = race((1.0, 2.0), measured((0.4, 0.3), 0.03, 1), RULES)
    assert found.chosen is None
    assert found.holds == (False, False)


def test_of_the_same_price_the_earlier_goes_first():
    assert race((2.0, 2.0), measured((-0.5, -0.5), 0.03, 1), RULES).chosen == 0


def test_a_candidate_alone_is_measured_until_it_is_known():
    found = race((1.0,), measured((-0.5,), 0.03, 1), RULES)
    assert found.chosen == 0
    assert found.repeats == RULES.first


@pytest.mark.parametrize("repeats", [4, 12])
def test_the_least_detectable_difference_is_detected_with_the_stated_power(repeats):
    """Two samples this far apart, by the textbook's t-test."""
    rng = np.random.default_rng(8)
    apart = least_detectable(0.05, repeats, RULES)
    first, second = rng.normal(0.0, 0.05, (2, 4000, repeats))
    spread = np.sqrt((first.var(axis=1, ddof=1) + second.var(axis=1, ddof=1)) / repeats)
    statistic = (second.mean(axis=1) + apart - first.mean(axis=1)) / spread
    assert (statistic > stdtrit(2 * (repeats - 1), 1 - RULES.error / 2)).mean() == pytest.approx(RULES.power, abs=0.04)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=5),
    st.floats(0.001, 0.3),
    st.integers(0, 1000),
)
def test_a_race_ends_within_the_most_repeats_and_never_chooses_what_misses_for_sure(truth, noise, seed):
    prices = [float(at) for at in range(len(truth))]
    found = race(prices, measured(truth, noise, seed), RULES)
    assert all(RULES.first <= len(row) <= RULES.most for row in found.values)
    assert found.chosen is None or found.holds[found.chosen] is not False


@pytest.mark.parametrize("wrong", [{"error": 0.0}, {"first": 1}, {"first": 9, "most": 8}])
def test_rules_that_can_not_be_are_refused(wrong):
    with pytest.raises(InvalidNoun, match="racing"):
        Rules(**wrong)
