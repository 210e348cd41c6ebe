"""Reasons name what binds, and nothing that is lost anyway."""

from dataclasses import replace

import numpy as np
import pytest

from chaosprsa.allocation.explain import bindings, directives
from chaosprsa.allocation.ranges import build_space
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.space import CPU, MEMORY
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.twin import Noise, Rehearsal, calibrate, draw_worlds
from chaosprsa.types import AllocationField, Fault, Prices


@pytest.fixture(scope="module")
def told(shop, outcomes):
    """Reasons for more memory at cart and less CPU at pay, while an issue at stock is lost whatever they do."""
    twin = calibrate(outcomes, shop.SHOP, shop.SLO)
    prices = Prices(cpu_core_hour=0.04, memory_gib_hour=0.005)
    space = build_space(shop.allocation_of(shop.SHOP, 4, 500, 128), twin, SafetyTable(), prices)
    issues = (shop.issue_of(Fault.MEMORY_SQUEEZE, "cart", 0.5), shop.issue_of(Fault.DEPENDENCY_FAILING, "stock", 0.5))
    rehearsal = Rehearsal(twin, shop.SLO, issues, draw_worlds(twin, issues, 40.0, 1, 0, Noise()))
    point = space.present.copy()
    point[2, MEMORY] = 256
    point[3, CPU] = 450
    found = directives(space, rehearsal, point, 0.5, shop.NOON, True)
    return {(one.target, one.field): one for one in found}


def test_a_service_that_stays_is_told_what_binds_it(shop, outcomes):
    """Cart has just the memory that a squeeze asks for, and the least of everything else."""
    twin = calibrate(outcomes, shop.SHOP, shop.SLO)
    prices = Prices(cpu_core_hour=0.04, memory_gib_hour=0.005)
    given = shop.allocation_of(shop.SHOP, 4, 500, 128)
    space = build_space(given, twin, SafetyTable(min_replicas=4), prices)
    space = replace(space, low=np.where(np.arange(3) == MEMORY, space.low, space.present))
    issues = (shop.issue_of(Fault.MEMORY_SQUEEZE, "cart", 0.5),)
    rehearsal = Rehearsal(twin, shop.SLO, issues, draw_worlds(twin, issues, 40.0, 1, 0, Noise()))
    point = space.present.copy()
    while rehearsal(space.capacity(point[None])).violation[0, 0] > 0:
        point[2, MEMORY] += space.step[2, MEMORY]
    found = bindings(space, Objective(space, rehearsal, reference=point), point, True)
    first = next(one for one in found if one.service == "cart")
    assert (first.field, first.issue_id) == (AllocationField.MEMORY_LIMIT, issues[0].id)
    assert first.reason.startswith(f"with {point[2, MEMORY] - 32} MiB a pod memory-squeeze on cart")
    assert {one.field for one in found} == {AllocationField.MEMORY_LIMIT}  # the rest is at its least


def test_more_memory_is_for_the_issue_that_needs_it(told):
    assert "memory-squeeze on cart" in told["cart", AllocationField.MEMORY_LIMIT].reason
    assert "128 MiB" in told["cart", AllocationField.MEMORY_LIMIT].reason


def test_what_is_lost_anyway_is_no_reason(told):
    assert not any("dependency-failing" in one.reason for one in told.values())


def test_requests_say_that_they_follow(told):
    assert told["cart", AllocationField.MEMORY_REQUEST].reason == "stays at 50% of its limit"
    assert (told["pay", AllocationField.CPU_REQUEST].from_, told["pay", AllocationField.CPU_REQUEST].to) == (250, 225)
