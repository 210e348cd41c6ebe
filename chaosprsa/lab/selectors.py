"""Label and field selectors, with the grammar of `kubectl -l` and `--field-selector`."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.status import bad_request

Labels = Mapping[str, str]
Matcher = Callable[[Labels], bool]

KEY = r"(?P<key>[A-Za-z0-9][A-Za-z0-9._/-]*)"
FORMS = tuple(
    re.compile(rf"\s*{form}\s*")
    for form in (
        rf"{KEY}\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\)",
        rf"{KEY}\s*(?P<operator>==|!=|=)\s*(?P<value>[A-Za-z0-9._-]*)",
        rf"(?P<absent>!)\s*{KEY}",
        KEY,
    )
)


def matcher(selector: str | Mapping[str, str] | None) -> Matcher:
    """A test of labels; None and the empty selector match all. Raises StatusError 400."""
    if not selector:
        return lambda _labels: True
    if isinstance(selector, str):
        return _parsed(selector)
    wanted = tuple(selector.items())
    return lambda labels: all(labels.get(key) == value for key, value in wanted)


def label_selector(selector: Obj | None) -> Matcher:
    """A test from a LabelSelector (matchLabels, matchExpressions); None matches nothing, the empty one all."""
    if selector is None:
        return lambda _labels: False
    tests = [matcher(selector.get("matchLabels"))]
    tests += [_requirement(each["key"], each["operator"], each.get("values", ())) for each in expressions(selector)]
    return lambda labels: all(test(labels) for test in tests)


def expressions(selector: Obj) -> list[Obj]:
    """The matchExpressions of a LabelSelector."""
    return list(selector.get("matchExpressions") or ())


def written(selector: Obj | None) -> str:
    """A LabelSelector as `kubectl -l` would take it; what Scale.status.selector holds."""
    parts = [f"{key}={value}" for key, value in sorted(((selector or {}).get("matchLabels") or {}).items())]
    for each in expressions(selector or {}):
        values = ",".join(each.get("values", ()))
        forms = {"In": f"{each['key']} in ({values})", "NotIn": f"{each['key']} notin ({values})"}
        parts.append(forms.get(each["operator"], ("" if each["operator"] == "Exists" else "!") + each["key"]))
    return ",".join(parts)


@lru_cache(maxsize=1024)
def _parsed(selector: str) -> Matcher:
    tests: list[Matcher] = []
    rest = selector
    while rest.strip():
        found = next((match for form in FORMS if (match := form.match(rest))), None)
        if found is None or (rest[found.end() :] and not rest[found.end() :].startswith(",")):
            raise bad_request(f"unable to parse requirement: found {rest.strip()!r} in selector {selector!r}")
        tests.append(_test(found.groupdict()))
        rest = rest[found.end() + 1 :]
    return lambda labels: all(test(labels) for test in tests)


def _test(parts: Mapping[str, str | None]) -> Matcher:
    key = parts["key"] or ""
    if parts.get("set"):
        values = [value.strip() for value in (parts.get("values") or "").split(",")]
        return _requirement(key, "In" if parts["set"] == "in" else "NotIn", values)
    if parts.get("operator"):
        return _requirement(key, "NotIn" if parts["operator"] == "!=" else "In", [parts.get("value") or ""])
    return _requirement(key, "DoesNotExist" if parts.get("absent") else "Exists", ())


def _requirement(key: str, operator: str, values: Any) -> Matcher:
    allowed = frozenset(values)
    tests: dict[str, Matcher] = {
        "In": lambda labels: key in labels and labels[key] in allowed,
        "NotIn": lambda labels: key not in labels or labels[key] not in allowed,
        "Exists": lambda labels: key in labels,
        "DoesNotExist": lambda labels: key not in labels,
    }
    return tests[operator]


def field_matcher(selector: str, known: tuple[str, ...]) -> Callable[[Obj], bool]:
    """A test of objects by their fields (=, ==, !=). Raises StatusError 400 for a field that can't be selected by."""
    tests: list[tuple[tuple[str, ...], bool, str]] = []
    for term in filter(None, (part.strip() for part in selector.split(","))):
        found = re.fullmatch(r"(?P<field>[^=!]+?)\s*(?P<operator>==|!=|=)\s*(?P<value>.*)", term)
        if found is None:
            raise bad_request(f"invalid selector: {selector!r}; can't understand {term!r}")
        if found["field"] not in {"metadata.name", "metadata.namespace", *known}:
            raise bad_request(f"field label not supported: {found['field']}")
        tests.append((tuple(found["field"].split(".")), found["operator"] != "!=", found["value"]))
    return lambda obj: all((_text(obj, path) == value) is equal for path, equal, value in tests)


def _text(obj: Any, path: tuple[str, ...]) -> str:
    for step in path:
        obj = obj.get(step) if isinstance(obj, dict) else None
    return {True: "true", False: "false", None: ""}.get(obj) if isinstance(obj, bool | None) else str(obj)  # type: ignore[return-value]
