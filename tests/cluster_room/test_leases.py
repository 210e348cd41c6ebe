"""Two runs are kept apart, and a dead one doesn't block the next."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from chaosprsa.cluster import HOLDER_VARIABLE, Lease
from chaosprsa.cluster.leases import DURATION_S, GRACE_S, held
from chaosprsa.errors import Busy, Refused
from chaosprsa.manifests import LEASE_NAME

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def lease_of(holder, renewed):
    spec = {"holderIdentity": holder, "renewTime": renewed.isoformat(), "leaseDurationSeconds": DURATION_S}
    return {"metadata": {"name": LEASE_NAME}, "spec": spec}


def holders(cluster, namespace):
    found = cluster.api.find("Lease", namespace, LEASE_NAME)
    return None if found is None else found["spec"]["holderIdentity"]


def test_a_lease_of_elsewhere_is_held_until_its_time_and_a_grace_are_over():
    lease = lease_of("trial of i-1@other/1a2b/77/1/ab", NOON)
    assert held(lease, NOON + timedelta(seconds=DURATION_S + GRACE_S)).startswith(
        "trial of i-1 holds it (process 77 on other, until 12:00:30 UTC"
    )
    assert held(lease, NOON + timedelta(seconds=DURATION_S + GRACE_S + 1)) == ""


def test_a_lease_without_a_holder_is_free():
    assert held(lease_of("", NOON), NOON) == ""
    assert held({"spec": {}}, NOON) == ""


def test_a_second_run_is_told_who_holds_the_namespace(cluster, shadow_namespace, monkeypatch):
    shadow = cluster.shadow(shadow_namespace)
    with shadow.lease("trial of i-1"), monkeypatch.context() as outside:
        outside.delenv(HOLDER_VARIABLE)  # as a process that isn't our child sees it
        with pytest.raises(Busy, match=rf"trial of i-1 holds it \(process {os.getpid()} on"):
            shadow.lease("another").__enter__()
        with pytest.raises(Busy, match="trial of i-1 holds it"):
            shadow.scale("basket", 1)
    assert holders(cluster, shadow_namespace) is None


def test_the_children_of_a_holder_work_under_its_lease(cluster, shadow_namespace):
    shadow = cluster.shadow(shadow_namespace)
    with shadow.lease("trial of i-1") as outer:
        assert os.environ[HOLDER_VARIABLE] == outer.holder
        with shadow.lease("an activity of it") as inner:
            inner.check()
            assert inner.holder == outer.holder
        assert holders(cluster, shadow_namespace) == outer.holder
        outer.check()
    assert HOLDER_VARIABLE not in os.environ


def test_a_lease_is_renewed_while_it_is_held(cluster, shadow_namespace, monkeypatch):
    monkeypatch.setattr("chaosprsa.cluster.leases.RENEW_EVERY_S", 0.05)
    with cluster.shadow(shadow_namespace).lease("trial") as lease:
        first = cluster.api.get("Lease", shadow_namespace, LEASE_NAME)["spec"]["renewTime"]
        assert wait_for(lambda: cluster.api.get("Lease", shadow_namespace, LEASE_NAME)["spec"]["renewTime"] > first)
        lease.check()


def wait_for(done, timeout_s=10):
    from chaosprsa.cluster.api import until

    return until(done, timeout_s, 0.05)


def test_a_lease_that_was_taken_away_is_noticed(cluster, shadow_namespace, monkeypatch):
    monkeypatch.setattr("chaosprsa.cluster.leases.RENEW_EVERY_S", 0.05)
    with cluster.shadow(shadow_namespace).lease("trial") as lease:
        thief = {"spec": {"holderIdentity": "thief@elsewhere/1/2/3/4"}}
        cluster.api.patch("Lease", shadow_namespace, LEASE_NAME, thief)
        assert wait_for(lambda: not lease._thread.is_alive())
        with pytest.raises(Busy, match="the lease was lost: thief@elsewhere"):
            lease.check()
    assert holders(cluster, shadow_namespace) == "thief@elsewhere/1/2/3/4"  # not ours to give back


def test_a_lease_that_could_not_be_renewed_for_its_time_is_not_trusted(cluster, shadow_namespace):
    hour = [datetime.now(UTC)]
    with Lease(cluster, shadow_namespace, "trial", now=lambda: hour[0]) as lease:
        lease.check()
        hour[0] += timedelta(seconds=DURATION_S + 1)
        with pytest.raises(Busy, match="could not be renewed for 30 s"):
            lease.check()


HOLD = """
import sys, time
from pathlib import Path
from chaosprsa.cluster import connect
shadow = connect(state=Path(sys.argv[1])).shadow(sys.argv[2])
with shadow.lease("a run that dies"):
    shadow.scale("basket", 1)
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_holder_on_this_machine_is_taken_over_at_once_and_its_changes_undone(cluster, shadow_namespace):
    command = [sys.executable, "-c", HOLD, str(cluster.state), shadow_namespace]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "held\n"
        with pytest.raises(Busy, match="a run that dies holds it"):
            cluster.shadow(shadow_namespace).lease("next").__enter__()
        child.kill()
    assert cluster.workload(shadow_namespace, "basket").replicas == 1
    with cluster.shadow(shadow_namespace).lease("next") as lease:
        assert holders(cluster, shadow_namespace) == lease.holder
        assert cluster.workload(shadow_namespace, "basket").replicas == 2


def test_leftovers_in_production_are_refused_until_somebody_restores_them(cluster, new_namespace, samples):
    production = cluster.production(new_namespace(objects=[samples.deployment("basket")]), "plan-1", "plan-1")
    production.scale("basket", 1)
    with pytest.raises(Refused, match=r"a run that was interrupted left changes \(before: scale basket to 1.*restore"):
        production.lease("rollout").__enter__()
    assert holders(cluster, production.namespace) is None
    assert HOLDER_VARIABLE not in os.environ
