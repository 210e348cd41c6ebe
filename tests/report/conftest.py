"""A whole working folder of invented nouns, written through write_document."""

import math
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chaosprsa.documents import lineage, write_document, write_lines
from chaosprsa.settings import parse_settings
from chaosprsa.types import (
    Allocation,
    AllocationField,
    Autoscaling,
    Binding,
    Bounds,
    Directive,
    Fault,
    Foreseen,
    Impact,
    Interval,
    LoadStatistics,
    LoadTimeline,
    Measured,
    Outcome,
    Phase,
    PhaseObservation,
    PolicyResult,
    Provisioning,
    Recommendation,
    Remedy,
    Resources,
    RolloutOutcome,
    RolloutPlan,
    RolloutStep,
    Rung,
    SearchTrial,
    ServiceAllocation,
    ServiceChange,
    ServiceObservation,
    Severity,
    SimulatedIssue,
    Study,
    StudyItem,
    Survival,
    TimedFloor,
    TwinFit,
    Verdict,
)
from chaosprsa.workspace import Workspace

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
SERVICES = ("gateway", "catalogue", "cart", "checkout", "payment")
SETTINGS = parse_settings(
    {
        "cluster": {"namespace": "shop"},
        "topology": {
            "entry": "gateway",
            "services": list(SERVICES),
            "edges": [["gateway", "catalogue"], ["gateway", "cart"], ["gateway", "checkout"], ["checkout", "payment"]],
        },
        "slo": {"gateway": {"latency_ms": 300}},
    },
    "chaosprsa.toml",
)
ROOT = lineage("bundle", "invented")
STUDY = lineage("study", "invented")
CASES = (
    (
        Fault.POD_KILL,
        "checkout",
        3.2,
        600.0,
        Severity.CRITICAL,
        0.42,
        (1.4, 2.6, 6.0),
        (0.0, 0.03, 0.12),
        Verdict.FAILED,
    ),
    (
        Fault.CPU_SQUEEZE,
        "gateway",
        8.5,
        1800.0,
        Severity.MAJOR,
        0.31,
        (1.8, 4.0, 11.0),
        (0.0, 0.02, 0.2),
        Verdict.FAILED,
    ),
    (
        Fault.DEPENDENCY_SLOW,
        "payment",
        9.1,
        900.0,
        Severity.MINOR,
        0.22,
        (1.1, 1.6, 2.4),
        (0.0, 0.0, 0.02),
        Verdict.PASSED,
    ),
    (
        Fault.TRAFFIC_SURGE,
        "gateway",
        18.0,
        3600.0,
        Severity.MAJOR,
        0.65,
        (1.2, 3.1, 9.0),
        (0.0, 0.01, 0.3),
        Verdict.PASSED,
    ),
    (
        Fault.DEPENDENCY_FAILING,
        "cart",
        18.4,
        300.0,
        Severity.WARNING,
        0.08,
        (0.9, 1.0, 1.3),
        (0.02, 0.1, 0.4),
        Verdict.INVALID,
    ),
)


def make_issue(case=CASES[0], **changes):
    fault, component, hour, duration_s, severity, probability, latency, errors, _ = case
    values = {
        "id": f"{fault}-{component}",
        "kind": f"{component} {fault.replace('-', ' ')}",
        "fault": fault,
        "strength": {Fault.DEPENDENCY_SLOW: 240.0, Fault.TRAFFIC_SURGE: 2.0}.get(fault, 0.5),
        "components": (component, "gateway"),
        "origin": NOW,
        "start_s": hour * 3600,
        "duration_s": duration_s,
        "severity": severity,
        "probability": probability,
        "impact": Impact(latency_ratio=_interval(latency), error_share=_interval(errors)),
        "novelty": 0.1,
        "evidence": (f"seen 3 times on {component} in 7 days", "load is forecast 20 % above the week's mean"),
        "lineage": lineage("issue", [fault, component], [ROOT]),
    }
    return SimulatedIssue(**{**values, **changes})


def _spread(number, step):
    """Evenly over 0 to 1 (additive recurrence)."""
    return (number * step) % 1


def _interval(values):
    low, mid, high = values
    return Interval(low=low, mid=mid, high=high)


def make_allocation(replicas, cpu=500):
    rows = (
        ServiceAllocation(
            service=name,
            replicas=count,
            resources=Resources(
                cpu_request_millicores=cpu, cpu_limit_millicores=cpu, memory_request_mib=256, memory_limit_mib=256
            ),
        )
        for name, count in zip(SERVICES, replicas, strict=True)
    )
    return Allocation(services=tuple(rows))


BEFORE = make_allocation((4, 6, 3, 2, 4))
AFTER = make_allocation((5, 3, 3, 3, 2))
REMEDY = Remedy(allocation=None, cost_month=None, words="nothing within [safety]'s limits survives it")
PROVISIONING = Provisioning(
    horizon_s=86_400.0,
    usual=make_allocation((3, 3, 3, 2, 2)),
    floors=(
        TimedFloor(
            service="checkout",
            floor=3,
            usual=2,
            begins=NOW + timedelta(hours=5, minutes=-1),
            ready_by=NOW + timedelta(hours=5),
            lapses=NOW + timedelta(hours=7),
            lead_s=60.0,
            issues=("checkout-surge-1",),
            cost=0.12,
        ),
    ),
    foreseen=(
        Foreseen(
            issue_id="checkout-surge-1",
            component="checkout",
            fault=Fault.TRAFFIC_SURGE,
            begins=NOW + timedelta(hours=5),
            ends=NOW + timedelta(hours=7),
            sure=0.992,
            draws=400,
            ahead=True,
            reason="its window is 2.0 of 24 h, 99% begin in it",
        ),
    ),
    cost_always=8.16,
    cost_ahead=5.62,
    risk_always=-0.1,
    risk_ahead=-0.02,
    ahead=True,
    reason="cheaper, at a risk that is allowed",
)


def make_timeline(verdict):
    """40 s of load, a fault from 12 to 28: slow and failing where the trial failed."""
    times = tuple(float(second) for second in range(40))
    hit = [verdict is Verdict.FAILED and 13 <= time < 29 for time in times]
    p50 = tuple(35 + 5 * math.sin(time) + (400 if bad else 0) for time, bad in zip(times, hit, strict=True))
    return LoadTimeline(
        time_s=times,
        rate_per_s=tuple(30 + 3 * math.sin(time / 2) for time in times),
        failures_per_s=tuple(6.0 if bad else 0.0 for bad in hit),
        latency_p50_ms=p50,
        latency_p95_ms=tuple(value * 2.2 for value in p50),
        latency_p99_ms=tuple(None if time == 5 else value * 3.1 for time, value in zip(times, p50, strict=True)),
    )


def make_statistics(failed=False):
    return LoadStatistics(
        requests=360,
        failures=72 if failed else 0,
        rate_per_s=30.1,
        latency_mean_ms=48.0,
        latency_p50_ms=435.0 if failed else 35.0,
        latency_p99_ms=1340.0 if failed else 112.0,
        latency_slo_ms=1340.0 if failed else 112.0,
    )


def make_outcome(case=CASES[0], **changes):
    verdict, issue = case[-1], make_issue(case)
    reasons = {
        Verdict.FAILED: ("during the fault p99 was 1 340 ms, the SLO allows 300 ms", "20 % of the requests failed"),
        Verdict.PASSED: ("p99 stayed within 300 ms in every phase",),
        Verdict.INVALID: ("the steady-state gate was not met: payment had 0 of 2 pods ready",),
    }
    phases = {phase: make_statistics(verdict is Verdict.FAILED and phase is Phase.FAULT) for phase in Phase}
    seen = (
        ServiceObservation(service="gateway", request_rate_per_s=30.2, error_share=0.2, latency_p99_ms=1310.0),
        ServiceObservation(service="payment", cpu_usage_cores=0.41, throttled_share=0.07, replicas_ready=2.0),
    )
    values = {
        "id": f"outcome-{issue.id}",
        "issue": issue,
        "verdict": verdict,
        "reasons": reasons[verdict],
        "allocation": make_allocation((2, 3, 2, 1, 2)),
        "started": NOW + timedelta(minutes=CASES.index(case)),
        "duration_s": 40.0,
        "fault_start_s": 12.0,
        "fault_end_s": 28.0,
        "load": {} if verdict is Verdict.INVALID else phases,
        "timeline": LoadTimeline() if verdict is Verdict.INVALID else make_timeline(verdict),
        "phases": (PhaseObservation(phase=Phase.FAULT, start_s=12, end_s=28, services=seen),),
        "journal": "journal.json",
        "profile": "profile.json",
        "lineage": lineage("outcome", issue.id, [STUDY, issue.lineage]),
    }
    return Outcome(**{**values, **changes})


def make_recommendation(**changes):
    prices = SETTINGS.price_list
    outcomes = [make_outcome(case) for case in CASES]
    values = {
        "id": "recommendation-1",
        "created": NOW,
        "lapses_at": NOW + timedelta(hours=24),
        "seed": 7,
        "namespace": "shop",
        "now": BEFORE,
        "recommended": AFTER,
        "directives": (
            Directive(
                target="checkout",
                field=AllocationField.REPLICAS,
                from_=2,
                to=3,
                reason="with 2 replicas a killed pod leaves one at 96 % utilisation",
                confidence=0.82,
                lapses_at=NOW + timedelta(hours=24),
            ),
            Directive(
                target="catalogue",
                field=AllocationField.REPLICAS,
                from_=6,
                to=3,
                reason="3 replicas hold p99 at the forecast's upper bound",
                confidence=0.9,
                lapses_at=NOW + timedelta(hours=24),
            ),
        ),
        "cost_now_month": BEFORE.cost_month(prices),
        "cost_recommended_month": AFTER.cost_month(prices),
        "currency": "USD",
        "survivals": tuple(
            Survival(
                issue_id=outcome.issue.id,
                component=outcome.issue.component,
                fault=outcome.issue.fault,
                probability=outcome.issue.probability,
                now=None if outcome.verdict is Verdict.INVALID else outcome.verdict is Verdict.PASSED,
                recommended=outcome.verdict is not Verdict.INVALID,
                evidence="shadow" if outcome.verdict is Verdict.FAILED else "twin",
                remedy=None if outcome.verdict is not Verdict.INVALID else REMEDY,
                expected_by=("4 such incidents in 30 days",),
                trials=(outcome.id,),
            )
            for outcome in outcomes
        ),
        "bounds": tuple(
            Bounds(service=one.service, least=replace(one, replicas=2), most=replace(one, replicas=20))
            for one in AFTER.services
        ),
        "bindings": (
            Binding(
                service="checkout",
                field=AllocationField.REPLICAS,
                issue_id=outcomes[0].issue.id,
                reason="with 2 replica(s) pod-kill on checkout would put p99 at 640 ms (SLO 300 ms)",
            ),
        ),
        "provisioning": PROVISIONING,
        "autoscaling": (
            Autoscaling(service="checkout", floor=2, ceiling=9, target=58, reason="the ceiling carries twice the peak"),
            Autoscaling(service="cart", floor=3, ceiling=3, target=None, reason="no target is safe"),
        ),
        "search": tuple(
            SearchTrial(
                number=number,
                cost_month=AFTER.cost_month(prices) * (0.75 + _spread(number, 0.618)),
                violation=max(0.0, 0.6 * (0.25 - _spread(number, 0.618)) + 0.5 * _spread(number, 0.755) ** 2 - 0.02),
                source="greedy" if number < 20 else "optuna",
            )
            for number in range(240)
        ),
        "policy": PolicyResult(
            kept=False, searched_return=-214.2, tuned_return=-214.9, reason="no better on 200 independent seeds"
        ),
        "twin": TwinFit(
            trusted=True,
            latency_ratio=1.12,
            error_share_gap=0.014,
            trials=4,
            reason="each of 4 trials is told within a factor 1.4 by the other 3",
        ),
        "checks": ("pod-kill on checkout passed in the shadow with the recommended allocation",),
        "confidence": 0.82,
        "notes": ("memory was left as it is: no trial came near a memory limit",),
        "lineage": lineage("recommendation", "invented", [outcome.lineage for outcome in outcomes]),
        "rungs": (
            Rung(fidelity="fluid", candidates=2140, plays=96_000, seconds=1.7e7),
            Rung(
                fidelity="exact",
                candidates=3,
                plays=60,
                seconds=4500.0,
                measured=(
                    Measured(
                        issue_id=outcomes[0].issue.id,
                        what="pod-kill on checkout",
                        below=0.83,
                        here=0.871,
                        spread=0.024,
                        repeats=5,
                    ),
                ),
                difference=1.049,
                least_detectable=0.043,
                step=0.71,
            ),
        ),
    }
    return Recommendation(**{**values, **changes})


def make_plan(recommendation=None):
    recommendation = recommendation or make_recommendation()
    changes = tuple(
        ServiceChange(service=before.service, kind="Deployment", before=before, after=after)
        for before, after in zip(BEFORE.services, AFTER.services, strict=True)
        if before != after
    )
    return RolloutPlan(
        hash="3f2a9c0d1e5b",
        namespace="shop",
        changes=changes,
        slo=SETTINGS.entry_slo,
        canary_s=300,
        settle_s=120,
        lapses_at=NOW + timedelta(hours=24),
        lineage=lineage("plan", "invented", [recommendation.lineage]),
    )


def make_rollout(plan=None, **changes):
    plan = plan or make_plan()
    names = ("start canary", "judge canary", "promote", "verify")
    steps = tuple(
        RolloutStep(
            name=name,
            start=NOW + timedelta(minutes=2 * index),
            end=NOW + timedelta(minutes=2 * index, seconds=100),
            verdict=Verdict.PASSED,
            detail=f"{name}: p99 141 ms on the canary, 139 ms on the stable pods",
        )
        for index, name in enumerate(names)
    )
    values = {
        "plan": plan,
        "verdict": Verdict.PASSED,
        "reasons": ("the SLO held for 120 s after promotion",),
        "steps": steps,
        "restored": False,
        "journal": "rollout/journal.json",
        "lineage": lineage("rollout", "invented", [plan.lineage]),
    }
    return RolloutOutcome(**{**values, **changes})


def write_workspace(root):
    """Everything but the model bundle."""
    workspace = Workspace(root)
    issues = [make_issue(case) for case in CASES]
    write_lines(workspace.issues / "issues.jsonl", issues)
    study_lineage = replace(STUDY, parents=tuple(issue.lineage.id for issue in issues))
    items = tuple(
        StudyItem(issue=issue, experiment="e.json", profile="p.json", fault_start_s=12, fault_end_s=28)
        for issue in issues
    )
    study = Study(
        name="next", namespace="shop", shadow="shop-shadow", scale=0.5, seed=7, items=items, lineage=study_lineage
    )
    write_document(workspace.study("next") / "study.json", study)
    for case in CASES:
        outcome = make_outcome(case)
        write_document(workspace.outcomes("next") / outcome.issue.id / "outcome.json", outcome)
    write_document(workspace.recommendation / "recommendation.json", make_recommendation())
    write_document(workspace.recommendation / "plan.json", make_plan())
    write_document(workspace.rollout / "outcome.json", make_rollout())
    return workspace


@pytest.fixture
def workspace(tmp_path):
    return write_workspace(tmp_path)


@pytest.fixture
def nouns():
    """The makers above, for tests that change a part."""
    return sys.modules[__name__]


@pytest.fixture
def settings():
    return SETTINGS


@pytest.fixture
def now():
    return NOW
