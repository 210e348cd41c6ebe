"""Namespaces, nodes, discovery, access, and paths that are not served."""

from typing import Any

import pytest
from kubernetes import client


def test_a_namespace_is_active_labelled_and_furnished(space: Any) -> None:
    found = space.kube.core.read_namespace(space.name)
    assert found.status.phase == "Active"
    assert found.metadata.labels["kubernetes.io/metadata.name"] == space.name
    assert found.spec.finalizers == ["kubernetes"]
    assert space.kube.core.read_namespaced_config_map("kube-root-ca.crt", space.name)
    assert [each.metadata.name for each in space.kube.core.list_namespaced_secret(space.name).items] == []


def test_a_deleted_namespace_takes_everything_with_it(space: Any, refused: Any) -> None:
    core = space.kube.core
    space.deploy("web", 1)
    core.create_namespaced_service(space.name, {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}})
    core.delete_namespace(space.name)

    def gone() -> bool:
        try:
            core.read_namespace(space.name)
        except client.ApiException as error:
            return error.status == 404
        return False

    space.kube.until(gone)
    assert core.list_namespaced_pod(space.name).items == []
    assert space.kube.apps.list_namespaced_deployment(space.name).items == []
    status = refused(404, core.create_namespaced_config_map, space.name, {"metadata": {"name": "late"}})
    assert status["details"]["kind"] == "namespaces"


def test_a_namespace_that_goes_takes_nothing_new(space: Any, refused: Any) -> None:
    core = space.kube.core
    core.create_namespaced_config_map(space.name, {"metadata": {"name": "held", "finalizers": ["chaosprsa.io/hold"]}})
    core.delete_namespace(space.name)
    assert core.read_namespace(space.name).status.phase == "Terminating"
    status = refused(403, core.create_namespaced_config_map, space.name, {"metadata": {"name": "late"}})
    assert "because it is being terminated" in status["message"]
    space.kube.until(lambda: core.read_namespaced_config_map("held", space.name).metadata.deletion_timestamp)
    core.patch_namespaced_config_map("held", space.name, [{"op": "remove", "path": "/metadata/finalizers"}])


def test_the_first_namespaces_stay(kube: Any, refused: Any) -> None:
    status = refused(403, kube.core.delete_namespace, "default")
    assert status["message"] == 'namespaces "default" is forbidden: this namespace may not be deleted'


def test_namespaces_are_chosen_by_label(space: Any) -> None:
    space.kube.core.patch_namespace(space.name, {"metadata": {"labels": {"mark": space.name}}})
    found = space.kube.core.list_namespace(label_selector=f"mark={space.name}").items
    assert [each.metadata.name for each in found] == [space.name]
    assert {"default", "kube-system"} <= {each.metadata.name for each in space.kube.core.list_namespace().items}


def test_a_namespace_name_is_a_label(kube: Any, refused: Any) -> None:
    status = refused(422, kube.core.create_namespace, {"metadata": {"name": "A_b"}})
    assert "a lowercase RFC 1123 label must consist of" in status["message"]
    status = refused(422, kube.core.create_namespace, {"metadata": {"name": "a.b"}})
    assert "must not contain dots" in status["message"]


def test_a_node_is_ready_with_an_address_and_room(kube: Any) -> None:
    node = kube.core.list_node().items[0]
    assert any(each.type == "Ready" and each.status == "True" for each in node.status.conditions)
    assert any(each.type == "InternalIP" for each in node.status.addresses)
    assert {"cpu", "memory", "pods"} <= set(node.status.allocatable)


def test_pods_of_all_namespaces_are_listed(space: Any) -> None:
    space.kube.core.create_namespaced_pod(space.name, space.pod("one"))
    found = space.kube.core.list_pod_for_all_namespaces(field_selector=f"metadata.namespace={space.name}").items
    assert [pod.metadata.name for pod in found] == ["one"]


def test_a_list_tells_its_version_and_its_items_do_not_repeat_their_kind(space: Any) -> None:
    found = space.kube.core.list_namespaced_config_map(space.name)
    assert (found.kind, found.api_version) == ("ConfigMapList", "v1")
    assert int(found.metadata.resource_version) > 0
    assert all(each.kind is None for each in found.items)


def test_the_version_is_told(kube: Any) -> None:
    told = client.VersionApi(kube.api).get_code()
    assert told.major == "1"
    assert int(told.minor.rstrip("+")) >= 33
    assert told.git_version.startswith("v1.")


def test_groups_and_resources_are_discovered(kube: Any) -> None:
    groups = {group.name: group for group in client.ApisApi(kube.api).get_api_versions().groups}
    wanted = {"apps", "autoscaling", "policy", "networking.k8s.io", "coordination.k8s.io", "discovery.k8s.io"}
    assert wanted <= set(groups)
    assert groups["apps"].preferred_version.group_version == "apps/v1"
    apps = {each.name: each for each in kube.apps.get_api_resources().resources}
    assert {"deployments", "deployments/scale", "deployments/status", "replicasets", "statefulsets"} <= set(apps)
    assert apps["deployments"].kind == "Deployment"
    assert apps["deployments"].namespaced
    assert {"get", "list", "watch", "create", "patch", "delete"} <= set(apps["deployments"].verbs)
    assert "deploy" in apps["deployments"].short_names
    core = {each.name for each in kube.core.get_api_resources().resources}
    assert {"pods", "pods/log", "pods/eviction", "pods/resize", "services", "nodes", "namespaces"} <= core
    assert client.CoreApi(kube.api).get_api_versions().versions == ["v1"]


@pytest.mark.parametrize("path", ["/readyz", "/livez", "/healthz"])
def test_health_is_told(kube: Any, path: str) -> None:
    answer = kube.api.rest_client.pool_manager.request("GET", kube.api.configuration.host + path)
    assert answer.status == 200
    assert answer.data == b"ok"


def test_everything_is_allowed_to_whoever_asks(kube: Any) -> None:
    attributes = {"verb": "patch", "group": "apps", "resource": "deployments", "namespace": "default"}
    body = {"spec": {"resourceAttributes": attributes}}
    told = client.AuthorizationV1Api(kube.api).create_self_subject_access_review(body)
    assert told.status.allowed is True
    assert told.spec.resource_attributes.resource == "deployments"


def test_a_resource_that_is_not_served_is_not_found(kube: Any) -> None:
    with pytest.raises(client.ApiException) as caught:
        kube.custom.list_namespaced_custom_object("nothing.example.org", "v1", "default", "things")
    assert caught.value.status == 404


def test_a_method_that_means_nothing_is_not_allowed(kube: Any) -> None:
    answer = kube.api.rest_client.pool_manager.request("POST", f"{kube.api.configuration.host}/api/v1/pods", json={})
    assert answer.status == 405
    assert answer.json()["reason"] == "MethodNotAllowed"
