"""How far a shadow has drifted from what its production says now, in words."""

from collections.abc import Iterable, Iterator
from typing import Any

from chaosprsa.errors import InvalidNoun
from chaosprsa.manifests import (
    WORKLOAD_KINDS,
    Manifest,
    name_of,
    pod_spec,
    without_server_fields,
)
from chaosprsa.quantities import quantity
from chaosprsa.shadow.cutting import Shape, is_copied, shadowed
from chaosprsa.shadow.planning import plan_shadow

_NAMED = ("name", "mountPath", "containerPort", "port", "type")  # what tells the items of a list apart, first wins


def drift(production: Iterable[Manifest], shadow: Iterable[Manifest], scale: float) -> tuple[str, ...]:
    """What is missing, changed or extra in the shadow, a line each, by kind and name; none: it is as it should be.

    production, shadow: every object of the two namespaces (COPIED_KINDS; the shadow's NetworkPolicies and quota too).
    Replicas that an HPA of the shadow chose within its bounds are no drift.
    """
    originals, copies = tuple(production), tuple(shadow)
    namespace = next((item["metadata"].get("namespace", "") for item in copies), "")
    plan = plan_shadow(originals, namespace, scale, 1.0)
    expected = {_key(item): item for item in plan.objects}
    found = {_key(item): item for item in copies if is_copied(item) or _key(item) in expected}
    lines = [f"{kind} {name}: missing" for kind, name in expected if (kind, name) not in found]
    lines += [f"{kind} {name}: extra, production has none" for kind, name in found if (kind, name) not in expected]
    owned = _owned(copies)
    counts = {_key(item): item["spec"].get("replicas", 1) for item in originals if item["kind"] in WORKLOAD_KINDS}
    for key in expected.keys() & found.keys():
        lines += _changes(expected[key], found[key], owned, f"production has {counts.get(key)}, scale {scale:g}")
    return tuple(sorted(lines))


def _key(manifest: Manifest) -> tuple[str, str]:
    return manifest["kind"], name_of(manifest)


def _owned(manifests: Iterable[Manifest]) -> dict[tuple[str, str], range]:
    """(kind, name) of a workload -> the replicas that its HPA may choose."""
    specs = [item["spec"] for item in manifests if item["kind"] == "HorizontalPodAutoscaler"]
    return {
        (spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]): range(
            spec.get("minReplicas") or 1, spec["maxReplicas"] + 1
        )
        for spec in specs
    }


def _changes(expected: Manifest, found: Manifest, owned: dict[tuple[str, str], range], why: str) -> Iterator[str]:
    key = _key(expected)
    where = " ".join(key)
    if key[0] == "ResourceQuota":
        return
    if key[0] in WORKLOAD_KINDS:
        wanted, given = expected["spec"]["replicas"], found["spec"].get("replicas", 1)
        if given not in owned.get(key, range(wanted, wanted + 1)):
            yield f"{where}: replicas are {given}, expected {wanted} ({why})"
    for path, is_, should in _differences(_comparable(expected), _comparable(found), ()):
        yield f"{where}, {'.'.join(path)}: {_told(is_)}, expected {_told(should)}"


def _comparable(manifest: Manifest) -> Manifest:
    """Without what the server chose, what differs by right, and how deep a pod lies in its workload."""
    shape = Shape("", manifest["metadata"].get("namespace", ""), 1.0, "", (), {}, [])
    made = shadowed(manifest, shape) if is_copied(manifest) else [without_server_fields(manifest)]
    plain = made[0] if made else without_server_fields(manifest)
    plain = {key: value for key, value in plain.items() if key not in {"apiVersion", "kind", "metadata"}}
    if manifest["kind"] not in WORKLOAD_KINDS:
        return plain
    template = plain["spec"]["template"]
    spec = {key: value for key, value in plain["spec"].items() if key not in {"replicas", "template"}}
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if not key.startswith("chaosprsa.io/")}
    return {"spec": spec, "pod labels": labels, "pod annotations": meta.get("annotations") or {}, **pod_spec(plain)}


def _differences(should: Any, is_: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """(path, what is, what should be) of every leaf that differs."""
    if isinstance(should, list) and isinstance(is_, list):
        should, is_ = _by_name(should), _by_name(is_)
    if isinstance(should, dict) and isinstance(is_, dict):
        for key in sorted(should.keys() | is_.keys(), key=str):
            yield from _differences(should.get(key), is_.get(key), (*path, str(key)))
    elif should != is_ and (should or is_) and not _same_quantity(should, is_, path):
        yield path, is_, should


def _by_name(items: list[Any]) -> Any:
    """A list of named things as a mapping; an order that means something stays a tuple."""
    for key in _NAMED:
        if items and all(isinstance(item, dict) and key in item for item in items):
            return {str(item[key]): item for item in items}
    return {} if not items else tuple(map(str, items))


def _same_quantity(left: Any, right: Any, path: tuple[str, ...]) -> bool:
    if not {"requests", "limits", "hard"} & set(path):
        return False
    try:
        return quantity(left) == quantity(right)
    except InvalidNoun:
        return False


def _told(value: Any) -> str:
    if value in (None, {}, [], ()):
        return "nothing"
    text = " ".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
