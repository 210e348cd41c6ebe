"""A lab of its own with a real Prometheus that scrapes it."""

import time
from collections.abc import Iterator

import pytest

from chaosprsa.errors import ToolMissing
from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.lab.process import RunningLab, default_tools, running_lab
from chaosprsa.lab.prometheus import find_prometheus
from chaosprsa.lab.shop import shop

LOAD_PER_S = 20.0
SCRAPED_S = 20


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[RunningLab]:
    """Scraped for 20 seconds under a steady load."""
    try:
        find_prometheus(default_tools())
    except ToolMissing as missing:
        pytest.skip(str(missing))
    state = tmp_path_factory.mktemp("lab")
    with running_lab(state, shop(), 7, rate_per_s=LOAD_PER_S, steady=True) as running:
        client = PrometheusClient(running.prometheus_url)
        began = time.monotonic()
        while time.monotonic() - began < 60 and not _scraped(client):
            time.sleep(1)
        yield running


def _scraped(client: PrometheusClient) -> bool:
    """Whether there are samples SCRAPED_S old."""
    return bool(client.instant(f"up offset {SCRAPED_S}s"))
