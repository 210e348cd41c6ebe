"""Parts of objects that are asked for by themselves: scale, log, eviction, binding."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chaosprsa.lab import selectors
from chaosprsa.lab.controllers.disruption import check_eviction
from chaosprsa.lab.kinds import Kind, Obj
from chaosprsa.lab.requests import Asked, is_yes
from chaosprsa.lab.runtime import PodRuntime
from chaosprsa.lab.status import StatusError, bad_request, conflict, invalid
from chaosprsa.lab.store import Store
from chaosprsa.lab.validation import NOT_NEGATIVE, wrong


def scale_of(obj: Obj) -> Obj:
    """The Scale of a workload."""
    fields = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: obj["metadata"][field] for field in fields},
        "spec": {"replicas": obj["spec"]["replicas"]},
        "status": {
            "replicas": (obj.get("status") or {}).get("replicas") or 0,
            "selector": selectors.written(obj["spec"].get("selector")),
        },
    }


def scaled(kind: Kind, obj: Obj, scale: Obj) -> Obj:
    """The workload with a Scale's replicas. Raises StatusError 400, 409, 422."""
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    name = obj["metadata"]["name"]
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise bad_request("json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32")
    if replicas < 0:
        raise invalid("Scale", name, "autoscaling", [("spec.replicas", wrong(replicas, NOT_NEGATIVE))])
    told = (scale.get("metadata") or {}).get("resourceVersion")
    if told not in {None, "", obj["metadata"]["resourceVersion"]}:
        why = "the object has been modified; please apply your changes to the latest version and try again"
        raise conflict(kind.plural, name, kind.group, why)
    return {**obj, "spec": {**obj["spec"], "replicas": replicas}}


def evict(store: Store, asked: Asked, body: Any) -> Obj:
    """Delete a pod where its budgets allow it. Raises StatusError 404, 429."""
    pod = store.get(*asked.key)
    check_eviction(store, pod)
    options = (body or {}).get("deleteOptions") or {}
    dry = asked.dry_run or bool(options.get("dryRun"))
    store.delete(*asked.key, grace_s=options.get("gracePeriodSeconds"), dry_run=dry)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def bind(store: Store, asked: Asked, body: Any) -> Obj:
    """Put a pod on a node. Raises StatusError 404, 409."""
    pod = store.get(*asked.key)
    node = ((body or {}).get("target") or {}).get("name")
    if pod["spec"].get("nodeName"):
        why = f'pod {asked.name} is already assigned to node "{pod["spec"]["nodeName"]}"'
        raise conflict("pods/binding", asked.name, "", why)
    store.update("pods", {**pod, "spec": {**pod["spec"], "nodeName": node}}, subresource="trusted")
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def log_of(store: Store, runtime: PodRuntime | None, asked: Asked) -> str:
    """A container's log. Raises StatusError 400 (no such container, not started), 404."""
    pod, query = store.get(*asked.key), asked.query
    names = [container["name"] for container in pod["spec"]["containers"]]
    name = query.get("container") or names[0]
    if not query.get("container") and len(names) > 1:
        told = f"a container name must be specified for pod {asked.name}, choose one of: [{' '.join(names)}]"
        raise bad_request(told)
    if name not in names:
        raise bad_request(f"container {name} is not valid for pod {asked.name}")
    statuses = (pod.get("status") or {}).get("containerStatuses") or ()
    status: Obj = next((each for each in statuses if each.get("name") == name), {})
    where = f'container "{name}" in pod "{asked.name}"'
    if is_yes(query, "previous"):
        if not status.get("lastState"):
            raise bad_request(f"previous terminated {where} not found")
        return ""
    waits = (status.get("state") or {}).get("waiting")
    if waits or not status:
        raise bad_request(f"{where} is waiting to start: {(waits or {}).get('reason', 'ContainerCreating')}")
    return _cut(runtime.logs(pod) if runtime else "", query, store.now())


def _cut(text: str, query: Any, now: datetime) -> str:
    lines = text.splitlines()
    since = _number(query, "sinceSeconds")
    if since is not None:
        lines = [line for line in lines if _time(line) is None or _time(line) >= now - timedelta(seconds=since)]  # type: ignore[operator]
    last = _number(query, "tailLines")
    if last is not None:
        lines = lines[-last:] if last else []
    if not is_yes(query, "timestamps"):
        lines = [line.partition(" ")[2] if _time(line) is not None else line for line in lines]
    cut = "".join(f"{line}\n" for line in lines)
    most = _number(query, "limitBytes")
    return cut if most is None else cut[:most]


def _number(query: Any, name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    if not text.isdecimal():
        raise StatusError(422, f"{name}: Invalid value: {text!r}: must be a whole number")
    return int(text)


def _time(line: str) -> datetime | None:
    """The time that a line begins with."""
    try:
        when = datetime.fromisoformat(line.partition(" ")[0])
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
