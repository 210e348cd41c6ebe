"""Which issues an allocation is searched against: those that stand for the others, and a usual day's peak."""

from collections.abc import Sequence
from datetime import datetime

from chaosprsa.documents import lineage
from chaosprsa.types import Fault, Impact, Interval, Severity, SimulatedIssue

USUAL = "usual-load"
MOST_REPRESENTATIVES = 14


def usual_load(entry: str, now: datetime) -> SimulatedIssue:
    """No fault at all, at the peak: an allocation has to carry that too."""
    nothing = Interval(low=1.0, mid=1.0, high=1.0)
    return SimulatedIssue(
        id=USUAL,
        kind="usual load",
        fault=Fault.TRAFFIC_SURGE,
        strength=1.0,
        components=(entry,),
        origin=now,
        start_s=0.0,
        duration_s=120.0,
        severity=Severity.WARNING,
        probability=1.0,
        impact=Impact(latency_ratio=nothing, error_share=Interval(low=0.0, mid=0.0, high=0.0)),
        novelty=0.0,
        evidence=("production's own load",),
        lineage=lineage("issue", USUAL),
    )


def representatives(issues: Sequence[SimulatedIssue]) -> tuple[SimulatedIssue, ...]:
    """The strongest of each fault and component, and of faults that are on together; the likeliest kinds first."""
    groups: dict[tuple[tuple[Fault, str], ...], list[SimulatedIssue]] = {}
    for issue in issues:
        beside = sorted((also.fault, also.component) for also in issue.companions)
        groups.setdefault(((issue.fault, issue.component), *beside), []).append(issue)
    likeliest = sorted(groups.values(), key=lambda group: -sum(issue.probability for issue in group))
    strongest = [max(group, key=lambda one: (one.strength, one.duration_s, one.id)) for group in likeliest]
    return tuple(strongest[:MOST_REPRESENTATIVES])


def in_words(issue: SimulatedIssue) -> str:
    """As a reason names it."""
    return "the usual peak load" if issue.id == USUAL else f"{issue.fault.value} on {issue.component} ({issue.id})"
