"""Weights of a route as a column of the space: load goes where it is cheaper."""

from dataclasses import replace

import numpy as np
import pytest

from chaosprsa.allocation.dimensions import CPU, REPLICAS, WEIGHT
from chaosprsa.allocation.search import search
from chaosprsa.errors import InvalidNoun
from chaosprsa.types import Allocation, Declared, Edge, Route, ServiceAllocation, Topology

WEB, OLD, NEW = range(3)
FORK = Topology(
    services=("web", "old", "new"),
    entry="web",
    edges=(
        Edge(caller="web", callee="old", calls_per_request=0.5),
        Edge(caller="web", callee="new", calls_per_request=0.5),
    ),
)


def declared_of(**change):
    given = {"name": "shop", "kind": "HTTPRoute", "backends": ("old", "new"), "now": (50, 50), "step_weight": 10,
             "min_weight": 10}  # fmt: skip
    return Declared(routes=(Route(**{**given, **change}),))


@pytest.fixture
def objective_of(made):
    production = Allocation(
        services=tuple(ServiceAllocation(service=name, replicas=4, resources=made.RESOURCES) for name in FORK.services)
    )

    def ask(declared, old_s, new_s):
        twin = made.twin_of(demand_s=(0.004, old_s, new_s), topology=FORK)
        return made.objective_of(declared, twin, production)

    return ask


def test_load_goes_to_the_backend_that_needs_less_for_it(objective_of):
    """A request costs old four times what it costs new."""
    best = search(objective_of(declared_of(), 0.024, 0.006), 1, 0).best
    held = search(objective_of(Declared(), 0.024, 0.006), 1, 0).best
    old, new = best.point[[OLD, NEW], WEIGHT]
    assert best.feasible
    assert old / (old + new) < 0.25
    assert best.cost_month < 0.8 * held.cost_month
    assert best.point[OLD, REPLICAS] * best.point[OLD, CPU] < held.point[OLD, REPLICAS] * held.point[OLD, CPU]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("old_s", "new_s"), [(0.024, 0.006), (0.006, 0.024), (0.012, 0.010)])
def test_is_nearly_as_cheap_as_the_best_of_all_shares_searched_alone(objective_of, old_s, new_s):
    """Within 3 %: 2.8 % is left where both backends cost nearly the same (0.012 and 0.010), a local optimum."""
    best = search(objective_of(declared_of(), old_s, new_s), 1, 8).best
    alone = []
    for old, new in [(10, 100), (10, 50), (20, 80), (50, 50), (80, 20), (50, 10), (100, 10)]:
        objective = objective_of(declared_of(), old_s, new_s)
        space = objective.space
        low, high, present = space.low.copy(), space.high.copy(), space.present.copy()
        for corner in (low, high, present):
            corner[[OLD, NEW], WEIGHT] = old, new
        held = replace(space, low=low, high=high, present=present)
        alone.append(search(type(objective)(held, objective.rehearsal), 1, 0).best)
    assert best.feasible
    assert best.cost_month <= 1.03 * min(one.cost_month for one in alone if one.feasible)


def test_weights_are_shares_of_what_was_measured_at_the_present_ones(objective_of):
    objective = objective_of(declared_of(now=(20, 80)), 0.01, 0.01)
    point = objective.space.present.copy()
    point[[OLD, NEW], WEIGHT] = 60, 40
    graph = objective.space.mix(point).graph(objective.rehearsal.twin.graph)
    assert graph.calls[WEB, [OLD, NEW]] == pytest.approx([0.5 * 0.6 / 0.2, 0.5 * 0.4 / 0.8])


def test_as_many_times_the_weights_is_the_same(objective_of):
    objective = objective_of(declared_of(), 0.01, 0.01)
    twice = objective.space.present.copy()
    twice[[OLD, NEW], WEIGHT] = 100, 100
    assert np.array_equal(objective.used(objective.space.present[None]), objective.used(twice[None]))
    assert np.array_equal(objective.space.settled(twice), objective.space.present)
    moved = twice - np.eye(3, twice.shape[1], WEIGHT - OLD, dtype=int) * 10
    assert np.array_equal(objective.space.settled(moved), moved)


def test_what_failed_with_other_weights_says_nothing(objective_of):
    space = objective_of(declared_of(), 0.01, 0.01).space
    other = space.present.copy()
    other[OLD, WEIGHT] = 90
    assert space.covered(space.present[None], space.present)[0]
    assert not space.covered(space.present[None], other)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backends": ("old",), "now": (50,)}, "1 backend"),
        ({"backends": ("old", "old")}, "stands twice"),
        ({"now": (50, 30, 20)}, "3 weights in now, 2 backends"),
        ({"now": (0, 100)}, "it is 0 now, outside of its range 10 to 100"),
    ],
)
def test_a_route_that_cannot_be_is_refused(change, message):
    with pytest.raises(InvalidNoun, match=message):
        declared_of(**change)


def test_a_backend_of_two_routes_is_refused():
    (route,) = declared_of().routes
    with pytest.raises(InvalidNoun, match="weight is declared twice"):
        Declared(routes=(route, replace(route, name="other")))
