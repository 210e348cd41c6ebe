"""What is asked of the kernel from outside: play on, or do something to a pod. Arrays come in, addresses go on."""

from chaosprsa.compiled import compiled
from chaosprsa.twin.exact.fields import CORES, CPU, OF, PERIOD, QUOTA, START_DELAY
from chaosprsa.twin.exact.kernel import play, settle
from chaosprsa.twin.exact.memory import Floats, Ints, bare
from chaosprsa.twin.exact.pods import drain_pod, end_pod, pod_is_ready, start_pod
from chaosprsa.twin.exact.stations import bring_up, plan_next

MAKE_READY, START, DRAIN, END, REPLACE, SET_CORES, BRING_UP = range(7)


@compiled
def run(floats: Floats, ints: Ints, until: float) -> int:
    """Play all that is due before `until`: kernel.play's RAN or FULL."""
    return play(bare(floats), bare(ints), until)


@compiled
def order(floats: Floats, ints: Ints, what: int, pod: int, number: float, now: float) -> None:
    """One of the above to a pod; number: the cores of SET_CORES."""
    F, I = bare(floats), bare(ints)  # the kernel's names
    delay = F[I[pod + OF] + START_DELAY]
    if what == MAKE_READY:
        pod_is_ready(F, I, pod, now)
    elif what == START:
        start_pod(F, I, pod, now, delay)
    elif what == DRAIN:
        drain_pod(F, I, pod)
    elif what == SET_CORES:
        _set_cores(F, I, I[pod + CPU], number, now)
    elif what == BRING_UP:
        bring_up(F, I, I[pod + CPU], now)
    else:
        end_pod(F, I, pod, now)
        if what == REPLACE:
            start_pod(F, I, pod, now, delay)
        settle(F, I, now)


@compiled
def _set_cores(F: Floats, I: Ints, q: int, cores: float, now: float) -> None:
    """A station's limit changes; what is used of its quota stays used."""
    bring_up(F, I, q, now)
    used = F[q + CORES] * F[q + PERIOD] - F[q + QUOTA]
    F[q + CORES] = cores
    F[q + QUOTA] = cores * F[q + PERIOD] - used
    plan_next(F, I, q)
