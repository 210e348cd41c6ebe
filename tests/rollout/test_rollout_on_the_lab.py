"""Rollouts as they are played: real `chaos run`, real Prometheus, the lab's production."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from chaosprsa.documents import read_document, write_document
from chaosprsa.errors import NotApproved, Refused
from chaosprsa.rollout.experiment import rollout_experiment
from chaosprsa.rollout.plan import plan_hash
from chaosprsa.rollout.run import run_rollout
from chaosprsa.running import chaos_program
from chaosprsa.types import RolloutOutcome, Slo, Verdict

pytestmark = pytest.mark.timeout(300)  # a machine under load is slow to start pods and programs
SERVICE = "catalogue"


def roll(stage, plan, folder, approval=None):
    approval = plan.hash if approval is None else approval
    return run_rollout(plan, folder, stage.settings, stage.cluster, stage.prometheus, approval)


def assert_as_before(stage):
    assert stage.allocation() == stage.before
    assert stage.canaries() == []
    assert stage.cluster.production(stage.lab.namespace, "x", "x").open_snapshots() == ()


def test_a_good_plan_is_promoted_and_every_step_is_told(stage, tmp_path):
    plan = stage.plan(replicas=3)
    found = roll(stage, plan, tmp_path)
    assert found.verdict is Verdict.PASSED, found.reasons
    assert not found.restored
    assert [step.name for step in found.steps] == [
        "gate", "canary", "judge", "promote", "end canaries", "verify", "rollback", "check",
    ]  # fmt: skip
    assert stage.allocation()[SERVICE] == plan.changes[0].after
    assert stage.canaries() == []
    assert read_document(tmp_path / "outcome.json", RolloutOutcome) == found


def test_a_canary_that_would_break_the_objective_is_put_back_before_anything_is_promoted(stage, tmp_path):
    plan = stage.plan(canary_s=6.0, cpu_request_millicores=15, cpu_limit_millicores=15)
    found = roll(stage, plan, tmp_path)
    assert found.verdict is Verdict.FAILED, found.reasons
    assert found.restored
    assert "promote" not in [step.name for step in found.steps]
    assert_as_before(stage)


@pytest.mark.slow
def test_a_canary_that_does_not_even_start_is_a_failure_with_the_reason(stage, tmp_path):
    plan = stage.plan(memory_request_mib=8, memory_limit_mib=8)
    found = roll(stage, plan, tmp_path)
    assert found.verdict is Verdict.FAILED, found.reasons
    assert "a canary does not run" in found.reasons[0]
    assert found.restored
    assert_as_before(stage)


@pytest.mark.slow
def test_without_metrics_of_the_entry_nothing_is_begun(stage, tmp_path):
    found = roll(stage, stage.plan(replicas=3, slo=Slo(service="nobody", latency_ms=300)), tmp_path)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.restored
    assert "nothing was begun" in found.reasons[0]
    assert_as_before(stage)


@pytest.mark.slow
def test_a_production_that_misses_its_objective_now_is_left_alone(stage, tmp_path):
    found = roll(stage, stage.plan(replicas=3, slo=Slo(service="gateway", latency_ms=1)), tmp_path)
    assert found.verdict is Verdict.INVALID
    assert "gate unmet" in found.reasons[0]
    assert_as_before(stage)


def test_what_is_not_approved_lapsed_empty_or_stopped_is_refused_untouched(stage, tmp_path):
    plan = stage.plan(replicas=3)
    with pytest.raises(NotApproved, match="is not its hash"):
        roll(stage, plan, tmp_path, approval="0123456789abcdef")
    lapsed = stage.plan(replicas=3, lapses_in_s=-1)
    with pytest.raises(NotApproved, match="lapsed"):
        roll(stage, lapsed, tmp_path)
    with pytest.raises(NotApproved, match="changed after it was written"):
        roll(stage, replace(plan, canary_s=0.01), tmp_path)
    assert_as_before(stage)


@pytest.mark.slow
def test_production_that_changed_since_the_plan_is_refused(stage, tmp_path):
    plan = stage.plan(replicas=3)
    change = plan.changes[0]
    stale = replace(plan, changes=(replace(change, before=replace(change.before, replicas=7)),))
    stale = replace(stale, hash=plan_hash(stale))
    found = roll(stage, stale, tmp_path)
    assert found.verdict is Verdict.INVALID
    assert any("no longer what the plan starts from" in reason for reason in found.reasons)
    assert_as_before(stage)


@pytest.mark.slow
def test_an_experiment_edited_after_approval_changes_nothing(stage, tmp_path):
    plan = stage.plan(replicas=3)
    document = rollout_experiment(plan, stage.settings)
    document["configuration"]["plan"]["changes"][0]["after"]["replicas"] = 9
    (tmp_path / "e.json").write_text(json.dumps(document))
    environment = {**os.environ, "CHAOSPRSA_APPROVAL": plan.hash, "CHAOSPRSA_STATE": str(stage.cluster.state)}
    command = [chaos_program(), "--no-version-check", "run", "e.json"]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=120, check=False)
    assert_as_before(stage)


# ---- killed on the way

RUNNER = """
import sys
from pathlib import Path
from chaosprsa.cluster import connect
from chaosprsa.documents import read_document
from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.rollout.run import run_rollout
from chaosprsa.settings import Settings
from chaosprsa.types import RolloutPlan
folder, state = Path(sys.argv[1]), Path(sys.argv[2])
settings = Settings.model_validate_json((folder / "settings.json").read_text())
plan = read_document(folder / "plan.json", RolloutPlan)
run_rollout(plan, folder, settings, connect(state=state), PrometheusClient(settings.sources.prometheus), plan.hash)
"""


def begin(stage, plan, folder):
    write_document(folder / "plan.json", plan)
    (folder / "settings.json").write_text(stage.settings.model_dump_json())
    command = [sys.executable, "-c", RUNNER, str(folder), str(stage.cluster.state)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def await_line(folder, line, runner):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        log = folder / "chaos.log"
        if log.exists() and line in log.read_text():
            return
        assert runner.poll() is None, f"it ended before {line!r}"
        time.sleep(0.02)
    raise AssertionError(f"never came to {line!r}")


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def assert_gone(pids):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if all(ended(pid) for pid in pids):
            return
        time.sleep(0.05)
    raise AssertionError(f"still there: {pids}")


def ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("Action: canary of catalogue", marks=pytest.mark.slow),
        pytest.param("Probe: judge the canaries", marks=pytest.mark.slow),
        "Action: promote catalogue",
        pytest.param("Probe: verify", marks=pytest.mark.slow),
    ],
)
def test_a_rollout_killed_at_any_step_is_restored(stage, tmp_path, line):
    plan = stage.plan(replicas=3, cpu_limit_millicores=700)
    runner = begin(stage, plan, tmp_path)
    await_line(tmp_path, line, runner)
    pids = [runner.pid, *children(runner.pid)]
    runner.kill()
    for pid in pids[1:]:
        os.kill(pid, signal.SIGKILL)
    runner.wait()
    assert_gone(pids)
    stage.restore()
    stage.cluster.production(stage.lab.namespace, "x", "x").wait_ready(60)
    assert_as_before(stage)


@pytest.mark.slow
def test_a_runner_killed_alone_leaves_a_rollout_that_puts_itself_back(stage, tmp_path):
    runner = begin(stage, stage.plan(replicas=3, canary_s=20.0), tmp_path)
    await_line(tmp_path, "Probe: judge the canaries", runner)
    pids = children(runner.pid)
    runner.kill()
    runner.wait()
    assert_gone(pids)
    assert_as_before(stage)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_rollout_and_production_is_as_before(stage, tmp_path, number):
    runner = begin(stage, stage.plan(replicas=3, canary_s=20.0), tmp_path)
    await_line(tmp_path, "Probe: judge the canaries", runner)
    pids = children(runner.pid)
    runner.send_signal(number)
    runner.wait(timeout=60)
    assert_gone(pids)
    assert_as_before(stage)


def test_leftovers_of_a_killed_run_are_refused_until_they_are_restored(stage, tmp_path):
    handle = stage.cluster.production(stage.lab.namespace, "x", "x")
    handle.snapshot("a run that was killed")
    with pytest.raises(Refused, match="chaos prsa restore"):
        roll(stage, stage.plan(replicas=3), tmp_path)
    stage.restore()
    assert_as_before(stage)


@pytest.mark.slow
def test_where_an_autoscaler_owns_the_replicas_its_floor_and_ceiling_move_and_its_target_stays(stage, tmp_path):
    owned = next(one for one in stage.cluster.workloads(stage.lab.namespace) if one.hpa)
    plan = stage.plan(owned.service, replicas=owned.floor + 1)
    raised = replace(plan, changes=(replace(plan.changes[0], ceiling=owned.ceiling + 3),))
    found = roll(stage, replace(raised, hash=plan_hash(raised)), tmp_path)
    assert found.verdict is Verdict.PASSED, found.reasons
    after = stage.cluster.workload(stage.lab.namespace, owned.service)
    assert (after.floor, after.ceiling, after.target) == (owned.floor + 1, owned.ceiling + 3, owned.target)
    assert owned.target > 0
