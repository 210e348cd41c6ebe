"""Candidates request by request: against the fluid twin, and against arithmetic."""

import numpy as np
import pytest

from chaosprsa.allocation.exact_rung import SHORTEST_S, WARM_S, ExactRung
from chaosprsa.allocation.scores import shares_used
from chaosprsa.allocation.threats import usual_load
from chaosprsa.twin import Capacity, Noise, Rehearsal, calibrate, draw_worlds
from chaosprsa.types import Fault

LOAD = 80.0


@pytest.fixture(scope="module")
def twin(shop, outcomes):
    return calibrate(outcomes, shop.SHOP, shop.SLO)


@pytest.fixture(scope="module")
def rung(shop, twin):
    return ExactRung(twin=twin, slo=shop.SLO, load_per_s=LOAD, phases_s=(40.0, 20.0), seed=5)


@pytest.fixture(scope="module")
def capacity():
    """Roomy, and with too little CPU at the gateway."""
    cores = np.array([[1.0, 1.5, 1.0, 1.0], [0.1, 1.5, 1.0, 1.0]])
    return Capacity(np.full((2, 4), 2.0), cores, np.full((2, 4), 256.0))


def mean_share(rung, capacity, issue, row=0, repeats=4):
    one = Capacity(*(getattr(capacity, name)[row : row + 1] for name in Capacity.__slots__))
    return np.mean([rung.share_used(one, issue, repeat) for repeat in range(repeats)])


def test_agrees_with_the_fluid_twin_where_that_is_good(shop, twin, rung, capacity):
    issues = (*shop.ISSUES, usual_load("gateway", shop.NOON))
    worlds = draw_worlds(twin, issues, LOAD, 1, 2, Noise())
    below = rung.below(Rehearsal(twin, shop.SLO, issues, worlds, (40.0, 20.0), 2.0))
    fluid = shares_used(below(capacity), shop.SLO)[0]
    exact = [mean_share(rung, capacity, issue) for issue in issues]
    assert np.allclose(exact, fluid, rtol=0.15)


def test_too_little_cpu_misses(shop, rung, capacity):
    usual = usual_load("gateway", shop.NOON)
    assert mean_share(rung, capacity, usual) < 1 < mean_share(rung, capacity, usual, row=1)


def test_failures_use_the_share_that_arithmetic_says(shop, rung, capacity):
    """Half of pay's answers fail; a fifth of requests reach it; one in a hundred may fail."""
    issue = shop.issue_of(Fault.DEPENDENCY_FAILING, "pay", 0.5)
    assert mean_share(rung, capacity, issue) == pytest.approx(0.2 * 0.5 / 0.01, rel=0.1)


def test_lost_pods_come_back_after_the_fault(shop, rung, capacity):
    """One of the gateway's two is lost: the other is too slow for all, and the backlog is gone soon after."""
    tight = Capacity(capacity.replicas, capacity.cores * np.array([0.2, 1, 1, 1]), capacity.memory_mib)
    usual, loss = usual_load("gateway", shop.NOON), shop.issue_of(Fault.REPLICA_LOSS, "gateway", 0.5)
    assert mean_share(rung, tight, loss) > 2 * mean_share(rung, tight, usual)


def test_a_play_repeats_itself_and_another_repeat_is_another_world(shop, rung, capacity):
    issue = shop.ISSUES[0]
    first, again, other = (rung.share_used(capacity, issue, repeat) for repeat in (0, 0, 1))
    assert first == again != other


def test_a_play_is_shortened_to_so_many_visits_but_not_below_what_says_something(shop, twin, rung):
    issue, visits = shop.ISSUES[0], float(twin.graph.visits.sum())
    shorter = rung.shortened(0.75 * rung.visits(issue))
    assert shorter.visits(issue) == pytest.approx(0.75 * rung.visits(issue))
    assert rung.shortened(1.0).visits(issue) == pytest.approx(LOAD * visits * (WARM_S + 2 * SHORTEST_S))
    assert rung.shortened(1e9) == rung
