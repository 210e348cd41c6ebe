"""A hole is a hole, a jump is a few samples far from the rest: which of the two a long silence is.

Nobody measures for a while and goes on: both sides are true, and the silence is a gap. A clock that was never set, or
that jumped, writes a few samples years away: those are wrong. The same goes for when somebody watched for incidents:
one that was written down years before all others does not say that nothing happened in between.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
LEAST = timedelta(days=30)  # a silence is looked at only if it is longer, and so many times longer than
TIMES = 10  # ... everything measured, or than incidents are apart
FEW = 3  # samples of a series, or incidents, that a jump writes; more than that were meant
CLOCKS_SET = datetime(
    2000, 1, 1, tzinfo=UTC
)  # no history of today's kind is older: clocks that aren't set begin before
LEAST_MS = round(LEAST.total_seconds() * 1000)
CLOCKS_SET_MS = round(CLOCKS_SET.timestamp() * 1000)


def parts(times_ms: IntArray, step_ms: int) -> list[IntArray]:
    """The times between silences that are too long for a pause, in order. times_ms: a step's distinct times, sorted."""
    bound = max(LEAST_MS, TIMES * step_ms * len(times_ms))
    return np.split(times_ms, np.flatnonzero(np.diff(times_ms) > bound) + 1)


def is_jump(part_ms: IntArray) -> bool:
    """Whether a part that is not the longest was written by a clock gone wrong."""
    return len(part_ms) <= FEW or int(part_ms[-1]) < CLOCKS_SET_MS


def first_watched(starts: Sequence[datetime], measured: datetime | None, end: datetime) -> datetime:
    """Since when somebody watched for incidents: the first of them that is not alone, years before all others.

    starts: of incidents, sorted. measured: since when there are metrics; None: there are none.
    """
    before = [start for start in starts if measured is None or start < measured]
    since = min([*before[:1], *([] if measured is None else [measured])])
    for alone in range(1, min(FEW, len(before)) + 1):
        others = [*before[alone:], *([] if measured is None else [measured])]
        if not others:
            break
        usual = (end - others[0]) / (len(starts) - alone + 1)
        if others[0] - before[alone - 1] > max(LEAST, TIMES * usual):
            since = others[0]
    return since
