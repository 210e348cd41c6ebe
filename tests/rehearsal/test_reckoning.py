"""Predicted impacts: in order, wider where less is known, at the hour's load, and calibrated on what was felt."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from chaosprsa.impacts import LEANS, Surroundings, sketch
from chaosprsa.reckoning import predicted_impact, reckoning
from chaosprsa.types import Fault

AROUND = Surroundings(
    visits=0.7,
    share=0.5,
    utilisation=0.4,
    busiest=0.5,
    memory=0.6,
    entry_ms=100.0,
    entry_spread=0.2,
    measured=True,
    replicas=2,
    limit_cores=0.5,
)


def test_a_squeeze_to_half_of_half_a_core_doubles_the_work_and_crowds_what_is_left():
    told = sketch(Fault.CPU_SQUEEZE, 0.5, 600.0, AROUND)
    assert told.latency_ratio == pytest.approx(1 + 0.5 * (2 * 0.6 / 0.2 - 1))


def test_pods_are_lost_whole():
    assert sketch(Fault.REPLICA_LOSS, 0.6, 600.0, AROUND).error_share == pytest.approx(0.7)
    assert sketch(Fault.REPLICA_LOSS, 0.5, 600.0, AROUND).error_share == 0.0


def test_a_failing_dependency_fails_the_requests_that_pass_it():
    assert sketch(Fault.DEPENDENCY_FAILING, 0.3, 600.0, AROUND).error_share == pytest.approx(0.21)


def test_a_service_that_no_request_passes_slows_none():
    apart = replace(AROUND, visits=0.0)
    assert [sketch(Fault.DEPENDENCY_SLOW, 500.0, 600.0, apart, lean).latency_ratio for lean in LEANS] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("fault", list(Fault))
def test_the_ends_enclose_the_middle(bundle, fault):
    usual = reckoning(bundle)
    strength = 200.0 if fault is Fault.DEPENDENCY_SLOW else 2.0 if fault is Fault.TRAFFIC_SURGE else 0.5
    for component in bundle.topology.services:
        told = predicted_impact(usual, fault, component, strength, 600.0)
        for one in (told.latency_ratio, told.error_share):
            assert 0 <= one.low <= one.mid <= one.high
        assert told.error_share.high <= 1


def test_what_is_not_measured_is_less_certain(bundle):
    known = reckoning(bundle)
    guessed = replace(known, around={name: replace(one, measured=False) for name, one in known.around.items()})
    pair = [
        predicted_impact(each, Fault.CPU_SQUEEZE, "catalogue", 0.5, 600.0).latency_ratio for each in (known, guessed)
    ]
    assert pair[1].high / pair[1].low > pair[0].high / pair[0].low


def test_at_a_busy_hour_the_same_squeeze_is_worse(bundle):
    usual = reckoning(bundle)
    noon = bundle.window.end.replace(hour=12, minute=30) + timedelta(days=1)
    night = noon.replace(hour=4)
    busy, idle = (predicted_impact(usual, Fault.CPU_SQUEEZE, "catalogue", 0.5, 600.0, when) for when in (noon, night))
    assert busy.latency_ratio.mid > idle.latency_ratio.mid


def test_where_the_past_went_beyond_the_interval_it_gets_wider(bundle):
    felt = replace(bundle.felt[0], kind="dependency-failing", latency_ratio=45.0)
    wild = replace(bundle, felt=(felt,) * 30)
    tame = replace(bundle, felt=())
    widths = [reckoning(each).widths[Fault.DEPENDENCY_FAILING] for each in (tame, wild)]
    assert widths[0] == 1.0
    assert widths[1] > 1.2


def test_without_metrics_the_usual_values_stand_in(bundle):
    bare = replace(bundle, normals={}, load={}, felt=())
    told = predicted_impact(reckoning(bare), Fault.CPU_SQUEEZE, "catalogue", 0.5, 600.0, bundle.window.end)
    assert told.latency_ratio.low < told.latency_ratio.mid < told.latency_ratio.high


def test_many_at_once_are_what_each_is_alone(bundle):
    usual, when_s = reckoning(bundle), bundle.window.end.timestamp()
    strengths = {Fault.DEPENDENCY_SLOW: 200.0, Fault.TRAFFIC_SURGE: 2.0}
    surge = (Fault.TRAFFIC_SURGE, bundle.topology.entry, 1.7)
    faults = [
        ((fault, component, strengths.get(fault, 0.5)), *also)
        for fault in Fault
        for component in bundle.topology.services
        for also in ((), (surge,), (surge, (Fault.POD_KILL, component, 0.5)))
    ]
    lasts, when = np.linspace(60, 6000, len(faults)), when_s + np.linspace(-3600, 86_400, len(faults))
    alone = [usual.impacts([one], lasts[at : at + 1], when[at : at + 1])[0] for at, one in enumerate(faults)]
    assert usual.impacts(faults, lasts, when) == alone


def test_a_slow_answer_and_a_failing_one_together_are_slow_and_failing(bundle):
    usual, component = reckoning(bundle), bundle.topology.services[1]
    slow, failing = (Fault.DEPENDENCY_SLOW, component, 300.0), (Fault.DEPENDENCY_FAILING, component, 0.5)
    first, second, both = usual.impacts([(slow,), (failing,), (slow, failing)], np.full(3, 600.0), np.full(3, np.nan))
    assert both.latency_ratio.mid == first.latency_ratio.mid
    assert both.error_share.mid == second.error_share.mid
