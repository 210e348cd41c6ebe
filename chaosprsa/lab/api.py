"""The Kubernetes API over HTTP, as far as clients of this package need it; what is left out answers 404 or 405."""

import base64
import binascii
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from chaosprsa.lab import discovery, subresources
from chaosprsa.lab.answers import JSON, Encoder, answer
from chaosprsa.lab.applying import Appliers
from chaosprsa.lab.kinds import Kind, Obj
from chaosprsa.lab.patching import patched
from chaosprsa.lab.requests import Asked, asked, body, checked_object, is_dry, is_yes
from chaosprsa.lab.runtime import PodRuntime
from chaosprsa.lab.selectors import field_matcher, matcher
from chaosprsa.lab.status import StatusError, bad_request, conflict, invalid, no_such_path
from chaosprsa.lab.store import Store
from chaosprsa.lab.watching import Watches

APPLY = "application/apply-patch+yaml"
FORMS = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
}
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
logger = logging.getLogger(__name__)

Handler = Callable[[web.Request, Asked], Awaitable[web.StreamResponse]]


def build_api(store: Store, runtime: PodRuntime | None = None) -> web.Application:
    """The application; runtime gives the logs of pods."""
    api = Api(store, runtime)
    app = web.Application(client_max_size=4 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", api.handle)
    app.on_shutdown.append(api.watches.close)
    return app


async def serve(app: web.Application, host: str = "127.0.0.1", port: int = 0) -> tuple[web.AppRunner, str]:
    """Listen; returns (what to clean up, the URL). Port 0: the system chooses."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    chosen = runner.addresses[0][1]
    return runner, f"http://{host}:{chosen}"


class Api:
    """Requests in, Status or objects out. One table says which method does what."""

    def __init__(self, store: Store, runtime: PodRuntime | None) -> None:
        self._store = store
        self._runtime = runtime
        self._encoder = Encoder(store)
        self._appliers = Appliers(store)
        self.watches = Watches(store, self._encoder)
        changing: dict[str, Handler] = {"GET": self._get, "PUT": self._put, "PATCH": self._patch}
        self._collection: dict[str, Handler] = {
            "GET": self._list,
            "POST": self._create,
            "DELETE": self._delete_collection,
        }
        self._object: dict[str, dict[str, Handler]] = {
            "": {**changing, "DELETE": self._delete},
            "status": changing,
            "resize": changing,
            "scale": {"GET": self._get_scale, "PUT": self._set_scale, "PATCH": self._set_scale},
            "log": {"GET": self._log},
            "eviction": {"POST": self._evict},
            "binding": {"POST": self._bind},
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Every request comes here; every refusal leaves as a Status."""
        try:
            told = discovery.told(request.path)
            if told is not None:
                return web.Response(text=told) if isinstance(told, str) else answer(told)
            if request.path == REVIEW and request.method == "POST":
                return answer(_review(await body(request)), 201)
            wanted = asked(request.path, request.query)
            return await self._handler(request.method, wanted)(request, wanted)
        except StatusError as error:
            return answer(error.body, error.code)
        except Exception as error:
            if isinstance(error, ConnectionError | web.HTTPException):
                raise
            logger.exception("%s %s failed", request.method, request.path)
            return answer(StatusError(500, f"Internal error occurred: {error}").body, 500)

    def _handler(self, method: str, wanted: Asked) -> Handler:
        kind = wanted.kind
        parts = {"", *kind.subresources, *(["status"] * kind.has_status), *(["scale"] * kind.scale)}
        if wanted.part not in parts:
            raise no_such_path()
        handlers = self._object[wanted.part] if wanted.name else self._collection
        if method not in handlers or (kind.namespaced and wanted.namespace is None and method == "POST"):
            raise StatusError(405, "the server does not allow this method on the requested resource", details={})
        return handlers[method]

    def _shown(self, obj: Obj, status: int = 200, *, dry: bool = False) -> web.Response:
        if dry or "resourceVersion" not in obj["metadata"]:
            return answer(obj, status)
        return web.Response(body=self._encoder.whole(obj), status=status, content_type=JSON)

    def _wanted(self, request: Asked) -> Callable[[Obj], bool]:
        labels = matcher(request.query.get("labelSelector"))
        fields = field_matcher(request.query.get("fieldSelector", ""), request.kind.fields)
        return lambda obj: labels(obj["metadata"].get("labels") or {}) and fields(obj)

    async def _list(self, request: web.Request, wanted: Asked) -> web.StreamResponse:
        matches = self._wanted(wanted)
        if is_yes(wanted.query, "watch"):
            return await self.watches.serve(request, wanted, matches)
        found = tuple(filter(matches, self._store.list(wanted.kind.plural, wanted.namespace)))
        metadata: Obj = {"resourceVersion": str(self._store.version)}
        limit, token = wanted.query.get("limit", "0"), wanted.query.get("continue")
        if token:
            after = _continued(token)
            found = tuple(obj for obj in found if _place(obj) > after)
        if limit.isdecimal() and 0 < int(limit) < len(found):
            metadata["continue"] = _token(found[int(limit) - 1], self._store.version)
            metadata["remainingItemCount"] = len(found) - int(limit)
            found = found[: int(limit)]
        return web.Response(body=self._encoder.items(wanted.kind, found, metadata), content_type=JSON)

    async def _create(self, request: web.Request, wanted: Asked) -> web.StreamResponse:
        obj = checked_object(wanted, await body(request))
        made = self._store.create(wanted.kind.plural, obj, dry_run=wanted.dry_run)
        return self._shown(made, 201, dry=wanted.dry_run)

    async def _get(self, _request: web.Request, wanted: Asked) -> web.StreamResponse:
        return self._shown(self._store.get(*wanted.key))

    async def _put(self, request: web.Request, wanted: Asked) -> web.StreamResponse:
        obj = checked_object(wanted, await body(request))
        if wanted.kind.needs_version and not obj["metadata"].get("resourceVersion"):
            cause = ("metadata.resourceVersion", "Invalid value: 0: must be specified for an update")
            raise invalid(wanted.kind.plural, wanted.name, wanted.kind.group, [cause])
        return self._updated(wanted, obj)

    def _updated(self, wanted: Asked, obj: Obj) -> web.Response:
        if wanted.part == "resize":
            obj = _resized(self._store.get(*wanted.key), obj)
        made = self._store.update(wanted.kind.plural, obj, subresource=wanted.part, dry_run=wanted.dry_run)
        return self._shown(made, dry=wanted.dry_run)

    async def _patch(self, request: web.Request, wanted: Asked) -> web.StreamResponse:
        change = await body(request)
        if request.content_type == APPLY:
            made, is_new = self._appliers.apply(wanted, checked_object(wanted, change))
            return self._shown(made, 201 if is_new else 200, dry=wanted.dry_run)
        current = self._store.get(*wanted.key)
        obj = patched(current, change, _form(request, wanted.kind))
        return self._updated(wanted, checked_object(wanted, obj))

    async def _delete(self, request: web.Request, wanted: Asked) -> web.StreamResponse:
        options = await body(request) or {}
        obj = self._store.get(*wanted.key)
        _check_preconditions(wanted, obj, options.get("preconditions") or {})
        last = self._store.delete(*wanted.key, **_deletion(wanted, options))
        is_left = self._store.find(*wanted.key) is not None
        if wanted.kind.plural in {"pods", "namespaces"} or (is_left and last["metadata"].get("deletionTimestamp")):
            return self._shown(last, dry=True)
        return answer(_deleted(wanted.kind, last))

    async def _delete_collection(self, request: web.Request, wanted: Asked) -> web.StreamResponse:
        if wanted.kind.namespaced and wanted.namespace is None:
            raise StatusError(405, "the server does not allow this method on the requested resource", details={})
        options = await body(request) or {}
        found = tuple(filter(self._wanted(wanted), self._store.list(wanted.kind.plural, wanted.namespace)))
        for obj in found:
            metadata = obj["metadata"]
            place = (wanted.kind.plural, metadata.get("namespace") or "", metadata["name"])
            self._store.delete(*place, **_deletion(wanted, options))
        metadata = {"resourceVersion": str(self._store.version)}
        return web.Response(body=self._encoder.items(wanted.kind, found, metadata), content_type=JSON)

    async def _get_scale(self, _request: web.Request, wanted: Asked) -> web.StreamResponse:
        return answer(subresources.scale_of(self._store.get(*wanted.key)))

    async def _set_scale(self, request: web.Request, wanted: Asked) -> web.StreamResponse:
        change, obj = await body(request), self._store.get(*wanted.key)
        if request.method == "PATCH":
            change = patched(subresources.scale_of(obj), change, _form(request, wanted.kind))
        if not isinstance(change, dict):
            raise bad_request("the body is no Scale")
        wanted_obj = subresources.scaled(wanted.kind, obj, change)
        made = self._store.update(wanted.kind.plural, wanted_obj, dry_run=wanted.dry_run)
        return answer(subresources.scale_of(made))

    async def _log(self, _request: web.Request, wanted: Asked) -> web.StreamResponse:
        return web.Response(text=subresources.log_of(self._store, self._runtime, wanted))

    async def _evict(self, request: web.Request, wanted: Asked) -> web.StreamResponse:
        return answer(subresources.evict(self._store, wanted, await body(request)), 201)

    async def _bind(self, request: web.Request, wanted: Asked) -> web.StreamResponse:
        return answer(subresources.bind(self._store, wanted, await body(request)), 201)


def _form(request: web.Request, kind: Kind) -> str:
    form = FORMS.get(request.content_type)
    if form is None or (form == "strategic" and not kind.strategic):
        accepted = ", ".join([*(each for each in FORMS if kind.strategic or "strategic" not in each), APPLY])
        told = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
        raise StatusError(415, told)
    return form


def _resized(current: Obj, obj: Obj) -> Obj:
    """Of a resize only the containers' resources count; the rest of the object is left as it is."""
    told = {each.get("name"): each for each in (obj.get("spec") or {}).get("containers") or ()}
    containers = [
        {**each, "resources": told.get(each["name"], each).get("resources") or {}}
        for each in current["spec"]["containers"]
    ]
    metadata = {**current["metadata"], "resourceVersion": obj["metadata"].get("resourceVersion")}
    return {**current, "metadata": metadata, "spec": {**current["spec"], "containers": containers}}


def _deletion(wanted: Asked, options: Obj) -> dict[str, Any]:
    grace = options.get("gracePeriodSeconds", wanted.query.get("gracePeriodSeconds"))
    propagation = options.get("propagationPolicy") or wanted.query.get("propagationPolicy") or "Background"
    if propagation not in {"Background", "Foreground", "Orphan"}:
        told = f'Unsupported value: "{propagation}": supported values: "Foreground", "Background", "Orphan", "nil"'
        raise invalid("DeleteOptions", "", "meta.k8s.io", [("propagationPolicy", told)])
    return {
        "grace_s": None if grace is None else int(grace),
        "propagation": propagation,
        "dry_run": wanted.dry_run or is_dry(options.get("dryRun")),
    }


def _check_preconditions(wanted: Asked, obj: Obj, preconditions: Obj) -> None:
    names = {"uid": "UID", "resourceVersion": "ResourceVersion"}
    for field, shown in names.items():
        told, now = preconditions.get(field), obj["metadata"][field]
        if told not in {None, now}:
            why = (
                f"the {shown} in the precondition ({told}) does not match the {shown} in record ({now}). "
                "The object might have been deleted and then recreated"
            )
            raise conflict(wanted.kind.kind, wanted.name, wanted.kind.group, why)


def _deleted(kind: Kind, obj: Obj) -> Obj:
    group = {"group": kind.group} if kind.group else {}
    details = {"name": obj["metadata"]["name"], **group, "kind": kind.plural, "uid": obj["metadata"]["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def _review(content: Any) -> Obj:
    """Everybody may do everything here."""
    if not isinstance(content, dict) or not isinstance(content.get("spec"), dict):
        raise bad_request("the object provided is unrecognized: it has no spec")
    head = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}}
    return {**head, "spec": content["spec"], "status": {"allowed": True, "reason": "the lab lets everybody in"}}


def _place(obj: Obj) -> tuple[str, str]:
    return obj["metadata"].get("namespace") or "", obj["metadata"]["name"]


def _token(obj: Obj, version: int) -> str:
    told = {"v": "meta.k8s.io/v1", "rv": version, "start": _place(obj)}
    return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def _continued(token: str) -> tuple[str, str]:
    try:
        namespace, name = json.loads(base64.urlsafe_b64decode(token))["start"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from None
    return str(namespace), str(name)
