"""Which issues are worth a rehearsal."""

import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from chaosprsa.selection import coverage_of, covering, weight, weightiest
from chaosprsa.types import Companion, Fault, Impact, Interval, Lineage, Severity, SimulatedIssue


def issue(name, component, fault, probability, errors=0.1, slower=1.0):
    return SimulatedIssue(
        id=name,
        kind=fault.value,
        fault=fault,
        strength=0.5,
        components=(component,),
        origin=datetime(2026, 1, 1, tzinfo=UTC),
        start_s=0.0,
        duration_s=60.0,
        severity=Severity.MAJOR,
        probability=probability,
        impact=Impact(
            latency_ratio=Interval(low=slower, mid=slower, high=slower),
            error_share=Interval(low=errors, mid=errors, high=errors),
        ),
        novelty=0.0,
        evidence=(),
        lineage=Lineage(id=name),
    )


def test_ten_times_slower_weighs_as_much_as_every_request_failing():
    slow = issue("a", "web", Fault.POD_KILL, 0.5, errors=0.0, slower=10.0)
    failing = issue("b", "web", Fault.POD_KILL, 0.5, errors=1.0)
    assert weight(slow) == weight(failing) == 0.5


def test_one_of_each_component_and_fault_is_chosen_and_the_heaviest_of_it():
    light = issue("light", "web", Fault.POD_KILL, 0.5, errors=0.1)
    heavy = issue("heavy", "web", Fault.POD_KILL, 0.5, errors=0.9)
    assert weightiest([light, heavy], 5) == (heavy,)


def test_faults_not_yet_chosen_come_before_a_second_component_of_one_fault():
    kills = [issue(f"kill-{name}", name, Fault.POD_KILL, 0.9) for name in ("web", "cart")]
    surge = issue("surge", "web", Fault.TRAFFIC_SURGE, 0.1)
    assert {chosen.id for chosen in weightiest([*kills, surge], 2)} == {"kill-cart", "surge"}


def test_what_an_allocation_can_mend_comes_first():
    failing = issue("failing", "db", Fault.DEPENDENCY_FAILING, 1.0, errors=1.0)
    surge = issue("surge", "web", Fault.TRAFFIC_SURGE, 0.01)
    assert [chosen.id for chosen in weightiest([failing, surge], 2)] == ["surge", "failing"]


def some(count, rng):
    """Mendable faults at random, so that nothing but coverage decides."""
    faults = [Fault.CPU_SQUEEZE, Fault.POD_KILL, Fault.MEMORY_SQUEEZE, Fault.REPLICA_LOSS]
    return [
        replace(
            issue(
                f"i{number}",
                str(rng.choice(["web", "cart", "db", "pay"])),
                faults[rng.integers(4)],
                float(rng.uniform(0.01, 1)),
                errors=float(rng.uniform(0, 1)),
                slower=float(rng.uniform(1, 20)),
            ),
            severity=list(Severity)[rng.integers(4)],
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_greedy_coverage_is_within_one_minus_one_over_e_of_the_best_that_there_is(seed, limit):
    """Nemhauser, Wolsey and Fisher 1978; the best by trying all."""
    issues = some(11, np.random.default_rng(seed))
    best = max(coverage_of(chosen, issues).share for chosen in itertools.combinations(issues, limit))
    found = covering(issues, limit)
    assert found.share >= (1 - 1 / math.e) * best - 1e-12
    assert found.share == pytest.approx(coverage_of(found.issues, issues).share)
    assert limit > 1 or found.share == pytest.approx(best)  # one alone is the best one


def test_a_further_issue_never_covers_less_and_adds_less_the_more_is_there():
    """Monotone and submodular, on which the guarantee rests."""
    rng = np.random.default_rng(3)
    for _ in range(30):
        issues = some(9, rng)
        few, many, one = issues[:2], issues[:5], issues[8]
        gain_few = coverage_of([*few, one], issues).share - coverage_of(few, issues).share
        gain_many = coverage_of([*many, one], issues).share - coverage_of(many, issues).share
        assert gain_few >= gain_many - 1e-12
        assert gain_many >= -1e-12


def test_everything_chosen_leaves_nothing_uncovered_and_two_that_cover_the_same_are_one():
    issues = some(40, np.random.default_rng(1))
    assert coverage_of(issues, issues).share == pytest.approx(1)
    assert covering(issues, 40).uncovered == ()
    assert "nothing stays uncovered" in covering(issues, 40).in_words()
    twins = [issue("light", "web", Fault.POD_KILL, 0.5), issue("heavy", "web", Fault.POD_KILL, 0.6)]
    assert [chosen.id for chosen in covering(twins, 2).issues] == ["heavy"]


def test_what_stays_uncovered_is_named_the_heaviest_first():
    issues = [
        issue("kill", "web", Fault.POD_KILL, 0.9),
        issue("squeeze", "cart", Fault.CPU_SQUEEZE, 0.5),
        issue("loss", "db", Fault.REPLICA_LOSS, 0.1),
    ]
    found = covering(issues, 1)
    assert [chosen.id for chosen in found.issues] == ["kill"]
    assert found.uncovered[0].startswith("fault cpu-squeeze")
    assert "replica-loss on db" in " ".join(found.uncovered)
    assert "1 of 3 issues" in found.in_words()
    assert "by probability x impact; uncovered, with that product: fault cpu-squeeze (" in found.in_words()


def test_coverage_plays_what_can_be_mended_first_and_different_faults_before_one_fault_twice():
    failing = issue("failing", "db", Fault.DEPENDENCY_FAILING, 1.0, errors=1.0)
    kills = [issue(f"kill-{name}", name, Fault.POD_KILL, 0.9) for name in ("web", "cart")]
    surge = issue("surge", "web", Fault.TRAFFIC_SURGE, 0.5)
    found = covering([failing, *kills, surge], 2).issues
    assert {chosen.fault for chosen in found} == {Fault.POD_KILL, Fault.TRAFFIC_SURGE}
    assert covering([failing, *kills, surge], 9).issues[-1] is failing


def test_faults_that_are_on_together_cover_both_their_faults():
    both = replace(
        issue("both", "web", Fault.CPU_SQUEEZE, 0.5),
        companions=(Companion(fault=Fault.TRAFFIC_SURGE, component="web", strength=2.0),),
    )
    found = covering([both, issue("squeeze", "web", Fault.CPU_SQUEEZE, 0.5)], 1)
    assert found.issues == (both,)
    assert not any(words.startswith(("fault", "component")) for words in found.uncovered)


def test_no_issues_are_covered_by_none():
    assert covering([], 3).issues == ()


def test_what_has_next_to_no_risk_gives_way_to_what_has_some():
    """A study of three played a pod kill that nobody would feel, and left out a squeeze that would be felt."""
    surge = issue("surge", "web", Fault.TRAFFIC_SURGE, 0.5, errors=0.5)
    squeeze = issue("squeeze", "web", Fault.MEMORY_SQUEEZE, 0.1, errors=0.3)
    harmless = issue("harmless", "cart", Fault.POD_KILL, 0.3, errors=0.00001)
    assert {chosen.id for chosen in covering([surge, squeeze, harmless], 2).issues} == {"surge", "squeeze"}
