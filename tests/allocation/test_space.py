"""What may be tried, and what it costs."""

from dataclasses import replace

import numpy as np
import pytest

from chaosprsa.allocation.ranges import build_space
from chaosprsa.allocation.space import CPU, MEMORY, REPLICAS, point_of
from chaosprsa.errors import BadInput
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.twin import calibrate
from chaosprsa.types import Prices, Topology

PRICES = Prices(cpu_core_hour=0.04, memory_gib_hour=0.005)


@pytest.fixture(scope="module")
def twin(shop, outcomes):
    return calibrate(outcomes, shop.SHOP, shop.SLO)


@pytest.fixture(scope="module")
def space(shop, twin):
    return build_space(shop.doubled(shop.PRESENT), twin, SafetyTable(), PRICES)


def test_the_present_is_a_point_of_the_space(shop, space):
    assert space.allocation(space.present) == shop.doubled(shop.PRESENT)
    assert ((space.present - space.low) % space.step == 0).all()


def test_ranges_stay_inside_the_safety_settings(shop, twin):
    safety = SafetyTable(max_replicas=5, max_cpu_limit_millicores=1000, max_memory_limit_mib=512, min_replicas=2)
    space = build_space(shop.doubled(shop.PRESENT), twin, safety, PRICES)
    assert space.high[:, REPLICAS].max() <= 5
    assert space.high[:, CPU].max() <= 1000
    assert space.high[:, MEMORY].max() <= 512
    assert space.low[:, REPLICAS].min() == 2


def test_memory_is_never_searched_below_what_was_seen_in_use(space):
    assert space.low[:, MEMORY].min() >= 80 * 1.15


def test_requests_keep_their_share_of_the_limit(space):
    point = space.present.copy()
    point[:, CPU] += 100
    assert (space.requests(point)[:, 0] == point[:, CPU] // 2).all()


def test_cost_is_the_sum_of_the_services_cost(space):
    points = np.stack((space.present, space.low, space.high))
    expected = [space.allocation(point).cost_month(PRICES) for point in points]
    assert space.cost_month(points) == pytest.approx(expected)


def test_what_was_never_seen_in_use_stays_as_it_is(shop, outcomes):
    blind = [
        replace(
            one,
            phases=tuple(
                replace(phase, services=tuple(replace(it, memory_mib_per_pod=None) for it in phase.services))
                for phase in one.phases
            ),
        )
        for one in outcomes
    ]
    twin = calibrate(blind, shop.SHOP, shop.SLO)
    space = build_space(shop.PRESENT, twin, SafetyTable(), PRICES)
    assert (space.low[:, MEMORY] == space.high[:, MEMORY]).all()
    assert (space.low[:, CPU] < space.high[:, CPU]).all()


def test_a_present_above_the_limits_is_said(shop, twin):
    space = build_space(shop.doubled(shop.PRESENT), twin, SafetyTable(max_replicas=2), PRICES)
    assert any("above what [safety] allows" in note for note in space.notes)


def test_limits_that_leave_nothing_are_refused(shop, twin):
    with pytest.raises(BadInput, match="min_replicas"):
        build_space(shop.PRESENT, twin, SafetyTable(min_replicas=9, max_replicas=3), PRICES)


def test_an_allocation_that_says_nothing_about_a_service_is_refused(shop):
    only = Topology(services=("gateway",), entry="gateway")
    with pytest.raises(BadInput, match="stock"):
        point_of(shop.allocation_of(only), shop.SHOP.services)
