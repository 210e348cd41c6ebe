"""The discrete-event loop: the earliest of arrivals, stations and timers, one after the other."""

import numpy as np

from chaosprsa.compiled import compiled
from chaosprsa.twin.exact.calls import (
    earn_token,
    enter,
    free_job,
    go_on,
    hang_up,
    heard,
    leave_pod,
    new_job,
    place_call,
    tried_again,
)
from chaosprsa.twin.exact.draws import drawn, uniform
from chaosprsa.twin.exact.fields import (
    ANSWERED,
    ANSWERS,
    ARRIVAL,
    ARRIVALS,
    AT_CALL,
    AT_CPU,
    AT_NETWORK,
    AT_STORAGE,
    ATTEMPT,
    BREAK_SHARE,
    CALL,
    CALL_CELLS,
    CALL_TIMEOUT,
    CALLING,
    CALLS,
    CAME,
    CHANCE,
    DELAY_OVER,
    DELAYED,
    DONE,
    DRAINING,
    ENTRY,
    ERROR,
    FAILED,
    FAILING,
    FINISHING,
    FIRST_CALL,
    FIRST_POOL,
    FOR_CONNECTION,
    GROUP,
    HEAP,
    HIT,
    LOST_ANSWER,
    LOST_JOBS,
    NETWORK,
    NETWORK_S,
    OF,
    OOM_KILLS,
    ORPHAN,
    PARENT,
    PARENT_STAMP,
    PENDING,
    POD,
    POD_READY,
    POD_STAMP,
    POD_WARM,
    RECORDS,
    RECORDS_LEFT,
    REQUEST,
    REQUESTS,
    SERVICE,
    SLOWER,
    STACK,
    STACKED,
    STAGE,
    STAMP,
    START_DELAY,
    STATE,
    STORAGE,
    STORAGE_S,
    TIME_S,
    TIMER,
    TIMER_ROOM,
    TIMERS,
    WAIT,
    WAIT_CV2,
)
from chaosprsa.twin.exact.heaps import drop_timer, push_timer
from chaosprsa.twin.exact.memory import Floats, Ints
from chaosprsa.twin.exact.pods import end_pod, pod_is_ready, pod_is_warm, retire_if_empty, start_pod
from chaosprsa.twin.exact.stations import fire, join

RAN, FULL = 0, 1


@compiled
def play(F: Floats, I: Ints, until: float) -> int:
    """Play all that is due before `until`. RAN, or FULL where the tables must grow first: then call it again.

    Half the records are kept free: a pod that dies may have each of its requests tried again at once.
    """
    while True:
        if 2 * I[TIMERS] > I[TIMER_ROOM] or 2 * I[RECORDS_LEFT] < I[RECORDS]:
            return FULL
        at = F[I[ARRIVALS] + I[ARRIVAL]] if I[ARRIVAL] < I[REQUESTS] else np.inf
        station = I[I[HEAP]]
        due = F[I[HEAP]]
        timer = F[I[TIMER]] if I[TIMERS] > 0 else np.inf
        now = min(at, due, timer)
        if now >= until:
            return RAN
        if due <= at and due <= timer:
            job = fire(F, I, station, now)
            if job >= 0:
                _served(F, I, job, now)
        elif at <= timer:
            job = new_job(F, I, I[ENTRY], -1, -1, I[ARRIVAL], now)
            I[ARRIVAL] += 1
            enter(F, I, job, now)
        else:
            what, whom, stamp = I[I[TIMER]], I[I[TIMER] + 1], I[I[TIMER] + 2]
            drop_timer(F, I)
            _timed(F, I, what, whom, stamp, now)
        if I[STACKED] > 0:
            settle(F, I, now)


@compiled
def settle(F: Floats, I: Ints, now: float) -> None:
    """Go on with every job that has somewhere to go at once."""
    while I[STACKED] > 0:
        I[STACKED] -= 1
        job = I[I[STACK] + I[STACKED]]
        if I[job + STAGE] == CALLING:
            _call(F, I, job, now)
        if I[job + STAGE] == FINISHING:
            _finish(F, I, job, now)


@compiled
def _served(F: Floats, I: Ints, job: int, now: float) -> None:
    """A job is done at a station: storage, then waiting, then its calls; after the network it is done."""
    service = I[job + SERVICE]
    stage = I[job + STAGE]
    if stage == AT_NETWORK:
        I[job + STAGE] = FINISHING
        go_on(F, I, job)
        return
    storage = I[I[job + POD] + STORAGE]
    if stage == AT_CPU and storage >= 0 and not I[job + HIT]:
        I[job + STAGE] = AT_STORAGE
        join(F, I, storage, job, drawn(I, F[service + STORAGE_S], 1.0), now)
        return
    pause = F[service + SLOWER]
    if not I[job + HIT]:
        pause += drawn(I, F[service + WAIT], F[service + WAIT_CV2])
    if pause > 0:
        I[job + STAGE] = DELAYED
        push_timer(F, I, now + pause, DELAY_OVER, job, I[job + STAMP])
    else:
        I[job + STAGE] = CALLING
        go_on(F, I, job)


@compiled
def _call(F: Floats, I: Ints, job: int, now: float) -> None:
    """The next group of calls, side by side; when none is left, the answer goes out over the network."""
    service = I[job + SERVICE]
    call = I[job + AT_CALL]
    last = I[service + FIRST_CALL] + CALL_CELLS * I[service + CALLS]
    if I[job + HIT]:
        call = last
    elif call == 0:
        call = I[service + FIRST_CALL]
    while call < last and not I[job + FAILED]:
        group = I[call + GROUP]
        while call < last and I[call + GROUP] == group:
            if F[call + CHANCE] >= 1.0 or uniform(I) < F[call + CHANCE]:
                earn_token(F, I, call)
                I[job + PENDING] += 1
                place_call(F, I, job, call, 0, now)
            call += CALL_CELLS
        I[job + AT_CALL] = call
        if I[job + PENDING] > 0:
            return
    network = I[I[job + POD] + NETWORK]
    if network >= 0 and not I[job + FAILED]:
        I[job + STAGE] = AT_NETWORK
        join(F, I, network, job, drawn(I, F[service + NETWORK_S], 1.0), now)
    else:
        I[job + STAGE] = FINISHING


@compiled
def _finish(F: Floats, I: Ints, job: int, now: float) -> None:
    """A job ends: its pod, its caller or its user hear of it."""
    service, pod = I[job + SERVICE], I[job + POD]
    failing = 1.0 - (1.0 - F[service + ERROR]) * (1.0 - F[service + FAILING])
    if failing > 0 and not I[job + FAILED] and uniform(I) < failing:
        I[job + FAILED] = 1
    failed = I[job + FAILED]
    if failed:
        F[service + LOST_JOBS] += 1
    else:
        F[service + DONE] += 1
        F[service + TIME_S] += now - F[job + CAME]
    if pod >= 0:
        leave_pod(F, I, job)
        if I[pod + STATE] == DRAINING:
            retire_if_empty(F, I, pod)
    if I[job + PARENT] < 0:
        request = I[job + REQUEST]
        F[I[ANSWERS] + request] = now - F[I[ARRIVALS] + request]
        I[I[ANSWERS] + request] = LOST_ANSWER if failed else ANSWERED
    else:
        _answer(F, I, job, failed, now)
    free_job(F, I, job)


@compiled
def _answer(F: Floats, I: Ints, job: int, failed: int, now: float) -> None:
    """Tell the caller, unless it has given up or died."""
    parent, call = I[job + PARENT], I[job + CALL]
    if I[job + ORPHAN] or I[parent + STAMP] != I[job + PARENT_STAMP]:
        return
    if call >= 0:
        if I[call + FIRST_POOL] >= 0:
            hang_up(F, I, job, now)
        if F[call + BREAK_SHARE] <= 1.0:
            heard(F, I, call, failed, now)
    else:
        call = -1 - call
    if failed and tried_again(F, I, parent, call, I[job + ATTEMPT], now):
        return
    _one_less(F, I, parent, failed)


@compiled
def _one_less(F: Floats, I: Ints, parent: int, failed: int) -> None:
    """A caller waits for one call less."""
    I[parent + PENDING] -= 1
    if failed:
        I[parent + FAILED] = 1
    if I[parent + PENDING] == 0 and I[parent + STAGE] == CALLING:  # else it died in the same moment
        go_on(F, I, parent)


@compiled
def _timed(F: Floats, I: Ints, what: int, whom: int, stamp: int, now: float) -> None:
    """A timer rings; it means nothing where who set it is gone."""
    if what >= POD_READY:
        if I[whom + POD_STAMP] == stamp:
            _pod_timed(F, I, what, whom, now)
        return
    if I[whom + STAMP] != stamp:
        return
    if what == DELAY_OVER:
        I[whom + STAGE] = CALLING
        go_on(F, I, whom)
    elif what == CALL_TIMEOUT:
        _give_up(F, I, whom, now)
    else:
        parent = I[whom + PARENT]
        if I[parent + STAMP] == I[whom + PARENT_STAMP]:
            place_call(F, I, parent, I[whom + CALL], I[whom + ATTEMPT], now)
        free_job(F, I, whom)


@compiled
def _pod_timed(F: Floats, I: Ints, what: int, pod: int, now: float) -> None:
    if what == POD_READY:
        pod_is_ready(F, I, pod, now)
    elif what == POD_WARM:
        pod_is_warm(F, I, pod, now)
    else:
        service = I[pod + OF]
        F[service + OOM_KILLS] += 1
        end_pod(F, I, pod, now)
        start_pod(F, I, pod, now, F[service + START_DELAY])


@compiled
def _give_up(F: Floats, I: Ints, job: int, now: float) -> None:
    """A caller stops waiting; what it called goes on working for nobody."""
    parent, call = I[job + PARENT], I[job + CALL]
    if I[job + ORPHAN] or I[parent + STAMP] != I[job + PARENT_STAMP]:
        return
    if I[job + STAGE] != FOR_CONNECTION:
        hang_up(F, I, job, now)
    I[job + ORPHAN] = 1
    heard(F, I, call, 1, now)
    if not tried_again(F, I, parent, call, I[job + ATTEMPT], now):
        _one_less(F, I, parent, 1)
