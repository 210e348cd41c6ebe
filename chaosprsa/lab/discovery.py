"""What is served, told in the API's own way: /api, /apis, /apis/GROUP[/VERSION], /version, health."""

from collections.abc import Callable
from typing import Any

from chaosprsa.lab.boot import VERSION
from chaosprsa.lab.kinds import VERBS, Kind, Obj
from chaosprsa.lab.resources import TABLE
from chaosprsa.lab.status import no_such_path

REVIEWS = ("authorization.k8s.io", "v1")
GROUPS: dict[str, str] = {kind.group: kind.version for kind in TABLE if kind.group} | {REVIEWS[0]: REVIEWS[1]}
IN_ALL = ("pods", "services", "deployments", "replicasets", "statefulsets", "horizontalpodautoscalers")
HEALTH = frozenset({"/healthz", "/livez", "/readyz"})


def told(path: str) -> Any | None:
    """The answer to a discovery path; text for health; None for another path. Raises StatusError 404."""
    steps = tuple(step for step in path.split("/") if step)
    if f"/{'/'.join(steps)}" in HEALTH:
        return "ok"
    if steps[:1] not in {("api",), ("apis",), ("version",)}:
        raise no_such_path()
    if len(steps) > (2 if steps[0] == "api" else 3):
        return None
    group = steps[1] if len(steps) > 1 else ""
    answers: dict[tuple[str, ...], Callable[[], Obj]] = {
        ("version",): _version,
        ("api",): lambda: {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
        ("api", "v1"): lambda: _resources("", "v1"),
        ("apis",): lambda: {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(name) for name in GROUPS]},
    }
    if group in GROUPS:
        answers["apis", group] = lambda: {"kind": "APIGroup", "apiVersion": "v1", **_group(group)}
        answers["apis", group, GROUPS[group]] = lambda: _resources(group, GROUPS[group])
    if steps not in answers:
        raise no_such_path()
    return answers[steps]()


def _version() -> Obj:
    major, minor = VERSION.removeprefix("v").split(".")[:2]
    build = {"buildDate": "1970-01-01T00:00:00Z", "compiler": "", "gitCommit": "", "gitTreeState": ""}
    return {"major": major, "minor": minor, "gitVersion": VERSION, "goVersion": "", "platform": "lab", **build}


def _group(name: str) -> Obj:
    version = {"groupVersion": f"{name}/{GROUPS[name]}", "version": GROUPS[name]}
    return {"name": name, "versions": [version], "preferredVersion": version}


def _resources(group: str, version: str) -> Obj:
    resources = [row for kind in TABLE if (kind.group, kind.version) == (group, version) for row in _rows(kind)]
    if (group, version) == REVIEWS:
        row = {"name": "selfsubjectaccessreviews", "singularName": "selfsubjectaccessreview"}
        resources = [{**row, "namespaced": False, "kind": "SelfSubjectAccessReview", "verbs": ["create"]}]
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _rows(kind: Kind) -> list[Obj]:
    row: Obj = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(VERBS),
    }
    if kind.plural in IN_ALL:
        row["categories"] = ["all"]
    if kind.short:
        row["shortNames"] = list(kind.short)
    changing = ["get", "patch", "update"]
    parts: dict[str, list[str]] = {"status": changing} if kind.has_status else {}
    parts |= {"scale": changing} if kind.scale else {}
    verbs = {"log": ["get"], "eviction": ["create"], "binding": ["create"], "resize": changing}
    parts |= {part: verbs[part] for part in kind.subresources}
    shown = {"scale": ("Scale", "autoscaling", "v1"), "eviction": ("Eviction", "policy", "v1")}
    below = []
    for part, allowed in parts.items():
        name, group, version = shown.get(part, (kind.kind, "", ""))
        place = {"group": group, "version": version} if group else {}
        common = {"name": f"{kind.plural}/{part}", "singularName": "", "namespaced": kind.namespaced, "kind": name}
        below.append({**common, **place, "verbs": allowed})
    return [row, *below]
