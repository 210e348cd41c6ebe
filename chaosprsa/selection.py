"""Which of many simulated issues are worth a rehearsal: the weightiest of each kind of harm."""

import math
from collections.abc import Sequence

from chaosprsa.faults import CATALOGUE
from chaosprsa.types import SimulatedIssue


def weight(issue: SimulatedIssue) -> float:
    """Probability times predicted impact, for `issue` as it is.

    Impact: the share of requests that fail, plus the logarithm to base 10 of how much slower the others are, both at
    the middle of their intervals: ten times slower weighs as much as every request failing.
    """
    slower = max(issue.impact.latency_ratio.mid, 1.0)
    return issue.probability * (issue.impact.error_share.mid + math.log10(slower))


def weightiest(issues: Sequence[SimulatedIssue], limit: int) -> tuple[SimulatedIssue, ...]:
    """At most `limit` issues, heaviest first, one for each pair of component and fault.

    Faults that an allocation can mend come first, and faults not yet chosen: a study of three tells more when it plays
    three faults than when it plays one on three components.
    """
    by_pair: dict[tuple[str, str], SimulatedIssue] = {}
    for issue in sorted(issues, key=lambda issue: (-weight(issue), issue.id)):
        by_pair.setdefault((issue.component, issue.fault.value), issue)
    seen: dict[str, int] = {}
    ranked = []
    for issue in by_pair.values():
        seen[issue.fault.value] = seen.get(issue.fault.value, 0) + 1
        ranked.append((not CATALOGUE[issue.fault].mendable, seen[issue.fault.value], issue))
    ranked.sort(key=lambda entry: entry[:2])  # stable: by weight within each round
    return tuple(issue for *_, issue in ranked[:limit])
