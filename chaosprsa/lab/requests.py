"""From an HTTP request to what it asks for: paths, options and bodies in the API's own forms."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from aiohttp import web

from chaosprsa.lab.kinds import Kind, Obj
from chaosprsa.lab.resources import KINDS
from chaosprsa.lab.status import StatusError, bad_request, invalid, no_such_path

BY_PLACE: dict[tuple[str, str, str], Kind] = {(kind.group, kind.version, kind.plural): kind for kind in KINDS.values()}
MOST_BODY = 3 * 1024 * 1024  # bytes; the API server's own limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a path names: a collection (no name), an object, or a part of one."""

    kind: Kind
    namespace: str | None  # None: over all namespaces, or a kind that has none
    name: str
    part: str  # subresource
    query: Mapping[str, str]

    @property
    def key(self) -> tuple[str, str, str]:
        """Plural, namespace and name, as the store wants them."""
        return self.kind.plural, self.namespace or "", self.name

    @property
    def dry_run(self) -> bool:
        return is_dry(self.query.get("dryRun"))


def asked(path: str, query: Mapping[str, str]) -> Asked:
    """What /api/v1/... or /apis/GROUP/VERSION/... names. Raises StatusError 404."""
    steps = [step for step in path.split("/") if step]
    if steps[:1] == ["api"]:
        group, version, rest = "", *steps[1:2], steps[2:]
    else:
        group, version, rest = (*steps[1:3], steps[3:])
    namespace: str | None = None
    if rest[:1] == ["namespaces"] and len(rest) > 2 and rest[2] not in {"status", "finalize"}:
        namespace, rest = rest[1], rest[2:]
    plural, name, part, *more = [*rest, "", ""]
    kind = BY_PLACE.get((group, version, plural))
    if kind is None or any(more) or ((namespace is not None) != kind.namespaced and (namespace or name)):
        raise no_such_path()
    return Asked(kind=kind, namespace=namespace, name=name, part=part, query=query)


def is_yes(query: Mapping[str, str], name: str) -> bool:
    """An option that is on, however Go's ParseBool would spell it."""
    return query.get(name, "") in {"1", "t", "T", "true", "TRUE", "True"}


def is_dry(value: Any) -> bool:
    """Whether dryRun asks for a rehearsal. Raises StatusError 422 for anything but All."""
    values = value if isinstance(value, list) else [value] if value else []
    if any(each != "All" for each in values):
        shown = json.dumps(values, separators=(",", ":"))
        cause = ("dryRun", f'Unsupported value: {shown}: supported values: "All"')
        raise invalid("CreateOptions", "", "meta.k8s.io", [cause])
    return bool(values)


async def body(request: web.Request) -> Any:
    """The parsed body, None for none. Raises StatusError 400, 413."""
    content = await request.read()
    if "protobuf" in request.content_type:
        raise StatusError(415, "the body of the request was in an unknown format - accepted media types include: JSON")
    if len(content) > MOST_BODY:
        raise StatusError(413, f"Request entity too large: limit is {MOST_BODY}", reason="RequestEntityTooLarge")
    if not content.strip():
        return None
    try:
        return yaml.safe_load(content) if "yaml" in request.content_type else json.loads(content)
    except (yaml.YAMLError, ValueError) as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from None


def checked_object(wanted: Asked, content: Any) -> Obj:
    """The object of a create or an update, put in its place. Raises StatusError 400."""
    kind = wanted.kind
    if not isinstance(content, dict):
        raise bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: no object')
    told = (content.get("apiVersion") or kind.api_version, content.get("kind") or kind.kind)
    if told != (kind.api_version, kind.kind):
        raise bad_request(
            f'{told[1]} in version "{told[0].rpartition("/")[2]}" cannot be handled as a {kind.kind}: converting '
            f"({told[0]}.{told[1]}) to ({kind.api_version}.{kind.kind}): unknown conversion"
        )
    metadata = content.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise bad_request("json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta")
    namespace = metadata.get("namespace")
    if kind.namespaced and namespace and namespace != wanted.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if wanted.name and metadata.get("name") not in {None, wanted.name}:
        raise bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({wanted.name})"
        )
    place = {"namespace": wanted.namespace} if kind.namespaced else {}
    named = {"name": wanted.name} if wanted.name else {}
    return {**content, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": {**metadata, **place, **named}}
