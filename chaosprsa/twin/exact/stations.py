"""Stations: jobs that share cores, each at one core at most; a quota a period where the CPU limit is Linux CFS's.

A station's clock runs as fast as each of its jobs gets work done, so a job that joins at clock c with work w is done at
c + w, however many come and go meanwhile (Kleinrock 1967's processor sharing, in attained service). With a PERIOD, as
CFS has it, up to MOST_CORES are used until the period's quota, CORES x PERIOD, is gone; then nothing until the next.
"""

import numpy as np

from chaosprsa.compiled import compiled
from chaosprsa.twin.exact.fields import (
    ACTIVE,
    BUSY,
    CLOCK,
    CORES,
    HEAD,
    KEY,
    LAST,
    MOST,
    MOST_CORES,
    PERIOD,
    PERIOD_END,
    QUOTA,
    ROOT,
    SPEED,
    STOPPED,
    THROTTLED_S,
)
from chaosprsa.twin.exact.heaps import joined, put_due, without_root
from chaosprsa.twin.exact.lines import first_of, line_up
from chaosprsa.twin.exact.memory import Floats, Ints

SOON = 1e-12  # seconds: what is so near is now


@compiled
def cores_used(F: Floats, I: Ints, q: int) -> float:
    """Cores at work in a station now."""
    active = float(I[q + ACTIVE])
    if active == 0 or I[q + STOPPED]:
        return 0.0
    most = F[q + MOST_CORES] if F[q + PERIOD] > 0 else F[q + CORES]
    return min(active, most)


@compiled
def bring_up(F: Floats, I: Ints, q: int, now: float) -> None:
    """Run a station's clock, and its quota, up to now."""
    passed = now - F[q + LAST]
    F[q + LAST] = now
    used = cores_used(F, I, q)
    if used > 0 and passed > 0:
        F[q + CLOCK] += passed * F[q + SPEED] * (used / I[q + ACTIVE])
        F[q + BUSY] += passed * used
    if I[q + STOPPED]:
        F[q + THROTTLED_S] += passed
    period = F[q + PERIOD]
    if period > 0:
        F[q + QUOTA] -= passed * used
        if now >= F[q + PERIOD_END] - SOON:
            over = max(0.0, np.floor((now - F[q + PERIOD_END] + SOON) / period))
            begun = F[q + PERIOD_END] + over * period
            F[q + PERIOD_END] = begun + period
            F[q + QUOTA] = period * F[q + CORES] - used * max(0.0, now - begun)
            I[q + STOPPED] = 0


@compiled
def plan_next(F: Floats, I: Ints, q: int) -> None:
    """Set when a station's next event is due; its clock is up to now."""
    used = cores_used(F, I, q)
    now = F[q + LAST]
    if I[q + STOPPED]:
        put_due(F, I, q, F[q + PERIOD_END])
        return
    if used == 0:
        put_due(F, I, q, np.inf)
        return
    left = F[I[q + ROOT] + KEY] - F[q + CLOCK]
    time = now + max(0.0, left) * I[q + ACTIVE] / (used * F[q + SPEED])
    if F[q + PERIOD] > 0 and used > F[q + CORES]:
        time = min(time, now + max(0.0, F[q + QUOTA]) / used, F[q + PERIOD_END])
    put_due(F, I, q, time)


@compiled
def join(F: Floats, I: Ints, q: int, job: int, work: float, now: float) -> None:
    """A job comes: it shares the station, or waits where as many as may be at work already are."""
    bring_up(F, I, q, now)
    if I[q + ACTIVE] < I[q + MOST]:
        start(F, I, q, job, work)
    else:
        F[job + KEY] = work
        line_up(I, q + HEAD, job)
    plan_next(F, I, q)


@compiled
def start(F: Floats, I: Ints, q: int, job: int, work: float) -> None:
    """Put a job to work; the station's clock is up to now."""
    F[job + KEY] = F[q + CLOCK] + work
    I[q + ROOT] = joined(F, I, I[q + ROOT], job)
    I[q + ACTIVE] += 1


@compiled
def fire(F: Floats, I: Ints, q: int, now: float) -> int:
    """What is due at a station: the job that is done, or -1 where its quota ended or began."""
    bring_up(F, I, q, now)
    used = cores_used(F, I, q)
    root = I[q + ROOT]
    if used == 0:
        plan_next(F, I, q)
        return -1
    left = (F[root + KEY] - F[q + CLOCK]) * I[q + ACTIVE]
    if left > SOON * max(1.0, now) * used * F[q + SPEED]:
        if F[q + PERIOD] > 0 and F[q + QUOTA] <= SOON * 10 and used > F[q + CORES]:
            I[q + STOPPED] = 1
        plan_next(F, I, q)
        return -1
    I[q + ROOT] = without_root(F, I, root)
    I[q + ACTIVE] -= 1
    waiting = first_of(I, q + HEAD)
    if waiting >= 0:
        start(F, I, q, waiting, F[waiting + KEY])
    plan_next(F, I, q)
    return root
