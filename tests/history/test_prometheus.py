"""Against a real server that misbehaves on purpose, for what a healthy Prometheus doesn't do."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from chaosprsa.errors import NotEnoughHistory, QueryRefused, SourceUnreachable
from chaosprsa.history.prometheus import MAX_POINTS, PrometheusClient, label_text, read_prometheus
from chaosprsa.types import Window

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = Window(start=START, end=START + timedelta(hours=1))
Answer = tuple[int, bytes]


class Server:
    """Answers each request with what `answer` says of its path and form."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answer: Callable[[str, dict[str, str]], Answer] = lambda *_: (404, b"")
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                form = {key: values[0] for key, values in parse_qs(body).items()}
                server.asked.append((self.path, form))
                status, content = server.answer(self.path, form)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST  # noqa: N815  # the name http.server looks for

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()
    thread.join()


def success(result: object, kind: str = "matrix") -> Answer:
    return 200, json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()


def every_step(_: str, form: dict[str, str]) -> Answer:
    """One series that counts its own steps, as asked."""
    start, end, step = (float(form[key]) for key in ("start", "end", "step"))
    count = round((end - start) / step) + 1
    values = [[start + i * step, str((start - START.timestamp()) / step + i)] for i in range(count)]
    return success([{"metric": {"service": "cart"}, "values": values}])


def test_a_long_window_is_asked_in_pieces_that_prometheus_allows(server):
    server.answer = every_step
    window = Window(start=START, end=START + timedelta(seconds=25_000))
    table = PrometheusClient(server.url).range("up", window, 1.0)
    assert len(server.asked) == 3
    for _, form in server.asked:
        assert (float(form["end"]) - float(form["start"])) / float(form["step"]) < MAX_POINTS
    assert table["cart"].tolist() == list(range(25_001))
    assert table.index[-1] == window.end


def test_a_series_without_some_samples_has_nan_there(server):
    first = START.timestamp()
    server.answer = lambda *_: success(
        [{"metric": {"service": "a"}, "values": [[first + 60, "5"], [first + 120, "NaN"]]}]
    )
    table = PrometheusClient(server.url).range("up", Window(start=START, end=START + timedelta(minutes=3)), 60)
    assert table["a"].isna().tolist() == [True, False, True, True]


def test_an_overloaded_server_is_asked_again_after_growing_waits(server):
    waits: list[float] = []
    server.answer = lambda *_: (503, b"") if len(server.asked) < 3 else success([], "vector")
    assert PrometheusClient(server.url, sleep=waits.append).instant("up") == []
    assert waits == [0.5, 1.0]


def test_a_server_that_stays_overloaded_is_unreachable_in_words(server):
    server.answer = lambda *_: (503, b"")
    client = PrometheusClient(server.url, retries=1, sleep=lambda _: None)
    with pytest.raises(SourceUnreachable, match="it answered 503; it is overloaded or not up yet"):
        client.instant("up")
    assert len(server.asked) == 2


def test_a_refused_query_is_not_asked_again_and_carries_the_servers_reason(server):
    refusal = json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error: unexpected end"}).encode()
    server.answer = lambda *_: (400, refusal)
    with pytest.raises(QueryRefused, match=r"query sum\(: parse error: unexpected end"):
        PrometheusClient(server.url).instant("sum(")
    assert len(server.asked) == 1


def test_what_answers_and_is_no_prometheus_is_said(server):
    server.answer = lambda *_: (200, b"<html>hello</html>")
    with pytest.raises(QueryRefused, match="no Prometheus answer; is the URL right"):
        PrometheusClient(server.url).instant("up")


def test_a_server_that_does_not_answer_in_time_is_said_with_the_limit(server):
    def slow(path: str, form: dict[str, str]) -> Answer:
        time.sleep(0.4)
        return success([], "vector")

    server.answer = slow
    with pytest.raises(SourceUnreachable, match=r"no answer in 0.05 s; ask for a shorter window"):
        PrometheusClient(server.url, timeout_s=0.05, retries=0).instant("up")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "http://no-such-host.invalid:9090"])
def test_no_server_there_is_unreachable_and_not_ready(url):
    client = PrometheusClient(url, timeout_s=2, retries=0)
    assert not client.ready()
    with pytest.raises(SourceUnreachable, match="is it running, is the URL right"):
        client.instant("up")


def test_a_namespace_without_any_series_is_too_little_to_learn_from(server):
    server.answer = lambda *_: success([])
    with pytest.raises(NotEnoughHistory, match="no query found a series from 2026-01-01 00:00 to 2026-01-01 01:00 UTC"):
        read_prometheus(PrometheusClient(server.url), "shop", HOUR, 60)


def test_what_no_query_found_is_said_and_own_queries_are_asked(server):
    def own(path: str, form: dict[str, str]) -> Answer:
        return every_step(path, form) if form.get("query") == 'depth{namespace="shop"}' else success([])

    server.answer = own
    history = read_prometheus(
        PrometheusClient(server.url), "shop", HOUR, 60, queries={"queue_depth": 'depth{namespace="$namespace"}'}
    )
    assert history.metric_names == ("queue_depth",)
    assert len(history.metrics) == 61
    assert any("nothing was found for request_rate_per_s" in note for note in history.notes)


def test_labels_are_written_as_prometheus_writes_them():
    assert label_text({"__name__": "up", "b": "2", "a": "1"}) == 'up{a="1", b="2"}'
