from datetime import UTC, datetime, timedelta

import pytest

from chaosprsa.errors import QueryRefused
from chaosprsa.history.frame import History
from chaosprsa.history.prometheus import SERVICE_QUERIES, PrometheusClient, read_prometheus
from chaosprsa.lab.shop import shop
from chaosprsa.lab.topology import visits
from chaosprsa.types import Window

LOAD_PER_S = 20.0


@pytest.fixture(scope="module")
def client(lab) -> PrometheusClient:
    return PrometheusClient(lab.prometheus_url)


@pytest.fixture(scope="module")
def history(lab, client) -> History:
    """The last minute, as far as it was scraped."""
    now = datetime.now(UTC)
    return read_prometheus(client, lab.namespace, Window(start=now - timedelta(minutes=1), end=now), step_s=1)


def test_every_metric_is_found_for_every_service_under_the_normal_forms_names(history):
    services = tuple(sorted(service.name for service in shop().services))
    assert history.components == services
    for metric in SERVICE_QUERIES:
        assert tuple(history.table(metric).columns[history.table(metric).columns.isin(services)]) == services, metric


def test_rates_and_ratios_are_what_the_lab_plays(history):
    rates = history.table("request_rate_per_s").tail(10).mean()
    assert rates["gateway"] == pytest.approx(LOAD_PER_S, rel=0.35)
    assert rates["catalogue"] / rates["gateway"] == pytest.approx(visits(shop())["catalogue"], rel=0.35)
    assert history.table("success_ratio").tail(10)["gateway"].mean() > 0.95
    median, late = (history.table(f"latency_{name}_ms")["gateway"].mean() for name in ("p50", "p99"))
    assert 0 < median < late < 5000


def test_resources_are_those_of_the_pods(history):
    last = {metric: history.table(metric).iloc[-5:].mean() for metric in SERVICE_QUERIES}
    for name in history.components:
        assert last["replicas"][name] >= 1
        assert 0 < last["cpu_usage_cores"][name] < last["cpu_limit_cores"][name]
        assert 0 < last["memory_bytes"][name] < last["memory_limit_bytes"][name]


def test_the_call_graph_is_read_off_the_clients_metrics(history):
    assert history.topology is not None
    assert history.topology.entry == "gateway"
    called = {(edge.caller, edge.callee) for edge in history.topology.edges}
    assert called == {(service.name, name) for service in shop().services for name in _callees(service)}


def _callees(service) -> set[str]:
    return {call.callee for endpoint in service.endpoints for call in endpoint.calls}


def test_a_range_of_more_points_than_prometheus_gives_at_once_is_whole(client):
    now = datetime.now(UTC)
    table = client.range("count(up)", Window(start=now - timedelta(seconds=15), end=now), step_s=0.001)
    assert len(table) == 15_001
    assert table.notna().all().all()


def test_prometheus_own_reason_for_refusing_is_passed_on(client):
    with pytest.raises(QueryRefused, match="parse error"):
        client.instant("sum(")


def test_it_says_that_it_is_ready_and_how_often_it_scrapes(client):
    assert client.ready()
    assert client.scrape_interval_s() == 1
    assert client.instant("scalar(vector(7))") == [({}, 7.0)]
