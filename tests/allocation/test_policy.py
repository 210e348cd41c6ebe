"""The fine-tune: bounded, judged on seeds of its own, kept only where better."""

import numpy as np
import pytest

from chaosprsa.allocation import EntryLoad
from chaosprsa.allocation.policy import fine_tune, trust_region
from chaosprsa.allocation.ranges import build_space
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.space import CPU, MEMORY, REPLICAS
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.twin import Noise, Rehearsal, calibrate, draw_worlds
from chaosprsa.types import Prices

LOAD = EntryLoad(base_per_s=60.0, peak_per_s=80.0)


@pytest.fixture(scope="module")
def objective(shop, outcomes):
    twin = calibrate(outcomes, shop.SHOP, shop.SLO)
    prices = Prices(cpu_core_hour=0.04, memory_gib_hour=0.005)
    space = build_space(shop.doubled(shop.PRESENT), twin, SafetyTable(), prices)
    issues = shop.ISSUES[:5]
    return Objective(space, Rehearsal(twin, shop.SLO, issues, draw_worlds(twin, issues, 80.0, 1, 2, Noise()), step_s=6))


@pytest.fixture(scope="module")
def generous(objective):
    """Far more than needed: there is money to save inside the trust region."""
    point = objective.space.present.copy()
    point[:, REPLICAS], point[:, CPU] = 6, 2000
    return point


def test_stays_inside_the_trust_region(objective, generous):
    tuned = fine_tune(objective, generous, LOAD, 3).point
    assert (np.abs(tuned - generous)[:, REPLICAS] <= 1).all()
    assert (np.abs(tuned - generous)[:, CPU] <= 0.2 * generous[:, CPU]).all()
    assert (tuned[:, MEMORY] == generous[:, MEMORY]).all()


def test_saves_where_there_is_too_much_and_says_by_how_much(objective, generous):
    tuned = fine_tune(objective, generous, LOAD, 3)
    assert tuned.result.kept
    assert tuned.result.tuned_return > tuned.result.searched_return
    assert "fresh situations" in tuned.result.reason
    assert objective.space.cost_month(tuned.point[None])[0] < objective.space.cost_month(generous[None])[0]


def test_holds_every_constraint_that_the_searched_one_held(objective, generous):
    assert objective(fine_tune(objective, generous, LOAD, 3).point[None]).feasible[0]


def test_leaves_an_allocation_alone_that_holds_nothing(objective):
    low = objective.space.low
    tuned = fine_tune(objective, low, LOAD, 3)
    assert np.array_equal(tuned.point, low)
    assert not tuned.result.kept


def test_the_same_seed_tunes_the_same(objective, generous):
    first, second = fine_tune(objective, generous, LOAD, 4), fine_tune(objective, generous, LOAD, 4)
    assert first.result == second.result
    assert np.array_equal(first.point, second.point)


def test_the_trust_region_is_at_least_a_step(objective):
    low, high = trust_region(objective.space, objective.space.low + objective.space.step)
    assert (high[:, CPU] - low[:, CPU] >= 50).all()
