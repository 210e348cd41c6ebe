"""The arithmetic of rollouts and of autoscalers: Kubernetes' own documented cases, and bounds that always hold."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chaosprsa.lab.controllers import autoscaling, rolling
from chaosprsa.lab.controllers.autoscaling import Reading


def _deployment(replicas: int, surge: Any = "25%", unavailable: Any = "25%") -> dict[str, Any]:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    return {"spec": {"replicas": replicas, "strategy": strategy}}


def _set(name: str, size: int, available: int | None = None, born: str = "2026-01-01T00:00:00Z") -> dict[str, Any]:
    status = {"availableReplicas": size if available is None else available}
    return {"metadata": {"name": name, "creationTimestamp": born}, "spec": {"replicas": size}, "status": status}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "30%", "30%", (3, 3)),
        (3, "25%", "25%", (1, 0)),
        (4, "25%", "25%", (1, 1)),
        (1, "25%", "25%", (1, 0)),
        (5, 0, "10%", (0, 1)),
        (2, 5, 5, (5, 2)),
    ],
)
def test_percentages_round_up_for_surge_and_down_for_unavailability(
    replicas: int, surge: Any, unavailable: Any, expected: tuple[int, int]
) -> None:
    assert rolling.bounds(_deployment(replicas, surge, unavailable)) == expected


@given(
    replicas=st.integers(1, 30),
    surge=st.integers(0, 5),
    unavailable=st.integers(0, 5),
    old_size=st.integers(0, 30),
    new_size=st.integers(0, 30),
    data=st.data(),
)
def test_a_step_never_exceeds_the_surge_nor_takes_available_pods_below_the_least(
    replicas: int, surge: int, unavailable: int, old_size: int, new_size: int, data: st.DataObject
) -> None:
    deployment = _deployment(replicas, surge, unavailable)
    old = _set("old", old_size, data.draw(st.integers(0, old_size)))
    new = _set("new", min(new_size, replicas), data.draw(st.integers(0, min(new_size, replicas))))
    most_surge, most_missing = rolling.bounds(deployment)
    grown = rolling.new_size(deployment, new, [old, new])
    assert grown >= rolling.replicas_of(new)
    if grown > rolling.replicas_of(new):
        assert grown + old_size <= replicas + most_surge
    left = rolling.old_sizes(deployment, new, [old])["old"]
    assert 0 <= left <= old_size
    before = rolling.available_of(old) + rolling.available_of(new)
    after = min(rolling.available_of(old), left) + rolling.available_of(new)
    assert after >= min(before, replicas - most_missing)


def test_scaling_in_the_middle_of_a_rollout_is_shared_as_the_documentation_says() -> None:
    """10 replicas, maxSurge 3, maxUnavailable 2, stuck at 8 old and 5 new; scaled to 15: 3 more old, 2 more new."""
    sizes = rolling.proportional_sizes(_deployment(15, 3, 2), [_set("old", 8), _set("new", 5, 0)])
    assert sizes == {"old": 11, "new": 7}


@given(st.integers(0, 40), st.lists(st.integers(1, 20), min_size=1, max_size=4))
@example(2, [1, 1, 1, 1])
def test_shares_add_up_unless_the_largest_has_no_more_to_give(replicas: int, sizes: list[int]) -> None:
    """What rounding leaves is the largest's alone, as in Kubernetes: four of one, scaled to two, are three at first."""
    shared = rolling.proportional_sizes(
        _deployment(replicas, 0, 1), [_set(f"s{place}", size) for place, size in enumerate(sizes)]
    )
    assert min(shared.values()) >= 0
    largest = f"s{sizes.index(max(sizes))}"
    assert sum(shared.values()) == replicas or (shared[largest] == 0 and sum(shared.values()) > replicas)


CPU = {"type": "Utilization", "averageUtilization": 50}


@pytest.mark.parametrize(
    ("usage", "ready", "current", "expected"),
    [
        (2.0, 2, 2, 4),  # one core of one requested: twice the target of 50 %
        (0.5, 2, 2, 1),
        (1.0, 2, 2, 2),  # at the target
        (1.09, 2, 2, 2),  # within the tolerance of 10 %
        (1.12, 2, 2, 3),
    ],
)
def test_the_wanted_size_is_the_current_one_times_the_ratio(
    usage: float, ready: int, current: int, expected: int
) -> None:
    reading = Reading(usage=usage, requests=float(ready), pods=ready)
    found = autoscaling.wanted_by(CPU, reading, ready, current)
    assert found is not None
    assert found[0] == expected


def test_pods_that_still_start_damp_a_scale_up() -> None:
    """Two of four serve at twice the target: as if the others were idle, so nothing more is asked for."""
    found = autoscaling.wanted_by(CPU, Reading(2.0, 2.0, 2), 2, 4)
    assert found is not None
    assert found[0] == 4


def test_without_requests_there_is_no_utilization() -> None:
    assert autoscaling.wanted_by(CPU, Reading(1.0, 0.0, 1), 1, 1) is None


def test_scaling_down_waits_for_the_highest_of_the_window() -> None:
    past = [(0.0, 8), (200.0, 3)]
    assert autoscaling.stabilised({}, 8, 3, past, 250.0) == 8
    assert autoscaling.stabilised({}, 8, 3, past, 301.0) == 3
    at_once = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
    assert autoscaling.stabilised(at_once, 8, 3, past, 250.0) == 3


def test_the_default_policy_allows_four_pods_or_a_doubling_in_fifteen_seconds() -> None:
    assert autoscaling.limited({}, 1, 50, [], 0.0) == 5
    assert autoscaling.limited({}, 10, 50, [], 0.0) == 20
    assert autoscaling.limited({}, 20, 50, [(0.0, 10)], 5.0) == 20
    assert autoscaling.limited({}, 20, 50, [(0.0, 10)], 16.0) == 40


def test_a_disabled_direction_never_moves() -> None:
    spec = {"behavior": {"scaleDown": {"selectPolicy": "Disabled"}}}
    assert autoscaling.limited(spec, 5, 1, [], 0.0) == 5
    one_by_one = {"behavior": {"scaleDown": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}}}
    assert autoscaling.limited(one_by_one, 5, 1, [], 0.0) == 4
    assert autoscaling.limited(one_by_one, 4, 1, [(0.0, -1)], 30.0) == 4
