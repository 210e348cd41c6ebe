"""What failed a trial, or was rolled back, stays a constraint."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import pytest

from chaosprsa.allocation.counterexamples import counterexamples, production_point
from chaosprsa.allocation.space import Space, point_of
from chaosprsa.chain.answer import rolled_back
from chaosprsa.documents import write_document
from chaosprsa.rollout.run import OUTCOME, set_aside
from chaosprsa.shadow import scaled
from chaosprsa.types import (
    Allocation,
    Lineage,
    Prices,
    Resources,
    RolloutOutcome,
    RolloutPlan,
    ServiceAllocation,
    ServiceChange,
    Slo,
    Verdict,
)

NOW = datetime(2026, 3, 2, tzinfo=UTC)

RESOURCES = Resources(
    cpu_request_millicores=250, cpu_limit_millicores=500, memory_request_mib=128, memory_limit_mib=256
)
SERVICES = ("gateway", "stock")


def allocation(gateway, stock):
    counts = zip(SERVICES, (gateway, stock), strict=True)
    return Allocation(
        services=tuple(ServiceAllocation(service=name, replicas=count, resources=RESOURCES) for name, count in counts)
    )


PRESENT = point_of(allocation(2, 2), SERVICES)
SPACE = Space(SERVICES, PRESENT, PRESENT, PRESENT, PRESENT, np.ones((2, 2)), Prices(cpu_core_hour=1, memory_gib_hour=1))


def outcome(small, issue, verdict=Verdict.FAILED):
    return SimpleNamespace(allocation=small, issue=SimpleNamespace(id=issue), verdict=verdict)


def run_of(*outcomes, scale=0.5, expected=("surge", "kill")):
    return SimpleNamespace(
        engine=SimpleNamespace(space=SPACE),
        outcomes=outcomes,
        scale=scale,
        expected=lambda _point: frozenset(expected),
    )


def replicas(points):
    return sorted(point[:, 0].tolist() for point in points)


@pytest.mark.parametrize("scale", [0.5, 0.3, 1.0])
def test_is_the_most_that_looks_the_same_in_the_shadow(scale):
    full = allocation(5, 3)
    point = production_point(run_of(scale=scale), scaled(full, scale))
    assert (point[:, 0] >= (5, 3)).all()
    found = replace(
        full, services=tuple(replace(s, replicas=int(n)) for s, n in zip(full.services, point[:, 0], strict=True))
    )
    assert scaled(found, scale) == scaled(full, scale)
    more = replace(found, services=tuple(replace(s, replicas=s.replicas + 1) for s in found.services))
    assert scaled(more, scale) != scaled(full, scale)


def test_only_failures_in_issues_that_should_be_survived_count():
    run = run_of(
        outcome(allocation(1, 2), "surge"),
        outcome(allocation(3, 1), "hopeless"),
        outcome(allocation(4, 4), "surge", Verdict.PASSED),
        outcome(allocation(5, 5), "kill", Verdict.INVALID),
    )
    assert replicas(counterexamples(run, ())) == [[2, 4]]


def test_what_was_rolled_back_counts_as_it_was():
    assert replicas(counterexamples(run_of(), (allocation(3, 3),))) == [[3, 3]]


def test_what_another_one_covers_is_left_out():
    run = run_of(outcome(allocation(1, 1), "surge"), outcome(allocation(1, 1), "kill"))
    assert replicas(counterexamples(run, (allocation(2, 3), allocation(4, 1)))) == [[2, 3], [4, 1]]


def rollout(after, verdict):
    service = allocation(2, 2)["stock"]
    change = ServiceChange(service="stock", kind="Deployment", before=service, after=replace(service, replicas=after))
    plan = RolloutPlan(
        hash=f"{after}", namespace="shop", changes=(change,), slo=Slo(service="gateway", latency_ms=200), canary_s=1.0,
        settle_s=1.0, lapses_at=NOW, lineage=Lineage(id="plan"),
    )  # fmt: skip
    return RolloutOutcome(
        plan=plan, verdict=verdict, reasons=(), steps=(), restored=True, journal="journal.json", lineage=Lineage(id="x")
    )


def test_a_rollout_that_did_worse_is_remembered_when_others_follow_it(tmp_path):
    for after, verdict in ((3, Verdict.FAILED), (4, Verdict.INVALID), (5, Verdict.FAILED), (6, Verdict.PASSED)):
        set_aside(tmp_path)
        written = write_document(tmp_path / OUTCOME, rollout(after, verdict))
        os.utime(written, (1e9 + after, 1e9 + after))
    found = rolled_back(tmp_path, allocation(2, 2))
    assert [one["stock"].replicas for one in found] == [3, 5]
    assert {one["gateway"].replicas for one in found} == {2}


def test_without_a_rollout_there_is_none_to_remember(tmp_path):
    set_aside(tmp_path)
    assert rolled_back(tmp_path / "rollout", allocation(2, 2)) == ()


def test_nothing_failed_nothing_is_a_constraint():
    assert counterexamples(run_of(), ()) == ()
    assert np.shape(counterexamples(run_of(), ())) == (0,)
