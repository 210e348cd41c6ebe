"""Directives and what binds every service, in words: the issue, the resource, and what would happen with less."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from chaosprsa.allocation.dimensions import CPU, DIMENSIONS, MEMORY
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.space import Floats, Ints, Space
from chaosprsa.allocation.threats import in_words
from chaosprsa.twin import Rehearsal
from chaosprsa.twin.judge import COARSE, Judged
from chaosprsa.types import AllocationField, Binding, Directive, Slo

_REQUESTS = {CPU: (AllocationField.CPU_REQUEST, 0), MEMORY: (AllocationField.MEMORY_REQUEST, 1)}


def directives(
    space: Space, rehearsal: Rehearsal, point: Ints, confidence: float, lapses_at: datetime, trusted: bool
) -> tuple[Directive, ...]:
    """One for each field that changes. rehearsal: the issues that the point is meant to survive."""
    changed = [(int(at), int(part)) for at, part in np.argwhere(point != space.present)]
    less = [_with_less(space, point, at, part) for at, part in changed]
    reasons = _reasons(space, rehearsal, point, changed, less) if changed else []
    now, then = space.requests(space.present), space.requests(point)
    found = []
    for (at, part), reason in zip(changed, reasons, strict=True):
        said = (
            reason if trusted else f"{reason}; by a twin that is not trusted, so only the shadow's trials speak for it"
        )
        service = space.services[at]
        before, after = (space.said(at, part, int(one[at, part])) for one in (space.present, point))
        moves = [(DIMENSIONS[part].field, before, after, said)]
        if part in _REQUESTS and now[at, _REQUESTS[part][1]] != then[at, _REQUESTS[part][1]]:
            field, column = _REQUESTS[part]
            share = space.ratio[at, column]
            moves.append((field, int(now[at, column]), int(then[at, column]), f"stays at {share:.0%} of its limit"))
        found += [
            Directive(
                target=service,
                field=field,
                from_=old,
                to=new,
                reason=why,
                confidence=confidence,
                lapses_at=lapses_at,
            )
            for field, old, new, why in moves
        ]
    return tuple(found)


def _with_less(space: Space, point: Ints, at: int, part: int) -> Ints:
    """What it was where it grows, one step less where it shrinks."""
    less = point.copy()
    if point[at, part] > space.present[at, part]:
        less[at, part] = space.present[at, part]
    else:
        less[at, part] = max(point[at, part] - space.step[at, part], min(space.low[at, part], point[at, part]))
    return less


def _reasons(
    space: Space, rehearsal: Rehearsal, point: Ints, changed: Sequence[tuple[int, int]], less: Sequence[Ints]
) -> list[str]:
    if not len(rehearsal.worlds.issue):
        return ["as little of the SLO is missed as the limits allow"] * len(changed)
    own = rehearsal(space.capacity(point[None])).violation[0]
    judged = rehearsal(space.capacity(np.stack(less)))
    reasons = []
    for row, (at, part) in enumerate(changed):
        grows = point[at, part] > space.present[at, part]
        harm = judged.violation[row] - own  # a world that is lost anyway binds nothing
        worst = int(harm.argmax())
        held = _held(space, less[row], at, part)
        if harm[worst] > 1e-6:
            missed = _missed(float(judged.latency_s[row][worst]), float(judged.failed[row][worst]), rehearsal.slo)
            reasons.append(
                f"with {held} {in_words(rehearsal.issues[rehearsal.worlds.issue[worst]])} would put {missed}"
            )
        elif grows:
            reasons.append("room beyond the predicted issues, where that costs less than a missed SLO is likely to")
        elif point[at, part] == space.low[at, part]:
            reasons.append("no issue needs more, and this is the least that is allowed or was seen in use")
        else:
            reasons.append(f"every issue that can be survived is survived with this much, by the twin with {held} too")
    return reasons


def bindings(space: Space, objective: Objective, point: Ints, trusted: bool) -> tuple[Binding, ...]:
    """What keeps each service from having a step less of each field, where anything may be tried.

    objective: bound to the point. Each service's are in the order in which they bind.
    """
    less = [(at, part) for at, part in np.argwhere(point > space.low).tolist()]
    points = np.stack([_a_step_less(space, point, at, part) for at, part in less]) if less else point[None][:0]
    rehearsal = objective.rehearsal
    if not less or not len(rehearsal.worlds.issue):
        return ()
    own = rehearsal(space.capacity(point[None])).violation[0]
    judged, risk = rehearsal(space.capacity(points)), objective(points).violation
    allowed = max(float(objective(point[None]).violation[0]), 0.0)
    found = []
    for row, (at, part) in enumerate(less):
        held = f"with {_held(space, points[row], at, part)}"
        weight, by, reason = _bound(rehearsal, judged, own, row, held)
        if weight <= 0 and risk[row] > allowed + 1e-9:
            weight, reason = (
                float(risk[row]),
                f"{held} no single issue is missed, but the risk is above what is allowed",
            )
        said = reason if trusted else f"{reason}, by a twin that is not trusted"
        found.append(
            (at, -weight, Binding(service=space.services[at], field=DIMENSIONS[part].field, issue_id=by, reason=said))
        )
    return tuple(binding for _, _, binding in sorted(found, key=lambda one: one[:2]))


def _bound(rehearsal: Rehearsal, judged: Judged, own: Floats, row: int, held: str) -> tuple[float, str, str]:
    """(how hard it binds, 0 where it doesn't; the issue's id; why). own: violations of what is held now."""
    more = np.maximum(judged.violation[row], 0.0) - np.maximum(own, 0.0)
    kept = np.where(own <= 0, more, 0.0)
    worst = int(kept.argmax() if kept.max() > 1e-6 else more.argmax())
    issue = rehearsal.issues[rehearsal.worlds.issue[worst]]
    if kept[worst] > 1e-6:
        missed = _missed(float(judged.latency_s[row][worst]), float(judged.failed[row][worst]), rehearsal.slo)
        return float(kept[worst]), issue.id, f"{held} {in_words(issue)} would put {missed}"
    if more[worst] > 1e-6:
        return (
            float(more[worst]),
            issue.id,
            f"{held} {in_words(issue)}, which is missed as it is, would be missed by more",
        )
    return 0.0, "", f"{held} every issue that is survived still is"


def _a_step_less(space: Space, point: Ints, at: int, part: int) -> Ints:
    less = point.copy()
    less[at, part] = max(point[at, part] - space.step[at, part], space.low[at, part])
    return less


def _held(space: Space, point: Ints, at: int, part: int) -> str:
    return DIMENSIONS[part].held.format(space.said(at, part, int(point[at, part])))


def _missed(latency_s: float, failed: float, slo: Slo) -> str:
    slow = latency_s * 1000 > slo.latency_ms
    above = "above" if latency_s * 1000 >= COARSE[-1] * slo.latency_ms else "at"
    late = f"p{slo.latency_percentile:g} {above} {latency_s * 1000:.0f} ms (SLO {slo.latency_ms:g} ms)"
    bad = f"{failed:.1%} of answers in error (SLO {1 - slo.success_ratio:.1%})"
    return late if slow else bad
