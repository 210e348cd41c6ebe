"""The API's ways of patching: JSON patch (RFC 6902), merge patch (RFC 7386), strategic merge and server-side apply.

All are pure: they take the object and the change, and return the object that should be.
"""

from typing import Any

from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.objects import copied
from chaosprsa.lab.status import StatusError, bad_request

MERGE_KEYS: dict[str, tuple[str, ...]] = {  # lists that strategic merge joins by key; all others are replaced
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "ports": ("containerPort", "port"),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey",),
    "resourceClaims": ("name",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "resizePolicy": ("resourceName",),
}
MERGED_SETS = ("finalizers",)  # lists of plain values that strategic merge unites
REFUSED = "the server rejected our request due to an error in our request"


def patched(obj: Obj, change: Any, form: str) -> Obj:
    """The object after the change; form: json, merge, strategic. Raises StatusError 400, 415, 422."""
    if form == "json":
        result = json_patch(obj, change)
    elif not isinstance(change, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}")
    else:
        result = merge_patch(obj, change) if form == "merge" else strategic_patch(obj, change)
    if not isinstance(result, dict) or not isinstance(result.get("metadata"), dict):
        raise StatusError(422, REFUSED, details={})
    return result


def merge_patch(target: Any, change: Any) -> Any:
    """RFC 7386: maps are merged, null removes, everything else replaces."""
    if not isinstance(change, dict):
        return change
    result = dict(target) if isinstance(target, dict) else {}
    for key, item in change.items():
        if item is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), item)
    return result


def strategic_patch(target: Any, change: Any) -> Any:
    """A merge patch that joins lists by their keys; knows $patch, $deleteFromPrimitiveList and $retainKeys."""
    if not isinstance(change, dict):
        return change
    directive = change.get("$patch")
    plain = {key: item for key, item in change.items() if not key.startswith("$")}
    if directive == "replace":
        return plain
    result = dict(target) if isinstance(target, dict) else {}
    retained = change.get("$retainKeys")
    if retained is not None:
        result = {key: item for key, item in result.items() if key in retained}
    for key, item in change.items():
        if key.startswith("$deleteFromPrimitiveList/"):
            field = key.partition("/")[2]
            result[field] = [each for each in result.get(field) or () if each not in item]
    for key, item in plain.items():
        if item is None or (isinstance(item, dict) and item.get("$patch") == "delete"):
            result.pop(key, None)
        elif isinstance(item, list):
            result[key] = _strategic_list(key, result.get(key) or [], item)
        else:
            result[key] = strategic_patch(result.get(key), item)
    return result


def _strategic_list(field: str, target: list[Any], change: list[Any]) -> list[Any]:
    if field in MERGED_SETS:
        return target + [item for item in change if item not in target]
    key = _merge_key(field, change)
    if key is None or any(isinstance(item, dict) and item.get("$patch") == "replace" for item in change):
        return [item for item in change if not (isinstance(item, dict) and "$patch" in item)]
    result = list(target)
    for item in change:
        place = next((at for at, each in enumerate(result) if each.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            if place is not None:
                result.pop(place)
        elif place is None:
            result.append(strategic_patch({}, item))
        else:
            result[place] = strategic_patch(result[place], item)
    return result


def _merge_key(field: str, change: list[Any]) -> str | None:
    """The key that every item of the change carries, None where the list is replaced as a whole."""
    for key in MERGE_KEYS.get(field, ()):
        if change and all(
            isinstance(item, dict) and (key in item or item.get("$patch") == "replace") for item in change
        ):
            return key
    return None


def applied(target: Obj, config: Obj, last: Obj | None) -> Obj:
    """Server-side apply: the configuration laid over the object; what the same manager applied before and no longer
    does is taken away.
    """
    result: Obj = _applied(target, config, last or {})
    return result


def _applied(target: Any, config: Any, last: Any, field: str = "") -> Any:
    if isinstance(config, dict):
        before = target if isinstance(target, dict) else {}
        dropped = set(last) - set(config) if isinstance(last, dict) else set()
        result = {key: item for key, item in before.items() if key not in dropped}
        told = last if isinstance(last, dict) else {}
        return result | {key: _applied(before.get(key), item, told.get(key), key) for key, item in config.items()}
    if isinstance(config, list):
        return _applied_list(target or [], config, last or [], field)
    return config


def _applied_list(target: list[Any], config: list[Any], last: list[Any], field: str) -> list[Any]:
    key = _merge_key(field, config)
    if key is None:
        if field in MERGED_SETS:
            return [each for each in target if each not in last or each in config] + [
                each for each in config if each not in target
            ]
        return config
    before = {each.get(key): each for each in last}
    wanted = {each[key]: each for each in config}
    kept = [each for each in target if each.get(key) in wanted or each.get(key) not in before]
    known = {each.get(key) for each in kept}
    result = [
        _applied(each, wanted[each[key]], before.get(each[key])) if each.get(key) in wanted else each for each in kept
    ]
    return result + [each for name, each in wanted.items() if name not in known]


def conflicts(config: Any, target: Any, others: dict[str, Obj], path: str = "") -> list[tuple[str, str]]:
    """(manager, path) of every leaf that another manager applied and that this configuration would change."""
    found: list[tuple[str, str]] = []
    for key, item in config.items() if isinstance(config, dict) else ():
        held = {name: each[key] for name, each in others.items() if isinstance(each, dict) and key in each}
        if not held or not isinstance(target, dict):
            continue
        if isinstance(item, dict):
            found += conflicts(item, target.get(key), held, f"{path}.{key}")
        elif item != target.get(key):
            found += [(name, f"{path}.{key}") for name in held if path or key not in {"apiVersion", "kind"}]
    return found


def json_patch(obj: Any, operations: Any) -> Any:
    """RFC 6902. Raises StatusError 400 (no list), 422 (an operation that can't be done, a test that fails)."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    document = {"": copied(obj)}
    for operation in operations:
        try:
            _operate(document, operation)
        except (KeyError, IndexError, ValueError, TypeError, AttributeError):
            raise StatusError(422, REFUSED, details={}) from None
    return document[""]


def _operate(document: dict[str, Any], operation: Obj) -> None:
    kind, path = operation["op"], operation["path"]
    if kind in {"move", "copy"}:
        value = copied(_at(document, operation["from"]))
        if kind == "move":
            _remove(document, operation["from"])
        _add(document, path, value)
    elif kind == "add":
        _add(document, path, operation["value"])
    elif kind == "remove":
        _remove(document, path)
    elif kind == "replace":
        container, last = _container(document, path)
        container[last] = operation["value"]  # a missing key of a map is added, as upstream's library does
    elif kind != "test" or _at(document, path) != operation.get("value"):
        raise ValueError(kind)


def _steps(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise ValueError(path)
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")]


def _at(document: Any, path: str) -> Any:
    for step in _steps(path):
        document = document[_place(step) if isinstance(document, list) else step]
    return document


def _container(document: Any, path: str) -> tuple[Any, Any]:
    *above, last = _steps(path)
    for step in above:
        document = document[_place(step) if isinstance(document, list) else step]
    return document, _place(last) if isinstance(document, list) and last != "-" else last


def _place(step: str) -> int:
    if not step.isdecimal():
        raise ValueError(step)
    return int(step)


def _add(document: Any, path: str, value: Any) -> None:
    container, last = _container(document, path)
    if isinstance(container, list):
        place = len(container) if last == "-" else last
        if not 0 <= place <= len(container):
            raise IndexError(place)
        container.insert(place, value)
    else:
        container[last] = value


def _remove(document: Any, path: str) -> None:
    container, last = _container(document, path)
    del container[last]
