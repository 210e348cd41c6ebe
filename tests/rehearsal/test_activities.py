"""Actions, probes and tolerances on their own, and what Chaos Toolkit makes of them."""

import inspect
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from chaoslib.exceptions import ActivityFailed

import chaosprsa
from chaosprsa import actions, controls, probes, tolerances
from chaosprsa.loadtest import runner
from chaosprsa.loadtest.log import REQUEST_FIELDS


def written_log(folder, rows):
    lines = [",".join(REQUEST_FIELDS), *(",".join(map(str, row)) for row in rows)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "requests.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder)


@pytest.fixture
def log(tmp_path, monkeypatch):
    """A log of 100 requests, one each tenth of a second; the tenth second is slow, and two requests fail in it."""

    def made(slow_ms=400.0, failures=2):
        rows = [
            (round(n / 10, 1), "/", slow_ms if n >= 50 else 20.0, int(not (50 <= n < 50 + failures)))
            for n in range(100)
        ]
        folder = written_log(tmp_path / "load", rows)
        monkeypatch.setitem(runner._runs, Path(folder).resolve(), None)
        return folder

    return made


def test_before_any_load_there_is_nothing_to_judge_even_where_an_old_log_lies(tmp_path):
    folder = written_log(tmp_path, [(1.0, "/", 9999.0, 0)] * 30)
    found = probes.slo(folder, 300.0, 99.0, 0.99, 0.0, 10.0)
    assert found == {"met": True, "judged": False, "because": "no load was played yet"}


def test_the_objective_is_judged_on_the_requests_of_its_window_alone(log):
    folder = log()
    before = probes.slo(folder, 300.0, 99.0, 0.99, 0.0, 5.0)
    during = probes.slo(folder, 300.0, 99.0, 0.9, 5.0, 10.0)
    assert (before["met"], before["requests"], before["latency_ms"]) == (True, 50, 20.0)
    assert (during["met"], during["requests"], during["latency_ms"]) == (False, 50, 400.0)
    assert during["success_ratio"] == pytest.approx(0.96)


def test_either_half_of_the_objective_can_be_missed(log):
    assert probes.slo(log(slow_ms=20.0), 300.0, 99.0, 0.97, 5.0, 10.0)["met"] is False
    assert probes.slo(log(failures=0), 300.0, 99.0, 0.97, 5.0, 10.0)["met"] is False
    assert probes.slo(log(slow_ms=20.0, failures=0), 300.0, 99.0, 0.97, 5.0, 10.0)["met"] is True


def test_too_few_requests_are_no_pass_and_no_failure_of_the_objective(log):
    with pytest.raises(ActivityFailed, match="10 requests between 0 and 1 s, at least 20"):
        probes.slo(log(), 300.0, 99.0, 0.99, 0.0, 1.0)


def test_a_load_whose_log_is_missing_is_no_pass(tmp_path, monkeypatch):
    monkeypatch.setitem(runner._runs, tmp_path.resolve(), None)
    with pytest.raises(ActivityFailed, match="play the load first"):
        probes.slo(str(tmp_path), 300.0, 99.0, 0.99, 0.0, 1.0)


def test_requests_that_all_failed_are_a_missed_objective(tmp_path, monkeypatch):
    folder = written_log(tmp_path, [(n / 10, "/", 1.0, 0) for n in range(30)])
    monkeypatch.setitem(runner._runs, Path(folder).resolve(), None)
    found = probes.slo(folder, 300.0, 99.0, 0.99, 0.0, 5.0)
    assert (found["met"], found["latency_ms"]) == (False, None)


@pytest.mark.parametrize(
    ("value", "met"),
    [(None, False), ({}, False), ({"met": "yes"}, False), ({"met": True}, True), ({"met": False}, False)],
)
def test_anything_but_a_met_objective_is_out_of_tolerance(value, met):
    assert tolerances.slo_met(value) is met


@pytest.mark.parametrize(
    ("value", "within"),
    [
        ({"status": "success", "data": {"result": [{"value": [1, "0.5"]}]}}, True),
        ({"status": "success", "data": {"result": [{"value": [1, "0.5"]}, {"value": [1, "2"]}]}}, False),
        ({"status": "success", "data": {"result": [{"value": [1, "NaN"]}]}}, False),
        ({"status": "success", "data": {"result": []}}, False),
        ({"status": "error"}, False),
        (None, False),
    ],
)
def test_prometheus_must_have_found_numbers_within(value, within):
    assert tolerances.prometheus_within(value, 0.0, 1.0) is within


def test_without_a_cluster_every_activity_that_needs_one_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    for call in (
        lambda: probes.namespace_is_shadow("shop-shadow"),
        lambda: probes.services_ready("shop-shadow", ["a"]),
        lambda: actions.take_snapshot("shop-shadow", "a test"),
        lambda: actions.restore_shadow("shop-shadow"),
        lambda: actions.resize_pods("shop-shadow", "a", 0.5),
        lambda: actions.scale_down("shop-shadow", "a", 0.5),
    ):
        with pytest.raises(ActivityFailed, match="KUBECONFIG"):
            call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: actions.resize_pods("shop-shadow", "a", cpu_factor=0.0),
        lambda: actions.resize_pods("shop-shadow", "a", memory_factor=-1.0),
        lambda: actions.scale_down("shop-shadow", "a", 1.5),
        lambda: actions.start_load("p.json", "out"),
        lambda: probes.slo("out", 300.0, 99.0, 0.99, 5.0, 5.0),
    ],
)
def test_arguments_that_make_no_sense_fail_before_anything_happens(call):
    with pytest.raises(ActivityFailed, match=r"expected|give host|ends"):
        call()


def test_the_marks_of_an_experiment_go_into_its_journal_in_order():
    journal = {}
    controls.before_experiment_control({"title": "a test"})
    controls.before_activity_control({"name": "kill"})
    controls.after_activity_control({"name": "kill"})
    controls.after_experiment_control({"title": "a test"}, journal)
    names = [mark["name"] for mark in journal["chaosprsa"]["marks"]]
    assert names == ["begin a test", "begin kill", "end kill", "end a test"]


@pytest.mark.parametrize("module", [actions, probes, tolerances])
def test_every_activity_is_described_and_takes_plain_values(module):
    for name in module.__all__:
        function = getattr(module, name)
        assert inspect.getdoc(function).endswith(".")
        kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
        assert kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD}


def test_discovery_lists_every_activity_with_its_types(tmp_path):
    """The real command."""
    out = tmp_path / "discovery.json"
    tool = [sys.executable, "-m", "chaostoolkit", "--no-version-check", "--no-log-file"]
    asked = [*tool, "discover", "chaosprsa", "--no-install", "--discovery-path", str(out)]
    done = subprocess.run(
        asked,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(out.read_text())["activities"]
    listed = {(activity["mod"], activity["name"]) for activity in found}
    for module in (actions, probes, tolerances, controls):
        assert {(module.__name__, name) for name in module.__all__} <= listed
    untyped = [
        (activity["name"], argument["name"])
        for activity in found
        for argument in activity["arguments"]
        if argument.get("type", "object") == "object"
    ]
    assert untyped == []
    assert all(activity.get("return_type") not in {None, "object"} for activity in found)


def test_the_name_that_discovery_reads_is_installed_under_this_version():
    """chaoslib asks importlib.metadata for the import name, which an editable install does not tell by itself."""
    project = tomllib.loads((Path(chaosprsa.__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    version = project["project"]["version"]
    assert list(wheel["force-include"].values()) == [f"chaosprsa-{version}.dist-info/top_level.txt"]
