import base64
import copy
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosprsa.errors import BadInput
from chaosprsa.manifests import LINEAGE, SHADOW_OF, SNAPSHOT
from chaosprsa.shadow import REACHES, drift, plan_shadow, scaled, shadow_objects
from chaosprsa.types import Allocation, Resources, ServiceAllocation


def within(namespace, *manifests):
    return [{**item, "metadata": {**item["metadata"], "namespace": namespace}} for item in manifests]


def made(manifests, scale=0.5, headroom=4.0, name="shop-shadow", lineage=""):
    found = shadow_objects(within("shop", *manifests), name, scale, headroom, lineage)
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in found}


def container_of(manifest):
    return manifest["spec"]["template"]["spec"]["containers"][0]


def config(name="settings", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@given(st.integers(1, 500), st.integers(1, 5000), st.integers(1, 9000), st.floats(0.01, 1))
def test_a_scaled_allocation_has_its_share_of_replicas_and_requests_and_the_same_limits(replicas, cpu, memory, scale):
    resources = Resources(
        cpu_request_millicores=cpu, cpu_limit_millicores=5000, memory_request_mib=memory, memory_limit_mib=9000
    )
    before = Allocation(services=(ServiceAllocation(service="cart", replicas=replicas, resources=resources),))
    after = scaled(before, scale)["cart"]
    assert max(1, replicas * scale) - 1e-6 <= after.replicas
    assert after.replicas - 1 < replicas * scale  # rounded up; this way round no digit of a small share is lost
    assert after.resources.cpu_limit_millicores == 5000
    assert after.resources.memory_limit_mib == 9000
    assert cpu * scale - 1e-6 <= after.resources.cpu_request_millicores <= cpu
    assert scaled(before, 1.0) == before


def test_a_tenth_of_ten_replicas_is_one_not_two():
    """0.1 * 10 in floats is 1.0, 0.07 * 100 is 7.000000000000001, whose ceiling is 8."""
    resources = Resources(cpu_request_millicores=1, cpu_limit_millicores=1, memory_request_mib=1, memory_limit_mib=1)
    hundred = Allocation(services=(ServiceAllocation(service="cart", replicas=100, resources=resources),))
    assert scaled(hundred, 0.07)["cart"].replicas == 7


def test_replicas_and_requests_shrink_and_limits_stay(samples):
    cart = made([samples.deployment("cart", 3)])["Deployment/cart"]
    assert cart["spec"]["replicas"] == 2
    assert container_of(cart)["resources"] == {
        "requests": {"cpu": "25m", "memory": "16Mi"},
        "limits": {"cpu": "200m", "memory": "64Mi"},
    }


def test_a_request_that_production_leaves_to_the_limit_is_written_out(samples):
    cart = made([samples.deployment("cart", resources={"limits": {"cpu": "1", "memory": "1Gi"}})])["Deployment/cart"]
    assert container_of(cart)["resources"]["requests"] == {"cpu": "500m", "memory": "512Mi"}


def test_a_workload_that_production_has_scaled_to_nothing_stays_so(samples):
    assert (
        made([samples.deployment("cart", 0), samples.deployment("gateway")])["Deployment/cart"]["spec"]["replicas"] == 0
    )


def test_every_object_says_whose_shadow_it_is_and_what_it_was_made_from(samples):
    for item in made([samples.deployment("cart"), samples.service("cart")], lineage="study-1").values():
        assert item["metadata"]["namespace"] == "shop-shadow"
        assert item["metadata"]["labels"][SHADOW_OF] == "shop"
        assert item["metadata"]["annotations"][SHADOW_OF] == "shop"
        assert item["metadata"]["annotations"][LINEAGE] == "study-1"


def test_a_secret_is_a_placeholder_with_the_same_keys_and_none_of_its_values(samples):
    hidden = base64.b64encode(b"hunter2").decode()
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "db"},
        "data": {"user": hidden, "word": hidden},
    }
    secret["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": f'{{"data":"{hidden}"}}'}
    plan = plan_shadow(within("shop", secret, samples.deployment("cart")), "shop-shadow", 0.5, 4)
    copied = next(item for item in plan.objects if item["kind"] == "Secret")
    assert sorted(copied["data"]) == ["user", "word"]
    assert hidden not in json.dumps(plan.objects)
    assert "Secret db: not copied; a placeholder has its keys (user, word)" in plan.notes


def test_a_shadows_service_takes_no_name_from_production(samples):
    service = samples.service("cart")
    names = {"external-dns.alpha.kubernetes.io/hostname": "shop.example.com", "prometheus.io/scrape": "true"}
    service["metadata"]["annotations"] = names
    plan = plan_shadow(within("shop", service, samples.deployment("cart")), "shop-shadow", 0.5, 4)
    copied = next(item for item in plan.objects if item["kind"] == "Service")
    assert "prometheus.io/scrape" in copied["metadata"]["annotations"]
    assert "shop.example.com" not in json.dumps(plan.objects)
    assert any("external-dns" in note for note in plan.notes)


def test_a_shadows_pod_takes_neither_productions_place_nor_its_data(samples):
    deployment = samples.deployment("cart")
    pod = deployment["spec"]["template"]["spec"]
    pod["priorityClassName"] = "critical"
    pod["volumes"] = [{"name": "data", "cephfs": {"monitors": ["10.0.0.1"]}}, {"name": "scratch", "emptyDir": {}}]
    copied = made([deployment])["Deployment/cart"]["spec"]["template"]["spec"]
    assert "priorityClassName" not in copied
    assert copied["volumes"] == [{"name": "data", "emptyDir": {}}, {"name": "scratch", "emptyDir": {}}]


def test_a_registry_secret_stays_well_formed(samples):
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "pull"},
        "data": {".dockerconfigjson": "eyJhdXRocyI6eyJyIjp7ImF1dGgiOiJ4In19fQ=="},
    }
    copied = made([secret, samples.deployment("cart")])["Secret/pull"]
    assert json.loads(base64.b64decode(copied["data"][".dockerconfigjson"])) == {"auths": {}}


def test_what_the_cluster_and_this_package_put_there_is_not_copied(samples):
    left_out = [
        config("kube-root-ca.crt"),
        config("chaosprsa-stop"),
        {**config("chaosprsa-snapshot-1"), "metadata": {"name": "chaosprsa-snapshot-1", "labels": {SNAPSHOT: "open"}}},
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/service-account-token",
            "metadata": {"name": "default-token-x"},
            "data": {"token": "eA=="},
        },
    ]
    canary = samples.deployment("cart")
    canary["metadata"] |= {"name": "cart-canary", "labels": {"chaosprsa.io/canary": "plan"}}
    child = samples.deployment("child")
    child["metadata"]["ownerReferences"] = [{"kind": "Operator", "controller": True}]
    names = made([*left_out, canary, child, samples.deployment("cart"), config()])
    assert {name for name in names if not name.startswith(("NetworkPolicy", "ResourceQuota"))} == {
        "Deployment/cart",
        "ConfigMap/settings",
    }


def test_addresses_that_only_production_may_have_are_given_up(samples):
    front = samples.service(
        "gateway",
        type="LoadBalancer",
        clusterIP="10.0.0.1",
        clusterIPs=["10.0.0.1"],
        loadBalancerIP="1.2.3.4",
        externalTrafficPolicy="Local",
        healthCheckNodePort=30000,
    )
    front["spec"]["ports"][0]["nodePort"] = 31000
    spec = made([front, samples.deployment("gateway")])["Service/gateway"]["spec"]
    assert spec == {
        "type": "NodePort",
        "selector": {"app": "gateway"},
        "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
    }


def test_a_headless_service_stays_headless(samples):
    headless = samples.service("store", clusterIP="None", clusterIPs=["None"])
    assert made([headless, samples.deployment("store")])["Service/store"]["spec"]["clusterIP"] == "None"


def test_a_service_that_leads_out_of_the_cluster_is_left_out_and_that_is_said(samples):
    outside = samples.service("db", type="ExternalName", externalName="db.example.com")
    plan = plan_shadow(within("shop", outside, samples.deployment("cart")), "shop-shadow", 0.5, 4)
    assert not [item for item in plan.objects if item["kind"] == "Service"]
    assert "Service db: not copied, it leads out of the cluster (db.example.com)" in plan.notes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://cart.shop.svc.cluster.local:80/", "http://cart.shop-shadow.svc.cluster.local:80/"),
        ("cart.shop:80", "cart.shop-shadow:80"),
        ("store-0.store.shop", "store-0.store.shop-shadow"),
        ("other.shop.svc", "other.shop-shadow.svc"),
        ("https://cart.shop.example.com", "https://cart.shop.example.com"),
        ("https://www.cart.shop-online.de", "https://www.cart.shop-online.de"),
        ("cart", "cart"),
        ("workshop.svc", "workshop.svc"),
    ],
)
def test_names_that_lead_to_production_lead_to_the_shadow(samples, text, expected):
    cart = samples.deployment("cart", env=[{"name": "URL", "value": text}], args=[text])
    services = [samples.service("cart"), samples.service("store")]
    objects = made([cart, *services, config(url=text)])
    assert container_of(objects["Deployment/cart"])["env"][0]["value"] == expected
    assert container_of(objects["Deployment/cart"])["args"] == [expected]
    assert objects["ConfigMap/settings"]["data"]["url"] == expected


def test_a_pod_of_a_shadow_can_reach_no_host_and_no_storage_of_production(samples):
    cart = samples.deployment("cart", ports=[{"containerPort": 8080, "hostPort": 8080}])
    cart["spec"]["template"]["spec"] |= {
        "hostNetwork": True,
        "serviceAccountName": "cart-admin",
        "serviceAccount": "cart-admin",
        "volumes": [
            {"name": "data", "persistentVolumeClaim": {"claimName": "data"}},
            {"name": "host", "hostPath": {"path": "/"}},
            {"name": "settings", "configMap": {"name": "settings"}},
        ],
    }
    plan = plan_shadow(within("shop", cart), "shop-shadow", 0.5, 4)
    pod = next(item for item in plan.objects if item["kind"] == "Deployment")["spec"]["template"]["spec"]
    assert not {"hostNetwork", "serviceAccountName", "serviceAccount"} & set(pod)
    assert pod["volumes"] == [
        {"name": "data", "emptyDir": {}},
        {"name": "host", "emptyDir": {}},
        {"name": "settings", "configMap": {"name": "settings"}},
    ]
    assert pod["containers"][0]["ports"] == [{"containerPort": 8080}]
    assert "Deployment cart: runs as the default service account, not as cart-admin" in plan.notes


def test_autoscalers_and_budgets_shrink_with_the_replicas(samples):
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "cart"},
        "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "cart"}}},
    }
    share = copy.deepcopy(budget)
    share["metadata"]["name"], share["spec"]["minAvailable"] = "share", "50%"
    objects = made([samples.deployment("cart", 4), samples.autoscaler("cart", 3, 8), budget, share])
    spec = objects["HorizontalPodAutoscaler/cart"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 4)
    assert objects["PodDisruptionBudget/cart"]["spec"]["minAvailable"] == 1
    assert objects["PodDisruptionBudget/share"]["spec"]["minAvailable"] == "50%"


def test_the_quota_is_the_headroom_over_what_the_shadow_requests(samples):
    hard = made([samples.deployment("cart", 4), samples.deployment("gateway", 2)])["ResourceQuota/chaosprsa"]["spec"][
        "hard"
    ]
    assert hard == {"pods": "12", "requests.cpu": "300m", "requests.memory": "192Mi"}  # 3 pods of 25m, 16Mi; times 4


def test_the_quota_has_room_for_an_autoscalers_most(samples):
    objects = made([samples.deployment("cart", 2), samples.autoscaler("cart", 2, 20)], headroom=1.0)
    assert objects["ResourceQuota/chaosprsa"]["spec"]["hard"]["requests.cpu"] == "275m"  # 10 and one while it rolls


def test_a_quota_that_would_refuse_a_pod_without_requests_leaves_that_open(samples):
    objects = made([samples.deployment("cart"), samples.deployment("bare", resources={"requests": {"cpu": "10m"}})])
    assert "requests.memory" not in objects["ResourceQuota/chaosprsa"]["spec"]["hard"]


def test_the_network_policy_lets_traffic_stay_within_and_users_come_to_the_entry(samples):
    front = samples.service("gateway", type="NodePort")
    objects = made([samples.deployment("gateway"), samples.deployment("cart"), front, samples.service("cart")])
    apart = objects["NetworkPolicy/chaosprsa-apart"]["spec"]
    assert apart["podSelector"] == {}
    assert apart["policyTypes"] == ["Ingress", "Egress"]
    assert apart["ingress"] == [
        {"from": [{"podSelector": {}}, {"namespaceSelector": {"matchLabels": {REACHES: "true"}}}]}
    ]
    assert apart["egress"][0] == {"to": [{"podSelector": {}}]}
    assert {port["port"] for port in apart["egress"][1]["ports"]} == {53}
    entry = objects["NetworkPolicy/chaosprsa-entry-0"]["spec"]
    assert entry["podSelector"] == {"matchLabels": {"app": "gateway"}}
    assert entry["ingress"] == [{"ports": [{"protocol": "TCP", "port": 8080}]}]


def test_production_itself_is_left_as_it_was(samples):
    manifests = within("shop", samples.deployment("cart"), samples.service("cart"), config(a="cart.shop"))
    before = copy.deepcopy(manifests)
    shadow_objects(manifests, "shop-shadow", 0.5, 4)
    assert manifests == before


@pytest.mark.parametrize("scale", [0, -1, 1.5, math.nan])
def test_a_scale_that_is_none_is_refused(samples, scale):
    with pytest.raises(BadInput, match="expected above 0 and at most 1"):
        made([samples.deployment("cart")], scale)


def test_a_namespace_without_workloads_is_refused():
    with pytest.raises(BadInput, match="nothing to rehearse"):
        made([config()])


# --- drift -------------------------------------------------------------------------------------------------------


def production(samples):
    return [
        samples.deployment("cart", 4, env=[{"name": "A", "value": "1"}]),
        samples.service("cart"),
        samples.autoscaler("cart", 2, 8),
        samples.deployment("gateway", 2),
        config(a="1"),
    ]


def test_a_fresh_shadow_has_no_drift(samples):
    originals = within("shop", *production(samples))
    assert drift(originals, shadow_objects(originals, "shop-shadow", 0.5, 4), 0.5) == ()


def drifted(samples, change, scale=0.5):
    originals = within("shop", *production(samples))
    copies = {f"{i['kind']}/{i['metadata']['name']}": copy.deepcopy(i) for i in shadow_objects(originals, "s", 0.5, 4)}
    change(copies)
    return drift(originals, copies.values(), scale)


def test_a_missing_and_an_extra_object_are_named(samples):
    def change(copies):
        del copies["Service/cart"]
        copies["ConfigMap/odd"] = {**config("odd"), "metadata": {"name": "odd", "namespace": "s"}}

    assert drifted(samples, change) == ("ConfigMap odd: extra, production has none", "Service cart: missing")


def test_a_missing_fence_is_drift(samples):
    assert drifted(samples, lambda copies: copies.pop("NetworkPolicy/chaosprsa-apart")) == (
        "NetworkPolicy chaosprsa-apart: missing",
    )


def test_changed_images_settings_and_limits_are_told_with_both_values(samples):
    def change(copies):
        container = container_of(copies["Deployment/cart"])
        container["image"] = "cart:2"
        container["env"] = [{"name": "A", "value": "2"}]
        container["resources"]["limits"] = {"cpu": "300m", "memory": "64Mi"}

    image = container_of(samples.deployment("cart"))["image"]
    assert drifted(samples, change) == (
        "Deployment cart, containers.cart.env.A.value: 2, expected 1",
        f"Deployment cart, containers.cart.image: cart:2, expected {image}",
        "Deployment cart, containers.cart.resources.limits.cpu: 300m, expected 200m",
    )


def test_replicas_that_do_not_match_the_scale_are_drift(samples):
    def change(copies):
        copies["Deployment/gateway"]["spec"]["replicas"] = 3

    assert drifted(samples, change) == ("Deployment gateway: replicas are 3, expected 1 (production has 2, scale 0.5)",)


def test_replicas_that_an_autoscaler_chose_are_no_drift(samples):
    def change(copies):
        copies["Deployment/cart"]["spec"]["replicas"] = 4

    assert drifted(samples, change) == ()


def test_another_way_to_write_the_same_quantity_is_no_drift(samples):
    def change(copies):
        container_of(copies["Deployment/cart"])["resources"]["limits"] = {"cpu": "0.2", "memory": "65536Ki"}

    assert drifted(samples, change) == ()


def test_what_the_server_added_to_the_shadow_is_no_drift(samples):
    def change(copies):
        copies["Service/cart"]["spec"] |= {"clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"]}
        copies["Deployment/cart"]["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "7"
        copies["Deployment/cart"]["status"] = {"replicas": 2}

    assert drifted(samples, change) == ()
