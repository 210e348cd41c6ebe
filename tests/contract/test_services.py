"""Services, Endpoints and EndpointSlices."""

from typing import Any

import pytest


def _body(name: str = "web", app: str = "web", **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80, "targetPort": 8080}]
    return {"metadata": {"name": name}, "spec": {"selector": {"app": app}, "ports": ports, **spec}}


def _addresses(space: Any, name: str = "web") -> list[str]:
    found = space.kube.core.read_namespaced_endpoints(name, space.name)
    return sorted(each.ip for subset in found.subsets or () for each in subset.addresses or ())


def test_a_service_gets_an_address_and_its_defaults(space: Any) -> None:
    made = space.kube.core.create_namespaced_service(space.name, _body())
    assert made.spec.type == "ClusterIP"
    assert made.spec.cluster_ip.count(".") == 3
    assert space.kube.raw(made.spec)["clusterIPs"] == [made.spec.cluster_ip]
    assert (made.spec.ports[0].protocol, made.spec.ports[0].target_port) == ("TCP", 8080)
    assert made.spec.session_affinity == "None"
    assert made.spec.ports[0].node_port is None


def test_two_services_have_two_addresses(space: Any) -> None:
    made = [space.kube.core.create_namespaced_service(space.name, _body(name)) for name in ("a", "b")]
    assert len({each.spec.cluster_ip for each in made}) == 2


def test_a_node_port_is_allocated_in_the_range_and_kept(space: Any) -> None:
    made = space.kube.core.create_namespaced_service(space.name, _body(type="NodePort"))
    port = made.spec.ports[0].node_port
    assert 30000 <= port <= 32767
    again = space.kube.core.patch_namespaced_service("web", space.name, {"metadata": {"labels": {"x": "y"}}})
    assert again.spec.ports[0].node_port == port
    replaced = space.kube.core.replace_namespaced_service("web", space.name, _body(type="NodePort"))
    assert replaced.spec.ports[0].node_port == port
    assert replaced.spec.cluster_ip == made.spec.cluster_ip


def test_a_node_port_that_is_taken_is_refused(space: Any, refused: Any) -> None:
    made = space.kube.core.create_namespaced_service(space.name, _body(type="NodePort"))
    ports = [{"port": 80, "nodePort": made.spec.ports[0].node_port}]
    body = _body("other", type="NodePort", ports=ports)
    status = refused(422, space.kube.core.create_namespaced_service, space.name, body)
    assert "provided port is already allocated" in status["message"]


def test_a_headless_service_has_no_address(space: Any) -> None:
    made = space.kube.core.create_namespaced_service(space.name, _body(clusterIP="None"))
    assert made.spec.cluster_ip == "None"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"ports": None}, "spec.ports: Required value"),
        ({"ports": [{"port": 70000}]}, "must be between 1 and 65535, inclusive"),
        ({"ports": [{"port": 70}, {"port": 71}]}, "spec.ports[0].name: Required value"),
        ({"type": "NodePort", "ports": [{"port": 70, "nodePort": 80}]}, "provided port is not in the valid range"),
    ],
)
def test_a_service_that_can_not_be_is_refused(space: Any, refused: Any, spec: dict[str, Any], message: str) -> None:
    status = refused(422, space.kube.core.create_namespaced_service, space.name, _body(**spec))
    assert message in status["message"]


def test_an_address_never_changes(space: Any, refused: Any) -> None:
    space.kube.core.create_namespaced_service(space.name, _body())
    change = {"spec": {"clusterIP": "10.97.0.99", "clusterIPs": ["10.97.0.99"]}}
    status = refused(422, space.kube.core.patch_namespaced_service, "web", space.name, change)
    assert "may not change once set" in status["message"]


def test_endpoints_are_the_ready_pods(space: Any) -> None:
    space.kube.core.create_namespaced_service(space.name, _body())
    space.deploy("web", 2)
    expected = sorted(pod.status.pod_ip for pod in space.ready("web", 2))
    assert len(set(expected)) == 2
    space.kube.until(lambda: _addresses(space) == expected)
    subset = space.kube.core.read_namespaced_endpoints("web", space.name).subsets[0]
    assert [port.port for port in subset.ports] == [8080]
    assert subset.addresses[0].target_ref.kind == "Pod"


def test_a_slice_says_of_each_pod_whether_it_serves(space: Any) -> None:
    service = space.kube.core.create_namespaced_service(space.name, _body())
    space.deploy("web", 2)
    selector = "kubernetes.io/service-name=web"

    def slices() -> list[Any]:
        return space.kube.discovery.list_namespaced_endpoint_slice(space.name, label_selector=selector).items

    def both() -> Any:
        return [each for one in slices() for each in one.endpoints or () if each.conditions.ready]

    found = space.kube.until(lambda: len(both()) == 2 and both())
    assert {each.target_ref.name for each in found} == {pod.metadata.name for pod in space.pods("web")}
    assert slices()[0].metadata.owner_references[0].uid == service.metadata.uid
    assert slices()[0].ports[0].port == 8080


def test_a_pod_that_goes_leaves_the_endpoints(space: Any) -> None:
    space.kube.core.create_namespaced_service(space.name, _body("one", "one"))
    space.kube.core.create_namespaced_pod(space.name, space.pod("one"))
    space.ready("one")
    space.kube.until(lambda: _addresses(space, "one"))
    space.kube.core.delete_namespaced_pod("one", space.name)
    space.kube.until(lambda: not _addresses(space, "one"))


def test_a_pod_relabelled_leaves_the_endpoints(space: Any) -> None:
    space.kube.core.create_namespaced_service(space.name, _body("one", "one"))
    space.kube.core.create_namespaced_pod(space.name, space.pod("one"))
    space.ready("one")
    space.kube.until(lambda: _addresses(space, "one"))
    space.kube.core.patch_namespaced_pod("one", space.name, {"metadata": {"labels": {"app": "apart"}}})
    space.kube.until(lambda: not _addresses(space, "one"))


def test_endpoints_go_with_their_service(space: Any) -> None:
    space.kube.core.create_namespaced_service(space.name, _body())
    space.kube.until(lambda: space.kube.core.read_namespaced_endpoints("web", space.name))
    space.kube.core.delete_namespaced_service("web", space.name)
    space.kube.until(lambda: not space.kube.core.list_namespaced_endpoints(space.name).items)
    space.kube.until(lambda: not space.kube.discovery.list_namespaced_endpoint_slice(space.name).items)
