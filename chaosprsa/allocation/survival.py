"""What an allocation survives, and who says so: the shadow where it was tried there, the twin where that is trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chaosprsa.allocation.space import Ints, Space
from chaosprsa.twin import Rehearsal
from chaosprsa.types import Allocation, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Verdicts:
    """By issue id. survived: None where nobody can tell; by: shadow, twin or none; lost: 0 to 1, how far it fails."""

    survived: Mapping[str, bool | None]
    by: Mapping[str, str]
    lost: Mapping[str, float]

    def weighted(self, probabilities: Mapping[str, float]) -> float:
        """Expected number of issues that are not survived."""
        return float(sum(probabilities[issue] * share for issue, share in self.lost.items()))


def shadow_verdicts(outcomes: Sequence[Outcome], allocation: Allocation) -> dict[str, bool]:
    """What trials of this very allocation (at the shadow's scale) showed; a failure outweighs passes."""
    found: dict[str, bool] = {}
    for outcome in outcomes:
        if outcome.verdict in (Verdict.PASSED, Verdict.FAILED) and _same_limits(outcome.allocation, allocation):
            passed = outcome.verdict is Verdict.PASSED
            found[outcome.issue.id] = found.get(outcome.issue.id, True) and passed
    return found


def _same_limits(one: Allocation, other: Allocation) -> bool:
    """Replicas and limits decide how a pod behaves in a trial; requests only where it is placed."""

    def given(allocation: Allocation) -> dict[str, tuple[int, int, int]]:
        return {
            service.service: (
                service.replicas,
                service.resources.cpu_limit_millicores,
                service.resources.memory_limit_mib,
            )
            for service in allocation.services
        }

    return given(one) == given(other)


def roomier(allocation: Allocation, smaller: Allocation, scale: float) -> tuple[str, ...]:
    """Services that have more pods for their load in the shadow, because pods are whole: a pass there proves less."""
    return tuple(
        one.service
        for one, less in zip(allocation.services, smaller.services, strict=True)
        if less.replicas > one.replicas * scale + 1e-9
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """What the shadow showed of one allocation. fair: it had no more pods for its load than production would have."""

    passed: Mapping[str, bool]
    fair: bool


def verdicts(space: Space, rehearsal: Rehearsal, point: Ints, shown: Shown, trusted: bool) -> Verdicts:
    """For every issue of the rehearsal. A failure in the shadow counts; so does a pass, but where the shadow was
    roomier and a trusted twin says otherwise.
    """
    violation = rehearsal(space.capacity(point[None])).violation[0]  # (issues, draws)
    survived: dict[str, bool | None] = {}
    by: dict[str, str] = {}
    lost: dict[str, float] = {}
    for at, issue in enumerate(rehearsal.issues):
        told = bool(violation[at, 0] <= 0)
        seen = shown.passed.get(issue.id)
        if seen is not None and (shown.fair or not seen or not trusted or told):
            survived[issue.id], by[issue.id], lost[issue.id] = seen, "shadow", 0.0 if seen else 1.0
        elif trusted:
            survived[issue.id], by[issue.id] = told, "twin"
            lost[issue.id] = float(np.mean(violation[at] > 0))
        else:
            survived[issue.id], by[issue.id], lost[issue.id] = None, "none", 0.5
    return Verdicts(survived, by, lost)
