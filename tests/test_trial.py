"""Trials as they are played: real `chaos run`, real Locust, real Prometheus, a shadow on the lab."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chaosprsa.cluster import connect, restore_all
from chaosprsa.cluster.shadowing import create_shadow
from chaosprsa.cluster.snapshots import snapshots_folder
from chaosprsa.documents import lineage, read_document, write_document
from chaosprsa.errors import BadInput, NotAShadow
from chaosprsa.experiments import build_experiment
from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.loads import build_profile, fault_window
from chaosprsa.settings import parse_settings
from chaosprsa.trial import run_trial
from chaosprsa.types import (
    Allocation,
    Fault,
    Impact,
    Interval,
    Outcome,
    Phase,
    Severity,
    SimulatedIssue,
    Study,
    StudyItem,
    Verdict,
)

pytestmark = pytest.mark.timeout(300)  # a machine under load is slow to start pods and programs
SERVICES = ("gateway", "catalogue", "cart", "checkout", "payment")
SHADOW = "shop-shadow"


class Rehearsal:
    """A shadow, and a study of one issue for it."""

    def __init__(self, lab, root):
        self.lab, self.root = lab, root
        self.settings = parse_settings(
            {
                "cluster": {"namespace": lab.namespace},
                "topology": {"entry": "gateway", "services": SERVICES},
                "slo": {"gateway": {"latency_ms": 400}},
                "sources": {"prometheus": lab.prometheus_url},
                "trial": {
                    "before_s": 4,  # a rate needs two scrapes of series that the first requests make
                    "fault_s": 4,
                    "after_s": 2,
                    "endpoints": [{"path": "/catalogue", "weight": 1}],
                },
            },
            "test",
        )
        self.cluster = connect(state=root / ".chaosprsa")
        self.prometheus = PrometheusClient(lab.prometheus_url, retries=0)
        create_shadow(self.cluster, lab.namespace, SHADOW, 0.5)
        self.before = self.cluster.allocation(SHADOW, SERVICES)

    def study(self, fault, strength, rate_per_s=60.0):
        span = Interval(low=1, mid=1, high=1)
        issue = SimulatedIssue(
            id=f"catalogue-{fault.value}",
            kind="test",
            fault=fault,
            strength=strength,
            components=("catalogue", "gateway"),
            origin=datetime.now(UTC),
            start_s=0,
            duration_s=60,
            severity=Severity.MAJOR,
            probability=0.5,
            impact=Impact(latency_ratio=span, error_share=span),
            novelty=0,
            evidence=(),
            lineage=lineage("issue", fault.value),
        )
        start_s, end_s = fault_window(issue, self.settings.trial)
        item = StudyItem(
            issue=issue, experiment="e.json", profile="p.json", fault_start_s=start_s, fault_end_s=end_s
        )  # fmt: skip
        folder = self.root / "generated" / issue.id
        folder.mkdir(parents=True, exist_ok=True)
        kinds = {one.service: one.kind for one in self.cluster.workloads(SHADOW)}
        experiment = build_experiment(issue, "t", item.profile, self.settings, 1, kinds)
        (folder / item.experiment).write_text(json.dumps(experiment))
        write_document(folder / item.profile, build_profile(issue, rate_per_s, 0.5, self.settings.trial, 1))
        study = Study(
            name="t",
            namespace=self.lab.namespace,
            shadow=SHADOW,
            scale=0.5,
            seed=1,
            items=(item,),
            lineage=lineage("study", issue.id),
        )
        return item, study, folder

    def play(self, item, study, folder, out, **more):
        prometheus = more.pop("prometheus", self.prometheus)
        return run_trial(item, study, folder, out, self.settings, self.cluster, prometheus, **more)

    def assert_as_before(self):
        assert self.cluster.allocation(SHADOW, SERVICES) == self.before
        assert self.cluster.shadow(SHADOW).open_snapshots() == ()


@pytest.fixture(scope="module")
def rehearsal(lab, tmp_path_factory):
    before = os.environ.get("KUBECONFIG")
    os.environ["KUBECONFIG"] = str(lab.kubeconfig)
    yield Rehearsal(lab, tmp_path_factory.mktemp("rehearsal"))
    if before is None:
        del os.environ["KUBECONFIG"]
    else:
        os.environ["KUBECONFIG"] = before


def test_a_dependency_that_fails_half_its_calls_fails_the_trial_and_the_shadow_is_put_back(rehearsal, tmp_path):
    found = rehearsal.play(*rehearsal.study(Fault.DEPENDENCY_FAILING, 0.5), tmp_path)
    assert found.verdict is Verdict.FAILED, found.reasons
    assert "requests failed" in found.reasons[0]
    assert found.load[Phase.BEFORE].failures <= 5  # those under way when the fault begins
    assert found.load[Phase.FAULT].failures > 10
    assert found.load[Phase.FAULT].requests == pytest.approx(30 * 4, rel=0.4)  # Poisson arrivals, 30 a second
    assert [phase.phase for phase in found.phases] == list(Phase)
    gateway = found.phases[0].services[0]
    assert gateway.request_rate_per_s == pytest.approx(30, rel=0.5)
    assert gateway.replicas_ready == pytest.approx(2, abs=0.2)
    assert len(found.timeline.time_s) == pytest.approx(10, abs=1)
    assert read_document(tmp_path / "outcome.json", Outcome) == found
    assert (tmp_path / found.journal).exists()
    rehearsal.assert_as_before()


@pytest.mark.slow
def test_an_allocation_under_test_is_given_recorded_and_taken_back(rehearsal, tmp_path):
    before = rehearsal.before["catalogue"]
    more = replace(before, replicas=before.replicas + 1)
    services = tuple(more if one.service == "catalogue" else one for one in rehearsal.before.services)
    found = rehearsal.play(
        *rehearsal.study(Fault.TRAFFIC_SURGE, 1.2), tmp_path, allocation=Allocation(services=services)
    )  # fmt: skip
    assert found.verdict is not Verdict.INVALID, found.reasons
    assert found.allocation["catalogue"] == more
    rehearsal.assert_as_before()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "strength"),
    [
        (Fault.POD_KILL, 0.5),
        (Fault.REPLICA_LOSS, 0.5),
        (Fault.CPU_SQUEEZE, 0.5),
        (Fault.MEMORY_SQUEEZE, 0.3),
        (Fault.DEPENDENCY_SLOW, 100.0),
    ],
)
def test_every_other_fault_is_played_gathered_and_put_back(rehearsal, tmp_path, fault, strength):
    found = rehearsal.play(*rehearsal.study(fault, strength), tmp_path)
    assert found.verdict is not Verdict.INVALID, found.reasons
    rehearsal.assert_as_before()


@pytest.mark.slow
def test_without_prometheus_the_trial_is_invalid_and_says_so(rehearsal, tmp_path):
    nowhere = PrometheusClient("http://127.0.0.1:1", retries=0)
    found = rehearsal.play(*rehearsal.study(Fault.TRAFFIC_SURGE, 1.0), tmp_path, prometheus=nowhere)
    assert found.verdict is Verdict.INVALID
    assert any("127.0.0.1:1" in reason for reason in found.reasons)
    rehearsal.assert_as_before()


@pytest.mark.slow
def test_a_thin_load_is_inconclusive(rehearsal, tmp_path):
    found = rehearsal.play(*rehearsal.study(Fault.TRAFFIC_SURGE, 1.0, rate_per_s=6.0), tmp_path)
    assert found.verdict is Verdict.INCONCLUSIVE, found.reasons
    rehearsal.assert_as_before()


def test_missing_files_and_a_namespace_that_is_no_shadow_are_refused_untouched(rehearsal, tmp_path):
    item, study, folder = rehearsal.study(Fault.TRAFFIC_SURGE, 1.0)
    with pytest.raises(BadInput, match="chaos prsa generate"):
        rehearsal.play(replace(item, experiment="none.json"), study, folder, tmp_path)
    with pytest.raises(NotAShadow):
        rehearsal.play(item, replace(study, shadow=rehearsal.lab.namespace), folder, tmp_path)
    rehearsal.assert_as_before()


RUNNER = """
import json, sys
from pathlib import Path
from chaosprsa.cluster import connect
from chaosprsa.documents import read_document
from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.settings import Settings
from chaosprsa.trial import run_trial
from chaosprsa.types import Allocation, Study
folder, out, state = map(Path, sys.argv[1:4])
settings = Settings.model_validate_json((out / "settings.json").read_text())
study = read_document(out / "study.json", Study)
prometheus = PrometheusClient(settings.sources.prometheus)
run_trial(study.items[0], study, folder, out, settings, connect(state=state), prometheus)
"""


def begin(rehearsal, study, folder, out):
    (out / "settings.json").write_text(rehearsal.settings.model_dump_json())
    write_document(out / "study.json", study)
    command = [sys.executable, "-c", RUNNER, str(folder), str(out), str(rehearsal.cluster.state)]
    runner = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not ((out / "chaos.log").exists() and "Action: the fault lasts" in (out / "chaos.log").read_text()):
        assert time.monotonic() < deadline
        assert runner.poll() is None
        time.sleep(0.02)
    return runner


def tree(pid):
    """The process' descendants."""
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        for child in (thread / "children").read_text().split():
            found += [int(child), *tree(int(child))]
    return found


def ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def await_end(pids):
    deadline = time.monotonic() + 60
    while not all(ended(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still there: {[pid for pid in pids if not ended(pid)]}"
        time.sleep(0.05)


@pytest.mark.slow
def test_a_killed_trial_leaves_no_load_and_restore_puts_the_shadow_back(rehearsal, tmp_path):
    _, study, folder = rehearsal.study(Fault.REPLICA_LOSS, 0.5)
    runner = begin(rehearsal, study, folder, tmp_path)
    pids = tree(runner.pid)
    assert len(pids) >= 2  # chaos and Locust
    runner.kill()
    os.kill(pids[0], signal.SIGKILL)
    runner.wait()
    await_end(pids)
    assert rehearsal.cluster.allocation(SHADOW, SERVICES) != rehearsal.before
    restore_all(rehearsal.cluster, snapshots_folder(rehearsal.cluster.state), SHADOW)
    rehearsal.assert_as_before()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_trial_ends_its_load_and_the_shadow_is_as_before(rehearsal, tmp_path, number):
    _, study, folder = rehearsal.study(Fault.REPLICA_LOSS, 0.5)
    runner = begin(rehearsal, study, folder, tmp_path)
    pids = tree(runner.pid)
    runner.send_signal(number)
    runner.wait(timeout=90)
    await_end(pids)
    if number == signal.SIGTERM:  # this runner doesn't handle it: the command line does
        restore_all(rehearsal.cluster, snapshots_folder(rehearsal.cluster.state), SHADOW)
    rehearsal.assert_as_before()
