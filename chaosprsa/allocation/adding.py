"""What services take themselves, added up along calls for many candidates at once: the compiled part of the sketch."""

import math

from chaosprsa.allocation.space import Floats, Ints
from chaosprsa.compiled import compiled


@compiled
def _most(jobs: float, peak: float) -> float:
    """Requests in a shared pod at its peak, so many deviations above the mean: their number is geometric."""
    return jobs + peak * math.sqrt(jobs * (jobs + 1.0))


@compiled
def _quantile(mean: float, variance: float, level: float) -> float:
    """Of a gamma law, by its cube root's normal law (Wilson and Hilferty 1931); level: the normal law's quantile."""
    ninth = variance / (9.0 * max(mean, 1e-12) ** 2)
    root = max(1.0 - ninth + level * math.sqrt(ninth), 0.0)
    return mean * root * root * root


@compiled
def added(
    rows: Ints,
    memory_mib: Ints,
    mean: Floats,
    variance: Floats,
    pressure: Floats,
    pods: Floats,
    away: Floats,
    levels: Floats,
    flow: Floats,
    base_mib: Floats,
    per_job_mib: Floats,
    memory_left: Floats,
    order: Ints,
    first_edge: Ints,
    callee: Ints,
    calls: Floats,
    waited: Floats,
    above: float,
    timeout_s: float,
    peak: float,
    target: int,
    latency: Floats,
    fullest: Floats,
    memory: Floats,
) -> bool:
    """Write each candidate's latency at the percentile, its fullest service and memory; whether a service has no pod.

    rows: shape (candidates, services), where each service's share is kept in mean, variance, pressure and pods, of
    shape (kept, worlds, 2): while killed pods are away, and after. flow, base_mib, per_job_mib, memory_left: (worlds,
    services). away: (worlds,), share of the fault; levels: (worlds, 2), normal quantiles. order: callees first;
    first_edge, callee, calls, waited: their edges. Written: (candidates, worlds).
    """
    count = rows.shape[1]
    total, spread = [0.0] * count, [0.0] * count
    gone = False
    for candidate in range(rows.shape[0]):
        for world in range(away.shape[0]):
            worst, full, inside = 0.0, 0.0, 0.0
            begin = 0 if away[world] > above else 1
            for state in range(begin, 2):
                for at in order:
                    row = rows[candidate, at]
                    one, other = mean[row, world, state], variance[row, world, state]
                    for edge in range(first_edge[at], first_edge[at + 1]):
                        below, number, wait = callee[edge], calls[edge], waited[edge]
                        part = number - math.floor(number)
                        one += wait * number * total[below]
                        other += wait * wait * (number * spread[below] + part * (1.0 - part) * total[below] ** 2)
                    total[at], spread[at] = min(one, timeout_s), other
                    full = max(full, pressure[row, world, state])
                    there = pods[row, world, state]
                    gone = gone or there <= 0.0
                    most = _most(flow[world, at] * total[at] / max(there, 1.0), peak)
                    needed = base_mib[world, at] + per_job_mib[world, at] * most
                    inside = max(inside, needed / (memory_mib[candidate, at] * memory_left[world, at]))
                worst = max(worst, _quantile(total[target], spread[target], levels[world, state]))
            latency[candidate, world], fullest[candidate, world], memory[candidate, world] = worst, full, inside
    return gone
