"""The cheapest settings of an autoscaler that keep violations within a limit, found by playing them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from chaosprsa.autoscalers.contract import Autoscaler
from chaosprsa.autoscalers.families import Family

LIMIT = 0.01  # share of requests


@dataclass(frozen=True, slots=True)
class Scored:
    """What settings cost, in cores on average, and the share of requests that missed the SLO; tried: plays so far."""

    policy: Autoscaler
    cores: float
    violations: float


Score = Callable[[Autoscaler], Scored]


def tightest(
    make: Callable[[float], Autoscaler],
    values: Sequence[float],
    score: Score,
    limit: float = LIMIT,
    safest: Scored | None = None,
) -> Scored:
    """The last of `values` (from safe and dear to tight and cheap) that keeps the limit; the first where none does.

    Violations are taken to rise along the values, so that halving finds it. safest: the first's score, where known.
    """

    def scored(at: int) -> Scored:
        return safest if at == 0 and safest is not None else score(make(values[at]))

    low, high = 0, len(values) - 1
    found = scored(0) if high == 0 else None
    while low <= high:
        middle = (low + high) // 2
        tried = scored(middle)
        if tried.violations <= limit:
            found, low = tried, middle + 1
        else:
            high = middle - 1
            if high < 0:
                return tried
    return found or scored(0)


def fitting(
    rows: Family, score: Score, by_luck: Callable[[Scored], Sequence[float]], limit: float = LIMIT, aim: float = LIMIT
) -> Scored:
    """The cheapest of all rows, by what settings can do about violations.

    What a row's safest settings miss, no settings of it would save, so it is to buy no cores: at most `aim` may be
    missed beyond it, and `limit` in all. Where no row keeps the limit, what the least late miss with other arrivals,
    `by_luck`, is as good as what they miss with these: the cheapest that misses no more.
    """
    safest = [score(make(values[0])) for make, values in rows]
    least = min(safest, key=lambda one: one.violations)
    if least.violations > limit:
        limit = aim = max(least.violations, *by_luck(least))
    kept = []
    for (make, values), first in zip(rows, safest, strict=True):
        allowed = min(limit, first.violations + aim)
        tight = tightest(make, values, score, allowed, first)
        if tight.violations <= allowed:
            kept.append(tight)
    return min(kept, key=lambda one: one.cores, default=least)


def cheapest(scored: Iterable[Scored], limit: float = LIMIT) -> Scored:
    """The cheapest within the limit; where none is, the one that misses it least."""
    every = list(scored)
    kept = [one for one in every if one.violations <= limit]
    return min(kept, key=lambda one: one.cores) if kept else min(every, key=lambda one: one.violations)
