"""The size of a cache as a column of the space: its memory, and what is spared behind it."""

from dataclasses import replace

import numpy as np
import pytest

from chaosprsa.allocation.blended import with_value
from chaosprsa.allocation.dimensions import CACHE, CPU, MEMORY, REPLICAS
from chaosprsa.allocation.search import search
from chaosprsa.errors import InvalidNoun
from chaosprsa.types import Cache, Declared, Prices

WEB, STOCK, STORE = range(3)
SIZES = {"now_mib": 64, "min_mib": 32, "max_mib": 512, "step_mib": 32}


def declared_of(**change):
    given = {
        "service": "web", "config_map": "web", "key": "cache.size", **SIZES,
        "hits": ((0, 0.0), (64, 0.1), (512, 0.9)), "hit_work": 0.5,
    }  # fmt: skip
    return Declared(caches=(Cache(**{**given, **change}),))


def cores(point):
    return point[:, REPLICAS] * point[:, CPU]


def cheapest_of_every_size(made, declared, prices):
    """A search with the cache held at each size, memory brought along."""
    found = []
    for size in range(32, 513, 32):
        objective = objective_of(made, declared, prices)
        space = objective.space
        low, high = space.low.copy(), space.high.copy()
        low[WEB, CACHE] = high[WEB, CACHE] = size
        start = with_value(space, space.present, WEB, CACHE, size)
        held = replace(space, low=low, high=high, present=start)
        found.append(search(type(objective)(held, objective.rehearsal), 1, 0).best)
    return min(found, key=lambda one: (not one.feasible, one.cost_month))


def objective_of(made, declared, prices, twin=None):
    objective = made.objective_of(declared, twin)
    return type(objective)(replace(objective.space, prices=prices), objective.rehearsal)


def test_a_cache_that_is_cheap_in_memory_spares_pods_behind_it(made):
    """Nine in ten requests are answered by web itself, so stock and store need a fraction."""
    cheap = objective_of(made, declared_of(), Prices(cpu_core_hour=0.04, memory_gib_hour=0.0005))
    grown = search(cheap, 1, 0).best
    held = search(made.objective_of(Declared()), 1, 0).best
    assert grown.feasible
    assert grown.point[WEB, CACHE] > 256
    assert cores(grown.point)[[STOCK, STORE]].sum() < 0.7 * cores(held.point)[[STOCK, STORE]].sum()
    assert grown.point[WEB, MEMORY] >= 80 + grown.point[WEB, CACHE] - 64


def test_a_cache_that_is_dear_in_memory_shrinks_and_gives_its_memory_back(made):
    """160 of the 200 MiB that a pod was seen to use are the cache."""
    prices = Prices(cpu_core_hour=0.001, memory_gib_hour=0.5)
    dear = objective_of(made, declared_of(now_mib=160), prices, made.twin_of(memory_mib=200.0))
    best = search(dear, 1, 0).best
    assert best.feasible
    assert best.point[WEB, CACHE] <= 64
    assert best.point[WEB, MEMORY] == dear.space.low[WEB, MEMORY] == dear.space.present[WEB, MEMORY] - 128


@pytest.mark.slow
@pytest.mark.parametrize("memory_gib_hour", [0.0005, 0.01, 0.05])
def test_is_as_cheap_as_the_best_of_every_size_searched_alone(made, memory_gib_hour):
    prices = Prices(cpu_core_hour=0.04, memory_gib_hour=memory_gib_hour)
    best = search(objective_of(made, declared_of(), prices), 1, 8).best
    assert best.feasible
    assert best.cost_month <= 1.02 * cheapest_of_every_size(made, declared_of(), prices).cost_month


def test_at_its_present_size_nothing_is_different(made):
    with_cache, plain = made.objective_of(declared_of()), made.objective_of(Declared())
    one, other = (each.used(each.space.present[None]) for each in (with_cache, plain))
    assert np.allclose(one, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hits": ((64, 0.5), (32, 0.6))}, "not in the order of their sizes"),
        ({"hits": ((32, 0.5), (64, 0.4))}, "hits fall with the size"),
        ({"hits": ((32, 1.0),)}, "from 0 to below 1"),
        ({"form": "64Mi"}, "form is '64Mi'"),
        ({"now_mib": 16}, "it is 16 now, outside"),
    ],
)
def test_a_cache_that_cannot_be_is_refused(change, message):
    with pytest.raises(InvalidNoun, match=message):
        declared_of(**change)
