import pytest

from chaosprsa.errors import BadInput
from chaosprsa.manifests import CANARY, find_workload, read_allocation, read_workloads, without_server_fields
from chaosprsa.types import Resources


def test_a_workload_is_known_by_its_service_label_not_by_its_name(samples):
    manifest = samples.deployment("cart")
    manifest["metadata"]["name"] = "cart-v2"
    (workload,) = read_workloads([manifest], "app")
    assert (workload.name, workload.service, workload.replicas) == ("cart-v2", "cart", 2)
    assert find_workload([workload], "cart", "shop") is find_workload([workload], "cart-v2", "shop")


def test_without_the_label_its_name_is_the_service(samples):
    (workload,) = read_workloads([samples.deployment("cart")], "app.kubernetes.io/name")
    assert workload.service == "cart"


def test_a_rollouts_canary_is_no_workload_of_its_own(samples):
    canary = samples.deployment("cart")
    canary["metadata"] |= {"name": "cart-canary", "labels": {CANARY: "plan"}}
    assert [item.name for item in read_workloads([samples.deployment("cart"), canary], "app")] == ["cart"]


def test_the_container_that_serves_is_chosen_among_sidecars(samples):
    manifest = samples.deployment("cart")
    containers = manifest["spec"]["template"]["spec"]["containers"]
    containers.insert(0, {"name": "proxy", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}})
    assert read_workloads([manifest], "app")[0].container == "cart"
    containers[1]["name"] = "server"
    assert read_workloads([manifest], "app")[0].container == "proxy"
    manifest["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "server"}
    assert read_workloads([manifest], "app")[0].container == "server"


def test_a_missing_request_is_the_limit_and_a_missing_limit_is_the_largest_node(samples):
    manifest = samples.deployment("cart", resources={"limits": {"cpu": "0.5"}, "requests": {"memory": "1e9"}})
    (workload,) = read_workloads([manifest], "app", (4000, 8192))
    assert workload.resources == Resources(
        cpu_request_millicores=500, cpu_limit_millicores=500, memory_request_mib=954, memory_limit_mib=8192
    )


def test_a_container_without_any_request_or_limit_has_no_allocation(samples):
    manifest = samples.deployment("cart", resources={"limits": {"cpu": "1"}})
    workloads = read_workloads([manifest], "app", (4000, 8192))
    assert workloads[0].resources is None
    with pytest.raises(BadInput, match="Deployment cart, container cart: it has no CPU or no memory"):
        read_allocation(workloads, ["cart"], "shop")


def test_the_autoscaler_that_owns_the_replicas_is_named(samples):
    (workload,) = read_workloads([samples.deployment("cart"), samples.autoscaler("cart", 1, 3)], "app")
    assert (workload.hpa, workload.floor) == ("cart", 1)


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_service_name_is_refused(samples, name):
    with pytest.raises(BadInput, match="empty service name selects everything"):
        find_workload(read_workloads([samples.deployment("cart")], "app"), name, "shop")


def test_an_unknown_service_is_refused_with_those_there_are(samples):
    with pytest.raises(BadInput, match="no Deployment or StatefulSet serves 'card'; there are: cart"):
        find_workload(read_workloads([samples.deployment("cart")], "app"), "card", "shop")


def test_a_service_of_two_workloads_is_refused_unless_one_has_its_name(samples):
    one, two = samples.deployment("cart"), samples.deployment("cart")
    two["metadata"]["name"] = "cart-b"
    assert find_workload(read_workloads([one, two], "app"), "cart", "shop").name == "cart"
    one["metadata"]["name"] = "cart-a"
    with pytest.raises(BadInput, match="several workloads"):
        find_workload(read_workloads([one, two], "app"), "cart", "shop")


def test_what_the_server_wrote_is_stripped_and_the_original_stays(samples):
    manifest = samples.deployment("cart")
    manifest["metadata"] |= {
        "uid": "1",
        "resourceVersion": "2",
        "managedFields": [],
        "annotations": {"deployment.kubernetes.io/revision": "3", "team": "shop"},
    }
    manifest["status"] = {"replicas": 2}
    plain = without_server_fields(manifest)
    assert plain["metadata"] == {"name": "cart", "labels": {"app": "cart"}, "annotations": {"team": "shop"}}
    assert "status" not in plain
    assert manifest["metadata"]["uid"] == "1"
