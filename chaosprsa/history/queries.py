"""PromQL for the normal form's metrics: one series a service, named by the label `service`.

Requests: the histogram http_request_duration_seconds by the pod label that names the service and by code. Resources:
cAdvisor's metrics; they carry no service, so they get it from kube-state-metrics' pod labels. Templates take
$namespace, $label, $pod_label (the same as kube-state-metrics writes it) and $window (the span of a rate).
"""

import re
from collections.abc import Mapping
from string import Template

SERVICE = "service"
RATE = "request_rate_per_s"  # of requests at a service, or calls along an edge
_REQUESTS = 'http_request_duration_seconds_count{namespace="$namespace"}'
_CALLS = 'http_client_request_duration_seconds_{part}{{namespace="$namespace"}}'
_OWNERS = 'max by (namespace, pod, $pod_label) (kube_pod_labels{namespace="$namespace", $pod_label!=""})'
_CONTAINERS = 'namespace="$namespace", container!="", container!="POD"'


def _named(expression: str, label: str = "$label") -> str:
    return f'label_replace({expression}, "{SERVICE}", "$$1", "{label}", "(.+)")'


def _percentile(share: float) -> str:
    buckets = 'sum by (le, $label) (rate(http_request_duration_seconds_bucket{namespace="$namespace"}[$window]))'
    return _named(f"1000 * histogram_quantile({share}, {buckets})")


def _of_pods(expression: str) -> str:
    owned = f"sum by (namespace, pod) ({expression}) * on (namespace, pod) group_left ($pod_label) {_OWNERS}"
    return _named(f"sum by ($pod_label) ({owned})", "$pod_label")


def _limits(resource: str) -> str:
    return _of_pods(f'kube_pod_container_resource_limits{{namespace="$namespace", resource="{resource}"}}')


def _of_edges(expression: str) -> str:
    return f'label_join({expression}, "{SERVICE}", "->", "$label", "peer")'


SERVICE_QUERIES: Mapping[str, str] = {
    RATE: _named(f"sum by ($label) (rate({_REQUESTS}[$window]))"),
    "success_ratio": _named(  # a service that only fails has no good series: 0, not nothing
        f'(sum by ($label) (rate({_REQUESTS[:-1]}, code!~"5.."}}[$window]))'
        f" or 0 * sum by ($label) (rate({_REQUESTS}[$window])))"
        f" / (sum by ($label) (rate({_REQUESTS}[$window])) > 0)"
    ),
    "latency_p50_ms": _percentile(0.5),
    "latency_p90_ms": _percentile(0.9),
    "latency_p99_ms": _percentile(0.99),
    "cpu_usage_cores": _of_pods(f"rate(container_cpu_usage_seconds_total{{{_CONTAINERS}}}[$window])"),
    "cpu_limit_cores": _limits("cpu"),
    "memory_bytes": _of_pods(f"container_memory_working_set_bytes{{{_CONTAINERS}}}"),
    "memory_limit_bytes": _limits("memory"),
    "replicas": _of_pods('kube_pod_status_ready{namespace="$namespace", condition="true"}'),
}
EDGE_QUERIES: Mapping[str, str] = {
    RATE: _of_edges(f"sum by ($label, peer) (rate({_CALLS.format(part='count')}[$window]))"),
    "latency_mean_ms": _of_edges(
        f"1000 * sum by ($label, peer) (rate({_CALLS.format(part='sum')}[$window]))"
        f" / (sum by ($label, peer) (rate({_CALLS.format(part='count')}[$window])) > 0)"
    ),
}


def promql(template: str, namespace: str, label: str, window_s: float) -> str:
    """A template filled in."""
    pod_label = "label_" + re.sub(r"[^a-zA-Z0-9_]", "_", label)
    own = re.sub(r"[^a-zA-Z0-9_]", "_", label)
    window = f"{max(1, round(window_s))}s"
    return Template(template).substitute(namespace=namespace, label=own, pod_label=pod_label, window=window)
