"""What a metric's name says of it: which part of a component it shows, which direction is bad, how much it counts.

Names of the normal form and of common exporters. A metric that no word matches counts little, in both directions.
"""

import re
from dataclasses import dataclass
from functools import cache

EDGE = "->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """family: what it shows. bad: +1 where more is worse, -1 where less is, 0 where both tell. weight: 0 to 1."""

    family: str
    bad: int
    weight: float


# First match wins. Weights: what a component does itself and what its callers see of it counts in full; memory steps
# harmlessly, traffic follows others, a node is shared, what its callees make it wait says little about itself.
_TABLE: tuple[tuple[str, Signal], ...] = (
    (r"^node_.*cpu", Signal(family="node", bad=1, weight=0.3)),
    (r"^node_", Signal(family="node", bad=0, weight=0.2)),
    (r"limit$|_requests?_(cores|bytes)$", Signal(family="other", bad=0, weight=0.0)),
    (r"success|availab|good", Signal(family="errors", bad=-1, weight=1.0)),
    (r"log_new|log_error", Signal(family="errors", bad=1, weight=0.7)),
    (r"log_", Signal(family="other", bad=0, weight=0.4)),
    (r"error|fail|5xx|exception|drop|timeout", Signal(family="errors", bad=1, weight=1.0)),
    (r"client.*(latency|duration)", Signal(family="waiting", bad=1, weight=0.5)),
    (r"latency.*source", Signal(family="network", bad=1, weight=1.0)),
    (r"latency|duration|response_time|_ms$", Signal(family="latency", bad=1, weight=1.0)),
    (r"throttl|cpu", Signal(family="cpu", bad=1, weight=1.0)),
    (r"oom|memory|heap|rss", Signal(family="memory", bad=1, weight=0.6)),
    (r"restart", Signal(family="restarts", bad=1, weight=1.0)),
    (r"replicas|pods|ready|^up$", Signal(family="restarts", bad=-1, weight=1.0)),
    (r"request|rate|throughput|qps|rps|connections", Signal(family="traffic", bad=0, weight=0.4)),
    (r"queue|lag|saturation|busy|utili[sz]ation", Signal(family="latency", bad=1, weight=0.8)),
)
_OTHER = Signal(family="other", bad=0, weight=0.4)
_COMPILED = tuple((re.compile(words, re.IGNORECASE), signal) for words, signal in _TABLE)


@cache
def signal_of(metric: str) -> Signal:
    """What a metric's name says."""
    return next((signal for words, signal in _COMPILED if words.search(metric)), _OTHER)


def shown(component: str) -> str:
    """Whose state a series shows: an edge's latency is its callee's, as callers see it."""
    return component.rpartition(EDGE)[2]
