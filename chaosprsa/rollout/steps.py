"""What the activities of a rollout share: how a step answers, and how production is watched for a while."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from chaoslib.exceptions import ActivityFailed

from chaosprsa.errors import ChaosPrsaError, SourceUnreachable
from chaosprsa.rollout.judge import ALPHA, FAILED, INCONCLUSIVE, SKIPPED, SUCCESSFUL, Judgement
from chaosprsa.rollout.session import Session, session_for
from chaosprsa.rollout.traffic import Readings

Step = dict[str, Any]
READY_TIMEOUT_S = 120.0
LOOKS = 10  # while one watches; each look's alpha is so small that all of them together add little to the last one's
LOOK_ALPHA = ALPHA / 100
LONGEST = 4  # times the planned length, while there are too few requests to judge
SOONEST_S = 1.0


def answer(phase: str, detail: str, measures: Mapping[str, float] | None = None) -> Step:
    """A step's output in the journal."""
    return {
        "phase": phase,
        "detail": detail,
        "measures": {key: round(value, 4) for key, value in (measures or {}).items()},
    }


def run_step(
    namespace: str,
    configuration: Mapping[str, Any] | None,
    secrets: Mapping[str, Any] | None,
    work: Callable[[Session], Step],
) -> Step:
    """Do a step, unless one before it went wrong. An error of ours fails the activity and stops those after it."""
    session = None
    try:
        session = session_for(namespace, configuration, secrets)
        if session.problem:
            return answer(SKIPPED, session.problem)
        found = work(session)
    except ChaosPrsaError as error:
        if session is not None:
            session.problem = str(error)
        raise ActivityFailed(str(error)) from error
    if found["phase"] not in (SUCCESSFUL, SKIPPED):
        session.problem = str(found["detail"])
    return found


def watch(seen: Readings, judge: Callable[[Readings, float], Judgement], seconds: float) -> Judgement:
    """Judge what happens in the next `seconds`, longer (up to four times) while there is too little to judge.

    A clear failure ends it early. Without an answer from Prometheus it is inconclusive.
    """
    began = time.monotonic()
    found = _look(seen, judge, LOOK_ALPHA)
    while (elapsed_s := time.monotonic() - began) < seconds * LONGEST:
        time.sleep(min(max(seconds / LOOKS, SOONEST_S), max(seconds - elapsed_s, SOONEST_S)))
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
