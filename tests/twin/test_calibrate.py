"""Calibration from trials that an event-by-event simulation played: what went in must come out."""

import re
from dataclasses import replace

import numpy as np
import pytest

from chaosprsa.errors import BadInput
from chaosprsa.twin import calibrate
from chaosprsa.twin.fit import leave_one_out
from chaosprsa.twin.robust import median_and_spread, rising_line
from chaosprsa.types import Edge, Slo, Topology, Verdict


def without(outcome, **gone):
    """The outcome with these fields of every service set to None."""
    phases = tuple(
        replace(phase, services=tuple(replace(service, **gone) for service in phase.services))
        for phase in outcome.phases
    )
    return replace(outcome, phases=phases)


@pytest.fixture(scope="module")
def twin(shop, outcomes):
    return calibrate(outcomes, shop.SHOP, shop.SLO)


def test_finds_the_work_of_a_request(shop, twin):
    expected = [shop.SERVICES[name].cpu_s for name in shop.SHOP.services]
    assert twin.nominal.demand_s == pytest.approx(expected, rel=0.1)


def test_finds_the_time_that_is_not_work(shop, twin):
    expected = [shop.SERVICES[name].wait_s for name in shop.SHOP.services]
    assert twin.nominal.wait_s == pytest.approx(expected, abs=0.002)


def test_finds_who_is_called_how_often(shop, twin):
    # the topology's own numbers are what the simulation plays
    assert twin.graph.visits == pytest.approx([1.0, 1.0, 0.4, 0.2], abs=0.03)


def test_finds_calls_that_the_topology_got_wrong(shop, outcomes):
    guessed = replace(shop.SHOP, edges=tuple(replace(edge, calls_per_request=1.0) for edge in shop.SHOP.edges))
    assert calibrate(outcomes, guessed, shop.SLO).graph.visits == pytest.approx([1.0, 1.0, 0.4, 0.2], abs=0.03)


def test_finds_memory_and_what_a_request_adds(shop, twin):
    assert twin.nominal.memory_mib == pytest.approx([80.0] * 4, abs=2)
    assert twin.nominal.memory_per_job_mib[0] == pytest.approx(1.0, abs=0.3)


def test_finds_how_long_a_pod_takes_to_start(shop, twin):
    assert twin.nominal.start_delay_s[1] == pytest.approx(3.0, abs=1.0)


def test_tells_trials_that_were_held_out(twin):
    assert twin.fit.trusted, twin.fit.reason
    assert twin.fit.latency_ratio == pytest.approx(1.0, abs=0.2)
    assert twin.fit.error_share_gap < 0.01
    assert twin.fit.trials == 7


def test_does_not_trust_itself_after_one_trial(shop, outcomes):
    fit = calibrate(outcomes[:1], shop.SHOP, shop.SLO).fit
    assert not fit.trusted
    assert "held out" in fit.reason


def test_does_not_trust_itself_when_trials_contradict_one_another(shop, outcomes):
    """Latencies ten times as long in half of the trials, at the same load: no queueing network does that."""

    def slowed(outcome):
        load = {phase: replace(one, latency_slo_ms=one.latency_slo_ms * 10) for phase, one in outcome.load.items()}
        return replace(outcome, load=load)

    mixed = [slowed(one) if at % 2 else one for at, one in enumerate(outcomes)]
    fit = calibrate(mixed, shop.SHOP, shop.SLO).fit
    assert not fit.trusted
    assert re.search(r"off by a factor of \d+\.\d\d|in only \d+% of 21 phases", fit.reason)


def test_each_trial_is_judged_by_a_twin_of_the_others_alone(shop, outcomes, twin):
    asked = []

    def fit(others):
        asked.append({one.id for one in others})
        return twin

    leave_one_out(outcomes, twin, shop.SLO, fit)
    everybody = {one.id for one in outcomes}
    assert asked == [everybody - {one.id} for one in outcomes]


def test_one_wild_measurement_moves_little(shop, outcomes, twin):
    phase = outcomes[0].phases[1]
    wild = replace(phase, services=tuple(replace(one, cpu_usage_cores=50.0) for one in phase.services))
    spoiled = replace(outcomes[0], phases=(outcomes[0].phases[0], wild, outcomes[0].phases[2]))
    found = calibrate([spoiled, *outcomes[1:]], shop.SHOP, shop.SLO)
    assert found.nominal.demand_s == pytest.approx(twin.nominal.demand_s, rel=0.05)


def test_says_where_no_cpu_was_seen(shop, outcomes):
    found = calibrate([without(one, cpu_usage_cores=None) for one in outcomes], shop.SHOP, shop.SLO)
    assert set(found.loose) == set(shop.SHOP.services)
    assert not found.fit.trusted
    assert "CPU" in found.fit.reason


def test_leaves_invalid_trials_out_and_says_so(shop, outcomes):
    spoiled = replace(outcomes[0], verdict=Verdict.INVALID, reasons=("the gate was not met",))
    found = calibrate([spoiled, *outcomes[1:]], shop.SHOP, shop.SLO)
    assert found.fit.trials == 6
    assert any("left out" in note for note in found.notes)


def test_works_without_any_series_but_cpu_and_rate(shop, outcomes):
    bare = [
        without(one, latency_mean_ms=None, memory_mib_per_pod=None, replicas_ready=None, error_share=None)
        for one in outcomes
    ]
    found = calibrate(bare, shop.SHOP, shop.SLO)
    assert np.isfinite(found.nominal.demand_s).all()
    assert np.isnan(found.nominal.memory_mib).all()


def test_refuses_no_outcomes(shop):
    with pytest.raises(BadInput, match="chaos prsa trial"):
        calibrate([], shop.SHOP, shop.SLO)


def test_refuses_when_every_outcome_is_invalid(shop, outcomes):
    spoiled = [replace(one, verdict=Verdict.INVALID, reasons=("the gate was not met",)) for one in outcomes]
    with pytest.raises(BadInput, match=r"all 7 outcomes are invalid.*the gate was not met"):
        calibrate(spoiled, shop.SHOP, shop.SLO)


def test_refuses_outcomes_of_another_system(shop, outcomes):
    other = Topology(services=("gateway", "stock"), entry="gateway")
    with pytest.raises(BadInput, match="another system"):
        calibrate(outcomes, other, shop.SLO)


def test_refuses_calls_in_a_circle(shop, outcomes):
    circle = replace(shop.SHOP, edges=(*shop.SHOP.edges, Edge(caller="pay", callee="gateway")))
    with pytest.raises(BadInput, match="circle"):
        calibrate(outcomes, circle, shop.SLO)


def test_refuses_an_objective_for_a_service_that_is_not_there(shop, outcomes):
    with pytest.raises(BadInput, match="nowhere"):
        calibrate(outcomes, shop.SHOP, Slo(service="nowhere", latency_ms=100))


def test_an_outcome_without_load_statistics_is_no_evidence_of_fit(shop, outcomes):
    silent = [replace(one, load={}) for one in outcomes]
    fit = calibrate(silent, shop.SHOP, shop.SLO).fit
    assert not fit.trusted
    assert "answered requests" in fit.reason


def test_the_median_ignores_what_is_not_there():
    middle, spread = median_and_spread(np.array([1.0, np.nan, 3.0, 2.0, -1.0]), np.ones(5))
    assert middle == 2.0
    assert spread > 0
    assert np.isnan(median_and_spread(np.array([np.nan]), np.ones(1))[0])


def test_a_line_is_found_through_one_wild_point():
    x = np.arange(10.0)
    y = 5.0 + 2.0 * x
    y[3] = 500.0
    base, slope, _ = rising_line(x, y)
    assert base == pytest.approx(5.0, abs=0.5)
    assert slope == pytest.approx(2.0, abs=0.1)


def test_a_slope_that_noise_hides_is_none():
    """Memory that wanders by itself once looked like many MiB a request, and failed every allocation at a surge."""
    rng = np.random.default_rng(4)
    _, slope, _ = rising_line(rng.uniform(0.1, 0.4, 12), 110 + rng.normal(0, 2, 12))
    assert slope == 0.0
