"""Hard limits: quota, nodes and disruption budgets hold whatever the risk, and the one that binds is named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.allocation.binding import binding, in_the_way
from chaosprsa.allocation.greedy import fitted
from chaosprsa.allocation.iterated import iterated
from chaosprsa.allocation.limits import excesses
from chaosprsa.allocation.ranges import build_space
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.search import starts
from chaosprsa.allocation.space import REPLICAS, Space
from chaosprsa.allocation.swift import swift
from chaosprsa.errors import BadInput, InvalidNoun
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.twin import Noise, Rehearsal, calibrate, draw_worlds
from chaosprsa.types import Fault, Limits, Prices
from chaosprsa.types.recommendation import BROKEN

PRICES = Prices(cpu_core_hour=0.04, memory_gib_hour=0.005)
LOW, PRESENT, HIGH = (np.array([row, row]) for row in ([1, 100, 64], [4, 500, 256], [10, 2000, 1024]))


def made(limits):
    return Space(
        ("a", "b"), PRESENT, LOW, HIGH, np.tile([1, 50, 32], (2, 1)), np.full((2, 2), 0.5), PRICES, limits=limits
    )


@pytest.mark.parametrize(
    ("limits", "name", "share"),
    [
        (Limits(cpu_requests_millicores=1600), "the quota of CPU requests", 0.25),  # 2 x 4 x 250m
        (Limits(cpu_limits_millicores=3200), "the quota of CPU limits", 0.25),
        (Limits(memory_requests_mib=512), "the quota of memory requests", 1.0),  # 2 x 4 x 128 MiB
        (Limits(memory_limits_mib=4096), "the quota of memory limits", 0.0),
        (Limits(pods=4), "the quota of pods", 1.0),
        (Limits(nodes=((1000, 4096), (600, 4096))), "the nodes' CPU", 0.25),
        (Limits(nodes=((9000, 512),)), "the nodes' memory", 1.0),
    ],
)
def test_says_by_how_much_each_is_passed(limits, name, share):
    assert made(limits).excesses(PRESENT[None])[name][0] == pytest.approx(share)


def test_room_that_is_split_over_nodes_fits_no_pod_that_is_larger_than_one():
    """Three nodes with 200m each have 600m together, and no pod of 250m fits on any."""
    split = excesses(
        Limits(nodes=((200, 4096),) * 3), np.array([[2]]), np.array([[[500, 256]]]), np.array([[[250, 128]]])
    )
    assert split["the nodes' CPU"][0] == 0
    assert split["the nodes' room for one service's pods"][0] > 0


def test_what_passes_a_limit_is_never_feasible_and_one_that_is_left_out_is_not_looked_at():
    space = made(Limits(pods=4, cpu_limits_millicores=100_000))
    assert space.excess(PRESENT[None])[0] == pytest.approx(1.0)
    assert space.without("the quota of pods").excess(PRESENT[None])[0] == 0


@given(st.integers(2, 20), st.integers(200, 40_000), st.integers(100, 20_000))
@settings(max_examples=60)
def test_a_start_is_brought_within_the_limits_wherever_something_fits(pods, cpu, memory):
    space = made(Limits(pods=pods, cpu_limits_millicores=cpu, memory_requests_mib=memory))
    here = fitted(space, HIGH)
    assert ((here >= LOW) & (here <= HIGH)).all()
    assert space.excess(here[None])[0] == 0 or space.excess(LOW[None])[0] > 0


@pytest.mark.parametrize("wrong", [{"pods": -1}, {"cpu_limits_millicores": -5}, {"nodes": ((-1, 5),)}])
def test_limits_that_can_not_be_are_refused(wrong):
    with pytest.raises(InvalidNoun, match=next(iter(wrong))):
        Limits(**wrong)


@pytest.fixture(scope="module")
def twin(shop, outcomes):
    return calibrate(outcomes, shop.SHOP, shop.SLO)


@pytest.fixture(scope="module")
def space_of(shop, twin):
    def build(limits, **safety):
        return build_space(shop.doubled(shop.PRESENT), twin, SafetyTable(**safety), PRICES, limits)

    return build


@pytest.fixture(scope="module")
def pose(shop, twin):
    """A surge, and a memory squeeze at cart, over any space."""
    issues = (shop.issue_of(Fault.TRAFFIC_SURGE, "gateway", 2.0), shop.issue_of(Fault.MEMORY_SQUEEZE, "cart", 0.5))
    rehearsal = Rehearsal(twin, shop.SLO, issues, draw_worlds(twin, issues, 80.0, 1, 1, Noise()), (40.0, 20.0), 5.0)
    return lambda space: Objective(space, rehearsal)


def test_a_disruption_budget_keeps_one_pod_more_than_it_wants(space_of):
    space = space_of(Limits(budgets={"cart": 3}))
    assert space.low[space.services.index("cart"), REPLICAS] == 4
    with pytest.raises(BadInput, match=r"cart: its PodDisruptionBudget keeps 9 pods.*max_replicas is 9"):
        space_of(Limits(budgets={"cart": 9}), max_replicas=9)
    with pytest.raises(BadInput, match="nowhere"):
        space_of(Limits(budgets={"nowhere": 1}))


def test_where_even_the_least_does_not_fit_the_limit_is_named(space_of):
    with pytest.raises(BadInput, match=r"nothing fits.*the quota of pods by 300%"):
        space_of(Limits(pods=2))


def test_a_quota_is_held_and_shapes_the_answer(space_of, pose):
    def found(space):
        """What the search has before it tries at random."""
        return iterated(pose(space), swift(pose(space), ()), 1, begins=starts(space))

    free = found(space_of(Limits()))
    pods = int(free.point[:, REPLICAS].sum()) - 1
    held = found(space_of(Limits(pods=max(pods, 8))))
    assert held.feasible
    assert held.point[:, REPLICAS].sum() <= max(pods, 8)
    assert held.cost_month >= free.cost_month * 0.97  # each a local optimum


def test_the_limit_that_binds_is_named_and_none_that_does_not(space_of, pose):
    space = space_of(Limits(cpu_limits_millicores=1200, memory_limits_mib=100_000, pods=100))
    best = swift(pose(space), starts(space))
    assert not best.feasible
    assert best.violation < BROKEN  # as close as the quota allows, never beyond it
    names = binding(space, pose, [*starts(space), best.point])
    assert names == ("the quota of CPU limits",)
    told = in_the_way(space, names, pose(space), best.point)
    assert "the quota of CPU limits binds" in told
    assert "the quota of pods" not in told


def test_limits_that_bind_together_are_both_named(space_of, pose):
    space = space_of(Limits(cpu_limits_millicores=1200, cpu_requests_millicores=600))
    assert binding(space, pose, starts(space)) == ("the quota of CPU requests", "the quota of CPU limits")
    assert "bind together" in in_the_way(space, binding(space, pose, starts(space)), pose(space), space.low)
