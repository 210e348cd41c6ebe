"""PodDisruptionBudgets: their status, and whether a pod may be evicted."""

from typing import Any

from chaosprsa.lab import conditions, podstatus
from chaosprsa.lab.controllers.replicasets import key_of
from chaosprsa.lab.controllers.rolling import share
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.objects import controller_of
from chaosprsa.lab.resources import OF_KIND
from chaosprsa.lab.selectors import label_selector
from chaosprsa.lab.status import StatusError
from chaosprsa.lab.store import Store
from chaosprsa.lab.work import Key, WorkQueue


class DisruptionBudgets:
    """The controller; its keys are PodDisruptionBudgets."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.queue = WorkQueue(self._sync, store.turn)
        store.subscribe("poddisruptionbudgets", lambda _event, each: self.queue.add(key_of(each)), replay=True)
        store.subscribe("pods", self._pod_changed)

    def _pod_changed(self, _event: str, pod: Obj) -> None:
        for budget in _budgets(self._store, pod):
            self.queue.add_soon(key_of(budget))

    def _sync(self, key: Key) -> None:
        budget = self._store.find("poddisruptionbudgets", *key)
        if budget is None:
            return
        counts = budget_counts(self._store, budget)
        allowed = counts["disruptionsAllowed"] > 0
        condition = {
            "type": "DisruptionAllowed",
            "status": "True" if allowed else "False",
            "reason": "SufficientPods" if allowed else "InsufficientPods",
            "message": "",
            "observedGeneration": budget["metadata"]["generation"],
        }
        old = (budget.get("status") or {}).get("conditions")
        laid = conditions.laid(old, self._store.stamp(), condition)
        generation = budget["metadata"]["generation"]
        status: dict[str, Any] = {**counts, "observedGeneration": generation, "conditions": laid}
        self._store.set_status("poddisruptionbudgets", budget, **status)


def budget_counts(store: Store, budget: Obj) -> dict[str, int]:
    """expectedPods, currentHealthy, desiredHealthy and disruptionsAllowed, as of now."""
    spec, namespace = budget["spec"], budget["metadata"]["namespace"]
    selected = label_selector(spec.get("selector"))
    pods = [pod for pod in store.list("pods", namespace) if selected(pod["metadata"].get("labels") or {})]
    pods = [pod for pod in pods if (pod.get("status") or {}).get("phase") not in podstatus.TERMINAL]
    healthy = sum(podstatus.is_ready(pod) and podstatus.is_active(pod) for pod in pods)
    least = spec.get("minAvailable")
    if isinstance(least, int):
        expected, desired = len(pods), least
    else:
        expected = _expected(store, pods)
        most_missing = share(spec.get("maxUnavailable") or 0, expected, up=True)
        desired = share(least, expected, up=True) if least is not None else max(0, expected - most_missing)
    return {
        "expectedPods": expected,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": max(0, healthy - desired) if expected > 0 else 0,
    }


def _expected(store: Store, pods: list[Obj]) -> int:
    """What the pods' controllers ask for."""
    owners: dict[str, int] = {}
    for pod in pods:
        owner = controller_of(pod)
        kind = OF_KIND.get(owner["kind"]) if owner else None
        found = store.find(kind.plural, pod["metadata"]["namespace"], owner["name"]) if owner and kind else None
        uid = owner["uid"] if owner else pod["metadata"]["uid"]
        owners[uid] = int(found["spec"]["replicas"]) if found and kind and kind.scale else 1
    return sum(owners.values())


def _budgets(store: Store, pod: Obj) -> list[Obj]:
    labels = pod["metadata"].get("labels") or {}
    budgets = store.list("poddisruptionbudgets", pod["metadata"]["namespace"])
    return [each for each in budgets if label_selector(each["spec"].get("selector"))(labels)]


def check_eviction(store: Store, pod: Obj) -> None:
    """Raises StatusError 429 when a budget forbids it, 500 when more than one budget covers the pod."""
    if not podstatus.is_active(pod) or (pod.get("status") or {}).get("phase") == "Pending":
        return
    budgets = _budgets(store, pod)
    if len(budgets) > 1:
        raise StatusError(
            500, "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
    for budget in budgets:
        counts = budget_counts(store, budget)
        always = budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
        enough = counts["currentHealthy"] >= counts["desiredHealthy"] > 0
        if not podstatus.is_ready(pod) and (always or enough):
            continue
        if counts["disruptionsAllowed"] <= 0:
            name, needs = budget["metadata"]["name"], counts["desiredHealthy"]
            told = (
                f"The disruption budget {name} needs {needs} healthy pods and has {counts['currentHealthy']} currently"
            )
            raise StatusError(
                429,
                "Cannot evict pod as it would violate the pod's disruption budget.",
                details={"causes": [{"reason": "DisruptionBudget", "message": told}]},
            )
