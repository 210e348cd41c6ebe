"""Days whose level is known to the test."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.models.load import LoadModel
from chaosprsa.models.load_changes import DAY_S, level_changes

HOURS = np.arange(24 * 60) * 3600.0


def weekly(rng, level=100.0):
    """Sixty days by the hour, busy at noon and on weekdays."""
    day = 1 + 0.5 * np.sin(2 * np.pi * HOURS / DAY_S)
    week = np.where((HOURS // DAY_S) % 7 < 5, 1.0, 0.6)
    return rng.poisson(level * day * week) * rng.lognormal(0, 0.05, len(HOURS))


def test_a_step_is_found_on_its_day_with_its_factor():
    values = weekly(np.random.default_rng(1)) * np.where(HOURS < 40 * DAY_S, 1.0, 1.5)
    (change,) = level_changes(HOURS, values)
    assert change.at_s == 40 * DAY_S
    assert change.factor == pytest.approx(1.5, rel=0.05)


def test_days_and_weeks_are_no_changes():
    assert not any(level_changes(HOURS, weekly(np.random.default_rng(seed))) for seed in range(10))


def test_three_levels_have_two_changes():
    level = np.select([HOURS < 20 * DAY_S, HOURS < 45 * DAY_S], [1.0, 0.6], 1.4)
    first, second = level_changes(HOURS, weekly(np.random.default_rng(2)) * level)
    assert (first.at_s, second.at_s) == (20 * DAY_S, 45 * DAY_S)
    assert (first.factor, second.factor) == (pytest.approx(0.6, rel=0.05), pytest.approx(1.4 / 0.6, rel=0.05))


def test_a_day_that_stands_out_is_no_new_level():
    values = weekly(np.random.default_rng(3))
    values[30 * 24 : 31 * 24] *= 3.0
    assert level_changes(HOURS, values) == ()


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1e12), min_size=12, max_size=400), st.sampled_from([60.0, 3600.0, DAY_S]))
def test_any_load_has_finite_changes_in_order(values, step):
    times = np.arange(len(values)) * step
    found = level_changes(times, np.array(values))
    assert all(math.isfinite(each.factor) and each.factor > 0 for each in found)
    assert list(found) == sorted(found, key=lambda each: each.at_s)


def test_a_model_keeps_the_changes_that_it_saw():
    values = weekly(np.random.default_rng(4)) * np.where(HOURS < 30 * DAY_S, 1.0, 2.0)
    model = LoadModel().fit(HOURS, values)
    assert [each.at_s for each in model.changes] == [30 * DAY_S]
    assert LoadModel.from_json(model.as_json()) == model
