"""What the API server refuses (422), with its field paths and wording. What clients never get wrong is not checked."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from chaosprsa.lab import selectors
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.quantities import exact
from chaosprsa.lab.status import bad_request

Cause = tuple[str, str]
Causes = Iterator[Cause]
Rule = Callable[[Obj, Obj | None, str], Causes]

LABEL_FORM = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
SUBDOMAIN_FORM = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
LABEL_NAME_FORM = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SERVICE_FORM = "[a-z]([-a-z0-9]*[a-z0-9])?"
KEY_FORM = "[-._a-zA-Z0-9]+"
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    f"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN_FORM}')"
)
LABEL_NAME = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    f"'{LABEL_NAME_FORM}')"
)
SERVICE_NAME = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{SERVICE_FORM}')"
)
LABEL_VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'{LABEL_FORM}')"
)
CONFIG_KEY = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  "
    f"or 'key-name', regex used for validation is '{KEY_FORM}')"
)
NOT_NEGATIVE = "must be greater than or equal to 0"
NAMES = {  # plural: (form, what is said, longest)
    "namespaces": (LABEL_NAME_FORM, LABEL_NAME, 63),
    "services": (SERVICE_FORM, SERVICE_NAME, 63),
}


def wrong(value: Any, why: str) -> str:
    """The wording of an invalid value."""
    shown = json.dumps(value, separators=(",", ":")) if isinstance(value, str | dict | list | bool) else str(value)
    return f"Invalid value: {shown}: {why}"


def metadata(new: Obj, plural: str) -> Causes:
    """Names, labels and annotations of any object."""
    name = new["metadata"].get("name") or ""
    form, told, longest = NAMES.get(plural, (SUBDOMAIN_FORM, SUBDOMAIN, 253))
    if not name:
        yield "metadata.name", "Required value: name or generateName is required"
    elif plural == "namespaces" and "." in name:
        yield "metadata.name", wrong(name, "must not contain dots")
    elif len(name) > longest:
        yield "metadata.name", wrong(name, f"must be no more than {longest} characters")
    elif not re.fullmatch(form, name):
        yield "metadata.name", wrong(name, told)
    yield from labels(new["metadata"].get("labels"), "metadata.labels")


def labels(values: Any, path: str) -> Causes:
    """Label values: text of at most 63 characters. Raises StatusError 400 for another type."""
    if values is not None and not isinstance(values, dict):
        raise bad_request(f"json: cannot unmarshal {json_type(values)} into Go struct field .{path} of type map")
    for value in (values or {}).values():
        if not isinstance(value, str):
            raise bad_request(
                f"json: cannot unmarshal {json_type(value)} into Go struct field ObjectMeta.{path} of type string"
            )
        if len(value) > 63:
            yield path, wrong(value, "must be no more than 63 bytes")
        elif not re.fullmatch(LABEL_FORM, value):
            yield path, wrong(value, LABEL_VALUE)


def json_type(value: Any) -> str:
    """What Go's decoder calls a value of the wrong type."""
    return {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}.get(
        type(value), "null"
    )


def whole(spec: Obj, field: str, least: int | None = None, path: str = "spec", says: str = NOT_NEGATIVE) -> Causes:
    """A field that must be a whole number where it is given. Raises StatusError 400 for another type."""
    value = spec.get(field)
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise bad_request(
            f"json: cannot unmarshal {json_type(value)} into Go struct field {path}.{field} of type int32"
        )
    if least is not None and value < least:
        yield f"{path}.{field}", wrong(value, says)


def config_data(new: Obj, old: Obj | None, _subresource: str) -> Causes:
    """ConfigMaps and Secrets: keys, size, immutability."""
    size = 0
    for part in ("data", "binaryData"):
        for key, text in (new.get(part) or {}).items():
            if not isinstance(text, str):
                where = f"{new['kind']}.{part}"
                raise bad_request(
                    f"json: cannot unmarshal {json_type(text)} into Go struct field {where} of type string"
                )
            size += len(text)
            if part == "data" and new["kind"] == "Secret":
                _check_base64(text)
            if not re.fullmatch(KEY_FORM, key):
                yield f"{part}[{key}]", wrong(key, CONFIG_KEY)
    if size > 1024 * 1024:
        yield "", "Too long: may not be more than 1048576 bytes"
    changed = old is not None and any(new.get(part) != old.get(part) for part in ("data", "binaryData"))
    if old is not None and old.get("immutable") and changed:
        yield "data", "Forbidden: field is immutable when `immutable` is set"


def _check_base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise bad_request(
            'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0'
        ) from None


def service(new: Obj, old: Obj | None, _subresource: str) -> Causes:
    """Services: ports and the immutable address."""
    spec = new["spec"]
    ports = spec.get("ports") or []
    headless = spec.get("clusterIP") == "None"
    if not ports and not headless and spec["type"] != "ExternalName":
        yield "spec.ports", "Required value"
    for place, port in enumerate(ports):
        path = f"spec.ports[{place}]"
        if len(ports) > 1 and not port.get("name"):
            yield f"{path}.name", "Required value"
        for field in ("port", "targetPort"):
            number = port.get(field)
            if isinstance(number, int) and not 1 <= number <= 65535:
                yield f"{path}.{field}", wrong(number, "must be between 1 and 65535, inclusive")
        node_port = port.get("nodePort")
        if node_port and not 30000 <= node_port <= 32767:
            why = "provided port is not in the valid range. The range of valid ports is 30000-32767"
            yield f"{path}.nodePort", wrong(node_port, why)
    if old is not None and old["spec"].get("clusterIP") not in {None, "", spec.get("clusterIP")}:
        yield "spec.clusterIPs[0]", wrong([spec.get("clusterIP")], "may not change once set")


def autoscaler(new: Obj, _old: Obj | None, _subresource: str) -> Causes:
    """HorizontalPodAutoscalers: bounds and target."""
    spec = new["spec"]
    yield from whole(spec, "minReplicas", 1, says="must be greater than or equal to 1")
    most, least = spec.get("maxReplicas") or 0, spec.get("minReplicas") or 1
    if most <= 0:
        yield "spec.maxReplicas", wrong(most, "must be greater than 0")
    if most < least:
        yield "spec.maxReplicas", wrong(most, "must be greater than or equal to `minReplicas`")
    target = spec.get("scaleTargetRef") or {}
    for field in ("kind", "name"):
        if not target.get(field):
            yield f"spec.scaleTargetRef.{field}", "Required value"


def disruption_budget(new: Obj, _old: Obj | None, _subresource: str) -> Causes:
    """PodDisruptionBudgets: one bound, not both."""
    spec = new.get("spec") or {}
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield "spec", wrong(spec, "minAvailable and maxUnavailable cannot be both set")
    for field in ("minAvailable", "maxUnavailable"):
        yield from share(spec.get(field), f"spec.{field}")


def share(value: Any, path: str) -> Causes:
    """A count or a percentage."""
    if isinstance(value, str) and not re.fullmatch(r"\d+%", value):
        yield path, wrong(value, "a valid percent string must be a numeric string followed by an ending '%'")
    elif isinstance(value, int) and value < 0:
        yield path, wrong(value, NOT_NEGATIVE)


def quota(new: Obj, _old: Obj | None, _subresource: str) -> Causes:
    """ResourceQuotas: no negative amount."""
    for name, amount in (new["spec"].get("hard") or {}).items():
        if exact(amount) < 0:
            yield f"spec.hard[{name}]", wrong(amount, NOT_NEGATIVE)


def lease(new: Obj, _old: Obj | None, _subresource: str) -> Causes:
    """Leases: a duration above 0."""
    spec = new.get("spec") or {}
    yield from whole(spec, "leaseDurationSeconds", 1, says="must be greater than 0")


def selector(spec: Obj, old: Obj | None) -> Causes:
    """A workload's selector: there, matching its own template, never changed."""
    template_labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    chosen = spec.get("selector")
    if chosen is None:
        yield "spec.selector", "Required value"
    elif not chosen.get("matchLabels") and not chosen.get("matchExpressions"):
        yield "spec.selector", wrong({}, "empty selector is invalid for deployment")
    if not selectors.label_selector(chosen)(template_labels):
        yield "spec.template.metadata.labels", wrong(template_labels, "`selector` does not match template `labels`")
    if old is not None and chosen != old["spec"].get("selector"):
        yield "spec.selector", wrong(chosen, "field is immutable")
