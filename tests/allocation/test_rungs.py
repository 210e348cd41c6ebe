"""What the reader is told of each rung: real trials beside the exact twin, and repeated ones as A/A tests."""

from dataclasses import replace

import pytest

from chaosprsa.allocation.checking import checked
from chaosprsa.allocation.engine import Candidate, Case, Engine
from chaosprsa.allocation.ladder import climbed
from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.racing import Rules, least_detectable
from chaosprsa.allocation.run import Considered, Run
from chaosprsa.allocation.rungs import detectable_in_the_shadow, rungs, share_used
from chaosprsa.progress import silent
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.shadow import scaled
from chaosprsa.types import Phase, PolicyResult, Prices


@pytest.fixture(scope="module")
def told(shop, outcomes):
    """Rungs of production as it is, checked by trials of one of its issues in a shadow of half its size."""
    case = Case(
        issues=shop.ISSUES[:2],
        production=shop.doubled(shop.PRESENT),
        load=EntryLoad(base_per_s=30.0, peak_per_s=80.0),
        topology=shop.SHOP,
        slo=shop.SLO,
        prices=Prices(cpu_core_hour=0.04, memory_gib_hour=0.005),
        safety=SafetyTable(),
        seed=3,
        now=shop.NOON,
        phases_s=(40.0, 20.0),
    )
    run = Run(Engine(case, outcomes), outcomes, 0.5)
    point = run.engine.space.present
    untuned = PolicyResult(kept=False, searched_return=0.0, tuned_return=0.0, reason="")
    candidate = climbed(run, Candidate(point, (), untuned, looked=40, played=400), (), silent)
    trials = shop.trials(scaled(run.engine.space.allocation(point), 0.5), shop.ISSUES[:1], seed=99)
    run.outcomes += trials
    check = checked(1, trials, frozenset({shop.ISSUES[0].id}), shop.SLO)
    run.considered.append(Considered(point, candidate, check, run.shown(point)))
    return {rung.fidelity: rung for rung in rungs(run, run.considered[-1], candidate)}


def test_every_rung_that_was_asked_is_told(told):
    assert list(told) == ["fluid", "exact", "shadow"]
    assert (told["fluid"].candidates, told["fluid"].plays) == (40, 400)
    assert told["exact"].plays == sum(one.repeats for one in told["exact"].measured)
    assert told["shadow"].plays == 8


def test_rungs_are_as_far_apart_as_what_was_measured_there(told):
    for rung in (told["exact"], told["shadow"]):
        assert rung.measured
        assert rung.difference == pytest.approx(1.0, abs=0.25)
        ratios = [one.here / one.below for one in rung.measured]
        assert min(ratios) - 0.01 <= rung.difference <= max(ratios) + 0.01
    assert 0 < told["exact"].least_detectable < 0.2


def test_repeated_trials_of_one_allocation_are_an_a_a_test(shop, outcomes):
    used = share_used(outcomes[0], shop.SLO)
    slower = {phase: replace(one, latency_slo_ms=one.latency_slo_ms * 1.2) for phase, one in outcomes[0].load.items()}
    again = replace(outcomes[0], id="again", load=slower)
    noise = 0.2 * used / 2**0.5  # of two values this far apart
    assert detectable_in_the_shadow(outcomes, shop.SLO) is None
    found = detectable_in_the_shadow((*outcomes, again), shop.SLO)
    assert found == pytest.approx(least_detectable(noise, 2, Rules()), rel=1e-3)


def test_the_share_used_is_of_latency_or_failures_in_the_worse_phase(shop, outcomes):
    failing = next(one for one in outcomes if one.issue.fault == "dependency-failing")
    errors = max(failing.load[phase].error_share for phase in (Phase.FAULT, Phase.AFTER))
    assert share_used(failing, shop.SLO) == pytest.approx(errors / 0.01)
    assert share_used(replace(failing, load={}), shop.SLO) is None
