"""Pods: their life, logs, deletion, eviction and resize."""

from typing import Any

import pytest


@pytest.fixture
def running(space: Any) -> Any:
    space.kube.core.create_namespaced_pod(space.name, space.pod("one"))
    return space.ready("one")[0]


def test_a_pod_becomes_ready_with_a_node_an_address_and_conditions(running: Any) -> None:
    assert running.status.phase == "Running"
    assert running.spec.node_name
    assert running.status.pod_ip
    assert running.status.start_time is not None
    conditions = {each.type: each for each in running.status.conditions}
    assert {"Initialized", "Ready", "ContainersReady", "PodScheduled"} <= set(conditions)
    assert all(each.last_transition_time is not None for each in conditions.values())
    container = running.status.container_statuses[0]
    assert (container.name, container.ready, container.started, container.restart_count) == ("main", True, True, 0)
    assert container.state.running.started_at is not None


def test_a_new_pod_is_pending_and_has_the_defaults_that_clients_read(space: Any) -> None:
    spec = {"containers": [{"name": "main", "image": space.kube.image, "ports": [{"containerPort": 80}]}]}
    made = space.kube.core.create_namespaced_pod(space.name, {"metadata": {"name": "bare"}, "spec": spec})
    assert made.status.phase == "Pending"
    assert made.spec.restart_policy == "Always"
    assert made.spec.termination_grace_period_seconds == 30
    assert made.spec.dns_policy == "ClusterFirst"
    assert made.spec.service_account_name == "default"
    assert made.spec.containers[0].image_pull_policy == "IfNotPresent"
    assert made.spec.containers[0].ports[0].protocol == "TCP"
    assert made.status.qos_class == "BestEffort"
    assert made.metadata.uid
    assert made.metadata.creation_timestamp is not None
    space.kube.core.delete_namespaced_pod("bare", space.name, grace_period_seconds=0)


def test_requests_follow_from_limits_and_make_a_pod_guaranteed(space: Any) -> None:
    pod = space.pod("sure", resources={"limits": {"cpu": "0.05", "memory": "32Mi"}})
    made = space.kube.core.create_namespaced_pod(space.name, pod, dry_run="All")
    assert made.spec.containers[0].resources.requests == {"cpu": "50m", "memory": "32Mi"}
    assert made.status.qos_class == "Guaranteed"


def _log(space: Any, **options: Any) -> str:
    """The text itself: left to itself, the client shows bytes as their repr."""
    answer = space.kube.core.read_namespaced_pod_log("one", space.name, _preload_content=False, **options)
    return answer.data.decode()


def test_a_log_is_read_plain_and_with_times(space: Any, running: Any) -> None:
    assert space.kube.until(lambda: _log(space)) == "hello\n"
    when, _, text = _log(space, timestamps=True, tail_lines=1).partition(" ")
    assert text == "hello\n"
    assert when.startswith("20")
    assert "T" in when


def test_a_log_of_an_unknown_container_is_refused(space: Any, running: Any, refused: Any) -> None:
    status = refused(400, space.kube.core.read_namespaced_pod_log, "one", space.name, container="other")
    assert status["message"] == "container other is not valid for pod one"


def test_a_log_of_a_pod_that_has_not_restarted_has_no_previous(space: Any, running: Any, refused: Any) -> None:
    status = refused(400, space.kube.core.read_namespaced_pod_log, "one", space.name, previous=True)
    assert 'previous terminated container "main" in pod "one" not found' in status["message"]


def test_a_deleted_pod_is_marked_then_gone(space: Any, running: Any) -> None:
    core = space.kube.core
    told = core.delete_namespaced_pod("one", space.name)
    assert told.metadata.deletion_timestamp is not None
    assert told.metadata.deletion_grace_period_seconds == 1
    space.kube.until(lambda: not core.list_namespaced_pod(space.name).items, "the pod is gone")


def test_a_pod_deleted_without_grace_is_gone_at_once(space: Any, running: Any, refused: Any) -> None:
    space.kube.core.delete_namespaced_pod("one", space.name, grace_period_seconds=0)
    refused(404, space.kube.core.read_namespaced_pod, "one", space.name)


def test_a_delete_on_another_uid_is_a_conflict(space: Any, running: Any, refused: Any) -> None:
    body = {"preconditions": {"uid": "another"}}
    status = refused(409, space.kube.core.delete_namespaced_pod, "one", space.name, body=body)
    assert "does not match the UID in record" in status["message"]


def test_a_rehearsed_delete_leaves_the_pod(space: Any, running: Any) -> None:
    space.kube.core.delete_namespaced_pod("one", space.name, dry_run="All")
    assert space.kube.core.read_namespaced_pod("one", space.name).metadata.deletion_timestamp is None


def test_an_eviction_without_a_budget_deletes(space: Any, running: Any) -> None:
    space.kube.core.create_namespaced_pod_eviction("one", space.name, {"metadata": {"name": "one"}})
    space.kube.until(lambda: not space.pods("one"), "the pod is evicted")


def test_an_eviction_of_nothing_is_not_found(space: Any, refused: Any) -> None:
    body = {"metadata": {"name": "none"}}
    status = refused(404, space.kube.core.create_namespaced_pod_eviction, "none", space.name, body)
    assert status["message"] == 'pods "none" not found'
    assert status["details"] == {"name": "none", "kind": "pods"}


def _resize(space: Any, resources: dict[str, Any], name: str = "one", **named: Any) -> Any:
    change = {"spec": {"containers": [{"name": "main", "resources": resources}]}}
    return space.kube.core.patch_namespaced_pod_resize(name, space.name, change, **named)


def test_a_resize_takes_effect_without_a_restart(space: Any, running: Any) -> None:
    wanted = {"limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "20m", "memory": "16Mi"}}
    before = running.metadata.generation
    told = _resize(space, {"limits": {"cpu": "200m"}, "requests": {"cpu": "20m"}})
    assert space.kube.raw(told.spec.containers[0].resources) == wanted
    assert told.metadata.generation == before + 1

    def in_force() -> Any:
        pod = space.kube.core.read_namespaced_pod("one", space.name)
        status = space.kube.raw(pod.status)["containerStatuses"][0]
        return pod if status["resources"] == wanted and status["allocatedResources"] == wanted["requests"] else None

    pod = space.kube.until(in_force, "the resize is in force")
    assert pod.status.container_statuses[0].restart_count == 0
    assert pod.metadata.uid == running.metadata.uid


def test_a_direct_change_of_resources_is_refused(space: Any, running: Any, refused: Any) -> None:
    change = {"spec": {"containers": [{"name": "main", "resources": {"limits": {"cpu": "200m"}}}]}}
    status = refused(422, space.kube.core.patch_namespaced_pod, "one", space.name, change)
    assert status["reason"] == "Invalid"
    assert "pod updates may not change fields other than" in status["message"]


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"requests": {"cpu": "100m", "memory": "64Mi"}}, "Pod QOS Class may not change as a result of resizing"),
        ({"requests": {"cpu": "1"}}, "must be less than or equal to cpu limit of 100m"),
        ({"requests": {"ephemeral-storage": "1Gi"}}, "only cpu and memory resources are mutable"),
    ],
)
def test_a_resize_that_makes_no_sense_is_refused(
    space: Any, running: Any, refused: Any, resources: dict[str, Any], message: str
) -> None:
    change = {"spec": {"containers": [{"name": "main", "resources": resources}]}}
    status = refused(422, space.kube.core.patch_namespaced_pod_resize, "one", space.name, change)
    assert message in status["message"]


def test_a_resize_changes_nothing_else(space: Any, running: Any) -> None:
    change = {"metadata": {"labels": {"new": "yes"}}, "spec": {"containers": [{"name": "main", "image": "other:1"}]}}
    told = space.kube.core.patch_namespaced_pod_resize("one", space.name, change)
    assert told.spec.containers[0].image == space.kube.image


def test_a_pod_too_large_for_any_node_stays_pending_and_says_so(space: Any) -> None:
    resources = {"requests": {"cpu": "5000"}}
    space.kube.core.create_namespaced_pod(space.name, space.pod("vast", resources=resources))

    def told() -> Any:
        pod = space.kube.core.read_namespaced_pod("vast", space.name)
        return [each for each in pod.status.conditions or () if each.type == "PodScheduled"]

    condition = space.kube.until(told)[0]
    assert (condition.status, condition.reason) == ("False", "Unschedulable")
    assert "Insufficient cpu" in condition.message
    assert space.kube.core.read_namespaced_pod("vast", space.name).status.phase == "Pending"


def test_labels_of_a_running_pod_change_freely(space: Any, running: Any) -> None:
    change = {"metadata": {"labels": {"colour": "red"}, "annotations": {"note": "x"}}}
    space.kube.core.patch_namespaced_pod("one", space.name, change)
    found = space.kube.core.list_namespaced_pod(space.name, label_selector="colour=red").items
    assert [pod.metadata.name for pod in found] == ["one"]


def test_what_happened_to_a_pod_is_told_as_events(space: Any, running: Any) -> None:
    def told() -> Any:
        selector = f"involvedObject.uid={running.metadata.uid}"
        events = space.kube.core.list_namespaced_event(space.name, field_selector=selector).items
        return {"Scheduled", "Started"} <= {event.reason for event in events}

    space.kube.until(told, "events Scheduled and Started")
