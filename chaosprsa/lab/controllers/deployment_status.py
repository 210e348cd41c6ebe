"""A Deployment's status from its ReplicaSets: counts, Available, Progressing, ReplicaFailure. Pure."""

from datetime import datetime, timedelta
from typing import Any

from chaosprsa.lab import conditions
from chaosprsa.lab.controllers.rolling import available_of, bounds, replicas_of
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.objects import stamp


def status_of(deployment: Obj, everyone: list[Obj], new: Obj | None, now: datetime) -> dict[str, Any]:
    """The fields of the status; None stands for a field that is left out."""
    counts = _counts(everyone, new)
    before = deployment.get("status") or {}
    wanted = int(deployment["spec"]["replicas"])
    enough = counts["availableReplicas"] >= wanted - bounds(deployment)[1]
    available: Obj = {
        "type": "Available",
        "status": "True" if enough else "False",
        "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
        "message": f"Deployment {'has' if enough else 'does not have'} minimum availability.",
        "lastUpdateTime": "",
    }
    progress = _progress(deployment, counts, new, now)
    failure = conditions.of(new, "ReplicaFailure") if new else None
    old = conditions.without(before.get("conditions"), "ReplicaFailure")
    news = [available, *([progress] if progress else []), *([{**failure, "lastUpdateTime": ""}] if failure else [])]
    return {
        **{field: count or None for field, count in counts.items()},
        "observedGeneration": deployment["metadata"]["generation"],
        "conditions": conditions.laid(old, stamp(now), *news),
    }


def _counts(everyone: list[Obj], new: Obj | None) -> dict[str, int]:
    statuses = [each.get("status") or {} for each in everyone]
    available = sum(map(available_of, everyone))
    return {
        "replicas": sum(each.get("replicas") or 0 for each in statuses),
        "updatedReplicas": int(((new or {}).get("status") or {}).get("replicas") or 0),
        "readyReplicas": sum(each.get("readyReplicas") or 0 for each in statuses),
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(map(replicas_of, everyone)) - available),
    }


def _progress(deployment: Obj, counts: dict[str, int], new: Obj | None, now: datetime) -> Obj | None:
    old = conditions.of(deployment, "Progressing")
    name = new["metadata"]["name"] if new else ""
    if deployment["spec"].get("paused"):
        return _condition("Unknown", "DeploymentPaused", "Deployment is paused")
    if new is None:
        return old
    if _is_complete(deployment, counts):
        return _condition("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
    if old is None:
        return _condition("True", "NewReplicaSetCreated", f'Created new replica set "{name}"', stamp(now))
    if old["reason"] == "DeploymentPaused":
        return _condition("Unknown", "DeploymentResumed", "Deployment is resumed", stamp(now))
    return _under_way(deployment, counts, old, name, now)


def _under_way(deployment: Obj, counts: dict[str, int], old: Obj, name: str, now: datetime) -> Obj:
    """A rollout that is not complete: it moves, it stands still, or it is late."""
    begins = old["reason"] == "NewReplicaSetAvailable" and not counts["updatedReplicas"]
    if begins or _has_moved(deployment.get("status") or {}, counts):
        return _condition("True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.', stamp(now))
    limit = timedelta(seconds=deployment["spec"].get("progressDeadlineSeconds", 600))
    due = datetime.fromisoformat(old["lastUpdateTime"]) + limit
    if old["reason"] not in {"NewReplicaSetAvailable", "ProgressDeadlineExceeded"} and due < now:
        return _condition("False", "ProgressDeadlineExceeded", f'ReplicaSet "{name}" has timed out progressing.')
    return old


def _condition(status: str, reason: str, message: str, when: str = "") -> Obj:
    return {"type": "Progressing", "status": status, "reason": reason, "message": message, "lastUpdateTime": when}


def _is_complete(deployment: Obj, counts: dict[str, int]) -> bool:
    wanted = deployment["spec"]["replicas"]
    return all(counts[field] == wanted for field in ("updatedReplicas", "replicas", "availableReplicas"))


def _has_moved(before: Obj, counts: dict[str, int]) -> bool:
    was = {field: before.get(field) or 0 for field in counts}
    fewer_old = counts["replicas"] - counts["updatedReplicas"] < was["replicas"] - was["updatedReplicas"]
    more = any(counts[field] > was[field] for field in ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return fewer_old or more
