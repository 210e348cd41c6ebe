"""What Prometheus scrapes, under the names of cAdvisor, kube-state-metrics and usual request metrics."""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from chaosprsa.lab import quantities
from chaosprsa.lab.dataplane import DataPlane
from chaosprsa.lab.pods import BUCKETS_S, PodServer
from chaosprsa.lab.store import Store

Sample = tuple[str, float]  # labels as they stand in braces, value
Family = tuple[str, str, list[Sample]]  # name, type, samples
_EDGES = [f"{edge:g}" for edge in BUCKETS_S] + ["+Inf"]


def exposition(store: Store, dataplane: DataPlane) -> str:
    """The whole page in Prometheus' text format (0.0.4)."""
    parts: list[str] = []
    for name, kind, samples in _families(store, dataplane):
        parts.append(f"# TYPE {name} {kind}\n")
        parts.extend(f"{name}{{{labels}}} {value:.12g}\n" for labels, value in samples)
    return "".join(parts)


def _families(store: Store, dataplane: DataPlane) -> Iterator[Family]:
    servers = tuple(dataplane.servers())
    yield from _requests(servers)
    yield from _calls(dataplane.client)
    yield from _containers(servers)
    yield from _pods(store)
    yield from _workloads(store)


def _labels(**labels: object) -> str:
    return ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items())


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _requests(servers: tuple[PodServer, ...]) -> Iterator[Family]:
    name = "http_request_duration_seconds"
    buckets: list[Sample] = []
    sums: list[Sample] = []
    counts: list[Sample] = []
    for server in servers:
        for code, histogram in server.histograms.items():
            labels = _labels(namespace=server.key[0], app=server.app, pod=server.key[1], code=code)
            cumulative = list(accumulate(histogram.counts))
            buckets.extend((f'{labels},le="{edge}"', count) for edge, count in zip(_EDGES, cumulative, strict=True))
            sums.append((labels, histogram.total_s))
            counts.append((labels, cumulative[-1]))
    yield f"{name}_bucket", "untyped", buckets
    yield f"{name}_sum", "untyped", sums
    yield f"{name}_count", "untyped", counts


def _calls(client: Mapping[tuple[str, str, str, int], list[float]]) -> Iterator[Family]:
    name = "http_client_request_duration_seconds"
    labelled = [
        (_labels(namespace=namespace, app=caller, peer=peer, code=code), seen)
        for (namespace, caller, peer, code), seen in client.items()
    ]
    yield f"{name}_sum", "untyped", [(labels, seen[0]) for labels, seen in labelled]
    yield f"{name}_count", "untyped", [(labels, seen[1]) for labels, seen in labelled]


def _containers(servers: tuple[PodServer, ...]) -> Iterator[Family]:
    labelled = [
        (server, _labels(namespace=server.key[0], pod=server.key[1], container=server.container)) for server in servers
    ]
    for server in servers:
        server.cpu.advance()
    running = [(server, labels) for server, labels in labelled if server.stopped_at is None]
    yield "container_cpu_usage_seconds_total", "counter", [(labels, one.cpu.used_core_s) for one, labels in labelled]
    yield "container_cpu_cfs_periods_total", "counter", [(labels, one.cpu.periods) for one, labels in labelled]
    throttled = [(labels, float(one.cpu.throttled_periods)) for one, labels in labelled]
    yield "container_cpu_cfs_throttled_periods_total", "counter", throttled
    yield "container_memory_working_set_bytes", "gauge", [(labels, one.memory_bytes()) for one, labels in running]
    yield "container_network_receive_bytes_total", "counter", [(labels, one.received_bytes) for one, labels in labelled]
    yield "container_network_transmit_bytes_total", "counter", [(labels, one.sent_bytes) for one, labels in labelled]


def _pods(store: Store) -> Iterator[Family]:
    requests: list[Sample] = []
    limits: list[Sample] = []
    restarts: list[Sample] = []
    reasons: list[Sample] = []
    ready: list[Sample] = []
    labels: list[Sample] = []
    for pod in store.list("pods"):
        where = {"namespace": pod["metadata"]["namespace"], "pod": pod["metadata"]["name"]}
        app = (pod["metadata"].get("labels") or {}).get("app", "")
        labels.append((_labels(**where, label_app=app), 1))
        status = pod.get("status") or {}
        is_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
        ready.append((_labels(**where, condition="true"), is_ready))
        ready.append((_labels(**where, condition="false"), not is_ready))
        for container in pod["spec"]["containers"]:
            given = container.get("resources") or {}
            requests.extend(_resources(where, container["name"], given.get("requests") or {}))
            limits.extend(_resources(where, container["name"], given.get("limits") or {}))
        for container in status.get("containerStatuses") or ():
            name = {**where, "container": container["name"]}
            restarts.append((_labels(**name), container.get("restartCount", 0)))
            ended = (container.get("lastState") or {}).get("terminated") or {}
            if ended:
                reasons.append((_labels(**name, reason=ended.get("reason", "Error")), 1))
    yield "kube_pod_container_resource_requests", "gauge", requests
    yield "kube_pod_container_resource_limits", "gauge", limits
    yield "kube_pod_container_status_restarts_total", "counter", restarts
    yield "kube_pod_container_status_last_terminated_reason", "gauge", reasons
    yield "kube_pod_status_ready", "gauge", ready
    yield "kube_pod_labels", "gauge", labels


def _resources(where: Mapping[str, str], container: str, given: Mapping[str, Any]) -> Iterator[Sample]:
    for resource, unit in (("cpu", "core"), ("memory", "byte")):
        if resource in given:
            yield _labels(**where, container=container, resource=resource, unit=unit), quantities.value(given[resource])


_WORKLOADS = (
    ("deployments", "deployment", "kube_deployment_spec_replicas", ("spec", "replicas")),
    ("deployments", "deployment", "kube_deployment_status_replicas_available", ("status", "availableReplicas")),
    ("statefulsets", "statefulset", "kube_statefulset_replicas", ("spec", "replicas")),
    ("statefulsets", "statefulset", "kube_statefulset_status_replicas_ready", ("status", "readyReplicas")),
    (
        "horizontalpodautoscalers",
        "horizontalpodautoscaler",
        "kube_horizontalpodautoscaler_spec_min_replicas",
        ("spec", "minReplicas"),
    ),
    (
        "horizontalpodautoscalers",
        "horizontalpodautoscaler",
        "kube_horizontalpodautoscaler_spec_max_replicas",
        ("spec", "maxReplicas"),
    ),
    (
        "horizontalpodautoscalers",
        "horizontalpodautoscaler",
        "kube_horizontalpodautoscaler_status_current_replicas",
        ("status", "currentReplicas"),
    ),
    (
        "horizontalpodautoscalers",
        "horizontalpodautoscaler",
        "kube_horizontalpodautoscaler_status_desired_replicas",
        ("status", "desiredReplicas"),
    ),
)


def _workloads(store: Store) -> Iterator[Family]:
    for plural, label, metric, (part, field) in _WORKLOADS:
        yield (
            metric,
            "gauge",
            [
                (
                    _labels(**{"namespace": obj["metadata"]["namespace"], label: obj["metadata"]["name"]}),
                    (obj.get(part) or {}).get(field) or 0,
                )
                for obj in store.list(plural)
            ],
        )
