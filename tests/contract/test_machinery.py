"""What all kinds share: names, versions, selectors, patches, apply, dry runs, paging, finalizers."""

from typing import Any

import pytest


def _map(name: str = "one", labels: dict[str, str] | None = None, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": labels or {}}, "data": data}


def _names(space: Any, **query: Any) -> list[str]:
    found = space.kube.core.list_namespaced_config_map(space.name, **query).items
    return [each.metadata.name for each in found if each.metadata.name != "kube-root-ca.crt"]


def test_a_generated_name_is_the_prefix_and_five_letters(space: Any) -> None:
    body = {"metadata": {"generateName": "made-"}}
    names = {space.kube.core.create_namespaced_config_map(space.name, body).metadata.name for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("made-") and len(name) == 10 for name in names)


def test_a_missing_name_is_refused(space: Any, refused: Any) -> None:
    status = refused(422, space.kube.core.create_namespaced_config_map, space.name, {"data": {}})
    assert "metadata.name: Required value: name or generateName is required" in status["message"]


@pytest.mark.parametrize("name", ["Upper", "under_score", "-dash", "sp ace"])
def test_a_name_that_is_no_dns_name_is_refused(space: Any, refused: Any, name: str) -> None:
    status = refused(422, space.kube.core.create_namespaced_config_map, space.name, _map(name))
    assert "a lowercase RFC 1123 subdomain must consist of" in status["message"]


def test_a_label_that_is_none_is_refused(space: Any, refused: Any) -> None:
    status = refused(422, space.kube.core.create_namespaced_config_map, space.name, _map(labels={"a": "b c"}))
    assert "a valid label must be an empty string or consist of" in status["message"]


def test_a_taken_name_already_exists(space: Any, refused: Any) -> None:
    space.kube.core.create_namespaced_config_map(space.name, _map())
    status = refused(409, space.kube.core.create_namespaced_config_map, space.name, _map())
    assert status["reason"] == "AlreadyExists"
    assert status["message"] == 'configmaps "one" already exists'


def test_what_is_not_there_is_not_found(space: Any, refused: Any) -> None:
    status = refused(404, space.kube.apps.read_namespaced_deployment, "none", space.name)
    assert status["reason"] == "NotFound"
    assert status["message"] == 'deployments.apps "none" not found'
    assert status["details"] == {"name": "none", "group": "apps", "kind": "deployments"}
    refused(404, space.kube.core.delete_namespaced_config_map, "none", space.name)
    refused(404, space.kube.core.patch_namespaced_config_map, "none", space.name, {})
    refused(404, space.kube.core.replace_namespaced_config_map, "none", space.name, _map("none"))


def test_creating_in_a_namespace_that_is_not_there_is_not_found(kube: Any, refused: Any) -> None:
    status = refused(404, kube.core.create_namespaced_config_map, "contract-none", _map())
    assert status["message"] == 'namespaces "contract-none" not found'
    assert kube.core.list_namespaced_config_map("contract-none").items == []


def test_an_object_for_another_namespace_is_a_bad_request(space: Any, refused: Any) -> None:
    body = {"metadata": {"name": "one", "namespace": "other"}}
    status = refused(400, space.kube.core.create_namespaced_config_map, space.name, body)
    assert "does not match the namespace sent on the request" in status["message"]


def test_an_object_of_another_kind_is_a_bad_request(space: Any, refused: Any) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "one"}}
    refused(400, space.kube.core.create_namespaced_config_map, space.name, body)


def test_a_change_moves_the_version_and_the_same_again_does_not(space: Any) -> None:
    core = space.kube.core
    first = core.create_namespaced_config_map(space.name, _map(a="1")).metadata
    second = core.patch_namespaced_config_map("one", space.name, {"data": {"a": "2"}}).metadata
    third = core.patch_namespaced_config_map("one", space.name, {"data": {"a": "2"}}).metadata
    assert int(second.resource_version) > int(first.resource_version)
    assert third.resource_version == second.resource_version
    assert second.uid == first.uid
    assert second.creation_timestamp == first.creation_timestamp


def test_a_stale_update_is_a_conflict(space: Any, refused: Any) -> None:
    core = space.kube.core
    read = core.create_namespaced_config_map(space.name, _map(a="1"))
    core.patch_namespaced_config_map("one", space.name, {"data": {"a": "2"}})
    status = refused(409, core.replace_namespaced_config_map, "one", space.name, read)
    assert status["reason"] == "Conflict"
    assert "the object has been modified; please apply your changes to the latest version" in status["message"]
    stale = {"metadata": {"resourceVersion": read.metadata.resource_version}, "data": {"a": "3"}}
    refused(409, core.patch_namespaced_config_map, "one", space.name, stale)
    read.metadata.resource_version = None
    assert core.replace_namespaced_config_map("one", space.name, read).data == {"a": "1"}


def test_a_lease_is_only_updated_with_its_version(space: Any, refused: Any) -> None:
    leases = space.kube.coordination
    body = {"metadata": {"name": "run"}, "spec": {"holderIdentity": "a", "leaseDurationSeconds": 30}}
    made = leases.create_namespaced_lease(space.name, body)
    refused(422, leases.replace_namespaced_lease, "run", space.name, body)
    made.spec.holder_identity = "b"
    assert leases.replace_namespaced_lease("run", space.name, made).spec.holder_identity == "b"
    refused(409, leases.replace_namespaced_lease, "run", space.name, made)


def test_the_generation_counts_changes_of_the_spec_only(space: Any) -> None:
    apps = space.kube.apps
    apps.create_namespaced_deployment(space.name, space.workload("web", 0))
    labelled = apps.patch_namespaced_deployment("web", space.name, {"metadata": {"labels": {"x": "y"}}})
    assert labelled.metadata.generation == 1
    scaled = apps.patch_namespaced_deployment("web", space.name, {"spec": {"minReadySeconds": 1}})
    assert scaled.metadata.generation == 2


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("tier=web", ["a", "b"]),
        ("tier==web,zone!=1", ["b"]),
        ("zone in (1, 2)", ["a", "b"]),
        ("tier notin (web)", ["c", "d"]),
        ("zone", ["a", "b"]),
        ("!tier", ["d"]),
        ("tier,!zone", ["c"]),
        ("", ["a", "b", "c", "d"]),
    ],
)
def test_label_selectors_choose(space: Any, selector: str, names: list[str]) -> None:
    labels = {"a": {"tier": "web", "zone": "1"}, "b": {"tier": "web", "zone": "2"}, "c": {"tier": "data"}, "d": {}}
    for name, each in labels.items():
        space.kube.core.create_namespaced_config_map(space.name, _map(name, each))
    assert _names(space, label_selector=selector) == names


@pytest.mark.parametrize("selector", ["a in b", "a=b=c", "=x", "a in (b", "a,,b="])
def test_a_label_selector_that_is_none_is_a_bad_request(space: Any, refused: Any, selector: str) -> None:
    refused(400, space.kube.core.list_namespaced_pod, space.name, label_selector=selector)


def test_field_selectors_choose(space: Any, refused: Any) -> None:
    for name in ("a", "b"):
        space.kube.core.create_namespaced_config_map(space.name, _map(name))
    assert _names(space, field_selector="metadata.name=a") == ["a"]
    assert _names(space, field_selector=f"metadata.namespace={space.name},metadata.name!=a") == ["b"]
    status = refused(400, space.kube.core.list_namespaced_pod, space.name, field_selector="spec.colour=red")
    assert status["message"] == "field label not supported: spec.colour"


def test_pods_are_chosen_by_phase_and_node(space: Any) -> None:
    space.kube.core.create_namespaced_pod(space.name, space.pod("one"))
    (pod,) = space.ready("one")
    listed = space.kube.core.list_namespaced_pod
    assert listed(space.name, field_selector=f"status.phase=Running,spec.nodeName={pod.spec.node_name}").items
    assert not listed(space.name, field_selector="status.phase!=Running").items
    assert listed(space.name, field_selector=f"status.podIP={pod.status.pod_ip}").items


def test_a_long_list_comes_in_pages(space: Any, refused: Any) -> None:
    for number in range(5):
        space.kube.core.create_namespaced_config_map(space.name, _map(f"m{number}"))
    listed = space.kube.core.list_namespaced_config_map
    first = listed(space.name, limit=2)
    assert len(first.items) == 2
    assert first.metadata.remaining_item_count == 4
    names, token = [each.metadata.name for each in first.items], first.metadata._continue
    while token:
        page = listed(space.name, limit=2, _continue=token)
        names, token = names + [each.metadata.name for each in page.items], page.metadata._continue
    assert names == ["kube-root-ca.crt", "m0", "m1", "m2", "m3", "m4"]
    status = refused(400, listed, space.name, limit=2, _continue="garbage")
    assert "continue key is not valid" in status["message"]


def test_a_merge_patch_joins_maps_and_replaces_lists(space: Any) -> None:
    apps = space.kube.apps
    apps.create_namespaced_deployment(space.name, space.workload("web", 0))
    main = {"name": "other", "image": "other:1"}
    change = {"metadata": {"labels": {"x": "y"}}, "spec": {"template": {"spec": {"containers": [main]}}}}
    done = apps.patch_namespaced_deployment("web", space.name, change, _content_type="application/merge-patch+json")
    assert [each.name for each in done.spec.template.spec.containers] == ["other"]
    assert done.metadata.labels == {"x": "y"}
    removed = {"metadata": {"labels": {"x": None}}}
    done = apps.patch_namespaced_deployment("web", space.name, removed, _content_type="application/merge-patch+json")
    assert not done.metadata.labels


def test_a_strategic_patch_joins_lists_by_name(space: Any) -> None:
    apps = space.kube.apps
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    ports = [{"containerPort": 80}, {"containerPort": 81}]
    apps.create_namespaced_deployment(space.name, space.workload("web", 0, container={"env": env, "ports": ports}))
    containers = [
        {
            "name": "main",
            "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}, {"name": "A", "$patch": "delete"}],
            "ports": [{"containerPort": 82}],
        },
        {"name": "side", "image": "side:1"},
    ]
    change = {"spec": {"template": {"spec": {"containers": containers}}}}
    done = apps.patch_namespaced_deployment("web", space.name, change)
    found = {each.name: each for each in done.spec.template.spec.containers}
    assert set(found) == {"main", "side"}
    assert found["main"].image == space.kube.image
    assert {each.name: each.value for each in found["main"].env} == {"B": "3", "C": "4"}
    assert {each.container_port for each in found["main"].ports} == {80, 81, 82}
    gone = {"spec": {"template": {"spec": {"containers": [{"name": "side", "$patch": "delete"}]}}}}
    done = apps.patch_namespaced_deployment("web", space.name, gone)
    assert [each.name for each in done.spec.template.spec.containers] == ["main"]


def test_a_json_patch_does_its_operations_in_order(space: Any) -> None:
    core = space.kube.core
    core.create_namespaced_config_map(space.name, _map(a="1", b="2"))
    operations = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "replace", "path": "/data/a", "value": "3"},
        {"op": "move", "from": "/data/b", "path": "/data/c"},
        {"op": "copy", "from": "/data/a", "path": "/data/d~1e"},
        {"op": "add", "path": "/metadata/labels", "value": {"x": "y"}},
    ]
    operations[3] = {"op": "copy", "from": "/data/a", "path": "/data/d"}
    done = core.patch_namespaced_config_map("one", space.name, operations)
    assert done.data == {"a": "3", "c": "2", "d": "3"}
    assert done.metadata.labels == {"x": "y"}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/data/a", "value": "no"},
        {"op": "remove", "path": "/data/none"},
        {"op": "replace", "path": "/none/at/all", "value": "x"},
        {"op": "frob", "path": "/data/a"},
    ],
)
def test_a_json_patch_that_can_not_be_done_changes_nothing(space: Any, refused: Any, operation: Any) -> None:
    core = space.kube.core
    core.create_namespaced_config_map(space.name, _map(a="1"))
    operations = [{"op": "add", "path": "/data/b", "value": "2"}, operation]
    refused(422, core.patch_namespaced_config_map, "one", space.name, operations)
    assert core.read_namespaced_config_map("one", space.name).data == {"a": "1"}


def test_a_patch_can_not_rename(space: Any, refused: Any) -> None:
    space.kube.core.create_namespaced_config_map(space.name, _map())
    change = {"metadata": {"name": "other"}}
    status = refused(400, space.kube.core.patch_namespaced_config_map, "one", space.name, change)
    assert status["message"] == "the name of the object (other) does not match the name on the URL (one)"


def test_a_status_is_not_changed_by_an_update_nor_a_spec_by_a_status(space: Any) -> None:
    apps = space.kube.apps
    space.deploy("web", 1)
    patched = apps.patch_namespaced_deployment("web", space.name, {"status": {"readyReplicas": 77}})
    assert patched.status.ready_replicas == 1
    change = {"spec": {"replicas": 5}, "status": {"collisionCount": 1}}
    told = apps.patch_namespaced_deployment_status("web", space.name, change)
    assert told.spec.replicas == 1
    assert told.status.collision_count == 1


APPLY = "application/apply-patch+yaml"


def _apply(space: Any, body: dict[str, Any], manager: str = "me", **named: Any) -> Any:
    config = {"apiVersion": "v1", "kind": "ConfigMap", **body}
    options = {"field_manager": manager, "_content_type": APPLY, **named}
    return space.kube.core.patch_namespaced_config_map(body["metadata"]["name"], space.name, config, **options)


def test_an_apply_creates_then_changes_and_takes_away_what_it_no_longer_says(space: Any) -> None:
    assert _apply(space, {"metadata": {"name": "one"}, "data": {"a": "1", "b": "2"}}).data == {"a": "1", "b": "2"}
    space.kube.core.patch_namespaced_config_map("one", space.name, {"data": {"theirs": "x"}})
    done = _apply(space, {"metadata": {"name": "one"}, "data": {"a": "3"}})
    assert done.data == {"a": "3", "theirs": "x"}


def test_an_apply_joins_containers_by_name(space: Any) -> None:
    apps = space.kube.apps
    config = space.workload("web", 0)
    options = {"field_manager": "me", "_content_type": APPLY}
    apps.patch_namespaced_deployment("web", space.name, config, **options)
    env = [{"name": "A", "value": "1"}]
    change = {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": env}]}}}}
    apps.patch_namespaced_deployment("web", space.name, change)
    config["spec"]["replicas"] = 0
    config["spec"]["template"]["spec"]["containers"][0]["image"] = "other:1"
    done = apps.patch_namespaced_deployment("web", space.name, config, **options)
    (main,) = done.spec.template.spec.containers
    assert main.image == "other:1"
    assert main.env[0].name == "A"


def test_an_apply_over_another_appliers_field_is_a_conflict_until_forced(space: Any, refused: Any) -> None:
    _apply(space, {"metadata": {"name": "one"}, "data": {"a": "1"}})
    body = {"metadata": {"name": "one"}, "data": {"a": "2"}}
    status = refused(409, _apply, space, body, "other")
    assert "Apply failed with 1 conflict" in status["message"]
    assert status["details"]["causes"][0]["field"] == ".data.a"
    assert _apply(space, body, "other", force=True).data == {"a": "2"}


def test_an_apply_without_a_manager_is_refused(space: Any, refused: Any) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", **_map()}
    call = space.kube.core.patch_namespaced_config_map
    status = refused(422, call, "one", space.name, config, _content_type=APPLY)
    assert "fieldManager: Required value" in status["message"]


def test_a_dry_run_answers_as_if_and_changes_nothing(space: Any, refused: Any) -> None:
    core = space.kube.core
    assert core.create_namespaced_config_map(space.name, _map(a="1"), dry_run="All").metadata.uid
    refused(404, core.read_namespaced_config_map, "one", space.name)
    core.create_namespaced_config_map(space.name, _map(a="1"))
    assert core.patch_namespaced_config_map("one", space.name, {"data": {"a": "2"}}, dry_run="All").data == {"a": "2"}
    core.delete_namespaced_config_map("one", space.name, dry_run="All")
    assert core.read_namespaced_config_map("one", space.name).data == {"a": "1"}
    refused(422, core.create_namespaced_config_map, space.name, _map("two"), dry_run="Some")


def test_a_finalizer_holds_what_is_deleted(space: Any, refused: Any) -> None:
    core = space.kube.core
    body = {"metadata": {"name": "held", "finalizers": ["chaosprsa.io/hold"]}}
    core.create_namespaced_config_map(space.name, body)
    core.delete_namespaced_config_map("held", space.name)
    assert core.read_namespaced_config_map("held", space.name).metadata.deletion_timestamp is not None
    freed = [{"op": "remove", "path": "/metadata/finalizers"}]
    core.patch_namespaced_config_map("held", space.name, freed)
    refused(404, core.read_namespaced_config_map, "held", space.name)


def test_an_object_goes_with_its_owner(space: Any) -> None:
    core = space.kube.core
    owner = core.create_namespaced_config_map(space.name, _map("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid}
    core.create_namespaced_config_map(space.name, {"metadata": {"name": "owned", "ownerReferences": [reference]}})
    core.delete_namespaced_config_map("owner", space.name)
    space.kube.until(lambda: _names(space) == [])


def test_a_collection_is_deleted_by_its_labels(space: Any) -> None:
    for name, label in (("a", "x"), ("b", "x"), ("c", "y")):
        space.kube.core.create_namespaced_config_map(space.name, _map(name, {"l": label}))
    space.kube.core.delete_collection_namespaced_config_map(space.name, label_selector="l=x")
    assert _names(space) == ["c"]


def test_a_secret_shows_plain_text_in_base64(space: Any, refused: Any) -> None:
    body = {"metadata": {"name": "s"}, "stringData": {"password": "hello"}}
    made = space.kube.core.create_namespaced_secret(space.name, body)
    assert made.data == {"password": "aGVsbG8="}
    assert made.string_data is None
    assert made.type == "Opaque"
    bad = {"metadata": {"name": "t"}, "data": {"password": "%%%"}}
    refused(400, space.kube.core.create_namespaced_secret, space.name, bad)


def test_an_immutable_configmap_stays(space: Any, refused: Any) -> None:
    space.kube.core.create_namespaced_config_map(space.name, _map(a="1") | {"immutable": True})
    refused(422, space.kube.core.patch_namespaced_config_map, "one", space.name, {"data": {"a": "2"}})
    refused(422, space.kube.core.create_namespaced_config_map, space.name, _map("two") | {"data": {"a b": "1"}})
