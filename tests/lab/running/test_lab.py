"""The lab from outside: HTTP at the entry, the API's changes felt in the data plane, Prometheus' view of it."""

import contextlib
import http.client
import threading
import time

import pytest

CHAOS = "/apis/chaos-mesh.org/v1alpha1/namespaces/shop"


def until(condition, seconds=10.0):
    """The condition's value as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)
    return found


def test_the_entry_answers_over_real_http(lab):
    status, answer = lab.ask("/checkout")
    assert (status, answer["service"], answer["path"]) == (200, "gateway", "/checkout")
    assert answer["simulated_ms"] > 40  # its waits alone: 1 + 5 + 3 + 30 ms


def test_every_service_has_a_port_that_its_object_names(lab):
    for service in lab.api("/api/v1/namespaces/shop/services")["items"]:
        url = service["metadata"]["annotations"]["lab.chaosprsa.io/url"]
        assert lab.get(f"{url}/healthz") == (200, "ok\n")


def test_the_entrys_node_port_is_the_one_that_listens(lab):
    ports = lab.api("/api/v1/namespaces/shop/services/gateway")["spec"]["ports"]
    assert lab.running.entry_url == f"http://127.0.0.1:{ports[0]['nodePort']}"


def test_one_connection_carries_many_requests(lab):
    host = lab.running.entry_url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    with contextlib.closing(connection):
        statuses = []
        for _ in range(5):
            connection.request("GET", "/cart")
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        assert statuses == [200] * 5


def test_a_service_in_a_new_namespace_is_served_and_goes_with_its_object(lab):
    lab.api("/api/v1/namespaces", "POST", {"metadata": {"name": "elsewhere"}})
    spec = {"selector": {"app": "payment"}, "ports": [{"port": 8080}]}
    lab.api("/api/v1/namespaces/elsewhere/services", "POST", {"metadata": {"name": "payment"}, "spec": spec})
    container = {"name": "payment", "image": "any", "resources": {"limits": {"cpu": "400m", "memory": "192Mi"}}}
    pod = {"metadata": {"name": "pay", "labels": {"app": "payment"}}, "spec": {"containers": [container]}}
    lab.api("/api/v1/namespaces/elsewhere/pods", "POST", pod)
    path = "/api/v1/namespaces/elsewhere/services/payment"
    url = until(lambda: lab.api(path)["metadata"].get("annotations", {}).get("lab.chaosprsa.io/url"))
    until(lambda: lab.get(f"{url}/healthz")[0] == 200)
    assert lab.get(url)[0] == 200
    lab.api(path, "DELETE")

    def is_closed():
        try:
            lab.get(url)
        except OSError:
            return True
        return False

    until(is_closed)


def test_a_network_delay_through_the_api_slows_answers_until_it_is_deleted(lab):
    selector = {"namespaces": ["shop"], "labelSelectors": {"app": "cart"}}
    spec = {"action": "delay", "mode": "all", "selector": selector, "delay": {"latency": "250ms"}}
    chaos = {
        "apiVersion": "chaos-mesh.org/v1alpha1",
        "kind": "NetworkChaos",
        "metadata": {"name": "slow"},
        "spec": spec,
    }
    lab.api(f"{CHAOS}/networkchaos", "POST", chaos)
    slow = lab.ask("/cart")[1]["simulated_ms"]
    lab.api(f"{CHAOS}/networkchaos/slow", "DELETE")
    quick = lab.ask("/cart")[1]["simulated_ms"]
    assert slow > 250 > quick


def test_failing_dependencies_are_seen_at_the_entry_as_bad_gateways(lab):
    selector = {"namespaces": ["shop"], "labelSelectors": {"app": "catalogue"}}
    spec = {"mode": "all", "selector": selector, "target": "Response", "port": 8080, "replace": {"code": 503}}
    chaos = {"apiVersion": "chaos-mesh.org/v1alpha1", "kind": "HTTPChaos", "metadata": {"name": "down"}, "spec": spec}
    lab.api(f"{CHAOS}/httpchaos", "POST", chaos)
    failed = lab.ask("/catalogue")[0]
    lab.api(f"{CHAOS}/httpchaos/down", "DELETE")
    assert (failed, lab.ask("/catalogue")[0]) == (502, 200)


def test_a_fault_that_cannot_be_played_is_refused(lab):
    spec = {"action": "delay", "mode": "all", "selector": {"namespaces": ["shop"]}, "delay": {"latency": "fast"}}
    chaos = {"apiVersion": "chaos-mesh.org/v1alpha1", "kind": "NetworkChaos", "metadata": {"name": "odd"}, "spec": spec}
    url = f"{lab.running.api_url}{CHAOS}/networkchaos"
    status, text = lab.get(url, "POST", chaos)
    assert status == 422
    assert "'fast' is no duration" in text


def test_no_replicas_is_an_outage_and_a_pod_takes_its_time_to_start(lab):
    path = "/apis/apps/v1/namespaces/shop/deployments/checkout/scale"
    patch = "application/merge-patch+json"
    lab.api(path, "PATCH", {"spec": {"replicas": 0}}, patch)
    until(lambda: lab.ask("/checkout")[0] == 502)
    began = time.monotonic()
    lab.api(path, "PATCH", {"spec": {"replicas": 3}}, patch)
    until(lambda: lab.ask("/checkout")[0] == 200)
    assert 0.4 < time.monotonic() - began < 6


def test_memory_beyond_the_limit_is_an_oom_kill_that_the_api_tells(lab):
    """A flood keeps hundreds of requests in one pod of half a core: its memory outgrows 60 + 8 MiB."""
    lab.api("/api/v1/namespaces", "POST", {"metadata": {"name": "tight"}})
    container = {"name": "catalogue", "image": "any", "resources": {"limits": {"cpu": "50m", "memory": "155Mi"}}}
    pod = {"metadata": {"name": "tight", "labels": {"app": "catalogue"}}, "spec": {"containers": [container]}}
    lab.api("/api/v1/namespaces/tight/pods", "POST", pod)
    spec = {"selector": {"app": "catalogue"}, "ports": [{"port": 8080}]}
    lab.api("/api/v1/namespaces/tight/services", "POST", {"metadata": {"name": "catalogue"}, "spec": spec})
    path = "/api/v1/namespaces/tight/services/catalogue"
    url = until(lambda: lab.api(path)["metadata"].get("annotations", {}).get("lab.chaosprsa.io/url"))
    until(lambda: lab.get(f"{url}/healthz")[0] == 200)
    users = [threading.Thread(target=lab.get, args=(url,)) for _ in range(12)]
    for user in users:
        user.start()

    def last_state():
        containers = lab.api("/api/v1/namespaces/tight/pods/tight")["status"].get("containerStatuses") or [{}]
        return (containers[0].get("lastState") or {}).get("terminated")

    ended = until(last_state)
    for user in users:
        user.join()
    assert ended["reason"] == "OOMKilled"
    lab.api("/api/v1/namespaces/tight", "DELETE")


@pytest.mark.parametrize(
    ("query", "low", "high"),
    [
        ('sum(rate(http_request_duration_seconds_count{namespace="shop",app="gateway"}[6s]))', 10, 32),
        ('sum(rate(http_client_request_duration_seconds_count{namespace="shop",peer="catalogue"}[6s]))', 5, 25),
        ('sum(rate(container_cpu_usage_seconds_total{namespace="shop",container="catalogue"}[6s]))', 0.05, 0.4),
        ('min(container_memory_working_set_bytes{namespace="shop",container="catalogue"})', 150 * 2**20, 200 * 2**20),
        ('sum(kube_pod_container_resource_limits{namespace="shop",container="catalogue",resource="cpu"})', 1.2, 1.2),
        ('sum(kube_pod_status_ready{namespace="shop",condition="true"})', 13, 14),
        ('kube_deployment_spec_replicas{namespace="shop",deployment="gateway"}', 4, 4),
        ('kube_horizontalpodautoscaler_spec_max_replicas{namespace="shop"}', 4, 4),
        ('count(kube_pod_labels{namespace="shop",label_app="cart"})', 3, 3),
    ],
)
def test_prometheus_shows_what_happens(lab, query, low, high):
    def seen():
        return [value for _, value in lab.query(query) if low - 1e-9 <= value <= high + 1e-9]

    assert until(seen)


def test_a_percentile_from_prometheus_is_a_plausible_latency(lab):
    query = 'histogram_quantile(0.5,sum by(le)(rate(http_request_duration_seconds_bucket{app="payment"}[10s])))'
    value = until(lambda: [value for _, value in lab.query(query) if value == value])[0]  # noqa: PLR0124  # NaN is not itself
    assert 0.03 < value < 0.1
