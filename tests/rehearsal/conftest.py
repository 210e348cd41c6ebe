"""A bundle learned from the lab's history, settings for the shop, and an issue to change."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chaosprsa.documents import lineage
from chaosprsa.lab.history import lab_history
from chaosprsa.lab.shop import shop
from chaosprsa.models.bundle import learn
from chaosprsa.settings import parse_settings
from chaosprsa.types import Fault, Impact, Interval, Severity, SimulatedIssue

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
ISSUE = SimulatedIssue(
    id="catalogue-cpu-squeeze-0123456789ab",
    kind="cpu-hog",
    fault=Fault.CPU_SQUEEZE,
    strength=0.5,
    components=("catalogue", "gateway"),
    origin=NOW,
    start_s=3600.0,
    duration_s=300.0,
    severity=Severity.MAJOR,
    probability=0.25,
    impact=Impact(
        latency_ratio=Interval(low=1.2, mid=2.0, high=3.5), error_share=Interval(low=0.0, mid=0.01, high=0.05)
    ),
    novelty=0.0,
    evidence=("3 of 12 incidents in 7.0 days were cpu-hog on catalogue.",),
    lineage=lineage("issue", "a test"),
)


@pytest.fixture(scope="session")
def history():
    return lab_history(shop(), 2, 3, NOW)


@pytest.fixture(scope="session")
def bundle(history):
    return learn(history, seed=1)


@pytest.fixture(scope="session")
def quiet_bundle(history):
    """The same metrics, and nothing ever went wrong."""
    return learn(replace(history, incidents=()), seed=1)


@pytest.fixture
def issue():
    def changed(**changes):
        return replace(ISSUE, **changes)

    return changed


@pytest.fixture
def settings():
    def changed(**tables):
        values = {
            "cluster": {"namespace": "shop"},
            "topology": {
                "entry": "gateway",
                "services": ["gateway", "catalogue", "cart", "checkout", "payment"],
                "edges": [
                    ["gateway", "catalogue"],
                    ["gateway", "cart"],
                    ["gateway", "checkout"],
                    ["checkout", "payment"],
                    ["checkout", "cart"],
                ],
            },
            "slo": {"gateway": {"latency_ms": 300}},
            "sources": {"prometheus": "http://127.0.0.1:9090"},
            "trial": {"before_s": 10, "fault_s": 20, "after_s": 10},
        }
        return parse_settings(values | tables, "chaosprsa.toml")

    return changed


class _Answers(BaseHTTPRequestHandler):
    """Answers at once, except for /slow (0.4 s), /never (3 s) and /bad (500)."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one write: two of them wait 40 ms for each other (Nagle)

    def do_GET(self):
        self.server.wake.wait({"/slow": 0.4, "/never": 3.0}.get(self.path, 0.0))
        self.send_response(500 if self.path == "/bad" else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        """A client that gave up is no news."""


@pytest.fixture(scope="session")
def http_server():
    """The address of a real HTTP server on a free port."""
    server = _Server(("127.0.0.1", 0), _Answers)
    server.wake = threading.Event()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.wake.set()
    server.shutdown()
    server.server_close()
