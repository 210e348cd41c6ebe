"""Watching production: a look now and then, for longer where traffic is thin, until it clearly fails."""

import time
from collections.abc import Callable

from chaosprsa.errors import SourceUnreachable
from chaosprsa.rollout.judge import ALPHA, FAILED, INCONCLUSIVE, SUCCESSFUL, Judgement
from chaosprsa.rollout.traffic import Readings

LOOKS = 10  # while one watches; each look's alpha is so small that all of them together add little to the last one's
LOOK_ALPHA = ALPHA / 100
LONGEST = 4  # times the planned length, while there are too few requests to judge
PATIENCE_S = 60.0  # and at least so long: a service that few requests reach shows little in a short canary
SOONEST_S = 1.0


def longest_s(seconds: float) -> float:
    """How long one watches at most when `seconds` are planned."""
    return max(seconds * LONGEST, PATIENCE_S)


def watch(
    seen: Readings, judge: Callable[[Readings, float], Judgement], seconds: float, halted: Callable[[], None]
) -> Judgement:
    """Judge what happens in the next `seconds`, longer (see longest_s) while there is too little to judge.

    A clear failure ends it early. Without an answer from Prometheus it is inconclusive. halted: raises when the stop
    switch is on; asked before each look and after the last.
    """
    began = time.monotonic()
    found = _look(seen, judge, LOOK_ALPHA)
    while (elapsed_s := time.monotonic() - began) < longest_s(seconds):
        time.sleep(min(max(seconds / LOOKS, SOONEST_S), max(seconds - elapsed_s, SOONEST_S)))
        halted()
        at_end = time.monotonic() - began >= seconds
        found = _look(seen, judge, ALPHA if at_end else LOOK_ALPHA)
        if found.phase == FAILED or (at_end and found.phase == SUCCESSFUL):
            return found
    return found


def _look(seen: Readings, judge: Callable[[Readings, float], Judgement], alpha: float) -> Judgement:
    try:
        seen.mark()
        return judge(seen, alpha)
    except SourceUnreachable as error:
        return Judgement(phase=INCONCLUSIVE, reason=str(error))
