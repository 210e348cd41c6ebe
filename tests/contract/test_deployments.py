"""Deployments and ReplicaSets: rollouts, revisions, conditions, scaling, what is refused."""

from http import HTTPStatus
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException

REVISION = "deployment.kubernetes.io/revision"


def _condition(obj: Any, kind: str) -> Any:
    return next((each for each in obj.status.conditions or () if each.type == kind), None)


def _sets(space: Any, app: str = "web") -> list[Any]:
    return space.kube.apps.list_namespaced_replica_set(space.name, label_selector=f"app={app}").items


def _new_template(space: Any, name: str = "web", **container: Any) -> Any:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "main", **container}]}}}}
    return space.kube.apps.patch_namespaced_deployment(name, space.name, change)


def test_a_deployment_gets_its_defaults(space: Any) -> None:
    made = space.kube.apps.create_namespaced_deployment(space.name, space.workload("web"), dry_run="All")
    spec = space.kube.raw(made.spec)
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
    assert spec["revisionHistoryLimit"] == 10
    assert spec["progressDeadlineSeconds"] == 600
    assert spec["template"]["spec"]["restartPolicy"] == "Always"
    assert spec["template"]["spec"]["schedulerName"] == "default-scheduler"
    assert made.metadata.generation == 1


def test_quantities_are_answered_in_their_canonical_form(space: Any) -> None:
    resources = {"requests": {"cpu": "0.1", "memory": "1024Mi"}, "limits": {"cpu": "1000m", "memory": "2048Mi"}}
    body = space.workload("web", container={"resources": resources})
    made = space.kube.apps.create_namespaced_deployment(space.name, body, dry_run="All")
    told = space.kube.raw(made.spec.template.spec.containers[0].resources)
    assert told == {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}}


def test_a_rollout_ends_available_with_its_counts_and_conditions(space: Any) -> None:
    done = space.deploy("web", 2)
    assert (done.status.replicas, done.status.ready_replicas, done.status.updated_replicas) == (2, 2, 2)
    assert done.status.unavailable_replicas is None
    assert done.status.observed_generation == done.metadata.generation
    available, progressing = _condition(done, "Available"), _condition(done, "Progressing")
    assert (available.status, available.reason) == ("True", "MinimumReplicasAvailable")
    assert (progressing.status, progressing.reason) == ("True", "NewReplicaSetAvailable")
    assert progressing.message == f'ReplicaSet "{_sets(space)[0].metadata.name}" has successfully progressed.'
    assert done.metadata.annotations[REVISION] == "1"


def test_pods_belong_to_a_replicaset_that_belongs_to_the_deployment(space: Any) -> None:
    deployment = space.deploy("web", 1)
    (replicaset,) = _sets(space)
    (pod,) = space.pods("web")
    digest = replicaset.metadata.labels["pod-template-hash"]
    assert replicaset.metadata.name == f"web-{digest}"
    assert replicaset.spec.selector.match_labels == {"app": "web", "pod-template-hash": digest}
    assert pod.metadata.labels["pod-template-hash"] == digest
    assert pod.metadata.name.startswith(f"web-{digest}-")
    owners = [each.metadata.owner_references[0] for each in (pod, replicaset)]
    assert [(owner.kind, owner.uid, owner.controller) for owner in owners] == [
        ("ReplicaSet", replicaset.metadata.uid, True),
        ("Deployment", deployment.metadata.uid, True),
    ]
    assert (replicaset.status.replicas, replicaset.status.available_replicas) == (1, 1)


def test_a_new_template_rolls_out_a_new_revision_and_keeps_the_old(space: Any) -> None:
    space.deploy("web", 2)
    before = {pod.metadata.uid for pod in space.pods("web")}
    changed = _new_template(space, env=[{"name": "MODE", "value": "b"}])
    assert changed.metadata.generation == 2
    done = space.rolled_out("web")
    assert done.metadata.annotations[REVISION] == "2"
    sizes = {each.metadata.annotations[REVISION]: each.spec.replicas for each in _sets(space)}
    assert sizes == {"1": 0, "2": 2}
    assert not before & {pod.metadata.uid for pod in space.ready("web", 2)}


def test_going_back_to_an_old_template_reuses_its_replicaset(space: Any) -> None:
    space.deploy("web", 1)
    (first,) = _sets(space)
    _new_template(space, env=[{"name": "MODE", "value": "b"}])
    space.rolled_out("web")
    template = space.workload("web")["spec"]["template"]
    change = [{"op": "replace", "path": "/spec/template", "value": template}]
    space.kube.apps.patch_namespaced_deployment("web", space.name, change)
    done = space.rolled_out("web")
    assert done.metadata.annotations[REVISION] == "3"
    sizes = {each.metadata.uid: each.spec.replicas for each in _sets(space)}
    assert len(sizes) == 2
    assert sizes[first.metadata.uid] == 1


def test_a_rolling_update_stays_within_surge_and_unavailability(space: Any) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    space.deploy("web", 3, strategy=strategy)
    _new_template(space, env=[{"name": "MODE", "value": "b"}])
    most, least = 0, 3

    def watched() -> bool:
        nonlocal most, least
        found = space.kube.apps.read_namespaced_deployment("web", space.name)
        most = max(most, found.status.replicas or 0)
        least = min(least, found.status.available_replicas or 0)
        return (found.status.updated_replicas, found.status.replicas, found.status.available_replicas) == (3, 3, 3)

    space.kube.until(watched)
    assert most <= 4
    assert least == 3


def test_recreate_ends_the_old_pods_before_the_new_begin(space: Any) -> None:
    space.deploy("web", 2, strategy={"type": "Recreate"})
    old = {pod.metadata.uid for pod in space.pods("web")}
    _new_template(space, env=[{"name": "MODE", "value": "b"}])

    def new_ones() -> Any:
        found = space.kube.core.list_namespaced_pod(space.name, label_selector="app=web").items
        uids = {pod.metadata.uid for pod in found}
        assert not (uids & old and uids - old), "old and new pods at the same time"
        return uids - old

    space.kube.until(new_ones)
    assert space.rolled_out("web").status.available_replicas == 2


def test_a_stuck_rollout_keeps_the_old_pods_and_tells_that_it_is_late(space: Any) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    space.deploy("web", 2, strategy=strategy, progressDeadlineSeconds=2)
    _new_template(space, resources={"requests": {"cpu": "5000"}, "limits": {"cpu": "5000"}})

    def late() -> Any:
        found = space.kube.apps.read_namespaced_deployment("web", space.name)
        return found if _condition(found, "Progressing").reason == "ProgressDeadlineExceeded" else None

    found = space.kube.until(late)
    assert _condition(found, "Progressing").status == "False"
    assert _condition(found, "Available").status == "True"
    assert found.status.available_replicas == 2
    assert found.status.updated_replicas == 1
    assert found.status.unavailable_replicas == 1


def _replaced(space: Any, replicas: int) -> bool:
    """False where the controllers wrote between reading and writing, as clients must expect."""
    told = space.kube.apps.read_namespaced_deployment_scale("web", space.name)
    told.spec.replicas = replicas
    try:
        space.kube.apps.replace_namespaced_deployment_scale("web", space.name, told)
    except ApiException as refused:
        if refused.status != HTTPStatus.CONFLICT:
            raise
        return False
    return True


def test_scaling_by_the_subresource_changes_the_pods(space: Any) -> None:
    space.deploy("web", 1)
    scale = space.kube.apps.patch_namespaced_deployment_scale("web", space.name, {"spec": {"replicas": 3}})
    assert (scale.kind, scale.api_version, scale.spec.replicas) == ("Scale", "autoscaling/v1", 3)
    space.ready("web", 3)
    told = space.kube.until(
        lambda: (
            (read := space.kube.apps.read_namespaced_deployment_scale("web", space.name)).status.replicas == 3 and read
        )
    )
    assert told.status.selector == "app=web"
    space.kube.until(lambda: _replaced(space, 1))
    space.ready("web", 1)
    assert len(_sets(space)) == 1


def test_scaling_to_nothing_leaves_an_available_deployment_without_counts(space: Any) -> None:
    space.deploy("web", 1)
    space.kube.apps.patch_namespaced_deployment_scale("web", space.name, {"spec": {"replicas": 0}})

    def empty() -> Any:
        found = space.kube.apps.read_namespaced_deployment("web", space.name)
        return found if not space.pods("web") and found.status.replicas is None else None

    found = space.kube.until(empty)
    assert found.status.available_replicas is None
    assert _condition(found, "Available").status == "True"


def test_a_killed_pod_is_replaced(space: Any) -> None:
    space.deploy("web", 2)
    gone = space.pods("web")[0].metadata.name
    space.kube.core.delete_namespaced_pod(gone, space.name)
    names = {pod.metadata.name for pod in space.ready("web", 2)}
    assert gone not in names


def test_a_paused_deployment_does_not_roll(space: Any) -> None:
    space.deploy("web", 1)
    space.kube.apps.patch_namespaced_deployment("web", space.name, {"spec": {"paused": True}})
    _new_template(space, env=[{"name": "MODE", "value": "b"}])

    def observed() -> Any:
        found = space.kube.apps.read_namespaced_deployment("web", space.name)
        return found if found.status.observed_generation == 3 else None

    found = space.kube.until(observed)
    assert (_condition(found, "Progressing").status, _condition(found, "Progressing").reason) == (
        "Unknown",
        "DeploymentPaused",
    )
    assert len(_sets(space)) == 1
    space.kube.apps.patch_namespaced_deployment("web", space.name, {"spec": {"paused": None}})
    space.rolled_out("web")
    assert len(_sets(space)) == 2


def test_old_revisions_are_forgotten_beyond_the_limit(space: Any) -> None:
    space.deploy("web", 1, revisionHistoryLimit=1)
    for value in ("b", "c"):
        _new_template(space, env=[{"name": "MODE", "value": value}])
        space.rolled_out("web")
    space.kube.until(lambda: len(_sets(space)) == 2)
    assert {each.metadata.annotations[REVISION] for each in _sets(space)} == {"2", "3"}


def test_min_ready_seconds_delay_availability(space: Any) -> None:
    space.kube.apps.create_namespaced_deployment(space.name, space.workload("web", 1, minReadySeconds=2))

    def ready() -> Any:
        found = space.kube.apps.read_namespaced_deployment("web", space.name)
        return found if found.status.ready_replicas else None

    assert space.kube.until(ready).status.available_replicas is None
    assert space.rolled_out("web").status.available_replicas == 1


def test_deleting_in_the_background_takes_everything(space: Any) -> None:
    space.deploy("web", 1)
    told = space.kube.apps.delete_namespaced_deployment("web", space.name)
    assert told.status == "Success"
    assert (told.details.name, told.details.kind, told.details.group) == ("web", "deployments", "apps")
    space.kube.until(lambda: not _sets(space) and not space.pods("web"))


def test_deleting_as_orphans_leaves_the_pods_and_a_new_one_adopts_them(space: Any) -> None:
    space.deploy("web", 1)
    (pod,) = space.pods("web")
    space.kube.apps.delete_namespaced_deployment("web", space.name, propagation_policy="Orphan")
    space.kube.until(lambda: not space.kube.apps.list_namespaced_deployment(space.name).items)
    (replicaset,) = _sets(space)
    assert replicaset.metadata.owner_references is None
    again = space.deploy("web", 1)
    assert [each.metadata.uid for each in _sets(space)] == [replicaset.metadata.uid]
    assert _sets(space)[0].metadata.owner_references[0].uid == again.metadata.uid
    assert space.pods("web")[0].metadata.uid == pod.metadata.uid


def test_deleting_in_the_foreground_ends_the_pods_first(space: Any) -> None:
    space.deploy("web", 1)
    space.kube.apps.delete_namespaced_deployment("web", space.name, propagation_policy="Foreground")
    space.kube.until(lambda: not space.kube.apps.list_namespaced_deployment(space.name).items)
    assert not space.pods("web")


BROKEN = {
    "negative replicas": ({"replicas": -1}, "spec.replicas", "must be greater than or equal to 0"),
    "another selector": (
        {"selector": {"matchLabels": {"app": "other"}}},
        "spec.template.metadata.labels",
        "`selector` does not match template `labels`",
    ),
    "no selector": ({"selector": None}, "spec.selector", "Required value"),
    "no room to roll": (
        {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
        "spec.strategy.rollingUpdate.maxUnavailable",
        "may not be 0 when `maxSurge` is 0",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_deployment_that_can_not_be_is_refused_with_the_field(space: Any, refused: Any, what: str) -> None:
    spec, field, message = BROKEN[what]
    body = space.workload("web", **spec)
    status = refused(422, space.kube.apps.create_namespaced_deployment, space.name, body)
    assert status["reason"] == "Invalid"
    assert status["message"].startswith('Deployment.apps "web" is invalid: ')
    cause = next(each for each in status["details"]["causes"] if each["field"] == field)
    assert message in cause["message"]


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"image": None}, "spec.template.spec.containers[0].image: Required value"),
        (
            {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}},
            'containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
        ),
        ({"resources": {"requests": {"cpu": "-1"}}}, "must be greater than or equal to 0"),
    ],
)
def test_a_container_that_can_not_be_is_refused(
    space: Any, refused: Any, container: dict[str, Any], message: str
) -> None:
    body = space.workload("web", container=container)
    status = refused(422, space.kube.apps.create_namespaced_deployment, space.name, body)
    assert message in status["message"]


def test_a_quantity_that_is_none_is_a_bad_request(space: Any, refused: Any) -> None:
    body = space.workload("web", container={"resources": {"requests": {"cpu": "2x"}}})
    status = refused(400, space.kube.apps.create_namespaced_deployment, space.name, body)
    assert "quantities must match the regular expression" in status["message"]


def test_text_for_replicas_is_a_bad_request(space: Any, refused: Any) -> None:
    body = space.workload("web", replicas="many")
    status = refused(400, space.kube.apps.create_namespaced_deployment, space.name, body)
    assert "cannot unmarshal string into Go struct field" in status["message"]


def test_a_selector_never_changes(space: Any, refused: Any) -> None:
    space.kube.apps.create_namespaced_deployment(space.name, space.workload("web", 0))
    labels = {"app": "other"}
    change = {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}
    status = refused(422, space.kube.apps.patch_namespaced_deployment, "web", space.name, change)
    assert "spec.selector: Invalid value" in status["message"]
    assert "field is immutable" in status["message"]


def test_unknown_fields_are_dropped_or_ignored(space: Any) -> None:
    made = space.kube.apps.create_namespaced_deployment(space.name, space.workload("web", 0, colour="red"))
    assert made.metadata.name == "web"
