"""What Prometheus saw of each service in each phase of a trial.

Every query is an instant one at the phase's end over a range as long as the phase, so a phase needs at least two
scrapes. Container metrics carry no service label on real clusters: they are joined with kube_pod_labels on the pod.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from string import Template

from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.types import Phase, PhaseObservation, ServiceObservation

_FIELD = "field"
_REQUESTS = 'http_request_duration_seconds_count{namespace="$namespace"}[$window]'
_FAILED = 'http_request_duration_seconds_count{namespace="$namespace",code=~"5.."}[$window]'
_SECONDS = 'http_request_duration_seconds_sum{namespace="$namespace"}[$window]'
_BUCKETS = 'http_request_duration_seconds_bucket{namespace="$namespace"}[$window]'
_CONTAINERS = '{namespace="$namespace",container!="",container!="POD"}[$window]'
_PODS = (
    "* on (namespace, pod) group_left (label_$label) "
    'max by (namespace, pod, label_$label) (max_over_time(kube_pod_labels{namespace="$namespace"}[$window]))'
)
_PODS_NOW = '* on (namespace, pod) group_left (label_$label) kube_pod_labels{namespace="$namespace"}'


def _of_pods(series: str, over: str = "sum") -> str:
    """A value per pod, taken together over the pods of a service."""
    return f"{over} by (label_$label) (sum by (namespace, pod) ({series}) {_PODS})"


QUERIES: Mapping[str, str] = {
    "request_rate_per_s": f"sum by ($label) (rate({_REQUESTS}))",
    "error_share": (
        f"(sum by ($label) (rate({_FAILED})) or 0 * sum by ($label) (rate({_REQUESTS})))"
        f" / sum by ($label) (rate({_REQUESTS}))"
    ),
    "latency_mean_ms": f"1000 * sum by ($label) (rate({_SECONDS})) / sum by ($label) (rate({_REQUESTS}))",
    "latency_p50_ms": f"1000 * histogram_quantile(0.5, sum by ($label, le) (rate({_BUCKETS})))",
    "latency_p99_ms": f"1000 * histogram_quantile(0.99, sum by ($label, le) (rate({_BUCKETS})))",
    "cpu_usage_cores": _of_pods(f"rate(container_cpu_usage_seconds_total{_CONTAINERS})"),
    "throttled_share": (
        _of_pods(f"increase(container_cpu_cfs_throttled_periods_total{_CONTAINERS})")
        + " / "
        + _of_pods(f"increase(container_cpu_cfs_periods_total{_CONTAINERS})")
    ),
    "memory_mib_per_pod": _of_pods(f"max_over_time(container_memory_working_set_bytes{_CONTAINERS})", "max")
    + " / 1048576",
    "replicas_ready": (
        "avg_over_time(sum by (label_$label) "
        f'(kube_pod_status_ready{{namespace="$namespace",condition="true"}} {_PODS_NOW})[$window:1s])'
    ),
    "restarts": _of_pods(
        f"max_over_time(kube_pod_container_status_restarts_total{_CONTAINERS})"
        f" - min_over_time(kube_pod_container_status_restarts_total{_CONTAINERS})"
    ),
}
"""ServiceObservation's field -> PromQL, one series a service. memory_mib_per_pod is the fullest pod's highest value;
replicas_ready the mean over the phase; throttled_share that of the CPU periods in which a pod was held back."""

READY = "replicas_ready"


def observe(
    client: PrometheusClient,
    namespace: str,
    services: Sequence[str],
    began: datetime,
    spans: Mapping[Phase, tuple[float, float]],
    label: str = "app",
) -> tuple[PhaseObservation, ...]:
    """One observation a phase; a field is None where Prometheus has no series. `began`: when the load began.

    spans: each phase's start and end, seconds since then. Raises SourceUnreachable, QueryRefused.
    """
    return tuple(
        PhaseObservation(
            phase=phase,
            start_s=start_s,
            end_s=end_s,
            services=observe_span(
                client, namespace, services, began + timedelta(seconds=end_s), end_s - start_s, label
            ),
        )
        for phase, (start_s, end_s) in spans.items()
    )


def observe_span(
    client: PrometheusClient, namespace: str, services: Sequence[str], end: datetime, seconds: float, label: str = "app"
) -> tuple[ServiceObservation, ...]:
    """The services in the `seconds` before `end`."""
    values = {"namespace": namespace, "label": label_name(label), "window": f"{max(round(seconds * 1000), 1000)}ms"}
    query = Template(together(QUERIES)).substitute(values)
    seen: dict[str, dict[str, float]] = {}
    for labels, value in client.instant(query, end):
        service = labels.get(label_name(label)) or labels.get(f"label_{label_name(label)}")
        if service and math.isfinite(value):  # not finite: no request in the window
            seen.setdefault(service, {})[labels[_FIELD]] = value
    if any(READY in fields for fields in seen.values()):  # pods are counted: a service without any has none ready
        for service in services:
            seen.setdefault(service, {}).setdefault(READY, 0.0)
    return tuple(ServiceObservation(service=service, **seen.get(service, {})) for service in services)


def together(queries: Mapping[str, str]) -> str:
    """All queries as one, each series with its field's name as a label: one answer of the server instead of many."""
    named = (f'label_replace({query}, "{_FIELD}", "{field}", "", "")' for field, query in queries.items())
    return "\nor ".join(named)


def label_name(label: str) -> str:
    """A Kubernetes label as Prometheus spells it: everything but letters, digits and _ becomes _."""
    return "".join(char if char.isalnum() else "_" for char in label)
