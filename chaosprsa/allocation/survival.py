"""What an allocation survives, and who says so: the shadow where it was tried there, the twin where that is trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from chaosprsa.allocation.space import Ints, Space
from chaosprsa.twin import Rehearsal
from chaosprsa.types import Allocation, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Verdicts:
    """By issue id. survived: None where nobody can tell; by: shadow, exact (twin), twin (fluid) or none."""

    survived: Mapping[str, bool | None]
    by: Mapping[str, str]

    @property
    def seen(self) -> dict[str, bool]:
        """What the shadow showed, and nothing that is known speaks against; and where the exact twin saw a miss.

        What the exact twin saw hold, it saw as predicted only: harder worlds are left to the fluid twin.
        """
        return {
            issue: bool(self.survived[issue])
            for issue, who in self.by.items()
            if who == "shadow" or (who == "exact" and not self.survived[issue])
        }


def shadow_verdicts(outcomes: Sequence[Outcome], allocation: Allocation) -> dict[str, bool]:
    """What trials of this very allocation (at the shadow's scale) showed; a failure outweighs passes."""
    found: dict[str, bool] = {}
    for outcome in outcomes:
        if outcome.verdict in (Verdict.PASSED, Verdict.FAILED) and _same_limits(outcome.allocation, allocation):
            passed = outcome.verdict is Verdict.PASSED
            found[outcome.issue.id] = found.get(outcome.issue.id, True) and passed
    return found


def contradictions(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Issues whose trials passed and failed with one and the same allocation, in words."""
    told = [one for one in outcomes if one.verdict in (Verdict.PASSED, Verdict.FAILED)]
    pairs = (
        one
        for at, one in enumerate(told)
        for other in told[:at]
        if one.issue.id == other.issue.id
        and one.verdict is not other.verdict
        and _same_limits(one.allocation, other.allocation)
    )
    return tuple(
        f"{issue.fault.value} on {issue.component} ({issue.id}): trials of one allocation passed and failed; it counts "
        "as failed: play it again, longer, if chance may have decided"
        for issue in {one.issue.id: one.issue for one in pairs}.values()
    )


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
    """What the shadow showed of one allocation. roomier: it had more pods for its load than production would have.

    coarse: issues that a trusted twin expects to fail in the shadow and not in production, because pods are whole
    there (half of one pod is that pod).
    """

    passed: Mapping[str, bool]
    roomier: tuple[str, ...]
    coarse: frozenset[str]


def verdicts(
    space: Space,
    rehearsal: Rehearsal,
    point: Ints,
    shown: Shown,
    trusted: bool,
    exact: Mapping[str, bool],
) -> Verdicts:
    """For every issue of the rehearsal: the shadow's word, but where a trusted twin knows why production differs.

    exact: what the exact twin told for sure; it goes before the fluid one.
    """
    violation = rehearsal(space.capacity(point[None])).violation[0]
    survived: dict[str, bool | None] = {}
    by: dict[str, str] = {}
    for at, issue in enumerate(rehearsal.issues):
        own = violation[rehearsal.worlds.issue == at]  # the predicted world first
        told = exact.get(issue.id, bool(own[0] <= 0))
        seen = shown.passed.get(issue.id)
        doubtful = trusted and ((seen and shown.roomier and not told) or (not seen and issue.id in shown.coarse))
        if seen is not None and not doubtful:
            survived[issue.id], by[issue.id] = seen, "shadow"
        elif trusted:
            survived[issue.id], by[issue.id] = told, "exact" if issue.id in exact else "twin"
        else:
            survived[issue.id], by[issue.id] = None, "none"
    return Verdicts(survived, by)


def too_coarse(space: Space, rehearsal: Rehearsal, point: Ints, small: Ints, scale: float) -> frozenset[str]:
    """Issues that the twin expects this point to survive in production, and its scaled-down form to fail."""
    nominal = rehearsal.only(np.flatnonzero(rehearsal.worlds.nominal))
    here = nominal(space.capacity(point[None])).violation[0] <= 0
    there = nominal.at_scale(scale)(space.capacity(small[None])).violation[0] <= 0
    return frozenset(
        rehearsal.issues[at].id for row, at in enumerate(nominal.worlds.issue) if here[row] and not there[row]
    )
