"""The recommendation as others apply it: read back by their own parsers."""

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
import yaml

from chaosprsa.allocation.applying import target_of
from chaosprsa.allocation.outputs import FILES, about_autoscalers, outputs
from chaosprsa.errors import BadInput
from chaosprsa.manifests import Workload
from chaosprsa.types import (
    Allocation,
    AllocationField,
    Autoscaling,
    Bandwidth,
    Cache,
    Declared,
    Resources,
    Route,
    ServiceAllocation,
    Storage,
    VolumeClass,
)

BEFORE = Resources(cpu_request_millicores=250, cpu_limit_millicores=500, memory_request_mib=128, memory_limit_mib=256)
AFTER = replace(BEFORE, cpu_limit_millicores=1000, memory_limit_mib=1024)


def given(**services):
    return Allocation(
        services=tuple(ServiceAllocation(service=name, replicas=n, resources=r) for name, (n, r) in services.items())
    )


ANSWER = SimpleNamespace(
    id="recommendation-1",
    namespace="shop",
    now=given(web=(2, BEFORE), cart=(2, BEFORE), store=(1, BEFORE), pay=(2, BEFORE)),
    recommended=given(web=(6, BEFORE), cart=(3, AFTER), store=(1, AFTER), pay=(2, BEFORE)),
    cost_now_month=10.0,
    cost_recommended_month=8.0,
    currency="USD",
    confidence=0.8,
    autoscaling=(),
    lapses_at=datetime(2026, 3, 3, tzinfo=UTC),
)
WORKLOADS = (
    Workload("web", "Deployment", "web", 2, "web", BEFORE, hpa="web-hpa", floor=2, ceiling=5),
    Workload("cart-v2", "Deployment", "cart", 2, "main", BEFORE),
    Workload("store", "StatefulSet", "store", 1, "db", BEFORE),
    Workload("pay", "Deployment", "pay", 2, "pay", BEFORE),
)


@pytest.fixture(scope="module")
def texts():
    return outputs(ANSWER, WORKLOADS)


def test_there_is_one_for_each_file(texts):
    assert texts.keys() == FILES.keys()
    assert all("says nothing after 2026-03-03" in text for text in texts.values())


def test_kustomize_patches_what_changes_and_leaves_an_autoscalers_replicas_to_it(texts):
    component = yaml.safe_load(texts["kustomize"])
    patches = {
        (p["kind"], p["metadata"]["name"]): p for p in (yaml.safe_load(one["patch"]) for one in component["patches"])
    }
    assert set(patches) == {
        ("Deployment", "web"),
        ("HorizontalPodAutoscaler", "web-hpa"),
        ("Deployment", "cart-v2"),
        ("StatefulSet", "store"),
    }
    assert "replicas" not in patches["Deployment", "web"]["spec"]
    assert patches["HorizontalPodAutoscaler", "web-hpa"]["spec"] == {"minReplicas": 6, "maxReplicas": 6}
    cart = patches["Deployment", "cart-v2"]["spec"]
    (container,) = cart["template"]["spec"]["containers"]
    assert cart["replicas"] == 3
    assert container == {
        "name": "main",
        "resources": {"requests": {"cpu": "250m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    }


def test_kustomize_finds_what_it_patches_whether_or_not_the_base_writes_the_namespace(texts):
    """Without a target `kubectl kustomize` refused a base whose objects say `namespace: shop`: no matches for Id."""
    targets = [one["target"] for one in patches_of(texts)]
    assert targets[0] == {"group": "apps", "version": "v1", "kind": "Deployment", "name": "web"}
    assert all("namespace" not in target for target in targets)
    named = [yaml.safe_load(one["patch"])["metadata"]["name"] for one in patches_of(texts)]
    assert [target["name"] for target in targets] == named
    assert target_of("v1", "ConfigMap", "web.settings") == {
        "version": "v1", "kind": "ConfigMap", "name": r"web\.settings"
    }  # fmt: skip


def test_helm_values_have_the_keys_that_helm_create_writes(texts):
    values = yaml.safe_load(texts["helm"])
    assert values.keys() == {"web", "cart", "store"}
    assert values["web"]["autoscaling"] == {"enabled": True, "minReplicas": 6, "maxReplicas": 6}
    assert values["cart"]["replicaCount"] == 3
    assert values["store"]["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}


def test_kubectl_commands_change_each_part_once(texts):
    commands = [shlex.split(line) for line in texts["kubectl"].splitlines() if line.startswith("kubectl")]
    assert [command[3:6] for command in commands] == [
        ["patch", "hpa", "web-hpa"],
        ["set", "resources", "deployment/cart-v2"],
        ["scale", "deployment/cart-v2", "--replicas=3"],
        ["set", "resources", "statefulset/store"],
    ]
    assert commands[0][-1] == '{"spec":{"minReplicas":6,"maxReplicas":6}}'
    assert commands[1][-2:] == ["--requests=cpu=250m,memory=128Mi", "--limits=cpu=1,memory=1Gi"]


def test_the_reader_is_told_where_an_autoscaler_owns_the_replicas():
    (note,) = about_autoscalers(ANSWER, WORKLOADS)
    assert "web: HorizontalPodAutoscaler web-hpa" in note
    assert "floor moves from 2 to 6, its ceiling moves from 5 to 6, and it chooses between them" in note


def test_an_autoscalers_bounds_that_stay_are_not_said_to_move():
    """A note once said that a floor moves from 2 to 2."""
    there = replace(WORKLOADS[0], floor=6, ceiling=9)
    (note,) = about_autoscalers(ANSWER, (there, *WORKLOADS[1:]))
    assert "its floor stays at 6, its ceiling stays at 9, and it chooses between them" in note


def test_a_ceiling_that_is_high_enough_stays():
    roomy = (replace(WORKLOADS[0], ceiling=20), *WORKLOADS[1:])
    assert yaml.safe_load(outputs(ANSWER, roomy)["helm"])["web"]["autoscaling"]["maxReplicas"] == 20


def test_a_ceiling_is_raised_to_what_the_worst_surge_needs_and_a_target_is_only_said():
    scaled = SimpleNamespace(**{**vars(ANSWER), "autoscaling": (Autoscaling(
        service="web", floor=6, ceiling=11, target=55, reason=""),)})  # fmt: skip
    texts = outputs(scaled, WORKLOADS)
    assert yaml.safe_load(texts["helm"])["web"]["autoscaling"] == {"enabled": True, "minReplicas": 6, "maxReplicas": 11}
    assert '{"spec":{"minReplicas":6,"maxReplicas":11}}' in texts["kubectl"]
    (said,) = [line for line in texts["kubectl"].splitlines() if "headroom" in line]
    assert said == "# web-hpa: 55 % of CPU requests would keep the headroom (it has no target of CPU)"


def test_a_service_without_a_workload_is_refused():
    with pytest.raises(BadInput, match="web"):
        outputs(ANSWER, WORKLOADS[1:])


WIDER = SimpleNamespace(
    **{
        **vars(ANSWER),
        "directives": (
            SimpleNamespace(target="pay", field=AllocationField.BANDWIDTH, from_=100, to=40),
            SimpleNamespace(target="cart", field=AllocationField.BANDWIDTH, from_=20, to=60),
        ),
    }
)
LINKS = Declared(
    bandwidths=tuple(
        Bandwidth(
            service=name, kib_per_request=10, now_mbit=now, min_mbit=20, max_mbit=100, step_mbit=20, mbit_month=1,
            direction=direction,
        )
        for name, now, direction in (("cart", 20, "ingress"), ("pay", 100, "egress"))
    )
)  # fmt: skip


def test_bandwidth_is_an_annotation_of_the_pod_template():
    component = yaml.safe_load(outputs(WIDER, WORKLOADS, LINKS)["kustomize"])
    patches = [yaml.safe_load(one["patch"]) for one in component["patches"]]
    cart, pay = patches[-2:]
    assert (cart["kind"], cart["metadata"]["name"]) == ("Deployment", "cart-v2")
    assert cart["spec"]["template"]["metadata"]["annotations"] == {"kubernetes.io/ingress-bandwidth": "60M"}
    assert pay["spec"]["template"]["metadata"]["annotations"] == {"kubernetes.io/egress-bandwidth": "40M"}


def test_kubectl_gives_more_bandwidth_first_and_takes_it_last():
    lines = outputs(WIDER, WORKLOADS, LINKS)["kubectl"].splitlines()
    commands = [shlex.split(line) for line in lines if line.startswith("kubectl")]
    assert commands[0][3:6] == ["patch", "deployment", "cart-v2"]
    assert commands[-1][3:6] == ["patch", "deployment", "pay"]
    assert '"kubernetes.io/egress-bandwidth":"40M"' in commands[-1][-1]


def test_helm_values_say_what_they_leave_out():
    helm = outputs(WIDER, WORKLOADS, LINKS)["helm"]
    assert "not here, see kustomize/ or kubectl/: cart: annotation kubernetes.io/ingress-bandwidth 20M -> 60M" in helm


def test_volumes_that_are_there_are_patched_by_kubectl_and_those_of_more_pods_once_they_are():
    classes = (VolumeClass(name="slow", iops=100, volume_month=1), VolumeClass(name="fast", iops=900, volume_month=2))
    volume = Storage(service="store", claim="data", operations_per_request=1, now="slow", classes=classes)
    told = SimpleNamespace(target="store", field=AllocationField.STORAGE, from_="slow", to="fast")
    grown = given(web=(2, BEFORE), cart=(2, BEFORE), store=(2, BEFORE), pay=(2, BEFORE))
    answer = SimpleNamespace(**{**vars(ANSWER), "recommended": grown, "directives": (told,)})
    texts = outputs(answer, WORKLOADS, Declared(storages=(volume,)))
    commands = [shlex.split(line)[3:] for line in texts["kubectl"].splitlines() if line.startswith("kubectl")]
    assert [command[:3] for command in commands] == [
        ["patch", "pvc", "data-store-0"],
        ["scale", "statefulset/store", "--replicas=2"],
        ["wait", "--for=create", "pvc/data-store-1"],
        ["patch", "pvc", "data-store-1"],
    ]
    assert commands[0][-1] == '{"spec":{"volumeAttributesClassName":"fast"}}'
    assert "not here, see kubectl/: store: volumeAttributesClassName slow -> fast, pod 0" in texts["kustomize"]
    assert all(yaml.safe_load(one["patch"])["kind"] != "PersistentVolumeClaim" for one in patches_of(texts))


def patches_of(texts):
    return yaml.safe_load(texts["kustomize"])["patches"]


@pytest.mark.parametrize("restart", [True, False])
def test_a_cache_is_a_key_of_a_config_map_and_pods_that_read_it_at_their_start_restart(restart):
    cache = Cache(
        service="cart", config_map="cart-settings", key="cache", form="{}MB", now_mib=64, min_mib=32, max_mib=256,
        step_mib=32, hits=((64, 0.5),), hit_work=0.1, restart=restart,
    )  # fmt: skip
    told = SimpleNamespace(target="cart", field=AllocationField.CACHE, from_=64, to=128)
    answer = SimpleNamespace(**{**vars(ANSWER), "recommended": ANSWER.now, "directives": (told,)})
    texts = outputs(answer, WORKLOADS, Declared(caches=(cache,)))
    patches = [yaml.safe_load(one["patch"]) for one in patches_of(texts)]
    assert patches[0]["metadata"]["name"] == "cart-settings"
    assert patches[0]["data"] == {"cache": "128MB"}
    kinds = [patch["kind"] for patch in patches]
    assert kinds == (["ConfigMap", "Deployment"] if restart else ["ConfigMap"])
    commands = [shlex.split(line)[3:] for line in texts["kubectl"].splitlines() if line.startswith("kubectl")]
    assert commands[0] == ["patch", "configmap", "cart-settings", "--type", "merge", "-p", '{"data":{"cache":"128MB"}}']
    assert len(commands) == len(kinds)


@pytest.mark.parametrize(
    ("kind", "group", "place"),
    [
        ("HTTPRoute", "gateway.networking.k8s.io", "/spec/rules/1/backendRefs"),
        ("VirtualService", "networking.istio.io", "/spec/http/1/route"),
    ],
)
def test_weights_are_a_json_patch_of_the_route_between_what_grows_and_what_shrinks(kind, group, place):
    route = Route(name="shop", kind=kind, backends=("cart", "pay"), now=(50, 50), rule=1)
    told = tuple(
        SimpleNamespace(target=name, field=AllocationField.WEIGHT, from_=50, to=to)
        for name, to in (("cart", 20), ("pay", 80))
    )
    then = given(web=(2, BEFORE), cart=(1, BEFORE), store=(1, BEFORE), pay=(4, BEFORE))
    answer = SimpleNamespace(**{**vars(ANSWER), "recommended": then, "directives": told})
    texts = outputs(answer, WORKLOADS, Declared(routes=(route,)))
    patch = patches_of(texts)[-1]
    assert (patch["target"]["group"], patch["target"]["kind"], patch["target"]["name"]) == (group, kind, "shop")
    operations = yaml.safe_load(patch["patch"])
    assert operations == [
        {"op": "add", "path": f"{place}/0/weight", "value": 20},
        {"op": "add", "path": f"{place}/1/weight", "value": 80},
    ]
    commands = [shlex.split(line)[3:] for line in texts["kubectl"].splitlines() if line.startswith("kubectl")]
    assert [command[1] for command in commands] == ["deployment/pay", kind.lower(), "deployment/cart-v2"]
    assert commands[1][3:5] == ["--type", "json"]
    assert json.loads(commands[1][-1]) == operations
