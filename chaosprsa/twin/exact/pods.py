"""Pods: they start, warm up, drain, are killed, and start again."""

from chaosprsa.compiled import compiled
from chaosprsa.twin.exact.calls import free_job, lose
from chaosprsa.twin.exact.fields import (
    ABSENT,
    ACTIVE,
    AHEAD,
    CALL_CELLS,
    CALLS,
    COUNT,
    CPU,
    DRAINING,
    FIRST_CALL,
    FIRST_POOL,
    FIRST_READY,
    HEAD,
    IN_USE,
    JOBS,
    NETWORK,
    NEXT,
    OF,
    ORDINAL,
    POD,
    POD_READY,
    POD_STAMP,
    POD_WARM,
    POOL_CELLS,
    POOL_HEAD,
    POOL_TAIL,
    READY,
    READY_AT,
    READY_PODS,
    ROOT,
    SERVED,
    SPEED,
    STARTING,
    STATE,
    STOPPED,
    STORAGE,
    TAIL,
    WARM_S,
    WARM_SPEED,
)
from chaosprsa.twin.exact.heaps import push_timer
from chaosprsa.twin.exact.memory import Floats, Ints
from chaosprsa.twin.exact.stations import bring_up, plan_next


@compiled
def start_pod(F: Floats, I: Ints, pod: int, now: float, delay_s: float) -> None:
    """An absent pod will be ready after a delay."""
    I[pod + STATE] = STARTING
    I[pod + POD_STAMP] += 1
    push_timer(F, I, now + delay_s, POD_READY, pod, I[pod + POD_STAMP])


@compiled
def pod_is_ready(F: Floats, I: Ints, pod: int, now: float) -> None:
    """A pod takes requests from now on, slower while it warms up, its cache empty."""
    service = I[pod + OF]
    at = I[service + READY_PODS]
    I[pod + STATE], I[pod + READY_AT] = READY, at
    F[pod + SERVED] = 0.0
    I[I[service + FIRST_READY] + at] = pod
    I[service + READY_PODS] = at + 1
    if F[service + WARM_S] > 0:
        bring_up(F, I, I[pod + CPU], now)
        F[I[pod + CPU] + SPEED] = F[service + WARM_SPEED]
        push_timer(F, I, now + F[service + WARM_S], POD_WARM, pod, I[pod + POD_STAMP])


@compiled
def pod_is_warm(F: Floats, I: Ints, pod: int, now: float) -> None:
    """Full speed."""
    station = I[pod + CPU]
    bring_up(F, I, station, now)
    F[station + SPEED] = 1.0
    plan_next(F, I, station)


@compiled
def _not_ready(F: Floats, I: Ints, pod: int) -> None:
    """Take a pod out of its service's ready ones; the last takes its place."""
    service = I[pod + OF]
    first, last = I[service + FIRST_READY], I[service + READY_PODS] - 1
    moved = I[first + last]
    I[first + I[pod + READY_AT]] = moved
    I[moved + READY_AT] = I[pod + READY_AT]
    I[service + READY_PODS] = last


@compiled
def drain_pod(F: Floats, I: Ints, pod: int) -> None:
    """A pod takes no more requests and goes when the last it has is done."""
    if I[pod + STATE] == READY:
        _not_ready(F, I, pod)
        I[pod + STATE] = DRAINING
    elif I[pod + STATE] == STARTING:
        I[pod + STATE] = ABSENT
    I[pod + POD_STAMP] += 1
    retire_if_empty(F, I, pod)


@compiled
def retire_if_empty(F: Floats, I: Ints, pod: int) -> None:
    """A draining pod without requests is gone."""
    if I[pod + STATE] == DRAINING and I[pod + COUNT] == 0:
        I[pod + STATE] = ABSENT


@compiled
def end_pod(F: Floats, I: Ints, pod: int, now: float) -> None:
    """A pod dies with all requests in it; it is absent then."""
    if I[pod + STATE] == READY:
        _not_ready(F, I, pod)
    I[pod + STATE] = ABSENT
    I[pod + POD_STAMP] += 1
    job = I[pod + JOBS]
    while job >= 0:
        after = I[job + NEXT]
        I[job + POD] = -1
        lose(F, I, job)
        job = after
    I[pod + JOBS], I[pod + COUNT] = -1, 0
    for kind in (CPU, STORAGE, NETWORK):
        if I[pod + kind] >= 0:
            _empty(F, I, I[pod + kind], now)
    _hang_up_all(F, I, pod)


@compiled
def _empty(F: Floats, I: Ints, station: int, now: float) -> None:
    bring_up(F, I, station, now)
    I[station + ACTIVE], I[station + ROOT], I[station + HEAD], I[station + TAIL], I[station + STOPPED] = (
        0,
        -1,
        -1,
        -1,
        0,
    )
    F[station + SPEED] = 1.0
    plan_next(F, I, station)


@compiled
def _hang_up_all(F: Floats, I: Ints, pod: int) -> None:
    """A pod's connections are gone with it, and so is who waited for one."""
    service = I[pod + OF]
    first = I[service + FIRST_CALL]
    for call in range(first, first + CALL_CELLS * I[service + CALLS], CALL_CELLS):
        if I[call + FIRST_POOL] < 0:
            continue
        pool = I[call + FIRST_POOL] + POOL_CELLS * I[pod + ORDINAL]
        job = I[pool + POOL_HEAD]
        while job >= 0:
            after = I[job + AHEAD]
            free_job(F, I, job)
            job = after
        I[pool + IN_USE], I[pool + POOL_HEAD], I[pool + POOL_TAIL] = 0, -1, -1
