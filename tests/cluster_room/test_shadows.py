"""Shadows in a real API: created, verified, refreshed, interrupted, destroyed."""

import base64
import uuid

import pytest

from chaosprsa.cluster import create_shadow, destroy_shadow, discover_system, verify_shadow
from chaosprsa.errors import BadInput, NotAShadow, Stopped, Unavailable
from chaosprsa.manifests import SHADOW_OF, SHADOW_STATE, labels_of, name_of
from chaosprsa.shadow import is_copied

NAMES = {
    "ConfigMap/settings",
    "Secret/db",
    "Service/basket",
    "Service/front",
    "StatefulSet/store",
    "Deployment/basket",
    "Deployment/front",
    "PodDisruptionBudget/basket",
    "HorizontalPodAutoscaler/basket",
    "NetworkPolicy/chaosprsa-apart",
    "NetworkPolicy/chaosprsa-entry-0",
    "ResourceQuota/chaosprsa",
}


@pytest.fixture
def production(new_namespace, samples):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}}
    secret["data"] = {"password": base64.b64encode(b"hunter2").decode()}
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "basket"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "basket"}}},
    }
    return new_namespace(
        objects=[
            samples.deployment("basket", 3, env=[{"name": "MODE", "value": "full"}]),
            samples.deployment("front", 2),
            samples.deployment("store", 1, "StatefulSet"),
            samples.service("front", type="NodePort"),
            samples.service("basket"),
            samples.autoscaler("basket", 3, 6),
            budget,
            secret,
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "1"}},
        ]
    )


@pytest.fixture
def shadow_name(new_namespace):
    """A name that is free, and is cleared away at the end."""
    name = f"room-{uuid.uuid4().hex[:8]}-shadow"
    new_namespace.made.append(name)
    return name


def state_of(cluster, name):
    return cluster.namespace(name)["metadata"]["annotations"][SHADOW_STATE]


def test_a_shadow_is_made_ready_apart_and_without_drift_and_destroyed(cluster, production, shadow_name, plain):
    before = plain(production)
    created = create_shadow(cluster, production, shadow_name, 0.5, lineage="study-1")
    assert set(created.objects) == NAMES
    assert not created.refreshed
    assert labels_of(cluster.namespace(shadow_name))[SHADOW_OF] == production
    assert {item.service: item.replicas for item in cluster.workloads(shadow_name)} == {
        "basket": 2,
        "front": 1,
        "store": 1,
    }
    assert verify_shadow(cluster, production, shadow_name) == ()
    assert state_of(cluster, shadow_name) == "ready"
    (secret,) = (item for item in cluster.objects(shadow_name, ("Secret",)) if is_copied(item))
    assert b"hunter2" not in base64.b64decode(secret["data"]["password"])
    assert cluster.shadow(shadow_name).open_snapshots() == ()
    assert plain(production) == before
    destroy_shadow(cluster, shadow_name)
    assert shadow_name not in cluster.namespaces()
    destroy_shadow(cluster, shadow_name)


def test_creating_over_a_shadow_brings_it_up_to_date(cluster, production, shadow_name):
    create_shadow(cluster, production, shadow_name, 0.5)
    cluster.api.delete("Service", shadow_name, "basket")
    cluster.api.patch("ConfigMap", shadow_name, "settings", {"data": {"a": "2"}})
    odd = {"name": "odd", "namespace": shadow_name}
    cluster.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": odd, "data": {}})
    assert verify_shadow(cluster, production, shadow_name) == (
        "ConfigMap odd: extra, production has none",
        "ConfigMap settings, data.a: 2, expected 1",
        "Service basket: missing",
    )
    again = create_shadow(cluster, production, shadow_name, 0.5)
    assert again.refreshed
    assert again.removed == ("ConfigMap/odd",)
    assert verify_shadow(cluster, production, shadow_name) == ()


def test_a_change_of_production_is_drift_of_the_shadow(cluster, production, shadow_name):
    create_shadow(cluster, production, shadow_name, 0.5)
    cluster.api.patch("ConfigMap", production, "settings", {"data": {"a": "3"}})
    assert verify_shadow(cluster, production, shadow_name) == ("ConfigMap settings, data.a: 1, expected 3",)


def test_a_namespace_that_is_somebodys_is_not_made_a_shadow(cluster, production, new_namespace):
    taken = new_namespace()
    with pytest.raises(NotAShadow, match="it exists and isn't labelled"):
        create_shadow(cluster, production, taken, 0.5)
    with pytest.raises(NotAShadow):
        destroy_shadow(cluster, taken)
    assert taken in cluster.namespaces()


def test_a_shadow_of_another_production_is_refused(cluster, production, new_namespace):
    other = new_namespace("somewhere-else")
    with pytest.raises(NotAShadow, match='it is the shadow of "somewhere-else"'):
        create_shadow(cluster, production, other, 0.5)
    with pytest.raises(NotAShadow):
        verify_shadow(cluster, production, other)


def test_production_can_not_be_its_own_shadow(cluster, production):
    with pytest.raises(BadInput, match="a namespace of its own"):
        create_shadow(cluster, production, production, 0.5)


def test_a_namespace_without_workloads_makes_no_shadow_and_no_namespace(cluster, new_namespace, shadow_name):
    with pytest.raises(BadInput, match="nothing to rehearse"):
        create_shadow(cluster, new_namespace(), shadow_name, 0.5)
    assert shadow_name not in cluster.namespaces()


@pytest.mark.parametrize("end", ["create", "destroy"])
@pytest.mark.parametrize("after", [1, 3, 6, 11])
def test_an_interrupted_create_is_finished_by_create_or_destroy(
    cluster, production, shadow_name, monkeypatch, after, end
):
    """after: requests that write and get through, before the wire is cut."""
    call, sent = cluster.api.call, []

    def cut(method, *arguments, **named):
        if method != "GET":
            sent.append(method)
            if len(sent) > after:
                raise KeyboardInterrupt
        return call(method, *arguments, **named)

    with monkeypatch.context() as patches:
        patches.setattr(cluster.api, "call", cut)
        with pytest.raises(KeyboardInterrupt):
            create_shadow(cluster, production, shadow_name, 0.5)
    assert state_of(cluster, shadow_name) == "creating"
    assert "was not finished" in verify_shadow(cluster, production, shadow_name)[0]
    cluster.api.delete("Lease", shadow_name, "chaosprsa")  # a killed process' lease is taken over; this one lives
    if end == "create":
        assert set(create_shadow(cluster, production, shadow_name, 0.5).objects) == NAMES
        assert verify_shadow(cluster, production, shadow_name) == ()
    else:
        destroy_shadow(cluster, shadow_name)
        assert shadow_name not in cluster.namespaces()


def test_test_values_of_a_shadows_secret_stay_and_are_never_written_down(cluster, production, shadow_name):
    create_shadow(cluster, production, shadow_name, 0.5)
    secrets = [item for item in cluster.objects(shadow_name, ("Secret",)) if "shadow-of" in str(item["metadata"])]
    key = next(iter(secrets[0]["data"]))
    value = "dGVzdC12YWx1ZQ=="
    name = secrets[0]["metadata"]["name"]
    cluster.api.patch("Secret", shadow_name, name, {"data": {key: value}})
    with cluster.shadow(shadow_name).lease("a look"):
        cluster.shadow(shadow_name).apply([cluster.api.get("Secret", shadow_name, name)])
    written = "".join(path.read_text() for path in cluster.state.rglob("*.json"))
    assert value not in written
    create_shadow(cluster, production, shadow_name, 0.5)
    assert cluster.api.get("Secret", shadow_name, name)["data"][key] == value


def test_a_stopped_shadow_is_not_refreshed_and_can_be_destroyed(cluster, production, shadow_name):
    create_shadow(cluster, production, shadow_name, 0.5)
    metadata = {"name": "chaosprsa-stop", "namespace": shadow_name}
    cluster.api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    with pytest.raises(Stopped):
        create_shadow(cluster, production, shadow_name, 0.5)
    destroy_shadow(cluster, shadow_name)
    assert shadow_name not in cluster.namespaces()


def test_a_shadow_that_does_not_fit_is_said_in_time_and_stays_to_be_looked_at(
    cluster, new_namespace, samples, shadow_name
):
    huge = samples.deployment("huge", 1, resources={"requests": {"cpu": "900", "memory": "32Mi"}})
    with pytest.raises(Unavailable, match="not ready after 1 s: Deployment huge"):
        create_shadow(cluster, new_namespace(objects=[huge]), shadow_name, 0.5, timeout_s=1)
    assert state_of(cluster, shadow_name) == "creating"


def test_a_namespace_is_discovered(cluster, production):
    system = discover_system(cluster, production)
    assert system.services == ("basket", "front", "store")
    assert system.exposed == ("front",)
    assert system.entry == "front"
    assert system.allocation["basket"].replicas == 3
    assert [name_of(item) for item in cluster.objects(production, ("StatefulSet",))] == ["store"]


def test_the_entrys_address_is_the_nodes_port(cluster, production):
    spec = cluster.api.get("Service", production, "front")["spec"]
    assert cluster.entry_url(production, "front").endswith(f":{spec['ports'][0]['nodePort']}")
    inner = cluster.api.get("Service", production, "basket")["spec"]
    assert cluster.entry_url(production, "basket") == f"http://{inner['clusterIP']}:80"
    with pytest.raises(BadInput, match="no Service leads to 'store'"):
        cluster.entry_url(production, "store")
