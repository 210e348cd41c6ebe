"""Policies side by side: the same world for all, each from the pods that suit it, tuned ones within the promise."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaosprsa.autoscalers.arena import POLICIES, Arena, Promise, busiest, placed, plays_of
from chaosprsa.autoscalers.hpa import Hpa
from chaosprsa.twin.exact.network import Call, Network, Service
from chaosprsa.types import Fault, Impact, Interval, Lineage, Severity, SimulatedIssue

NOTHING = Interval(low=1, mid=1, high=1)
ISSUE = SimulatedIssue(
    id="i", kind="k", fault=Fault.CPU_SQUEEZE, strength=0.5, components=("back",),
    origin=datetime(2026, 1, 1, tzinfo=UTC), start_s=9e4, duration_s=7200.0, severity=Severity.MAJOR, probability=0.5,
    impact=Impact(latency_ratio=NOTHING, error_share=NOTHING), novelty=0.0, evidence=(), lineage=Lineage(id="i"),
    ramp_s=5000.0,
)  # fmt: skip


def arena(replicas=6, **fields) -> Arena:
    front = Service(
        name="front",
        demand_s=0.02,
        replicas=replicas,
        most_replicas=20,
        quota_period_s=0.1,
        calls=(Call(callee="back"),),
    )
    back = Service(name="back", demand_s=0.02, replicas=replicas, most_replicas=20, quota_period_s=0.1)
    load = 60 + 30 * np.sin(np.arange(600) / 60)
    usual = Arena(
        network=Network(services=(front, back), entry="front"), recommended=None, load_per_s=load, start_s=30.0, seed=1,
        promise=Promise(slo_s=0.5, late=0.01, failed=0.01), least=np.array([1, 1]),
    )  # fmt: skip
    return replace(usual, **fields)


@pytest.mark.parametrize("name", [name for name in POLICIES if name not in {"captain", "bound"}])
def test_every_policy_meets_the_same_requests(name):
    played = arena().played(name)
    assert np.array_equal(played.entry_per_s, arena().played("present").entry_per_s)
    assert 0 <= played.failed_share <= played.violation_share


def test_fixed_pods_are_there_from_the_beginning():
    world = arena()
    assert (world.played("present").ready == 6).all()
    peak = world.played("peak").ready
    assert (peak == np.ceil(world.load_per_s.reshape(-1, 15).mean(axis=1).max() * 0.02 / 0.8)).all()


def test_policies_that_count_pods_begin_at_the_same_utilisation():
    assert arena().begun.services[0].replicas == int(np.ceil(arena().load_per_s[:60].mean() * 0.02 / 0.6))
    assert arena(least=np.array([9, 1])).begun.services[0].replicas == 9


def test_what_is_tuned_keeps_the_promise_where_it_was_tuned_and_is_no_dearer_than_the_safest():
    tuned, safe = arena().played("mpc"), arena(hpa=Hpa(target=0.3, name="HPA at 30%")).played("hpa")
    assert tuned.core_hours < safe.core_hours
    assert arena().promise.missed(tuned) < 3  # other arrivals than those it was tuned on


def test_a_promise_is_missed_by_the_worse_of_late_and_failed():
    played = arena().played("present")
    promise = Promise(slo_s=1.0, late=0.05, failed=0.001)
    assert promise.missed(replace(played, violation_share=0.02, failed_share=0.0)) == pytest.approx(0.4)
    assert promise.missed(replace(played, violation_share=0.02, failed_share=0.002)) == pytest.approx(2.0)


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 20), seconds=st.floats(300, 1e5))
def test_issues_are_placed_inside_the_load_one_after_the_other(count, seconds):
    found = placed([ISSUE] * count, seconds)
    ends = [issue.start_s + issue.duration_s for issue in found]
    assert all(end <= after.start_s for end, after in zip(ends, found[1:], strict=False))
    assert found[0].start_s > 0
    assert ends[-1] <= seconds
    assert all(issue.duration_s <= 0.1 * seconds + 1e-6 and issue.ramp_s <= issue.duration_s for issue in found)


def test_the_busiest_stretch_is_the_one_that_moves():
    load = np.concatenate([np.full(3000, 50.0), np.linspace(50, 500, 600), np.full(3000, 500.0)])
    found = busiest(load, 600)
    assert len(found) == 600
    assert found[-1] - found[0] > 300
    assert len(busiest(load, 1e6)) == len(load)


def test_what_is_tuned_and_the_bound_are_played_more_often():
    assert plays_of(["present", "hpa"], 7200) == 2
    assert plays_of(["mpc"], 7200) == plays_of(["ahead"], 7200) > 2
    assert plays_of(["bound"], 7200) > 10
