"""What pods answered between two moments, counted exactly: Prometheus' counters at both, and their difference.

rate() and increase() extrapolate and drop a new pod's first answers; a judge of a few hundred requests needs counts.
"""

import math
from collections.abc import Callable, Mapping
from datetime import datetime

from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.observe import label_name
from chaosprsa.rollout.judge import Traffic

BUCKETS = "http_request_duration_seconds_bucket"
Series = dict[tuple[str, str, float], float]  # (pod, code, upper bound in seconds) -> answers so far


def bucket_query(namespace: str, service: str, label: str) -> str:
    """Every bucket of every pod of a service."""
    return f'{BUCKETS}{{namespace="{namespace}",{label_name(label)}="{service}"}}'


def traffic_between(
    client: PrometheusClient, namespace: str, service: str, label: str, start: datetime, end: datetime
) -> Series:
    """Answers in [start, end) by pod, code and bucket (cumulative over buckets). Raises SourceUnreachable.

    A series that wasn't there at the start began at nought; one that fell was reset (a restart) and counts from nought.
    """
    query = bucket_query(namespace, service, label)
    before, after = _read(client, query, start), _read(client, query, end)
    return {
        key: value - before.get(key, 0.0) if value >= before.get(key, 0.0) else value for key, value in after.items()
    }


def _read(client: PrometheusClient, query: str, at: datetime) -> Series:
    found: Series = {}
    for labels, value in client.instant(query, at):
        key = (labels.get("pod", ""), labels.get("code", ""), float(labels["le"]))
        found[key] = found.get(key, 0.0) + value
    return found


def traffic_of(series: Mapping[tuple[str, str, float], float], pods: Callable[[str], bool]) -> Traffic | None:
    """The answers of the pods that are asked for; None where Prometheus knows none of them."""
    chosen = {key: value for key, value in series.items() if pods(key[0])}
    if not chosen:
        return None
    bounds = sorted({bound for _, _, bound in chosen} | {math.inf})
    good = [sum(v for (_, code, le), v in chosen.items() if le == bound and not failed(code)) for bound in bounds]
    counts = [max(high - low, 0.0) for low, high in zip([0.0, *good[:-1]], good, strict=True)]
    failures = sum(value for (_, code, bound), value in chosen.items() if math.isinf(bound) and failed(code))
    bounds_ms = tuple(bound * 1000 for bound in bounds)
    return Traffic(bounds_ms=bounds_ms, counts=tuple(counts), failures=failures)


def failed(code: str) -> bool:
    """A server's error; what the client got wrong is not the service's failure."""
    return code.startswith("5")
