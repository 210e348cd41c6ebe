"""What only a real kubelet does. Needs CHAOSPRSA_CLUSTER=1 and KUBECONFIG."""

import os
import statistics
import time
from dataclasses import replace

import pytest

from chaosprsa.cluster import connect
from chaosprsa.types import Resources
from chaosprsa.workspace import Workspace

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster(tmp_path):
    if os.environ.get("CHAOSPRSA_CLUSTER") != "1":
        pytest.skip("set CHAOSPRSA_CLUSTER=1 and KUBECONFIG to a cluster whose namespaces may be created and deleted")
    return connect(state=Workspace(tmp_path).state)


HOLDS_40_MIB = ["sh", "-c", "dd if=/dev/zero bs=40M count=2 2>/dev/null | sleep 100000"]


def memory(request, limit):
    return Resources(
        cpu_request_millicores=50, cpu_limit_millicores=200, memory_request_mib=request, memory_limit_mib=limit
    )


def test_memory_that_is_in_use_is_not_taken_in_place_but_by_the_template_and_comes_back(
    cluster, new_namespace, samples
):
    """Measured on 1.34: the kubelet leaves such a resize in progress for ever, without a message."""
    hog = samples.deployment("hog", 1, command=HOLDS_40_MIB)
    hog["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = "96Mi"
    name = new_namespace("shop", [hog])
    shadow = cluster.shadow(name)
    shadow.wait_ready(60)
    assert shadow.resize("hog", memory(20, 80), timeout_s=20).in_place
    change = shadow.resize("hog", memory(16, 24), timeout_s=5)
    assert not change.in_place
    assert "PodResizeInProgress" in change.what
    assert cluster.workload(name, "hog").resources == memory(16, 24)
    shadow.unresize("hog")
    shadow.wait_ready(60)
    (pod,) = cluster.pods(name, "Deployment", "hog")
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "96Mi"
    assert cluster.workload(name, "hog").resources == memory(32, 96)


def test_a_cpu_squeeze_is_in_force_in_the_container_itself(cluster, new_namespace, samples):
    """The status says what the runtime set, not what was asked for."""
    name = new_namespace("shop", [samples.deployment("basket", 1)])
    shadow = cluster.shadow(name)
    shadow.wait_ready(60)
    shadow.resize("basket", replace(memory(32, 64), cpu_request_millicores=20, cpu_limit_millicores=50))
    (pod,) = cluster.pods(name, "Deployment", "basket")
    (status,) = pod["status"]["containerStatuses"]
    assert status["resources"]["limits"]["cpu"] == "50m"
    assert status["restartCount"] == 0


OPERATED_EVERY_S = 5.0  # the shortest step of the policies that resize in place (benchmarks/allocation.py)


def test_a_limit_that_moves_in_place_is_in_force_within_a_policys_step(cluster, new_namespace, samples):
    """The benchmarks assume it. Asked, set by the runtime and told by the status, up and down in turn."""
    busy = samples.deployment("basket", 1, command=["sh", "-c", "while true; do :; done"])
    shadow = cluster.shadow(new_namespace("shop", [busy]))
    shadow.wait_ready(60)
    took_s = []
    for limit in (300, 100) * 4:
        began = time.monotonic()
        change = shadow.resize("basket", replace(memory(32, 64), cpu_limit_millicores=limit), timeout_s=60)
        took_s.append(time.monotonic() - began)
        assert change.in_place
    assert statistics.median(took_s) < OPERATED_EVERY_S, took_s
