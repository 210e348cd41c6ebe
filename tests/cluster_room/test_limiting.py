"""What quota, nodes and disruption budgets leave, read from a cluster."""

import pytest

from chaosprsa.cluster.api import until
from chaosprsa.errors import ClusterRefused
from chaosprsa.types import Limits


def quota(name="team", **spec):
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": spec}


def budget(name, app, **spec):
    selector = {"matchLabels": {"app": app}}
    metadata = {"name": name}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata,
        "spec": {"selector": selector, **spec},
    }


def settled(cluster, namespace, pods):
    """The quota's status counts them, and all are placed."""

    def counted():
        quotas = [item for item in cluster.api.items("ResourceQuota", namespace) if not item["spec"].get("scopes")]
        used = [(item.get("status") or {}).get("used", {}) for item in quotas]
        placed = [pod for pod in cluster.api.items("Pod", namespace) if pod["spec"].get("nodeName")]
        return len(placed) == pods and all(int(each.get("pods", pods)) == pods for each in used if "pods" in each)

    assert until(counted, 30.0)


def test_what_others_use_of_a_quota_and_of_the_nodes_is_taken_off(cluster, new_namespace, samples, monkeypatch):
    hard = {"requests.cpu": "1", "limits.memory": "1Gi", "pods": "10"}
    objects = [quota(hard=hard), samples.deployment("basket", 2), samples.deployment("stranger", 3)]
    namespace = new_namespace(objects=objects)
    settled(cluster, namespace, 5)
    items, everywhere = cluster.api.items, cluster.api.items("Pod")  # read once: other tests' pods come and go
    monkeypatch.setattr(cluster.api, "items", lambda *asked: everywhere if asked == ("Pod",) else items(*asked))
    limits, notes = cluster.limits(namespace, ("basket",))
    assert (limits.cpu_requests_millicores, limits.memory_limits_mib, limits.pods) == (1000 - 150, 1024 - 192, 7)
    assert (limits.cpu_limits_millicores, limits.memory_requests_mib) == (None, None)
    everyone, _ = cluster.limits(namespace, ("basket", "stranger"))
    assert everyone.pods == 10
    free = [sum(room[0] for room in each.nodes) for each in (limits, everyone)]
    assert free[1] - free[0] == 150
    assert notes == ()


def test_the_smallest_of_several_quotas_counts_and_a_scoped_one_is_told_of(cluster, new_namespace, samples):
    scoped = quota("some", hard={"pods": "1"}, scopes=["BestEffort"])
    objects = [quota("a", hard={"cpu": "3"}), quota("b", hard={"requests.cpu": "2"}), scoped]
    namespace = new_namespace(objects=[*objects, samples.deployment("basket", 1)])
    settled(cluster, namespace, 1)
    limits, notes = cluster.limits(namespace, ("basket",))
    assert limits.cpu_requests_millicores == 2000
    assert limits.pods is None
    assert any("some" in note and "scopes" in note for note in notes)


@pytest.mark.parametrize(
    ("spec", "kept"),
    [
        ({"minAvailable": 3}, 3),
        ({"minAvailable": "50%"}, 1),  # of two one may go, of one none
        ({"minAvailable": "75%"}, 3),  # of four one may go: ceil(.75 * 3) is 3
        ({"maxUnavailable": 1}, None),
        ({"maxUnavailable": "10%"}, None),  # rounded up: one may always go
    ],
)
def test_a_budget_says_how_many_pods_stay(cluster, new_namespace, samples, spec, kept):
    namespace = new_namespace(objects=[samples.deployment("basket", 1), budget("guard", "basket", **spec)])
    limits, notes = cluster.limits(namespace, ("basket",))
    assert limits.budgets == ({"basket": kept} if kept else {})
    assert notes == ()


@pytest.mark.parametrize("spec", [{"maxUnavailable": 0}, {"minAvailable": "100%"}])
def test_a_budget_that_lets_no_pod_go_is_told_of_and_binds_nothing(cluster, new_namespace, samples, spec):
    namespace = new_namespace(objects=[samples.deployment("basket", 1), budget("guard", "basket", **spec)])
    limits, notes = cluster.limits(namespace, ("basket",))
    assert limits.budgets == {}
    assert any("basket: its PodDisruptionBudget guard" in note for note in notes)


def test_what_may_not_be_read_is_told_of(cluster, new_namespace, samples, monkeypatch):
    namespace = new_namespace(objects=[samples.deployment("basket", 1)])
    items = cluster.api.items

    def refused(kind, *given):
        if kind in {"ResourceQuota", "PodDisruptionBudget", "Node"}:
            raise ClusterRefused(f"{kind} is forbidden", 403)
        return items(kind, *given)

    monkeypatch.setattr(cluster.api, "items", refused)
    limits, notes = cluster.limits(namespace, ("basket",))
    assert limits == Limits()
    assert len(notes) == 3
    assert all("forbidden" in note for note in notes)
