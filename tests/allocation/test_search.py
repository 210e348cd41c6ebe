"""Search: against brute force on a small space, and its study file in Optuna Dashboard's own loader."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from chaosprsa.allocation.greedy import found_at, repaired
from chaosprsa.allocation.iterated import iterated
from chaosprsa.allocation.ranges import build_space
from chaosprsa.allocation.scores import Objective, Scores
from chaosprsa.allocation.search import BATCH, MOST_NEAR, NEAR, search, starts
from chaosprsa.allocation.space import CPU, MEMORY, REPLICAS, Space
from chaosprsa.allocation.study import STUDY, Study
from chaosprsa.allocation.swift import swift
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.twin import Noise, Rehearsal, calibrate, draw_worlds
from chaosprsa.types import Fault, Prices

PRICES = Prices(cpu_core_hour=0.04, memory_gib_hour=0.005)


@pytest.fixture(scope="module")
def twin(shop, outcomes):
    return calibrate(outcomes, shop.SHOP, shop.SLO)


@pytest.fixture(scope="module")
def space(shop, twin):
    return build_space(shop.doubled(shop.PRESENT), twin, SafetyTable(), PRICES)


def objective_of(shop, twin, space, issues, refuted=(), load=80.0):
    worlds = draw_worlds(twin, issues, load, 1, 2, Noise())
    rehearsal = Rehearsal(twin, shop.SLO, issues, worlds, (40.0, 20.0), 5.0)
    return Objective(space, rehearsal, refuted)


@pytest.fixture(scope="module")
def objective(shop, twin, space):
    return objective_of(shop, twin, space, shop.ISSUES)


@pytest.fixture(scope="module")
def found(objective, tmp_path_factory):
    file = tmp_path_factory.mktemp("study") / "study.log"
    return search(objective, 5, 24, file), file


def test_finds_a_feasible_allocation_cheaper_than_all_at_the_limits(space, objective, found):
    best = found[0].best
    assert best.feasible
    assert objective(best.point[None]).feasible[0]
    assert best.cost_month < 0.2 * space.cost_month(space.high[None])[0]


def test_the_cheapest_feasible_of_all_trials_are_told_beside_the_best(objective, found):
    near, best = found[0].near, found[0].best
    assert 1 <= len(near) <= MOST_NEAR
    scores = objective(np.stack(near))
    assert scores.feasible.all()
    assert (np.diff(scores.price_month) >= 0).all()
    assert scores.price_month[-1] <= NEAR * best.price_month


def test_no_single_step_down_is_left(space, objective, found):
    best = found[0].best
    for at, part in itertools.product(range(len(best.point)), range(3)):
        less = best.point.copy()
        less[at, part] -= space.step[at, part]
        if less[at, part] >= space.low[at, part]:
            assert not objective(less[None]).feasible[0], (space.services[at], part)


def test_is_within_two_percent_of_brute_force(shop, twin, space):
    """Replicas and CPU of stock, everything else as it is: every point can be tried."""
    low, high = space.present.copy(), space.present.copy()
    low[1, [REPLICAS, CPU]], high[1, [REPLICAS, CPU]] = (1, 100), (6, 3000)
    small = replace(space, low=low, high=high)
    objective = objective_of(shop, twin, small, shop.ISSUES[:3])
    every = []
    for replicas, cpu in itertools.product(range(1, 7), range(100, 3001, 50)):
        point = small.present.copy()
        point[1, [REPLICAS, CPU]] = replicas, cpu
        every.append(point)
    scores = objective(np.stack(every))
    cheapest = scores.cost_month[scores.feasible].min()
    assert search(objective, 1, 16).best.cost_month <= 1.02 * cheapest


def test_is_cheaper_than_plain_tpe_at_more_trials(objective, found):
    study = Study(objective.space, 5, objective.space.high)
    for _ in range(0, 48, BATCH):
        study.round(objective, BATCH)
    plain = study.best
    assert not plain.feasible or found[0].best.cost_month < plain.cost_month


def test_the_study_opens_in_optuna_dashboard(found):
    from optuna_dashboard._storage_url import get_storage  # what its own command line calls

    storage = get_storage(str(found[1]))
    (study,) = storage.get_all_studies()
    trials = storage.get_all_trials(study._study_id)
    assert study.study_name == STUDY
    assert len(trials) == len(found[0].trials)
    assert {trial.user_attrs["source"] for trial in trials} >= {"present", "greedy", "tpe"}
    assert all(trial.constraints["slo"] >= 0 for trial in trials)


def test_the_same_seed_finds_the_same(objective):
    first, second = search(objective, 9, 16), search(objective, 9, 16)
    assert first.trials == second.trials
    assert np.array_equal(first.best.point, second.best.point)


def test_hopeless_issues_are_named_and_left_out(shop, objective):
    assert [issue.id for issue in objective.hopeless] == ["dependency-failing-pay"]
    assert len(objective.survivable) == len(shop.ISSUES) - 1


def test_where_nothing_can_be_survived_the_least_is_missed(shop, twin, space):
    hopeless = (shop.issue_of(Fault.DEPENDENCY_FAILING, "stock", 0.5),)
    objective = objective_of(shop, twin, space, hopeless)
    assert not objective.survivable
    best = search(objective, 1, 8).best
    assert best.feasible  # within a twentieth of what the most generous allocation misses
    assert best.cost_month < space.cost_month(space.high[None])[0]


def test_what_a_counterexample_dominates_is_not_proposed_again(shop, twin, space, found):
    failed = found[0].best.point
    objective = objective_of(shop, twin, space, shop.ISSUES, (failed,))
    assert not objective(failed[None]).feasible[0]
    assert not (search(objective, 5, 8).best.point <= failed).all()


def test_more_of_everything_is_never_worse(space, objective, found):
    point = found[0].best.point
    more = space.clipped(point + space.step * np.array([1, 2, 2]))
    assert objective(more[None]).feasible[0]


def test_memory_follows_the_squeeze_that_has_to_be_survived(space, found):
    """Half of cart's memory goes: twice what it uses is needed, and no more than a step beyond."""
    cart = space.services.index("cart")
    needed = 2 * 80
    assert needed <= found[0].best.point[cart, MEMORY] <= needed * 1.35


def test_finds_its_way_up_a_cliff_of_memory(shop, twin, space):
    """Nine tenths of cart's memory go: nothing helps until the limit is eight times as high. It once gave up there."""
    squeeze = (shop.issue_of(Fault.MEMORY_SQUEEZE, "cart", 0.9),)
    objective = objective_of(shop, twin, space, squeeze)
    best = search(objective, 1, 8).best
    assert best.feasible
    assert best.point[space.services.index("cart"), MEMORY] >= 800
    assert best.cost_month < 0.2 * space.cost_month(space.high[None])[0]


def test_twenty_services_that_each_need_many_steps_are_repaired():
    """It once gave up after sixty moves, and took the most generous allocation for its start."""
    step, low = np.tile([1, 50, 32], (20, 1)), np.tile([2, 100, 64], (20, 1))
    names = tuple(f"s{at}" for at in range(20))
    made = Space(names, low, low, low + 30 * step, step, np.full((20, 2), 0.5), PRICES)

    def needs_ten_steps_each(points):
        missing = np.maximum(low[:, CPU] + 500 - points[..., CPU], 0).sum(-1) / 50.0
        cost = made.cost_month(points)
        return Scores(cost, cost, missing, missing, missing)

    found = repaired(made, needs_ten_steps_each, low)
    assert found.feasible
    assert found.cost_month < 0.5 * made.cost_month(made.high[None])[0]


def test_iterated_greedy_is_never_dearer_and_holds(objective):
    start = swift(objective, starts(objective.space))
    better = iterated(objective, start, 3, rounds=8)
    assert better.feasible
    assert better.price_month <= start.price_month
    assert objective(better.point[None]).feasible[0]
    again = iterated(objective, start, 3, rounds=8)
    assert np.array_equal(again.point, better.point)


def test_iterated_greedy_leaves_alone_what_holds_nothing(objective, space):
    least = found_at(space.low, objective(space.low[None]), 0)
    assert not least.feasible
    assert iterated(objective, least, 3) is least
