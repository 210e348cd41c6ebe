"""What compare takes from cluster and calendar: HPAs' own targets, of requests, and issues when they are predicted."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from chaosprsa.chain.happening import hpa_there_is, timed
from chaosprsa.errors import ClusterUnreachable
from chaosprsa.manifests import Workload
from chaosprsa.types import (
    Allocation,
    Fault,
    Impact,
    Interval,
    Lineage,
    Resources,
    ServiceAllocation,
    Severity,
    SimulatedIssue,
)

HALF = Resources(cpu_request_millicores=250, cpu_limit_millicores=500, memory_request_mib=64, memory_limit_mib=64)
PRESENT = Allocation(services=tuple(ServiceAllocation(service=name, replicas=2, resources=HALF) for name in ("a", "b")))
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def context(workloads):
    """A context whose cluster has these, or raises."""

    def read(_namespace):
        if isinstance(workloads, Exception):
            raise workloads
        return workloads

    settings = SimpleNamespace(cluster=SimpleNamespace(namespace="shop"))
    return SimpleNamespace(settings=settings, cluster=lambda: SimpleNamespace(workloads=read))


def test_targets_are_the_clusters_and_are_turned_from_requests_into_limits():
    with_hpa = Workload("a", "Deployment", "a", 2, "a", HALF, hpa="a", floor=2, ceiling=8, target=60)
    hpa, notes = hpa_there_is(context((with_hpa, Workload("b", "Deployment", "b", 2, "b", HALF))), None, PRESENT)
    assert hpa.target == pytest.approx((0.3, 0.4))
    assert hpa.name == "HPA at 60% to 80%"
    assert notes == ("no HPA with a CPU target in the cluster: 80 % for b",)


def test_what_is_asked_outweighs_the_cluster():
    hpa, notes = hpa_there_is(context(ClusterUnreachable("no")), 0.5, PRESENT)
    assert (hpa.target, hpa.name, notes) == ((0.25, 0.25), "HPA at 50%", ())


def test_without_a_cluster_it_is_said():
    hpa, (note,) = hpa_there_is(context(ClusterUnreachable("nobody answers")), None, PRESENT)
    assert hpa.target == (0.4, 0.4)
    assert "nobody answers" in note


def issue(name, start, duration_s=600.0):
    nothing = Interval(low=1, mid=1, high=1)
    return SimulatedIssue(
        id=name, kind="k", fault=Fault.POD_KILL, strength=1.0, components=("a",), origin=NOON,
        start_s=start.total_seconds(), duration_s=duration_s, severity=Severity.MAJOR, probability=0.5,
        impact=Impact(latency_ratio=nothing, error_share=nothing), novelty=0.0, evidence=(), lineage=Lineage(id=name),
    )  # fmt: skip


def test_an_issue_is_played_when_it_is_predicted_and_no_longer_than_the_load():
    begin = NOON + timedelta(hours=1)
    found, notes = timed((issue("i", timedelta(hours=1, minutes=10), 9000.0),), begin, 3600)
    assert (found[0].start_s, found[0].duration_s, notes) == (600.0, 3000.0, ())


def test_what_is_predicted_for_another_time_is_spread_and_said():
    inside, outside = issue("in", timedelta(minutes=30)), issue("out", timedelta(hours=5))
    found, (note,) = timed((outside, inside), NOON, 3600)
    assert found[1].start_s == 1800.0
    assert 0 <= found[0].start_s < 3600
    assert note.endswith("pod-kill on a")


def test_on_a_load_of_no_known_day_all_are_spread_without_a_word():
    found, notes = timed((issue("i", timedelta(hours=5)),), None, 3600)
    assert 0 <= found[0].start_s < 3600
    assert notes == ()
