"""What the API server refuses of pods and of what makes pods."""

from typing import Any

from chaosprsa.lab import defaults
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.quantities import exact
from chaosprsa.lab.validation import NOT_NEGATIVE, Causes, labels, selector, share, whole, wrong

POD_CHANGES = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
STATEFULSET_CHANGES = (
    "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
    "forbidden"
)
STATEFULSET_FREE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
RESIZABLE = ("cpu", "memory")


def pod_spec(spec: Obj, path: str) -> Causes:
    """Containers: at least one, named apart, with an image, requests within limits."""
    containers = spec.get("containers") or ()
    if not containers:
        yield f"{path}.containers", "Required value"
    names: set[str] = set()
    for place, container in enumerate(containers):
        where = f"{path}.containers[{place}]"
        name = container.get("name")
        if not name:
            yield f"{where}.name", "Required value"
        elif name in names:
            yield f"{where}.name", f'Duplicate value: "{name}"'
        names.add(name)
        if not container.get("image"):
            yield f"{where}.image", "Required value"
        yield from resources(container.get("resources") or {}, f"{where}.resources")


def resources(values: Obj, path: str) -> Causes:
    """Requests and limits: not negative, requests within limits."""
    limits, requests = values.get("limits") or {}, values.get("requests") or {}
    for part, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            if exact(amount) < 0:
                yield f"{path}.{part}[{name}]", wrong(amount, NOT_NEGATIVE)
    for name, amount in requests.items():
        if name in limits and exact(amount) > exact(limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            yield f"{path}.requests", wrong(amount, why)


def pod(new: Obj, old: Obj | None, subresource: str) -> Causes:
    """A pod: afterwards only its image and few others may change, its resources only through /resize."""
    if old is None:
        yield from pod_spec(new["spec"], "spec")
    elif subresource == "resize":
        yield from _resize(new, old)
    elif _pinned(new["spec"]) != _pinned(old["spec"]):
        yield "spec", POD_CHANGES


def _pinned(spec: Obj) -> Obj:
    free = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "containers")
    kept = {key: item for key, item in spec.items() if key not in free}
    kept["containers"] = [{key: item for key, item in each.items() if key != "image"} for each in spec["containers"]]
    return kept


def _resize(new: Obj, old: Obj) -> Causes:
    yield from pod_spec(new["spec"], "spec")
    for before, after in zip(old["spec"]["containers"], new["spec"]["containers"], strict=True):
        was, will = before.get("resources") or {}, after.get("resources") or {}
        for part in ("limits", "requests"):
            now, then = was.get(part) or {}, will.get(part) or {}
            if any(now.get(name) != then.get(name) for name in {*now, *then} - set(RESIZABLE)):
                yield "spec", "Forbidden: only cpu and memory resources are mutable"
            if set(now) & set(RESIZABLE) - set(then):
                yield "spec", f"Forbidden: resource {part} cannot be removed"
    quality = defaults.quality(old["spec"])
    if defaults.quality(new["spec"]) != quality:
        yield "spec", wrong(quality, "Pod QOS Class may not change as a result of resizing")


def workload(new: Obj, old: Obj | None, _subresource: str) -> Causes:
    """What Deployments, ReplicaSets and StatefulSets share."""
    spec = new["spec"]
    yield from whole(spec, "replicas", 0)
    yield from whole(spec, "minReadySeconds", 0)
    yield from whole(spec, "revisionHistoryLimit", 0)
    yield from selector(spec, old)
    template = spec["template"]
    yield from labels((template.get("metadata") or {}).get("labels"), "spec.template.labels")
    yield from pod_spec(template["spec"], "spec.template.spec")
    restart = template["spec"].get("restartPolicy")
    if restart != "Always":
        yield "spec.template.spec.restartPolicy", f'Unsupported value: "{restart}": supported values: "Always"'


def deployment(new: Obj, old: Obj | None, subresource: str) -> Causes:
    """Deployments: also the strategy."""
    yield from workload(new, old, subresource)
    strategy = new["spec"]["strategy"]
    if strategy["type"] not in {"Recreate", "RollingUpdate"}:
        yield "spec.strategy", f'Unsupported value: "{strategy["type"]}": supported values: "Recreate", "RollingUpdate"'
    rolling = strategy.get("rollingUpdate")
    if strategy["type"] == "Recreate" and rolling is not None:
        why = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
        yield "spec.strategy.rollingUpdate", why
    if strategy["type"] == "RollingUpdate":
        yield from _rolling(rolling)


def _rolling(rolling: Obj) -> Causes:
    path = "spec.strategy.rollingUpdate"
    for field in ("maxSurge", "maxUnavailable"):
        yield from share(rolling[field], f"{path}.{field}")
    if all(_nought(rolling[field]) for field in ("maxSurge", "maxUnavailable")):
        yield f"{path}.maxUnavailable", wrong(rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0")


def _nought(value: Any) -> bool:
    return str(value).rstrip("%") == "0"


def statefulset(new: Obj, old: Obj | None, subresource: str) -> Causes:
    """StatefulSets: most of the spec never changes."""
    if old is not None:
        pinned = [{k: v for k, v in each["spec"].items() if k not in STATEFULSET_FREE} for each in (new, old)]
        if pinned[0] != pinned[1]:
            yield "spec", STATEFULSET_CHANGES
            return
    yield from workload(new, old, subresource)
