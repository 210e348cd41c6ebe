"""Faults that are on together are one experiment: the load carries the surge, the method injects each fault."""

import itertools
import json
import re
from datetime import timedelta

import numpy as np
import pytest
from chaoslib.experiment import ensure_experiment_is_valid

from chaosprsa.errors import BadInput
from chaosprsa.experiments import build_experiment
from chaosprsa.faults import CATALOGUE
from chaosprsa.issues import draw_issues
from chaosprsa.loads import build_profile
from chaosprsa.loadtest.schedule import level_at
from chaosprsa.settings_tables import TrialTable
from chaosprsa.studies import generate_study
from chaosprsa.twin.course import effects_of
from chaosprsa.types import Companion, EdgeCase, Fault

TRIAL = TrialTable(before_s=10, fault_s=20, after_s=10, max_rate_per_s=500)
SURGE = Companion(fault=Fault.TRAFFIC_SURGE, component="gateway", strength=2.5)
PAIRS = [pair for pair in itertools.product(Fault, repeat=2) if Fault.TRAFFIC_SURGE not in pair]


def experiment_of(played, settings, kinds=None):
    built = build_experiment(played, "demo", f"{played.id}.profile.json", settings(), 7, kinds or {})
    ensure_experiment_is_valid(json.loads(json.dumps(built)))
    return built


@pytest.mark.parametrize(("one", "other"), PAIRS)
@pytest.mark.parametrize("kinds", [{}, {"catalogue": "Deployment", "cart": "StatefulSet"}])
def test_any_two_faults_at_once_are_valid_and_both_are_injected(issue, settings, one, other, kinds):
    alone = issue(fault=one, strength=CATALOGUE[one].typical)
    beside = Companion(fault=other, component="cart", strength=CATALOGUE[other].typical)
    together = experiment_of(issue(fault=one, strength=alone.strength, companions=(beside,)), settings, kinds)
    single = experiment_of(alone, settings, kinds)
    assert all(activity in together["method"] for activity in single["method"])
    assert len(together["method"]) > len(single["method"])
    assert "cart" in json.dumps(together["method"])
    read = set(re.findall(r"\$\{(\w+)\}", json.dumps([together["method"], together["rollbacks"]])))
    assert read <= set(together["configuration"])
    assert together["extensions"][0]["companions"][0]["component"] == "cart"


def test_the_same_fault_at_two_components_reads_its_values_apart(issue, settings):
    beside = Companion(fault=Fault.REPLICA_LOSS, component="cart", strength=0.25)
    played = issue(fault=Fault.REPLICA_LOSS, strength=0.5, companions=(beside,))
    built = experiment_of(played, settings, {"catalogue": "Deployment", "cart": "Deployment"})
    scaled = [step["provider"]["arguments"] for step in built["method"] if "scale_" in step["provider"]["func"]]
    assert [(call["name"], call["replicas"]) for call in scaled] == [
        ("catalogue", "${replicas_left}"),
        ("cart", "${replicas_left_2}"),
        ("cart", "${replicas_now_2}"),
        ("catalogue", "${replicas_now}"),
    ]


def test_a_surge_beside_a_fault_is_in_the_load_while_the_fault_is_in_the_method(issue, settings):
    both = issue(fault=Fault.CPU_SQUEEZE, strength=0.5, companions=(SURGE,))
    profile = build_profile(both, 60.0, 0.5, TRIAL, seed=4)
    assert [level_at(profile.points, time_s) for time_s in (0, 20, 40)] == [30.0, 75.0, 30.0]
    names = [step["provider"]["func"] for step in experiment_of(both, settings)["method"]]
    assert "resize_pods" in names
    assert experiment_of(both, settings)["title"].endswith("together with gateway: 2.5 times the forecast load")
    double = issue(fault=Fault.TRAFFIC_SURGE, strength=2.0, companions=(SURGE,))
    assert double.surge == 5.0


def test_a_slow_ramp_is_played_slower(issue):
    quick, slow = (
        build_profile(issue(fault=Fault.TRAFFIC_SURGE, strength=3.0, ramp_s=ramp_s), 60.0, 0.5, TRIAL, seed=4)
        for ramp_s in (6.0, 120.0)  # of an issue of 300 s
    )
    assert level_at(quick.points, 11.0) == 90.0
    assert level_at(slow.points, 14.0) == pytest.approx(60.0)  # half of the rise after a fifth of 20 s


def test_the_twin_feels_all_of_them(issue):
    both = issue(fault=Fault.CPU_SQUEEZE, strength=0.5, companions=(SURGE,))
    again = issue(companions=(Companion(fault=Fault.CPU_SQUEEZE, component="catalogue", strength=0.4),))
    effects = effects_of([both, again], ["gateway", "catalogue"], np.array([0.5, 0.5]))
    assert effects.surge.tolist() == [2.5, 1.0]
    assert effects.cpu_left.tolist() == [[1.0, 0.5], [1.0, pytest.approx(0.3)]]
    with pytest.raises(BadInput, match="'gateway' is not in the topology"):
        effects_of([both], ["catalogue"], np.array([0.5]))


def test_what_was_drawn_together_makes_a_valid_study(bundle, settings, tmp_path):
    drawn = draw_issues(bundle, timedelta(hours=24), 60, np.random.default_rng(5), bundle.window.end, 5, edge_share=1.0)
    together = [one for one in drawn if one.edge_case is EdgeCase.TOGETHER][:4]
    study = generate_study("pairs", together, settings(), bundle, tmp_path, 5)
    for item in study.items:
        ensure_experiment_is_valid(json.loads((tmp_path / item.experiment).read_text(encoding="utf-8")))
        assert item.issue.companions


def test_a_companion_outside_the_topology_is_refused(bundle, settings, issue, tmp_path):
    strange = issue(companions=(Companion(fault=Fault.POD_KILL, component="mainframe", strength=0.5),))
    with pytest.raises(BadInput, match="mainframe"):
        generate_study("pairs", [strange], settings(), bundle, tmp_path, 5)
