"""Plans: what is in one, in which order, and what its hash is good for. No cluster."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chaosprsa.errors import BadInput, NotApproved, Refused
from chaosprsa.rollout.canary import canary_manifest, is_canary_pod
from chaosprsa.rollout.experiment import rollout_experiment
from chaosprsa.rollout.outcome import rollout_outcome
from chaosprsa.rollout.plan import build_plan, check_approval, check_in_time, depths, plan_hash
from chaosprsa.settings import parse_settings
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.types import (
    Allocation,
    Autoscaling,
    Edge,
    Lineage,
    PolicyResult,
    Recommendation,
    Resources,
    ServiceAllocation,
    ServiceChange,
    Slo,
    Topology,
    TwinFit,
    Verdict,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SLO = Slo(service="gateway", latency_ms=300)
SERVICES = ("gateway", "checkout", "payment", "cart")
TOPOLOGY = Topology(
    services=SERVICES,
    edges=(
        Edge(caller="gateway", callee="checkout"),
        Edge(caller="gateway", callee="cart"),
        Edge(caller="checkout", callee="payment"),
        Edge(caller="checkout", callee="cart"),
    ),
    entry="gateway",
)
SETTINGS = parse_settings(
    {
        "cluster": {"namespace": "shop"},
        "topology": {"entry": "gateway", "services": SERVICES, "edges": []},
        "slo": {"gateway": {"latency_ms": 300}},
        "sources": {"prometheus": "http://127.0.0.1:1"},
    },
    "test",
)


def given(service, replicas=2, cpu=200, memory=128):
    resources = Resources(
        cpu_request_millicores=cpu, cpu_limit_millicores=2 * cpu, memory_request_mib=memory, memory_limit_mib=memory
    )
    return ServiceAllocation(service=service, replicas=replicas, resources=resources)


def recommendation(**changed):
    now = [given(service) for service in SERVICES]
    then = [replace(one, **changed[one.service]) if one.service in changed else one for one in now]
    return Recommendation(
        id="r1",
        created=NOW,
        lapses_at=NOW + timedelta(hours=24),
        seed=1,
        namespace="shop",
        now=Allocation(services=tuple(now)),
        recommended=Allocation(services=tuple(then)),
        directives=(),
        cost_now_month=1,
        cost_recommended_month=1,
        currency="USD",
        survivals=(),
        search=(),
        policy=PolicyResult(kept=False, searched_return=0, tuned_return=0, reason=""),
        twin=TwinFit(trusted=True, latency_ratio=1, error_share_gap=0, trials=3, reason=""),
        checks=(),
        confidence=0.5,
        notes=(),
        lineage=Lineage(id="recommendation-1"),
    )


def plan(safety=None, kinds=None, **changed):
    kinds = dict.fromkeys(SERVICES, "Deployment") if kinds is None else kinds
    return build_plan(recommendation(**changed), "shop", kinds, SLO, safety or SafetyTable(min_replicas=1), TOPOLOGY)


def test_only_what_changes_is_in_the_plan():
    assert [one.service for one in plan(cart={"replicas": 3}).changes] == ["cart"]
    assert plan().changes == ()


def test_the_ceiling_of_an_autoscaler_goes_along_within_what_safety_allows():
    scaled = (
        Autoscaling(service="cart", floor=3, ceiling=9, target=60, reason=""),
        Autoscaling(service="gateway", floor=3, ceiling=50, target=60, reason=""),
    )
    answer = replace(recommendation(cart={"replicas": 3}, gateway={"replicas": 3}), autoscaling=scaled)
    kinds, safety = dict.fromkeys(SERVICES, "Deployment"), SafetyTable(min_replicas=1, max_replicas=20)
    found = build_plan(answer, "shop", kinds, SLO, safety, TOPOLOGY)
    assert {one.service: one.ceiling for one in found.changes} == {"cart": 9, "gateway": 20}


def test_what_grows_goes_first_from_the_leaves_and_what_shrinks_last_from_the_entry():
    found = plan(
        gateway={"replicas": 3}, cart={"replicas": 3}, payment={"replicas": 1}, checkout={"replicas": 1}
    )  # fmt: skip
    assert [one.service for one in found.changes] == ["cart", "gateway", "checkout", "payment"]


def test_the_longest_way_from_the_entry_counts_and_a_cycle_ends():
    assert depths(TOPOLOGY) == {"gateway": 0, "checkout": 1, "payment": 2, "cart": 2}
    loop = Topology(
        services=("a", "b"), edges=(Edge(caller="a", callee="b"), Edge(caller="b", callee="a")), entry="a"
    )  # fmt: skip
    assert set(depths(loop)) == {"a", "b"}


def test_the_hash_names_everything_that_would_be_done():
    found = plan(cart={"replicas": 3})
    assert found.hash == plan_hash(found)
    assert plan(cart={"replicas": 3}).hash == found.hash
    others = [
        replace(found, canary_s=found.canary_s + 1),
        replace(found, settle_s=found.settle_s + 1),
        replace(found, namespace="other"),
        replace(found, slo=replace(SLO, latency_ms=301)),
        replace(found, lapses_at=found.lapses_at + timedelta(seconds=1)),
        plan(cart={"replicas": 4}),
    ]
    assert len({plan_hash(other) for other in others} | {found.hash}) == len(others) + 1


def test_an_approval_of_another_plan_or_none_is_refused():
    found = plan(cart={"replicas": 3})
    check_approval(found, found.hash)
    for approval in ("", "0" * 16, found.hash[:8]):
        with pytest.raises(NotApproved, match=f"--approve {found.hash}"):
            check_approval(found, approval)


def test_a_plan_that_was_edited_after_its_approval_is_refused():
    found = plan(cart={"replicas": 3})
    edited = replace(found, canary_s=0.001)
    with pytest.raises(NotApproved, match="changed after it was written"):
        check_approval(edited, found.hash)


def test_a_lapsed_plan_is_refused_with_when():
    found = plan(cart={"replicas": 3})
    check_in_time(found, NOW)
    with pytest.raises(NotApproved, match="lapsed at 2026-01-02 00:00"):
        check_in_time(found, found.lapses_at)


@pytest.mark.parametrize(
    ("limit", "value", "changed"),
    [
        ("max_replicas", 2, {"replicas": 3}),
        ("max_cpu_limit_millicores", 300, {"replicas": 3}),
        ("max_memory_limit_mib", 100, {"replicas": 3}),
        ("min_replicas", 2, {"replicas": 1}),
    ],
)
def test_a_target_beyond_a_safety_limit_is_refused_with_the_settings_name(limit, value, changed):
    with pytest.raises(Refused, match=limit):
        plan(safety=SafetyTable(**{limit: value}), cart=changed)


def test_a_service_without_a_workload_is_bad_input():
    with pytest.raises(BadInput, match="shop/cart"):
        plan(kinds={"gateway": "Deployment"}, cart={"replicas": 3})


def test_the_experiment_passes_chaos_validate_and_always_plays_its_rollbacks(tmp_path):
    document = rollout_experiment(plan(cart={"replicas": 3}, payment={"replicas": 1}), SETTINGS)
    assert document["runtime"]["rollbacks"]["strategy"] == "always"
    (tmp_path / "e.json").write_text(json.dumps(document))
    command = [Path(sys.executable).with_name("chaos"), "--no-version-check", "validate", tmp_path / "e.json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


# ---- canaries

WORKLOAD = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "cart", "namespace": "shop", "labels": {"app": "cart"}},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "cart"}},
        "template": {
            "metadata": {"labels": {"app": "cart"}},
            "spec": {"containers": [{"name": "proxy", "image": "p"}, {"name": "cart", "image": "c", "resources": {}}]},
        },
    },
}
CHANGE = ServiceChange(service="cart", kind="Deployment", before=given("cart"), after=given("cart", cpu=300))


def test_a_canary_is_one_pod_behind_the_services_label_with_the_targets_resources():
    found = canary_manifest(WORKLOAD, CHANGE, "abc123")
    template = found["spec"]["template"]
    assert found["metadata"]["name"] == "cart-canary"
    assert found["spec"]["replicas"] == 1
    assert template["metadata"]["labels"]["app"] == "cart"
    assert template["spec"]["containers"][1]["resources"]["limits"]["cpu"] in {"600m", "0.6"}
    assert "resources" not in template["spec"]["containers"][0]
    selector = found["spec"]["selector"]["matchLabels"].items()
    assert selector <= template["metadata"]["labels"].items()
    assert not selector <= WORKLOAD["spec"]["template"]["metadata"]["labels"].items()


def test_making_a_canary_leaves_the_workload_as_it_was():
    before = json.dumps(WORKLOAD)
    canary_manifest(WORKLOAD, CHANGE, "abc123")
    assert json.dumps(WORKLOAD) == before


def test_a_stateful_set_with_its_own_volumes_has_no_canary():
    stateful = {**WORKLOAD, "kind": "StatefulSet", "spec": {**WORKLOAD["spec"], "volumeClaimTemplates": [{}]}}
    with pytest.raises(BadInput, match="volumes of their own"):
        canary_manifest(stateful, CHANGE, "abc123")


def test_a_canarys_pods_are_told_by_their_deployments_name():
    assert is_canary_pod("cart", "cart-canary-6f7-x")
    assert not is_canary_pod("cart", "cart-6f7-x")
    assert not is_canary_pod("checkout", "cart-canary-6f7-x")


# ---- outcomes


def run(func, output, status="succeeded", **more):
    provider = {"type": "python", "module": "chaosprsa.rollout.actions", "func": func}
    activity = {"type": "action", "name": func, "provider": provider}
    return {
        "activity": activity,
        "output": output,
        "status": status,
        "start": NOW.isoformat(),
        "end": NOW.isoformat(),
        **more,
    }


def journal(judge="successful", verify="successful", gate="successful: fine", status="completed", restored=False):
    met = gate.startswith("successful")
    step = {"detail": "words", "measures": {"delay_ms": 1.5}}
    went_on = judge == "successful"
    return {
        "status": status,
        "steady_states": {"before": {"steady_state_met": met, "probes": [run("slo_holds", gate)]}},
        "run": [
            run("start_canary", {**step, "phase": "successful"}),
            run("judge_canary", {**step, "phase": judge}),
            run("promote", {**step, "phase": "successful" if went_on else "skipped"}),
            run("verify", {**step, "phase": verify if went_on else "skipped"}),
        ]
        if met
        else [],
        "rollbacks": [
            run("settle_or_restore", {**step, "phase": "successful", "restored": restored}),
            run("as_it_should_be", True),
        ],
    }


def test_a_good_rollout_passes_with_its_steps_and_figures():
    found = rollout_outcome(plan(cart={"replicas": 3}), journal(), False, (), "journal.json")
    assert found.verdict is Verdict.PASSED
    assert [step.name for step in found.steps] == ["gate", "canary", "judge", "promote", "verify", "rollback", "check"]
    assert found.metrics["canary_delay_ms"] == 1.5


@pytest.mark.parametrize(
    ("played", "verdict"),
    [
        ({"judge": "failed"}, Verdict.FAILED),
        ({"judge": "inconclusive"}, Verdict.INCONCLUSIVE),
        ({"verify": "failed"}, Verdict.FAILED),
        ({"verify": "inconclusive"}, Verdict.INCONCLUSIVE),
        ({"gate": "failed: p99 900 ms"}, Verdict.INVALID),
        ({"gate": "inconclusive: no traffic"}, Verdict.INCONCLUSIVE),
        ({"status": "interrupted"}, Verdict.INVALID),
    ],
)
def test_a_rollout_that_went_another_way_has_that_verdict_and_reasons(played, verdict):
    found = rollout_outcome(plan(cart={"replicas": 3}), journal(**played, restored=True), True, (), "journal.json")
    assert found.verdict is verdict
    assert found.reasons


def test_a_rollout_without_a_journal_or_with_rollbacks_missing_is_invalid():
    target = plan(cart={"replicas": 3})
    assert rollout_outcome(target, None, True, (), "journal.json").verdict is Verdict.INVALID
    cut = {**journal(), "rollbacks": []}
    found = rollout_outcome(target, cut, True, (), "journal.json")
    assert found.verdict is Verdict.INVALID
    assert any("chaos prsa restore" in reason for reason in found.reasons)


def test_a_failed_activity_makes_it_invalid_with_its_last_words():
    played = journal()
    played["run"][0] = run(
        "start_canary",
        None,
        "failed",
        exception=["Traceback...\n", "chaoslib.exceptions.ActivityFailed: quota exceeded\n"],
    )
    found = rollout_outcome(plan(cart={"replicas": 3}), played, True, (), "journal.json")
    assert found.verdict is Verdict.INVALID
    assert "canary: quota exceeded" in found.reasons
