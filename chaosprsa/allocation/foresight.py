"""How well the time of an issue is known, by the draws of the Issue Simulator: a window, and how many begin in it."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from chaosprsa.types import SimulatedIssue

LEAST_DRAWS = 100  # fewer don't tell a surprise in a hundred
OVER = 0.95  # of the durations: when it is over


@dataclass(frozen=True, slots=True)
class Foresight:
    """Seconds from now; begins_s, ends_s: None where there are too few draws. sure: share of held-out draws in it."""

    issue: SimulatedIssue
    begins_s: float
    ends_s: float
    sure: float
    draws: int

    @property
    def known(self) -> bool:
        return self.draws >= LEAST_DRAWS


def foresee(
    issues: Sequence[SimulatedIssue],
    draws: Sequence[SimulatedIssue],
    now: datetime,
    horizon_s: float,
    covered: float,
) -> tuple[Foresight, ...]:
    """Of each issue, from the draws of its fault and component that are still to come within the horizon.

    The window is the shortest that holds the share `covered` of one half of the draws. `sure` is what it holds of the
    other half and of one more that would miss it, so that no window looks surer than the draws tell. It ends when what
    began in it is over.
    """
    alike = ([one for one in draws if _alike(one, issue)] for issue in issues)
    return tuple(_foreseen(issue, own, now, horizon_s, covered) for issue, own in zip(issues, alike, strict=True))


def _alike(one: SimulatedIssue, issue: SimulatedIssue) -> bool:
    return (one.fault, one.component, one.edge_case) == (issue.fault, issue.component, None)


def _foreseen(
    issue: SimulatedIssue, draws: Sequence[SimulatedIssue], now: datetime, horizon_s: float, covered: float
) -> Foresight:
    offsets = [((one.start - now).total_seconds(), one) for one in draws]
    coming = [(offset, one) for offset, one in offsets if 0 <= offset < horizon_s]
    made_from = np.sort([offset for offset, one in coming if zlib.crc32(one.id.encode()) % 2])
    others = np.array([offset for offset, one in coming if not zlib.crc32(one.id.encode()) % 2])
    if len(coming) < LEAST_DRAWS or not len(others) or not len(made_from):
        return Foresight(issue, 0.0, horizon_s, 0.0, min(len(coming), LEAST_DRAWS - 1))
    begins_s, last_s = shortest(made_from, covered)
    sure = float(np.sum((begins_s <= others) & (others <= last_s))) / (len(others) + 1)
    lasting_s = float(np.quantile([one.duration_s for _, one in coming], OVER))
    return Foresight(issue, begins_s, min(last_s + lasting_s, horizon_s), sure, len(coming))


def shortest(sorted_s: np.ndarray, share: float) -> tuple[float, float]:
    """The shortest stretch that holds this share of the values."""
    held = max(int(np.ceil(share * len(sorted_s))), 1)
    lengths = sorted_s[held - 1 :] - sorted_s[: len(sorted_s) - held + 1]
    at = int(lengths.argmin())
    return float(sorted_s[at]), float(sorted_s[at + held - 1])


def at(now: datetime, offset_s: float) -> datetime:
    """A moment, to the second."""
    return now + timedelta(seconds=round(offset_s))
