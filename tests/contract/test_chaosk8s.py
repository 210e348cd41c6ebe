"""The Chaos Toolkit's own actions and probes for Kubernetes, unchanged."""

from typing import Any

import pytest
from chaoslib.exceptions import ActivityFailed


@pytest.fixture
def here(space: Any, chaosk8s_here: Any) -> Any:
    return space


def test_terminate_pods_ends_one_and_it_comes_back(here: Any) -> None:
    from chaosk8s.pod.actions import terminate_pods

    here.deploy("web", 2)
    (gone,) = terminate_pods(label_selector="app=web", qty=1, grace_period=0, ns=here.name)
    assert gone not in {pod.metadata.name for pod in here.ready("web", 2)}


def test_terminate_pods_takes_a_share_by_name_pattern(here: Any) -> None:
    from chaosk8s.pod.actions import terminate_pods

    here.deploy("web", 3)
    gone = terminate_pods(name_pattern="^web-", mode="percentage", qty=50, grace_period=0, ns=here.name)
    assert len(gone) == 2


def test_delete_pods_ends_all_of_a_label(here: Any) -> None:
    from chaosk8s.pod.actions import delete_pods

    here.deploy("web", 1)
    (before,) = here.pods("web")
    delete_pods(label_selector="app=web", ns=here.name)
    here.kube.until(lambda: [pod.metadata.uid for pod in here.ready("web", 1)] != [before.metadata.uid])


def test_scale_deployment_scales(here: Any) -> None:
    from chaosk8s.deployment.actions import scale_deployment

    here.deploy("web", 1)
    scale_deployment("web", 3, ns=here.name)
    here.ready("web", 3)


def test_a_deployment_is_available_or_partly(here: Any) -> None:
    from chaosk8s.deployment.probes import deployment_available_and_healthy, deployment_partially_available

    here.deploy("web", 2)
    assert deployment_available_and_healthy("web", ns=here.name) is True
    assert deployment_partially_available("web", ns=here.name) is True
    with pytest.raises(ActivityFailed, match="was not found"):
        deployment_available_and_healthy("none", ns=here.name)


def test_a_deployment_is_waited_for(here: Any) -> None:
    from chaosk8s.deployment.probes import deployment_fully_available, deployment_not_fully_available

    here.deploy("web", 1)
    assert deployment_fully_available("web", ns=here.name, timeout=5) is True
    here.kube.apps.patch_namespaced_deployment_scale("web", here.name, {"spec": {"replicas": 2}})
    assert deployment_not_fully_available("web", ns=here.name, timeout=5) is True
    assert deployment_fully_available("web", ns=here.name, timeout=20) is True


def test_pods_are_counted_by_phase(here: Any) -> None:
    from chaosk8s.pod.probes import all_pods_healthy, count_pods, pods_in_conditions, pods_in_phase

    here.deploy("web", 2)
    assert count_pods("app=web", phase="Running", ns=here.name) == 2
    assert count_pods("app=none", ns=here.name) == 0
    assert pods_in_phase("app=web", phase="Running", ns=here.name) is True
    assert pods_in_conditions("app=web", [{"type": "Ready", "status": "True"}], ns=here.name) is True
    assert all_pods_healthy(ns=here.name) is True


def test_logs_are_read_by_label(here: Any) -> None:
    from chaosk8s.pod.probes import read_pod_logs

    here.deploy("web", 1)
    (pod,) = here.pods("web")
    logs = here.kube.until(lambda: read_pod_logs(label_selector="app=web", last="10 minutes", ns=here.name))
    assert set(logs) == {pod.metadata.name}
    assert logs[pod.metadata.name].endswith(" hello\n")


def test_all_pods_healthy_says_no_while_one_is_pending(here: Any) -> None:
    from chaosk8s.pod.probes import all_pods_healthy

    here.kube.core.create_namespaced_pod(here.name, here.pod("vast", resources={"requests": {"cpu": "5000"}}))
    with pytest.raises(ActivityFailed, match="the system is unhealthy"):
        all_pods_healthy(ns=here.name)
