"""Loki over HTTP: a server on loopback that pages as Loki does."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from chaosprsa.errors import QueryRefused, SourceUnreachable
from chaosprsa.history.frame import History, empty_metrics
from chaosprsa.history.logs import with_log_records
from chaosprsa.history.loki import LokiClient
from chaosprsa.types import Window

START = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = Window(start=START, end=START + timedelta(hours=1))
FIRST = int(START.timestamp()) * 10**9


class Loki:
    """entries: (nanoseconds, service, line). Answers the oldest `limit` of those with start <= time < end."""

    def __init__(self):
        self.entries = []
        self.status = 200
        self.asked = []

    def answer(self, query):
        self.asked.append(query)
        start, end, limit = (int(query[name][0]) for name in ("start", "end", "limit"))
        chosen = sorted(entry for entry in self.entries if start <= entry[0] < end)[:limit]
        streams = {}
        for at, service, line in chosen:
            streams.setdefault(service, []).append([str(at), line])
        result = [{"stream": {"service": name}, "values": values} for name, values in streams.items()]
        return {"status": "success", "data": {"resultType": "streams", "result": result}}


@pytest.fixture
def loki():
    state = Loki()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            assert parts.path == "/loki/api/v1/query_range"
            body = json.dumps(state.answer(parse_qs(parts.query))).encode() if state.status == 200 else b"parse error"
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def test_every_line_comes_once_however_the_pages_fall(loki):
    loki.entries = [(FIRST + (n // 3) * 10**9, f"service-{n % 2}", f"line {n}") for n in range(50)]
    pages = list(LokiClient(loki.url, page=7).records('{namespace="shop"}', WINDOW))
    assert sorted(line for page in pages for _, _, line in page) == sorted(f"line {n}" for n in range(50))
    assert loki.asked[0]["query"] == ['{namespace="shop"}']


def test_a_page_of_one_nanosecond_does_not_hold_it_up(loki):
    loki.entries = [(FIRST, "a", f"line {n}") for n in range(9)] + [(FIRST + 1, "a", "last")]
    pages = list(LokiClient(loki.url, page=4).records("{}", WINDOW))
    assert pages[-1][-1][2] == "last"
    assert len(loki.asked) <= 4


def test_its_lines_become_metrics_of_the_service(loki):
    loki.entries = [(FIRST + n * 10**10, "cart", f"ERROR order {n} failed") for n in range(12)]
    pages = LokiClient(loki.url).records("{}", WINDOW)
    history = with_log_records(History(empty_metrics()), pages, "loki", WINDOW.end)
    assert (history.table("log_errors_per_s")["cart"] * 60).tolist() == [6, 6]
    assert history.log_templates["cart"][0].text == "ERROR order <*> failed"


def test_a_query_that_it_refuses_is_told_with_its_reason(loki):
    loki.status = 400
    with pytest.raises(QueryRefused, match="parse error"):
        list(LokiClient(loki.url).records("{", WINDOW))


def test_an_overloaded_or_absent_server_is_tried_again_and_then_told(loki):
    loki.status = 503
    waits = []
    with pytest.raises(SourceUnreachable, match="it answered 503"):
        list(LokiClient(loki.url, sleep=waits.append).records("{}", WINDOW))
    assert waits == [0.5, 1.0]
    with pytest.raises(SourceUnreachable, match="is it running"):
        list(LokiClient("http://127.0.0.1:9", retries=0).records("{}", WINDOW))
