"""Where a pod takes fewer requests at once than its CPU limit would let it: a knee that CPU does not explain.

A runtime with one thread under a limit of two cores, or workers that hold a request while they wait for others, answer
no faster at a larger limit. Both show as latency that grows while CPU is left; what a pod then acts as is a smaller
limit, the one at which processor sharing takes as long. Where nothing waited with CPU left, no such limit can be told.
"""

import numpy as np

from chaosprsa.twin.graph import CallGraph
from chaosprsa.twin.observed import ENOUGH_REQUESTS, Observed
from chaosprsa.twin.queueing import Floats, sojourn_s
from chaosprsa.twin.robust import weighted_median

SLOWER = 3.0  # than the CPU limit explains, in the service itself
CPU_LEFT = 0.7  # utilisation of the limit up to which requests had no reason to wait
_LEAST_ROWS = 2
_CONTRADICTED = 1.1  # more cores than that were used elsewhere
_HALVINGS = 40


def usable_cores(graph: CallGraph, seen: Observed, demand: Floats, wait: Floats) -> tuple[Floats, tuple[str, ...]]:
    """Cores that a pod's requests can use at once, shape (services,), inf where only the limit bounds them; notes."""
    most, notes = np.full(len(demand), np.inf), []
    latency, rate, pods = np.nan_to_num(seen.latency_s), np.nan_to_num(seen.rate), np.maximum(seen.ready, 0.5)
    own = latency - wait - graph.overlap * (latency @ graph.calls.T)
    used = rate * demand / pods
    share = used / seen.limit_cores
    expected = sojourn_s(np.clip(share, 0.0, 0.97), seen.limit_cores, np.broadcast_to(demand, share.shape))
    there = (seen.requests >= ENOUGH_REQUESTS) & np.isfinite(seen.latency_s) & ~seen.struck
    waiting = there & (share < CPU_LEFT) & (own > SLOWER * expected)
    for at, name in enumerate(graph.services):
        rows = waiting[:, at]
        if rows.sum() < _LEAST_ROWS:
            continue
        each = _acting_as(own[rows, at], used[rows, at], seen.limit_cores[rows, at], demand[at])
        middle = weighted_median(each, seen.requests[rows, at])
        if used[there[:, at], at].max() > _CONTRADICTED * middle:
            notes.append(f"{name}: it was slow while CPU was left, and quick with more in use: no limit explains both")
            continue
        most[at] = middle
        notes.append(
            f"{name}: requests waited while CPU was left; a pod is taken to use {middle:.2g} cores at once "
            f"({each.min():.2g} to {each.max():.2g} by phase), whatever its limit: threads or workers bind it"
        )
    if not np.isfinite(most).any():
        notes.append("threads and workers are taken as unlimited: nowhere did requests wait while CPU was left")
    return most, tuple(notes)


def _acting_as(own_s: Floats, used: Floats, limit: Floats, demand: float) -> Floats:
    """The limit in cores at which processor sharing takes so long, by bisection: time falls as cores rise."""
    low, high = used.copy(), limit.copy()
    cost = np.full_like(used, demand)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        slow = sojourn_s(np.clip(used / middle, 0.0, 1.0 - 1e-9), middle, cost) > own_s
        low, high = np.where(slow, middle, low), np.where(slow, high, middle)
    return np.asarray((low + high) / 2)
