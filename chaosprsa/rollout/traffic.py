"""What pods answered between two moments, counted exactly: Prometheus' counters at both, and their difference.

rate() and increase() extrapolate and drop a new pod's first answers; a judge of a few hundred requests needs counts.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.observe import label_name
from chaosprsa.rollout.judge import Traffic

BUCKETS = "http_request_duration_seconds_bucket"
Series = dict[tuple[str, str, float], float]  # (pod, code, upper bound in seconds) -> answers, cumulative over bounds


class Readings:
    """The request counters of some services at a few moments, oldest first."""

    def __init__(self, client: PrometheusClient, namespace: str, services: Sequence[str], label: str) -> None:
        self._client = client
        self._queries = {
            service: f'{BUCKETS}{{namespace="{namespace}",{label_name(label)}="{service}"}}' for service in services
        }
        self._read: list[dict[str, Series]] = []

    def mark(self, at: datetime | None = None) -> None:
        """Read the counters, now or at a moment of the past. Raises SourceUnreachable, QueryRefused."""
        moment = at or datetime.now(UTC)
        self._read.append({service: _read(self._client, query, moment) for service, query in self._queries.items()})

    def slots(self, service: str, pods: Callable[[str], bool] = lambda _: True) -> list[Traffic]:
        """What these pods of a service answered from one reading to the next; empty where Prometheus knows none.

        A series that one reading missed goes on from the last that had it. A pod counts from its first reading on:
        what it answered before, perhaps in all its life, is not this watch's.
        """
        last: Series = {}
        known: set[str] = set()
        parts: list[Series] = []
        for at, reading in enumerate(self._read):
            new = reading[service]
            if at:
                parts.append(between(last, {key: value for key, value in new.items() if key[0] in known}))
            last.update(new)
            known.update(pod for pod, _, _ in new)
        return traffic_of([{key: value for key, value in part.items() if pods(key[0])} for part in parts])


def _read(client: PrometheusClient, query: str, at: datetime) -> Series:
    found: Series = {}
    for labels, value in client.instant(query, at):
        key = (labels.get("pod", ""), labels.get("code", ""), float(labels["le"]))
        found[key] = found.get(key, 0.0) + value
    return found


def between(old: Mapping[tuple[str, str, float], float], new: Mapping[tuple[str, str, float], float]) -> Series:
    """Answers from one reading to the next.

    A series that wasn't there before began at nought; one that fell was reset (a restart) and counts from nought.
    """
    return {key: value - old.get(key, 0.0) if value >= old.get(key, 0.0) else value for key, value in new.items()}


def traffic_of(parts: Sequence[Mapping[tuple[str, str, float], float]]) -> list[Traffic]:
    """Each part's answers over all its pods, all in the same buckets; empty where no part knows a pod."""
    bounds = sorted({bound for part in parts for _, _, bound in part})
    if not bounds:
        return []
    return [_traffic(part, bounds if math.isinf(bounds[-1]) else [*bounds, math.inf]) for part in parts]


def _traffic(part: Mapping[tuple[str, str, float], float], bounds: Sequence[float]) -> Traffic:
    good = [sum(value for (_, code, le), value in part.items() if le == bound and not failed(code)) for bound in bounds]
    counts = [max(high - low, 0.0) for low, high in zip([0.0, *good[:-1]], good, strict=True)]
    failures = sum(value for (_, code, bound), value in part.items() if math.isinf(bound) and failed(code))
    return Traffic(bounds_ms=tuple(bound * 1000 for bound in bounds), counts=tuple(counts), failures=failures)


def failed(code: str) -> bool:
    """A server's error; what the client got wrong is not the service's failure."""
    return code.startswith("5")
