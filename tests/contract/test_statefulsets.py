"""StatefulSets: numbered pods in order, rolling updates from the highest down."""

from typing import Any


def _body(space: Any, replicas: int = 2, **spec: Any) -> dict[str, Any]:
    body = space.workload("db", replicas, serviceName="db", **spec)
    return body | {"kind": "StatefulSet"}


def _settled(space: Any) -> Any:
    def settled() -> Any:
        found = space.kube.apps.read_namespaced_stateful_set("db", space.name)
        status, wanted = found.status, found.spec.replicas
        counts = (status.replicas, status.ready_replicas or 0, status.updated_replicas or 0)
        observed = status.observed_generation == found.metadata.generation
        same = status.current_revision == status.update_revision
        return found if observed and same and counts == (wanted, wanted, wanted) else None

    return space.kube.until(settled, "statefulset settled")


def _made(space: Any, replicas: int = 2, **spec: Any) -> Any:
    space.kube.apps.create_namespaced_stateful_set(space.name, _body(space, replicas, **spec))
    return _settled(space)


def test_pods_are_numbered_and_made_one_after_another(space: Any) -> None:
    done = _made(space)
    pods = sorted(space.pods("db"), key=lambda pod: pod.metadata.name)
    assert [pod.metadata.name for pod in pods] == ["db-0", "db-1"]
    assert [pod.metadata.labels["apps.kubernetes.io/pod-index"] for pod in pods] == ["0", "1"]
    assert pods[0].metadata.labels["statefulset.kubernetes.io/pod-name"] == "db-0"
    assert pods[0].metadata.labels["controller-revision-hash"] == done.status.update_revision
    ready = next(each for each in pods[0].status.conditions if each.type == "Ready")
    assert pods[1].metadata.creation_timestamp >= ready.last_transition_time
    assert done.status.available_replicas == 2
    assert done.spec.pod_management_policy == "OrderedReady"
    assert done.spec.update_strategy.rolling_update.partition == 0


def test_scaling_down_takes_the_highest(space: Any) -> None:
    _made(space, podManagementPolicy="Parallel")
    space.kube.apps.patch_namespaced_stateful_set_scale("db", space.name, {"spec": {"replicas": 1}})
    assert [pod.metadata.name for pod in space.ready("db", 1)] == ["db-0"]


def test_a_killed_pod_comes_back_under_its_name(space: Any) -> None:
    _made(space, 1)
    (pod,) = space.pods("db")
    space.kube.core.delete_namespaced_pod("db-0", space.name)

    def again() -> Any:
        pods = space.pods("db")
        return [each for each in pods if each.metadata.uid != pod.metadata.uid]

    assert space.kube.until(again)[0].metadata.name == "db-0"


def test_an_update_keeps_names_and_stops_at_the_partition(space: Any) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    before = _made(space, updateStrategy=strategy, podManagementPolicy="Parallel").status.update_revision
    container = {"name": "main", "env": [{"name": "MODE", "value": "b"}]}
    change = {"spec": {"template": {"spec": {"containers": [container]}}}}
    space.kube.apps.patch_namespaced_stateful_set("db", space.name, change)

    def revisions() -> Any:
        pods = space.pods("db")
        return {pod.metadata.name: pod.metadata.labels["controller-revision-hash"] for pod in pods}

    space.kube.until(lambda: revisions().get("db-1") not in {None, before} and len(space.ready("db", 2)) == 2)
    assert revisions()["db-0"] == before
    unbound = {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}}
    space.kube.apps.patch_namespaced_stateful_set("db", space.name, unbound)
    done = _settled(space)
    assert done.status.current_revision == done.status.update_revision != before
    assert set(revisions().values()) == {done.status.update_revision}


def test_revisions_are_kept_as_material_for_a_way_back(space: Any) -> None:
    done = _made(space, 1)
    (revision,) = space.kube.apps.list_namespaced_controller_revision(space.name).items
    assert revision.metadata.name == done.status.update_revision
    assert revision.revision == 1
    assert revision.data["spec"]["template"]["spec"]["containers"][0]["name"] == "main"


def test_most_of_the_spec_never_changes(space: Any, refused: Any) -> None:
    space.kube.apps.create_namespaced_stateful_set(space.name, _body(space, 0))
    change = {"spec": {"serviceName": "other"}}
    status = refused(422, space.kube.apps.patch_namespaced_stateful_set, "db", space.name, change)
    assert "updates to statefulset spec for fields other than" in status["message"]
