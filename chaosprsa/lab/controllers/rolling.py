"""The arithmetic of a rolling update: how many pods the new and the old ReplicaSets may have. Pure.

Source: k8s.io/kubernetes/pkg/controller/deployment (rolling.go, util/deployment_util.go).
"""

import hashlib
import json
import math
from typing import Any

from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.objects import SUFFIX_LETTERS, copied

HASH_LABEL = "pod-template-hash"
DESIRED = "deployment.kubernetes.io/desired-replicas"
LARGEST = "deployment.kubernetes.io/max-replicas"
REVISION = "deployment.kubernetes.io/revision"


def bounds(deployment: Obj) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods; percentages of the replicas are rounded up and down."""
    strategy, replicas = deployment["spec"]["strategy"], deployment["spec"]["replicas"]
    if strategy["type"] != "RollingUpdate":
        return 0, 0
    rolling = strategy["rollingUpdate"]
    surge = share(rolling["maxSurge"], replicas, up=True)
    unavailable = share(rolling["maxUnavailable"], replicas, up=False)
    return surge, min(1 if surge == 0 and unavailable == 0 else unavailable, replicas)


def share(value: Any, whole: int, *, up: bool) -> int:
    """A count, or a percentage of the whole."""
    if isinstance(value, int):
        return value
    part = int(value.rstrip("%")) * whole
    return math.ceil(part / 100) if up else part // 100


def replicas_of(replicaset: Obj) -> int:
    """The size asked for."""
    return int(replicaset["spec"]["replicas"])


def available_of(replicaset: Obj) -> int:
    """Its available pods, as its status tells."""
    return int((replicaset.get("status") or {}).get("availableReplicas") or 0)


def revision_of(obj: Obj) -> int:
    """The revision that an object's annotation tells; 0 without one."""
    text = (obj["metadata"].get("annotations") or {}).get(REVISION, "0")
    return int(text) if text.isdecimal() else 0


def template_hash(template: Obj) -> str:
    """Ten letters that stand for a template."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(SUFFIX_LETTERS[byte % len(SUFFIX_LETTERS)] for byte in digest[:10])


def bare(template: Obj) -> Obj:
    """The template without the hash label, as its Deployment has it."""
    plain: Obj = copied(template)
    labels = (plain.get("metadata") or {}).get("labels") or {}
    labels.pop(HASH_LABEL, None)
    return plain


def new_size(deployment: Obj, new: Obj, everyone: list[Obj]) -> int:
    """The size of the new ReplicaSet: as many as asked for, within the surge."""
    wanted = int(deployment["spec"]["replicas"])
    if deployment["spec"]["strategy"]["type"] != "RollingUpdate" or replicas_of(new) > wanted:
        return wanted
    room = wanted + bounds(deployment)[0] - sum(map(replicas_of, everyone))
    return replicas_of(new) + max(0, min(room, wanted - replicas_of(new)))


def old_sizes(deployment: Obj, new: Obj, old: list[Obj]) -> dict[str, int]:
    """The sizes of the old ReplicaSets by name: unhealthy pods go first, then as many as availability allows."""
    least = int(deployment["spec"]["replicas"]) - bounds(deployment)[1]
    total = sum(map(replicas_of, [*old, new]))
    removable = total - least - max(0, replicas_of(new) - available_of(new))
    sizes = {each["metadata"]["name"]: replicas_of(each) for each in old}
    if removable <= 0:
        return sizes
    oldest = sorted(old, key=lambda each: (each["metadata"]["creationTimestamp"], revision_of(each)))
    for each in oldest:
        dead = min(max(0, replicas_of(each) - available_of(each)), removable)
        sizes[each["metadata"]["name"]] -= dead
        removable -= dead
    spare = sum(map(available_of, [*old, new])) - least
    for each in oldest:
        name = each["metadata"]["name"]
        gone = max(0, min(sizes[name], spare))
        sizes[name] -= gone
        spare -= gone
    return sizes


def proportional_sizes(deployment: Obj, active: list[Obj]) -> dict[str, int]:
    """Sizes when a Deployment is scaled in the middle of a rollout: each gets its share of what is added or taken.

    What rounding leaves goes to the largest.
    """
    allowed = int(deployment["spec"]["replicas"]) + (bounds(deployment)[0] if deployment["spec"]["replicas"] else 0)
    total = sum(map(replicas_of, active))
    change = allowed - total
    largest_first = sorted(active, key=lambda each: (-replicas_of(each), each["metadata"]["creationTimestamp"]))
    sizes = {each["metadata"]["name"]: replicas_of(each) for each in largest_first}
    left = change
    for each in largest_first:
        step = math.trunc(round(replicas_of(each) * change / total)) if total else 0
        step = max(min(step, left), 0) if change > 0 else min(max(step, left), 0)
        sizes[each["metadata"]["name"]] = max(0, replicas_of(each) + step)
        left -= step
    if largest_first:
        first = largest_first[0]["metadata"]["name"]
        sizes[first] = max(0, sizes[first] + left)
    return sizes
