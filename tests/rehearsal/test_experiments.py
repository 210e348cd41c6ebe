"""Experiments are what Chaos Toolkit's own validator accepts, and hold what an experiment must hold to be safe."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from chaoslib.experiment import ensure_experiment_is_valid
from chaoslib.loader import load_experiment

from chaosprsa.documents import read_document
from chaosprsa.errors import BadInput
from chaosprsa.experiments import build_experiment
from chaosprsa.faults import CATALOGUE
from chaosprsa.studies import generate_study
from chaosprsa.types import Fault, LoadProfile, Study

GOLDEN = Path(__file__).parents[1] / "golden" / "experiments"
DRILLS = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))
KINDS = {"catalogue": "Deployment"}
MUTATING = {
    "chaosprsa.actions": {"resize_pods", "scale_down", "take_snapshot", "restore_shadow"},
    "chaosk8s.pod.actions": {"terminate_pods"},
    "chaosk8s.deployment.actions": {"scale_deployment"},
    "chaosk8s.chaosmesh.network.actions": {"add_latency", "delete_network_fault"},
    "chaosk8s.crd.actions": {"create_custom_object", "delete_custom_object"},
}


def experiment_of(issue, settings, fault, kinds=KINDS):
    played = issue(id=f"catalogue-{fault.value}-0123456789ab", fault=fault, strength=CATALOGUE[fault].typical)
    return build_experiment(played, "demo", f"{played.id}.profile.json", settings(), 7, kinds)


def valid(experiment):
    """chaoslib's own validator; it needs the environment that the configuration names only where no default is."""
    ensure_experiment_is_valid(json.loads(json.dumps(experiment)))
    return True


def functions(activities):
    return [(item["provider"]["module"], item["provider"]["func"]) for item in activities]


@pytest.mark.parametrize("fault", Fault)
def test_a_generated_experiment_equals_its_golden_file_and_chaoslib_accepts_both(issue, settings, fault):
    """Written anew with CHAOSPRSA_GOLDEN=1; the difference is for a person's eye."""
    experiment = experiment_of(issue, settings, fault)
    file = GOLDEN / f"{fault.value}.json"
    if os.environ.get("CHAOSPRSA_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(experiment, indent=1) + "\n", encoding="utf-8")
    golden = json.loads(file.read_text(encoding="utf-8"))
    assert experiment == golden
    assert valid(golden)


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("kinds", [KINDS, {"catalogue": "StatefulSet"}, {}])
def test_it_is_valid_whatever_kind_of_workload_it_is(issue, settings, fault, kinds):
    assert valid(experiment_of(issue, settings, fault, kinds))


@pytest.mark.parametrize("fault", Fault)
def test_the_shadow_gate_comes_first_and_rollbacks_always_run_and_only_through_guarded_actions(issue, settings, fault):
    experiment = experiment_of(issue, settings, fault)
    gate = experiment["steady-state-hypothesis"]["probes"]
    assert functions(gate)[0] == ("chaosprsa.probes", "namespace_is_shadow")
    assert gate[0]["tolerance"] is True
    assert experiment["runtime"]["rollbacks"]["strategy"] == "always"
    assert {module for module, _ in functions(experiment["rollbacks"])} == {"chaosprsa.actions", "chaosprsa.probes"}
    assert functions(experiment["rollbacks"])[-1] == ("chaosprsa.probes", "steady_state_is_back")


@pytest.mark.parametrize("fault", Fault)
def test_a_snapshot_comes_before_anything_that_changes_the_shadow_and_everything_stays_in_it(issue, settings, fault):
    experiment = experiment_of(issue, settings, fault)
    changing = [
        item
        for item in experiment["method"]
        if item["provider"]["func"] in MUTATING.get(item["provider"]["module"], ())
    ]
    assert changing[0]["provider"]["func"] == "take_snapshot"
    for item in changing:
        arguments = item["provider"]["arguments"]
        assert arguments.get("namespace", arguments.get("ns")) == "${shadow}"
    assert experiment["configuration"]["shadow"] == "shop-shadow"


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.TRAFFIC_SURGE])
def test_the_fault_begins_and_ends_between_the_waits_on_the_loads_own_clock(issue, settings, fault):
    method = experiment_of(issue, settings, fault)["method"]
    waits = [index for index, item in enumerate(method) if item["provider"]["func"] == "wait_load"]
    assert [method[index]["provider"]["arguments"]["until_s"] for index in waits] == [10.0, 30.0, 40.0]
    assert waits[1] - waits[0] == 2


def test_limits_are_squeezed_relative_to_what_the_pods_have_when_it_runs(issue, settings):
    method = experiment_of(issue, settings, Fault.CPU_SQUEEZE)["method"]
    squeeze = next(item["provider"]["arguments"] for item in method if item["provider"]["func"] == "resize_pods")
    assert squeeze == {"namespace": "${shadow}", "service": "catalogue", "cpu_factor": 0.5}


def test_chaosk8s_does_what_it_can_and_own_actions_the_rest(issue, settings):
    def modules(fault, kinds=KINDS):
        return {module for module, _ in functions(experiment_of(issue, settings, fault, kinds)["method"])}

    assert "chaosk8s.pod.actions" in modules(Fault.POD_KILL)
    assert "chaosk8s.deployment.actions" in modules(Fault.REPLICA_LOSS)
    assert "chaosk8s.statefulset.actions" in modules(Fault.REPLICA_LOSS, {"catalogue": "StatefulSet"})
    assert "chaosk8s.chaosmesh.network.actions" in modules(Fault.DEPENDENCY_SLOW)
    assert "chaosk8s.crd.actions" in modules(Fault.DEPENDENCY_FAILING)
    assert "chaosprometheus.probes" in modules(Fault.TRAFFIC_SURGE)


def test_it_carries_where_it_came_from(issue, settings):
    experiment = experiment_of(issue, settings, Fault.CPU_SQUEEZE)
    (extension,) = experiment["extensions"]
    assert extension["name"] == "chaosprsa"
    assert extension["issue"] == "catalogue-cpu-squeeze-0123456789ab"
    assert extension["seed"] == 7
    assert extension["lineage"]["id"] == issue().lineage.id
    assert {"chaosprsa", "cpu-squeeze", "catalogue"} <= set(experiment["tags"])


def test_without_prometheus_nothing_is_asked_of_it(issue, settings):
    experiment = build_experiment(issue(), "demo", "p.json", settings(sources={}), 7)
    assert "chaosprometheus.probes" not in {module for module, _ in functions(experiment["method"])}


def test_a_context_reaches_every_activity(issue, settings):
    named = settings(cluster={"namespace": "shop", "context": "kind-test"})
    experiment = build_experiment(issue(), "demo", "p.json", named, 7)
    assert experiment["secrets"] == {"kubernetes": {"KUBERNETES_CONTEXT": "kind-test"}}
    assert all(item["provider"]["secrets"] == ["kubernetes"] for item in experiment["method"])
    assert valid(experiment)


@pytest.mark.parametrize("drill", DRILLS, ids=lambda path: path.stem)
def test_a_drill_is_valid_and_its_profile_is_there(drill):
    experiment = load_experiment(str(drill))
    assert valid(experiment)
    start = next(item["provider"]["arguments"] for item in experiment["method"] if item["name"] == "start the load")
    profile = read_document(drill.parents[1] / start["study_folder"] / start["profile"], LoadProfile)
    waits = [
        i["provider"]["arguments"]["until_s"] for i in experiment["method"] if i["provider"]["func"] == "wait_load"
    ]
    assert waits == sorted(waits)
    assert waits[-1] == profile.duration_s


def test_there_are_drills():
    assert len(DRILLS) >= 2


def test_chaos_validate_accepts_what_generate_writes(issue, settings, bundle, tmp_path):
    """The real command, in a process of its own."""
    generate_study("demo", [issue()], settings(), bundle, tmp_path, 7)
    command = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "--no-log-file", "validate"]
    done = subprocess.run(
        [*command, f"{issue().id}.experiment.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "look valid" in done.stdout + done.stderr


def test_a_study_is_the_same_bytes_for_the_same_seed_and_replaces_an_older_one(issue, settings, bundle, tmp_path):
    def files(folder):
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    other = issue(
        id="payment-pod-kill-0123456789ab", fault=Fault.POD_KILL, components=("payment", "checkout", "gateway")
    )
    generate_study("demo", [other], settings(), bundle, tmp_path / "a", 7)
    study = generate_study("demo", [issue()], settings(), bundle, tmp_path / "a", 7)
    generate_study("demo", [issue()], settings(), bundle, tmp_path / "b", 7)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert len(files(tmp_path / "a")) == 3
    assert read_document(tmp_path / "a" / "study.json", Study) == study
    profile = read_document(tmp_path / "a" / study.items[0].profile, LoadProfile)
    assert profile.lineage.parents == (issue().lineage.id,)
    assert (study.items[0].fault_start_s, study.items[0].fault_end_s) == (10.0, 30.0)


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("Demo/1", {}, "becomes a folder"),
        ("demo", None, "no issues"),
        ("demo", {"components": ("elsewhere",)}, "not in .topology. services"),
        ("demo", {"id": "Not An Id"}, "object's name"),
    ],
)
def test_a_study_that_could_not_be_played_is_refused(issue, settings, bundle, tmp_path, name, changes, says):
    issues = [] if changes is None else [issue(**changes)]
    with pytest.raises(BadInput, match=says):
        generate_study(name, issues, settings(), bundle, tmp_path / "s", 1)
    assert not (tmp_path / "s").exists()
