"""One real lab for all tests of this folder: its own process, ports and Prometheus."""

import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

from chaosprsa.errors import ToolMissing
from chaosprsa.lab.process import default_tools, running_lab
from chaosprsa.lab.prometheus import find_prometheus
from chaosprsa.lab.shop import shop


@pytest.fixture(scope="session")
def _prometheus():
    try:
        return find_prometheus(default_tools())
    except ToolMissing as missing:
        pytest.skip(str(missing))


class Lab:
    """A running lab and the few HTTP calls that tests make."""

    def __init__(self, running):
        self.running = running

    def get(self, url, method="GET", body=None):
        """(status, text)."""
        return call(url, method, None if body is None else json.dumps(body).encode())

    def ask(self, path="/"):
        """(status, JSON) of a request at the entry."""
        status, text = call(self.running.entry_url + path)
        return status, json.loads(text)

    def api(self, path, method="GET", body=None, kind="application/json"):
        """JSON from the Kubernetes API."""
        data = None if body is None else json.dumps(body).encode()
        status, text = call(self.running.api_url + path, method, data, kind)
        assert status < 400, text
        return json.loads(text)

    def query(self, promql):
        """Prometheus' instant vector: (labels, value)."""
        url = f"{self.running.prometheus_url}/api/v1/query?{urllib.parse.urlencode({'query': promql})}"
        return [(each["metric"], float(each["value"][1])) for each in json.loads(call(url)[1])["data"]["result"]]


def call(url, method="GET", data=None, kind="application/json"):
    request = urllib.request.Request(url, data, {"Content-Type": kind}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


@pytest.fixture(scope="session")
def lab(tmp_path_factory, _prometheus):
    with running_lab(tmp_path_factory.mktemp("lab"), shop(), 7, rate_per_s=20.0, steady=True) as running:
        yield Lab(running)


@pytest.fixture(scope="session")
def call_url():
    """call_url(url) -> (status, text)."""
    return call
