"""A production on the lab that is put back after each test, and plans for it."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chaosprsa.cluster import connect, restore_all
from chaosprsa.cluster.snapshots import snapshots_folder
from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.manifests import CANARY, labels_of
from chaosprsa.rollout.plan import plan_hash
from chaosprsa.settings import parse_settings
from chaosprsa.types import Allocation, Lineage, RolloutPlan, ServiceChange

SERVICES = ("gateway", "catalogue", "cart", "checkout", "payment")


class Stage:
    """Production as it is, and the ways to plan and to look."""

    def __init__(self, lab, state):
        self.lab = lab
        self.settings = parse_settings(
            {
                "cluster": {"namespace": lab.namespace},
                "topology": {"entry": "gateway", "services": SERVICES},
                "slo": {"gateway": {"latency_ms": 400}},
                "sources": {"prometheus": lab.prometheus_url},
            },
            "test",
        )
        self.cluster = connect(state=state)
        self.prometheus = PrometheusClient(lab.prometheus_url)
        self.before = self.allocation()

    def allocation(self):
        return self.cluster.allocation(self.lab.namespace, SERVICES)

    def plan(
        self, service="catalogue", canary_s=3.0, settle_s=2.0, lapses_in_s=3600.0, slo=None, replicas=None, **given
    ):
        before = self.before[service]
        after = replace(before, replicas=replicas or before.replicas, resources=replace(before.resources, **given))
        kind = self.cluster.workload(self.lab.namespace, service).kind
        plan = RolloutPlan(
            hash="",
            namespace=self.lab.namespace,
            changes=(ServiceChange(service=service, kind=kind, before=before, after=after),),
            slo=slo or self.settings.entry_slo,
            canary_s=canary_s,
            settle_s=settle_s,
            lapses_at=datetime.now(UTC) + timedelta(seconds=lapses_in_s),
            lineage=Lineage(id="rollout-plan-test", parents=("recommendation-test",)),
        )
        return replace(plan, hash=plan_hash(plan))

    def canaries(self):
        return [item for item in self.cluster.objects(self.lab.namespace, ("Deployment",)) if CANARY in labels_of(item)]

    def restore(self):
        return restore_all(self.cluster, snapshots_folder(self.cluster.state), self.lab.namespace)

    def reset(self):
        """As the lab began, whatever a test has done."""
        self.restore()
        if self.allocation() != self.before:
            handle = self.cluster.production(self.lab.namespace, "test", "test")
            snapshot = handle.snapshot("a test is over")
            handle.set_allocation(Allocation(services=self.before.services))
            handle.keep(snapshot)
            handle.wait_ready(60)


@pytest.fixture(scope="module")
def _stage(lab, tmp_path_factory):
    before = os.environ.get("KUBECONFIG")
    os.environ["KUBECONFIG"] = str(lab.kubeconfig)
    yield Stage(lab, tmp_path_factory.mktemp("stage") / ".chaosprsa")
    if before is None:
        del os.environ["KUBECONFIG"]
    else:
        os.environ["KUBECONFIG"] = before


@pytest.fixture
def stage(_stage):
    yield _stage
    _stage.reset()
