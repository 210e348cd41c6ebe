"""The transport: bounded, retried where that is safe, and every failure in words."""

import http.server
import json
import threading
import time
from contextlib import contextmanager

import pytest
import yaml

from chaosprsa.cluster import connect
from chaosprsa.cluster.api import MERGE
from chaosprsa.errors import ClusterRefused, ClusterUnreachable


@contextmanager
def server(answers):
    """A server that gives these (status, body, headers) in turn, the last for ever; yields (url, requests seen)."""
    seen = []
    left = list(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            length = int(self.headers.get("Content-Length") or 0)
            seen.append((self.command, self.path, self.rfile.read(length), dict(self.headers)))
            status, body, headers = left.pop(0) if len(left) > 1 else left[0]
            if status == 0:  # never answers
                time.sleep(3)
                return
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    for verb in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        setattr(Handler, f"do_{verb}", Handler.answer)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", seen
        listening.shutdown()
        thread.join()


VERSION = (200, {"major": "1", "minor": "34+"}, {})


def kubeconfig(tmp_path, monkeypatch, url):
    path = tmp_path / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "users": [{"name": "test", "user": {"token": "secret-token"}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))


@contextmanager
def connected(tmp_path, monkeypatch, *answers):
    with server([VERSION, *answers]) as (url, seen):
        kubeconfig(tmp_path, monkeypatch, url)
        yield connect(state=tmp_path).api, seen


def status(code, message):
    return code, {"kind": "Status", "message": message, "code": code}, {}


def test_no_configuration_at_all_says_what_to_set(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ClusterUnreachable, match=r"no Kubernetes cluster is configured.*Set KUBECONFIG"):
        connect(state=tmp_path)


def test_an_unknown_context_is_named(monkeypatch, tmp_path):
    kubeconfig(tmp_path, monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(ClusterUnreachable, match="moon"):
        connect("moon", state=tmp_path)


def test_a_port_where_nobody_listens_fails_at_once_and_says_where(monkeypatch, tmp_path):
    kubeconfig(tmp_path, monkeypatch, "http://127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(ClusterUnreachable, match=r"no Kubernetes API answers at http://127.0.0.1:1 .*lab up"):
        connect(state=tmp_path)
    assert time.monotonic() - began < 2


def test_something_else_that_listens_is_not_taken_for_a_cluster(tmp_path, monkeypatch):
    with server([(200, b"<html>", {})]) as (url, _):
        kubeconfig(tmp_path, monkeypatch, url)
        with pytest.raises(ClusterUnreachable, match="isn't a Kubernetes API"):
            connect(state=tmp_path)


def test_the_kubeconfigs_token_is_sent(tmp_path, monkeypatch):
    with connected(tmp_path, monkeypatch) as (_, seen):
        assert seen[0][3]["authorization"] == "Bearer secret-token"


def test_a_busy_server_is_asked_again_and_its_wait_is_heeded(tmp_path, monkeypatch):
    busy = (429, {"message": "too many"}, {"Retry-After": "0.2"})
    node = (200, {"metadata": {"name": "n"}}, {})
    with connected(tmp_path, monkeypatch, busy, status(503, "starting"), node) as (api, seen):
        began = time.monotonic()
        assert api.get("Node", "", "n")["kind"] == "Node"
        assert time.monotonic() - began > 0.2 + 0.4 - 0.01
        assert len(seen) == 4


def test_a_server_that_stays_broken_is_given_up_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.setattr("chaosprsa.cluster.api._WAITS_S", (0.01, 0.01))
    with connected(tmp_path, monkeypatch, status(500, "etcd is full")) as (api, seen):
        with pytest.raises(ClusterRefused, match=r"refused to change .*/nodes/n \(500\): etcd is full") as caught:
            api.patch("Node", "", "n", {}, MERGE)
        assert caught.value.status == 500
        assert len(seen) == 1 + 3


@pytest.mark.parametrize("code", [400, 403, 404, 409, 422])
def test_a_plain_no_is_not_asked_again(tmp_path, monkeypatch, code):
    with connected(tmp_path, monkeypatch, status(code, "no")) as (api, seen):
        with pytest.raises(ClusterRefused) as caught:
            api.get("Node", "", "n")
        assert caught.value.status == code
        assert len(seen) == 2


def test_a_server_that_does_not_answer_is_given_up_in_time(tmp_path, monkeypatch):
    monkeypatch.setattr("chaosprsa.cluster.api._WAITS_S", (0.01,))
    with connected(tmp_path, monkeypatch, (0, b"", {})) as (api, _):
        api.timeout_s = 0.2
        began = time.monotonic()
        with pytest.raises(ClusterUnreachable, match="Read timed out"):
            api.get("Node", "", "n")
        assert time.monotonic() - began < 2


def test_a_creation_that_timed_out_is_not_sent_twice(tmp_path, monkeypatch):
    """It may have got through: the second would be refused as there already, and tell a lie."""
    with connected(tmp_path, monkeypatch, (0, b"", {})) as (api, seen):
        api.timeout_s = 0.2
        with pytest.raises(ClusterUnreachable):
            api.create({"kind": "Namespace", "metadata": {"name": "n"}})
        assert [request[0] for request in seen] == ["GET", "POST"]


def test_a_long_list_is_read_page_by_page(tmp_path, monkeypatch):
    first = (200, {"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "b"}}]}, {})
    second = (200, {"metadata": {}, "items": [{"metadata": {"name": "a"}}]}, {})
    with connected(tmp_path, monkeypatch, first, second) as (api, seen):
        assert [item["metadata"]["name"] for item in api.items("Node")] == ["a", "b"]
        assert seen[2][1] == "/api/v1/nodes?limit=500&continue=more"


def test_a_kind_that_the_server_does_not_know_has_no_objects(tmp_path, monkeypatch):
    with connected(tmp_path, monkeypatch, status(404, "no such page")) as (api, _):
        assert api.items("NetworkChaos", "shop") == ()


def test_chaos_toolkits_secrets_choose_the_context_as_chaosk8s_does(tmp_path, monkeypatch):
    kubeconfig(tmp_path, monkeypatch, "http://127.0.0.1:1")
    with pytest.raises(ClusterUnreachable, match="moon"):
        connect(secrets={"KUBERNETES_CONTEXT": "moon"}, state=tmp_path)
