"""One Kubernetes API server: JSON in and out, timed out, retried within bounds, errors with the server's reason."""

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3
import yaml
from kubernetes import client, config

from chaosprsa.cluster.kinds import path_of
from chaosprsa.errors import ClusterRefused, ClusterUnreachable
from chaosprsa.manifests import Manifest

TIMEOUT_S = 10.0
_WAITS_S = (0.1, 0.4, 1.6)  # between attempts: 2.1 s in all, an API server's restart is longer and is for the caller
_PASSING = frozenset({429, 500, 502, 503, 504})
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"


class Api:
    """The calls this package makes. timeout_s: for connecting and for each answer."""

    def __init__(self, api_client: Any, timeout_s: float = TIMEOUT_S) -> None:
        self._client = api_client
        self.timeout_s = timeout_s

    @property
    def url(self) -> str:
        return str(self._client.configuration.host)

    def get(self, kind: str, namespace: str, name: str) -> Manifest:
        """One object. Raises ClusterRefused (404 where it isn't there)."""
        return _typed(self.call("GET", path_of(kind, namespace, name)), kind)

    def find(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """One object, or None where it isn't there."""
        try:
            return self.get(kind, namespace, name)
        except ClusterRefused as refused:
            if refused.status == 404:
                return None
            raise

    def items(self, kind: str, namespace: str = "", labels: Mapping[str, str] | None = None) -> tuple[Manifest, ...]:
        """All objects of a kind, by name; in every namespace where none is given. A kind it doesn't know: none."""
        query = [("limit", "500")]
        if labels is not None:
            query.append(("labelSelector", ",".join(f"{key}={value}" for key, value in labels.items())))
        found: list[Manifest] = []
        token = ""
        while True:
            page = self._page(path_of(kind, namespace), [*query, *([("continue", token)] if token else [])])
            found += [_typed(item, kind) for item in page.get("items") or []]
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return tuple(sorted(found, key=lambda item: (item["metadata"].get("namespace", ""), _name(item))))

    def _page(self, path: str, query: list[tuple[str, str]]) -> Manifest:
        try:
            return self.call("GET", path, query=query)
        except ClusterRefused as refused:
            if refused.status == 404:
                return {}
            raise

    def create(self, manifest: Manifest) -> Manifest:
        """Raises ClusterRefused (409 where it is there already)."""
        kind, namespace = manifest["kind"], manifest["metadata"].get("namespace", "")
        return _typed(self.call("POST", path_of(kind, namespace), manifest), kind)

    def replace(self, manifest: Manifest) -> Manifest:
        """Raises ClusterRefused (409 where its resourceVersion is stale)."""
        kind, metadata = manifest["kind"], manifest["metadata"]
        path = path_of(kind, metadata.get("namespace", ""), metadata["name"])
        return _typed(self.call("PUT", path, manifest), kind)

    def patch(
        self, kind: str, namespace: str, name: str, change: Manifest, style: str = MERGE, sub: str = ""
    ) -> Manifest:
        """style: MERGE (JSON merge patch) or STRATEGIC (lists of containers merge by name)."""
        return _typed(self.call("PATCH", path_of(kind, namespace, name, sub), change, style), kind)

    def delete(self, kind: str, namespace: str, name: str, uid: str = "") -> bool:
        """Delete one object, dependents in the background; False where it wasn't there, has another uid or is going."""
        options: Manifest = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            self.call("DELETE", path_of(kind, namespace, name), options)
        except ClusterRefused as refused:
            if refused.status in {404, 409}:
                return False
            raise
        return True

    def call(
        self, method: str, path: str, body: Any = None, style: str = "application/json", query: Any = ()
    ) -> Manifest:
        """One request, tried again when the server is busy or broke off. Raises ClusterRefused, ClusterUnreachable."""
        for wait_s in (*_WAITS_S, None):
            try:
                answer = self._once(method, path, body, style, query)
            except urllib3.exceptions.HTTPError as error:
                if wait_s is None or not _worth_another(error, method):
                    raise self._unreachable(error) from None
                time.sleep(wait_s)
                continue
            if answer.status < 300:
                return _json(answer.data)
            if wait_s is None or answer.status not in _PASSING:
                raise _refused(answer, method, path)
            time.sleep(max(wait_s, _retry_after_s(answer)))
        raise AssertionError  # the last attempt returns or raises

    def _once(self, method: str, path: str, body: Any, style: str, query: Any) -> urllib3.BaseHTTPResponse:
        headers = {"Accept": "application/json", "Content-Type": style}
        parameters = list(query)
        self._client.update_params_for_auth(headers, parameters, ["BearerToken"])
        tail = f"?{urlencode(parameters)}" if parameters else ""
        answer: urllib3.BaseHTTPResponse = self._client.rest_client.pool_manager.request(
            method,
            f"{self.url}{path}{tail}",
            body=None if body is None else json.dumps(body).encode(),
            headers=headers,
            timeout=urllib3.Timeout(connect=min(self.timeout_s, 5.0), read=self.timeout_s),
        )
        return answer

    def _unreachable(self, error: Exception) -> ClusterUnreachable:
        return ClusterUnreachable(
            f"no Kubernetes API answers at {self.url} ({_reason(error)}). Is the cluster up? For the lab: "
            "chaos prsa lab up; for another cluster set KUBECONFIG or [cluster] context"
        )


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def _typed(manifest: Manifest, kind: str) -> Manifest:
    """Items of a list come without kind and apiVersion."""
    version = path_of(kind).rsplit("/", 1)[0].removeprefix("/apis/").removeprefix("/api/")
    return {"apiVersion": version, "kind": kind, **manifest}


def _retry_after_s(answer: urllib3.BaseHTTPResponse) -> float:
    try:
        return min(float(answer.headers.get("Retry-After", 0)), 2.0)
    except ValueError:
        return 0.0


def _worth_another(error: Exception, method: str) -> bool:
    """A refused connection stays refused; a broken one is tried again, as every write here can be repeated."""
    cause = getattr(error, "reason", error)  # what MaxRetryError wraps
    refused = isinstance(cause, urllib3.exceptions.NewConnectionError | urllib3.exceptions.ConnectTimeoutError)
    return not refused and not (method == "POST" and isinstance(cause, urllib3.exceptions.ReadTimeoutError))


def _reason(error: BaseException) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.split(": ", 1)[-1][:160].rstrip(".")


def _json(data: bytes) -> Manifest:
    try:
        found = json.loads(data or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ClusterUnreachable("what answers isn't a Kubernetes API: it sent no JSON object. Is KUBECONFIG right?")
    return found


def _refused(answer: urllib3.BaseHTTPResponse, method: str, path: str) -> ClusterRefused:
    """The server's reason is in its Status object."""
    text = answer.data.decode(errors="replace")
    try:
        reason = json.loads(text)["message"]
    except (ValueError, KeyError, TypeError):
        reason = text.strip()[:200] or answer.reason
    verb = {"GET": "read", "POST": "create", "PUT": "replace", "PATCH": "change", "DELETE": "delete"}[method]
    message = f"the Kubernetes API refused to {verb} {path} ({answer.status}): {reason}"
    return ClusterRefused(message, answer.status)


def api_client(context: str, secrets: Mapping[str, Any]) -> Any:
    """A client for KUBECONFIG's (or the named) context, else for the pod we run in, or chaosk8s' variables."""
    settings = client.Configuration()
    context = context or str(secrets.get("KUBERNETES_CONTEXT") or "")
    try:
        _load(settings, context, secrets)
    except (config.ConfigException, yaml.YAMLError) as error:
        raise ClusterUnreachable(
            f"no Kubernetes cluster is configured: {_reason(error)}. Set KUBECONFIG to a file that names one "
            "(the lab's: chaos prsa lab up), or run inside a pod"
        ) from None
    settings.retries = urllib3.Retry(0, redirect=3)  # our own retries are bounded and know which call may repeat
    return client.ApiClient(settings)


def _load(settings: Any, context: str, secrets: Mapping[str, Any]) -> None:
    files = [Path(name).expanduser() for name in _kubeconfigs()]
    if any(file.is_file() for file in files):
        # Named each time: the client's own default is read once, when it is imported.
        named = os.pathsep.join(str(file) for file in files)
        config.load_kube_config(named, context or None, client_configuration=settings, persist_config=False)
    elif secrets.get("KUBERNETES_HOST"):
        settings.host = secrets["KUBERNETES_HOST"]
        settings.verify_ssl = bool(secrets.get("KUBERNETES_VERIFY_SSL"))
        settings.ssl_ca_cert = secrets.get("KUBERNETES_CA_CERT_FILE")
        if "KUBERNETES_API_KEY" in secrets:
            settings.api_key = {"authorization": secrets["KUBERNETES_API_KEY"]}
            settings.api_key_prefix = {"authorization": secrets.get("KUBERNETES_API_KEY_PREFIX", "Bearer")}
    else:
        config.load_incluster_config(client_configuration=settings)


def _kubeconfigs() -> list[str]:
    return [name for name in os.environ.get("KUBECONFIG", "~/.kube/config").split(os.pathsep) if name]


def until(done: Callable[[], bool], timeout_s: float, every_s: float = 0.25) -> bool:
    """Ask until it is so; False when the time is up."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every_s)
    return True
