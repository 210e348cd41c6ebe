"""Calls: a job's records, which pod takes it, retries, time-outs, breakers, connections."""

import numpy as np

from chaosprsa.compiled import compiled
from chaosprsa.twin.exact.draws import drawn, uniform
from chaosprsa.twin.exact.fields import (
    ARRIVED,
    AT_CALL,
    AT_CPU,
    ATTEMPT,
    BACKING_OFF,
    BACKOFF,
    BREAK_LEAST,
    BREAK_S,
    BREAK_SHARE,
    BUDGET,
    CALL,
    CALL_TIMEOUT,
    CALLEE,
    CAME,
    CHILD,
    COUNT,
    CPU,
    DEMAND,
    DEMAND_CV2,
    FAILED,
    FILL,
    FINISHING,
    FIRST_POOL,
    FIRST_READY,
    FOR_CONNECTION,
    FREE,
    FREE_HEAD,
    HALF_OPEN,
    HIT,
    HIT_SHARE,
    HIT_WORK,
    IN_USE,
    JOBS,
    LOST,
    MEMORY,
    MEMORY_JOB,
    MEMORY_LIMIT,
    NEXT,
    OPEN_UNTIL,
    ORDINAL,
    ORPHAN,
    PARENT,
    PARENT_STAMP,
    PENDING,
    POD,
    POD_OOM,
    POD_STAMP,
    POOL,
    POOL_CELLS,
    POOL_HEAD,
    PREVIOUS,
    QUEUE_LIMIT,
    READY_PODS,
    RECORDS_LEFT,
    REFUSED,
    REQUEST,
    RETRIES,
    RETRY,
    SEEN,
    SEEN_AT,
    SERVED,
    SERVICE,
    SIBLING,
    STACK,
    STACKED,
    STAGE,
    STAMP,
    TIMEOUT,
    TOKENS,
    WEIGHT,
    WEIGHTED,
)
from chaosprsa.twin.exact.heaps import push_timer
from chaosprsa.twin.exact.lines import first_of, line_up
from chaosprsa.twin.exact.memory import Floats, Ints
from chaosprsa.twin.exact.stations import join

MOST_TOKENS = 10.0  # of a retry budget: what may be retried at once after a quiet time
BREAKER_MEMORY_S = 10.0  # a breaker's counts fade with this time constant


@compiled
def new_job(F: Floats, I: Ints, service: int, parent: int, call: int, request: int, now: float) -> int:
    """A record from the free ones; there is always one (the loop stops before they run out)."""
    job = I[FREE_HEAD]
    I[FREE_HEAD] = I[job + NEXT]
    I[RECORDS_LEFT] -= 1
    I[job + SERVICE], I[job + POD], I[job + PARENT], I[job + CALL], I[job + REQUEST] = (
        service,
        -1,
        parent,
        call,
        request,
    )
    I[job + PENDING], I[job + AT_CALL], I[job + FAILED], I[job + ORPHAN] = 0, 0, 0, 0
    I[job + ATTEMPT], I[job + HIT] = 0, 0
    I[job + CHILD], I[job + SIBLING] = -1, -1
    I[job + PARENT_STAMP] = I[parent + STAMP] if parent >= 0 else 0
    F[job + CAME] = now
    return job


@compiled
def free_job(F: Floats, I: Ints, job: int) -> None:
    """Give a record back; its old timers and children know by the stamp."""
    I[job + STAGE] = FREE
    I[job + STAMP] += 1
    I[job + NEXT] = I[FREE_HEAD]
    I[FREE_HEAD] = job
    I[RECORDS_LEFT] += 1


@compiled
def go_on(F: Floats, I: Ints, job: int) -> None:
    """Have the loop go on with a job at once."""
    I[I[STACK] + I[STACKED]] = job
    I[STACKED] += 1


@compiled
def lose(F: Floats, I: Ints, job: int) -> None:
    """A job ends in a failure."""
    I[job + FAILED] = 1
    I[job + STAGE] = FINISHING
    go_on(F, I, job)


@compiled
def chosen_pod(F: Floats, I: Ints, service: int) -> int:
    """A ready pod, each as likely or by its weight; -1 where there is none."""
    ready = I[service + READY_PODS]
    first = I[service + FIRST_READY]
    if ready == 0:
        return -1
    if ready == 1:
        return I[first]
    if not I[service + WEIGHTED]:
        return I[first + int(uniform(I) * ready)]
    total = 0.0
    for at in range(first, first + ready):
        total += F[I[at] + WEIGHT]
    left = uniform(I) * total
    for at in range(first, first + ready):
        left -= F[I[at] + WEIGHT]
        if left < 0:
            return I[at]
    return I[first + ready - 1]


@compiled
def enter(F: Floats, I: Ints, job: int, now: float) -> None:
    """A job arrives at its service: a pod takes it and its work begins, or it is refused."""
    service = I[job + SERVICE]
    F[service + ARRIVED] += 1
    pod = chosen_pod(F, I, service)
    if pod < 0 or I[pod + COUNT] >= I[service + QUEUE_LIMIT]:
        F[service + REFUSED] += 1
        lose(F, I, job)
        return
    head = I[pod + JOBS]
    I[job + POD], I[job + NEXT], I[job + PREVIOUS] = pod, head, -1
    if head >= 0:
        I[head + PREVIOUS] = job
    I[pod + JOBS] = job
    I[pod + COUNT] += 1
    work = drawn(I, F[service + DEMAND], F[service + DEMAND_CV2])
    hits = F[service + HIT_SHARE]
    if hits > 0:
        fill = F[service + FILL]
        warm = 1.0 - np.exp(-F[pod + SERVED] / fill) if fill > 0 else 1.0
        if uniform(I) < hits * warm:
            I[job + HIT] = 1
            work *= F[service + HIT_WORK]
    F[pod + SERVED] += 1
    I[job + STAGE] = AT_CPU
    join(F, I, I[pod + CPU], job, work, now)
    used = F[service + MEMORY] + I[pod + COUNT] * F[service + MEMORY_JOB]
    if used > F[service + MEMORY_LIMIT]:
        push_timer(F, I, now, POD_OOM, pod, I[pod + POD_STAMP])


@compiled
def leave_pod(F: Floats, I: Ints, job: int) -> None:
    """Take a job off its pod's list."""
    pod = I[job + POD]
    if pod < 0:
        return
    before, after = I[job + PREVIOUS], I[job + NEXT]
    if before >= 0:
        I[before + NEXT] = after
    else:
        I[pod + JOBS] = after
    if after >= 0:
        I[after + PREVIOUS] = before
    I[pod + COUNT] -= 1
    I[job + POD] = -1


@compiled
def place_call(F: Floats, I: Ints, parent: int, call: int, attempt: int, now: float) -> None:
    """Make one attempt at a call: past the breaker, with a connection, to a pod."""
    job = new_job(F, I, I[call + CALLEE], parent, call, I[parent + REQUEST], now)
    I[job + ATTEMPT] = attempt
    if not _lets_through(F, I, call, now):
        I[job + CALL] = -1 - call  # the breaker's own refusal is no news to it, and held no connection
        lose(F, I, job)
        return
    if F[call + TIMEOUT] < np.inf:
        push_timer(F, I, now + F[call + TIMEOUT], CALL_TIMEOUT, job, I[job + STAMP])
    pool = _pool_of(F, I, parent, call)
    if pool >= 0:
        if I[pool + IN_USE] >= I[call + POOL]:
            I[job + STAGE] = FOR_CONNECTION
            line_up(I, pool + POOL_HEAD, job)
            return
        I[pool + IN_USE] += 1
    enter(F, I, job, now)


@compiled
def _pool_of(F: Floats, I: Ints, parent: int, call: int) -> int:
    """The connections of a call from its caller's pod; -1 where there is no limit."""
    base = I[call + FIRST_POOL]
    pod = I[parent + POD]
    if base < 0 or pod < 0:
        return -1
    return base + POOL_CELLS * I[pod + ORDINAL]


@compiled
def hang_up(F: Floats, I: Ints, job: int, now: float) -> None:
    """Give a call's connection back; the next that waits for it and is still wanted takes it."""
    parent, call = I[job + PARENT], I[job + CALL]
    if call < 0 or parent < 0 or I[parent + STAMP] != I[job + PARENT_STAMP]:
        return
    pool = _pool_of(F, I, parent, call)
    if pool < 0:
        return
    I[pool + IN_USE] -= 1
    while I[pool + POOL_HEAD] >= 0:
        other = first_of(I, pool + POOL_HEAD)
        caller = I[other + PARENT]
        if I[other + ORPHAN] or I[caller + STAMP] != I[other + PARENT_STAMP]:
            free_job(F, I, other)
            continue
        I[pool + IN_USE] += 1
        enter(F, I, other, now)
        return


@compiled
def _lets_through(F: Floats, I: Ints, call: int, now: float) -> bool:
    """Whether a circuit breaker lets a call pass; after its pause one goes ahead and decides."""
    until = F[call + OPEN_UNTIL]
    if until == 0.0:
        return True
    if now < until or I[call + HALF_OPEN]:
        return False
    I[call + HALF_OPEN] = 1
    return True


@compiled
def heard(F: Floats, I: Ints, call: int, failed: int, now: float) -> None:
    """Tell the breaker how a call ended."""
    share = F[call + BREAK_SHARE]
    if share > 1.0:
        return
    if I[call + HALF_OPEN]:
        I[call + HALF_OPEN] = 0
        F[call + SEEN], F[call + LOST] = 0.0, 0.0
        F[call + OPEN_UNTIL] = now + F[call + BREAK_S] if failed else 0.0
        return
    fade = np.exp(-(now - F[call + SEEN_AT]) / BREAKER_MEMORY_S)
    F[call + SEEN], F[call + LOST], F[call + SEEN_AT] = F[call + SEEN] * fade + 1.0, F[call + LOST] * fade + failed, now
    if (
        F[call + OPEN_UNTIL] == 0.0
        and F[call + SEEN] >= I[call + BREAK_LEAST]
        and F[call + LOST] >= share * F[call + SEEN]
    ):
        F[call + OPEN_UNTIL] = now + F[call + BREAK_S]


@compiled
def tried_again(F: Floats, I: Ints, parent: int, call: int, attempt: int, now: float) -> bool:
    """Whether a failed call is made once more, after its pause, within the retry budget."""
    if attempt >= I[call + RETRIES]:
        return False
    if F[call + BUDGET] < np.inf:
        if F[call + TOKENS] < 1.0:
            return False
        F[call + TOKENS] -= 1.0
    job = new_job(F, I, I[call + CALLEE], parent, call, I[parent + REQUEST], now)
    I[job + STAGE], I[job + ATTEMPT] = BACKING_OFF, attempt + 1
    push_timer(F, I, now + F[call + BACKOFF] * 2.0**attempt, RETRY, job, I[job + STAMP])
    return True


@compiled
def earn_token(F: Floats, I: Ints, call: int) -> None:
    """A first attempt adds its share to the retry budget."""
    if F[call + BUDGET] < np.inf:
        F[call + TOKENS] = min(MOST_TOKENS, F[call + TOKENS] + F[call + BUDGET])
