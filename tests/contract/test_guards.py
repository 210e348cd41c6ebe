"""What says no: quotas and disruption budgets; what acts on bounds: autoscalers."""

from typing import Any

import pytest

HARD = {"pods": "2", "requests.cpu": "500m", "limits.memory": "256Mi"}


def _quota(space: Any, **hard: str) -> Any:
    body = {"metadata": {"name": "cap"}, "spec": {"hard": hard}}
    space.kube.core.create_namespaced_resource_quota(space.name, body)
    return space.kube.until(lambda: _used(space) is not None)


def _used(space: Any) -> Any:
    return space.kube.core.read_namespaced_resource_quota("cap", space.name).status.used


def test_a_quota_tells_what_is_used(space: Any) -> None:
    _quota(space, **HARD)
    space.kube.core.create_namespaced_pod(space.name, space.pod("one"))
    expected = {"pods": "1", "requests.cpu": "10m", "limits.memory": "64Mi"}
    space.kube.until(lambda: _used(space) == expected)
    space.kube.core.delete_namespaced_pod("one", space.name, grace_period_seconds=0)
    space.kube.until(lambda: _used(space) == {"pods": "0", "requests.cpu": "0", "limits.memory": "0"})


def test_a_pod_beyond_the_quota_is_refused_in_its_wording(space: Any, refused: Any) -> None:
    _quota(space, **HARD)
    body = space.pod("big", resources={"requests": {"cpu": "2"}, "limits": {"memory": "64Mi"}})
    status = refused(403, space.kube.core.create_namespaced_pod, space.name, body)
    assert status["reason"] == "Forbidden"
    assert status["message"] == (
        'pods "big" is forbidden: exceeded quota: cap, requested: requests.cpu=2, used: requests.cpu=0, '
        "limited: requests.cpu=500m"
    )


def test_a_pod_that_does_not_say_what_the_quota_counts_is_refused(space: Any, refused: Any) -> None:
    _quota(space, **HARD)
    body = space.pod("silent", resources={"requests": {"cpu": "10m"}})
    status = refused(403, space.kube.core.create_namespaced_pod, space.name, body)
    assert status["message"] == 'pods "silent" is forbidden: failed quota: cap: must specify limits.memory for: main'


def test_a_deployment_beyond_the_quota_says_why_its_pods_are_missing(space: Any) -> None:
    _quota(space, pods="1")
    space.kube.apps.create_namespaced_deployment(space.name, space.workload("web", 2))

    def failed() -> Any:
        found = space.kube.apps.read_namespaced_deployment("web", space.name)
        conditions = {each.type: each for each in found.status.conditions or ()}
        return conditions.get("ReplicaFailure") if found.status.available_replicas == 1 else None

    failure = space.kube.until(failed)
    assert (failure.status, failure.reason) == ("True", "FailedCreate")
    assert "exceeded quota: cap" in failure.message


def test_a_resize_beyond_the_quota_is_refused(space: Any, refused: Any) -> None:
    _quota(space, **HARD)
    resources = {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}}
    space.kube.core.create_namespaced_pod(space.name, space.pod("one", resources=resources))
    space.ready("one")
    change = {"spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "800m"}}}]}}
    status = refused(403, space.kube.core.patch_namespaced_pod_resize, "one", space.name, change)
    assert "exceeded quota: cap" in status["message"]


def test_a_quota_counts_objects_too(space: Any, refused: Any) -> None:
    _quota(space, **{"count/deployments.apps": "1", "services": "0"})
    space.kube.apps.create_namespaced_deployment(space.name, space.workload("a", 0))
    space.kube.until(lambda: _used(space)["count/deployments.apps"] == "1")
    refused(403, space.kube.apps.create_namespaced_deployment, space.name, space.workload("b", 0))
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    refused(403, space.kube.core.create_namespaced_service, space.name, service)


def _budget(space: Any, **spec: Any) -> None:
    body = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}, **spec}}
    space.kube.policy.create_namespaced_pod_disruption_budget(space.name, body)


def _allowed(space: Any) -> Any:
    status = space.kube.policy.read_namespaced_pod_disruption_budget("web", space.name).status
    return None if status is None or status.observed_generation is None else status


def _evict(space: Any, pod: Any) -> Any:
    name = pod.metadata.name
    return space.kube.core.create_namespaced_pod_eviction(name, space.name, {"metadata": {"name": name}})


def test_an_eviction_that_a_budget_forbids_is_too_much(space: Any, refused: Any) -> None:
    space.deploy("web", 1)
    _budget(space, minAvailable=1)
    space.kube.until(lambda: (status := _allowed(space)) and status.current_healthy == 1)
    (pod,) = space.pods("web")
    status = refused(429, _evict, space, pod)
    assert status["reason"] == "TooManyRequests"
    assert status["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    cause = {
        "reason": "DisruptionBudget",
        "message": "The disruption budget web needs 1 healthy pods and has 1 currently",
    }
    assert status["details"]["causes"] == [cause]
    assert [each.metadata.uid for each in space.pods("web")] == [pod.metadata.uid]


def test_a_budget_allows_what_it_can_spare(space: Any, refused: Any) -> None:
    space.deploy("web", 2)
    _budget(space, maxUnavailable="50%")
    status = space.kube.until(lambda: (told := _allowed(space)) and told.disruptions_allowed == 1 and told)
    assert (status.expected_pods, status.current_healthy, status.desired_healthy) == (2, 2, 1)
    first, second = space.pods("web")
    _evict(space, first)
    refused(429, _evict, space, second)


def test_deleting_does_not_ask_the_budget(space: Any) -> None:
    space.deploy("web", 1)
    _budget(space, minAvailable=1)
    (pod,) = space.pods("web")
    space.kube.core.delete_namespaced_pod(pod.metadata.name, space.name)
    space.kube.until(lambda: pod.metadata.uid not in {each.metadata.uid for each in space.pods("web")})


def test_a_budget_with_both_bounds_is_refused(space: Any, refused: Any) -> None:
    with_both = {"minAvailable": 1, "maxUnavailable": 1}
    body = {"metadata": {"name": "web"}, "spec": with_both}
    status = refused(422, space.kube.policy.create_namespaced_pod_disruption_budget, space.name, body)
    assert "minAvailable and maxUnavailable cannot be both set" in status["message"]


def _autoscaler(name: str = "web", **spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {"metadata": {"name": name}, "spec": {"scaleTargetRef": target, "maxReplicas": 5, **spec}}


def test_an_autoscaler_gets_its_defaults(space: Any) -> None:
    made = space.kube.autoscaling.create_namespaced_horizontal_pod_autoscaler(space.name, _autoscaler())
    assert made.spec.min_replicas == 1
    assert space.kube.raw(made.spec.metrics) == [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    ]


def test_an_autoscaler_raises_its_target_to_the_minimum(space: Any) -> None:
    space.deploy("web", 1)
    body = _autoscaler(minReplicas=2)
    space.kube.autoscaling.create_namespaced_horizontal_pod_autoscaler(space.name, body)
    space.kube.until(lambda: space.kube.apps.read_namespaced_deployment("web", space.name).spec.replicas == 2)

    def able() -> Any:
        read = space.kube.autoscaling.read_namespaced_horizontal_pod_autoscaler
        conditions = read("web", space.name).status.conditions or ()
        return any(each.type == "AbleToScale" and each.status == "True" for each in conditions)

    space.kube.until(able)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"minReplicas": 6}, "must be greater than or equal to `minReplicas`"),
        ({"maxReplicas": 0}, "spec.maxReplicas: Invalid value: 0: must be greater than 0"),
        ({"scaleTargetRef": {"kind": "Deployment"}}, "spec.scaleTargetRef.name: Required value"),
    ],
)
def test_an_autoscaler_that_can_not_be_is_refused(space: Any, refused: Any, spec: dict[str, Any], message: str) -> None:
    create = space.kube.autoscaling.create_namespaced_horizontal_pod_autoscaler
    status = refused(422, create, space.name, _autoscaler(**spec))
    assert message in status["message"]


def test_a_network_policy_tells_its_types(space: Any) -> None:
    body = {"metadata": {"name": "apart"}, "spec": {"podSelector": {}, "egress": [{"to": [{"podSelector": {}}]}]}}
    made = space.kube.networking.create_namespaced_network_policy(space.name, body)
    assert made.spec.policy_types == ["Ingress", "Egress"]
