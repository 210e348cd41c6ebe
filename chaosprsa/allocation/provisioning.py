"""Hold always, or provision ahead of the window in which an issue is predicted: by price, at the same risk. Pure.

Only replicas move ahead of time: they start in seconds and need no rollout. What is held outside the windows is the
cheapest that holds the risk in every issue whose time isn't known. What the windows miss of the others (their
surprises) is weighed by the same CVaR; where that is too much, the least sure of them is held always, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from chaosprsa.allocation.engine import SEARCH_STEP_S, Engine
from chaosprsa.allocation.foresight import Foresight, at, foresee
from chaosprsa.allocation.greedy import trimmed
from chaosprsa.allocation.placing import placeholders
from chaosprsa.allocation.risk import SPARE, Risk
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.space import REPLICAS, Floats, Ints, Space
from chaosprsa.allocation.swift import swift
from chaosprsa.allocation.threats import USUAL
from chaosprsa.types import HOURS_A_MONTH, Foreseen, Provisioning, TimedFloor

TAIL_SHARE = 0.05  # of the risk's tail that surprises may be: there a lost SLO weighs ten times what may be spared
SPARES = (0.0, 0.5, 0.9)  # of the room below the limit that is kept for them, the cheapest first
LEAST_SURE = 0.5  # a window that misses every other one is none
MOST_OF_HORIZON = 0.75  # a window of more is nearly always
MOST_WINDOWS = 6  # the surest: each is a search of its own
MOST_HARDENINGS = 3
SLOWEST = 1.645  # standard deviations: nineteen in twenty pods are there by then
SYNC_S = 15.0  # HPA's controller looks that often
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """usual: what is held outside the windows; needs: by issue id, what is held in its window."""

    usual: Ints
    needs: Mapping[str, Ints]
    windows: tuple[Foresight, ...]
    risk: float


def provision(engine: Engine, point: Ints) -> Provisioning:
    """Both ways to hold `point`, and which is chosen."""
    case = engine.case
    horizon_s = case.safety.lapse_hours * HOUR_S
    every = foresee(case.issues, case.draws, case.now, horizon_s, 1 - TAIL_SHARE * (1 - case.risk.level))
    lead_s = leads_s(engine)
    plan, why = _planned(engine, point, every, horizon_s, float(lead_s.max()))
    floors = tuple(_floors(engine, plan, lead_s))
    hours = horizon_s / HOUR_S
    always = float(engine.space.cost_month(point[None])[0]) / HOURS_A_MONTH * hours
    usual = float(engine.space.cost_month(plan.usual[None])[0]) / HOURS_A_MONTH * hours
    ahead_costs = usual + sum(floor.cost for floor in floors)
    ahead = bool(plan.windows) and ahead_costs < always - 1e-9
    return Provisioning(
        horizon_s=horizon_s,
        usual=engine.space.allocation(plan.usual if ahead else point),
        floors=floors if ahead else (),
        foreseen=tuple(_told(one, plan, ahead, engine, horizon_s) for one in every),
        cost_always=round(always, 4),
        cost_ahead=round(ahead_costs, 4),
        risk_always=round(engine.risk_at(point, {}), 6),
        risk_ahead=round(plan.risk, 6),
        ahead=ahead,
        reason=why or ("cheaper, at a risk that is allowed" if ahead else "the windows save nothing"),
        placeholders=placeholders(engine.space, plan.usual, floors, case.now) if ahead else (),
    )


def leads_s(engine: Engine) -> Floats:
    """Shape (services,): from an order to pods that serve, as slow as one in twenty is, and HPA's sync."""
    twin = engine.twin
    return np.asarray(twin.nominal.start_delay_s * np.exp(SLOWEST * twin.spread.start_delay) + SYNC_S)


def _planned(
    engine: Engine, point: Ints, every: Sequence[Foresight], horizon_s: float, lead_s: float
) -> tuple[Plan, str]:
    """The cheapest that holds the risk, and why it is to hold always where it is that."""
    always = Plan(point, {}, (), engine.risk_at(point, {}))
    timed = [one for one in every if _usable(one, engine, horizon_s, lead_s)]
    timed = sorted(timed, key=lambda one: -one.sure)[:MOST_WINDOWS]
    if not engine.twin.fit.trusted:
        return always, "the twin is not trusted, so nothing is left to timing"
    if always.risk > engine.case.risk.limit:
        return always, "the risk is above what is allowed as it is"
    if not timed:
        return always, "no issue's time is known well enough"
    space = replicas_only(engine.space, point)
    if (space.low == point).all():
        return always, "no service has more pods than the least that is allowed"
    while timed:
        for spare in SPARES:
            plan = _tried(engine, space, point, timed, tightened(engine.case.risk, spare))
            if plan.risk <= engine.case.risk.limit:
                return plan, ""
        timed = timed[:-1]
    return always, "the surprises outside the windows are too many for the risk that is allowed"


def _usable(one: Foresight, engine: Engine, horizon_s: float, lead_s: float) -> bool:
    short = one.ends_s - max(one.begins_s - lead_s, 0.0) <= MOST_OF_HORIZON * horizon_s
    in_time = one.begins_s >= lead_s  # else its pods would come too late
    lived = any(one.issue.id == issue.id for issue in engine.survivable)
    return one.known and one.sure >= LEAST_SURE and short and in_time and lived


def replicas_only(space: Space, point: Ints) -> Space:
    """The point's resources, with any number of pods that is allowed: a few more in a window make up for surprises."""
    low, high = point.copy(), point.copy()
    low[:, REPLICAS] = np.minimum(space.low[:, REPLICAS], point[:, REPLICAS])
    high[:, REPLICAS] = np.maximum(space.high[:, REPLICAS], point[:, REPLICAS])
    return replace(space, present=point, low=low, high=high)


def tightened(risk: Risk, spare: float) -> Risk:
    """With this share of the room between the limit and all that counts as spare kept for surprises."""
    return replace(risk, limit=risk.limit - spare * (risk.limit + SPARE))


def _tried(engine: Engine, space: Space, point: Ints, timed: Sequence[Foresight], risk: Risk) -> Plan:
    issues = engine.final.issues
    later = {one.issue.id for one in timed}
    held = frozenset(issue.id for issue in issues if issue.id not in later)
    usual = _cheapest(engine, space, point, held, risk)
    needs = {issue: np.maximum(_cheapest(engine, space, point, held | {issue}, risk), usual) for issue in sorted(later)}
    shares = np.zeros((1 + len(needs), len(issues)))
    shares[0] = 1.0
    sure = {one.issue.id: one.sure for one in timed}
    for row, issue in enumerate(needs, start=1):
        column = next(number for number, one in enumerate(issues) if one.id == issue)
        shares[row, column], shares[0, column] = sure[issue], 1.0 - sure[issue]
    mixed = engine.mixed_risk(np.stack([usual, *needs.values()]), shares)
    return Plan(usual, needs, tuple(timed), mixed)


def _cheapest(engine: Engine, space: Space, point: Ints, held: frozenset[str], risk: Risk) -> Ints:
    """Fewest pods that hold the risk of these issues and the usual peak; the point itself where fewer don't."""
    coarse = replace(engine.final, step_s=SEARCH_STEP_S)
    objective = Objective(space, coarse, among=held | {USUAL}, reference=point, risk=risk)
    found = swift(objective, [point, space.low])
    for _ in range(MOST_HARDENINGS):
        if not objective.hardened(found.point):
            break
        found = trimmed(space, objective, swift(objective, [found.point, point]))
    return found.point if found.feasible else point


def _floors(engine: Engine, plan: Plan, lead_s: Floats) -> Iterator[TimedFloor]:
    """Of each service, one after the other; windows that overlap are one floor as long as they need the same."""
    space, now = engine.space, engine.case.now
    for number, service in enumerate(space.services):
        usual = int(plan.usual[number, REPLICAS])
        spans = [
            (one.begins_s, one.ends_s, int(plan.needs[one.issue.id][number, REPLICAS]), one.issue.id)
            for one in plan.windows
            if plan.needs[one.issue.id][number, REPLICAS] > usual
        ]
        for ready_s, lapses_s, floor, issues in _merged(spans, float(lead_s[number])):
            begins_s = max(ready_s - float(lead_s[number]), 0.0)
            extra = plan.usual.copy()
            extra[number, REPLICAS] = floor
            a_month = float(space.cost_month(extra[None])[0] - space.cost_month(plan.usual[None])[0])
            yield TimedFloor(
                service=service,
                floor=floor,
                usual=usual,
                begins=at(now, begins_s),
                ready_by=at(now, ready_s),
                lapses=at(now, lapses_s),
                lead_s=round(ready_s - begins_s, 1),
                issues=issues,
                cost=round(a_month / HOURS_A_MONTH * (lapses_s - begins_s) / HOUR_S, 4),
            )


def _merged(
    spans: Sequence[tuple[float, float, int, str]], lead_s: float
) -> Iterator[tuple[float, float, int, tuple[str, ...]]]:
    """(ready, lapses, the highest floor, issues) of windows that overlap, or whose pods would be ordered before the
    last ones go: pods are not ended and started again within a lead.
    """
    group: list[tuple[float, float, int, str]] = []
    for span in sorted(spans):
        if group and span[0] - lead_s > max(one[1] for one in group):
            yield _together(group)
            group = []
        group.append(span)
    if group:
        yield _together(group)


def _together(group: Sequence[tuple[float, float, int, str]]) -> tuple[float, float, int, tuple[str, ...]]:
    begins, ends, floors, issues = zip(*group, strict=True)
    return min(begins), max(ends), max(floors), tuple(dict.fromkeys(issues))


def _told(one: Foresight, plan: Plan, ahead: bool, engine: Engine, horizon_s: float) -> Foreseen:
    issue, timed = one.issue, any(one is window for window in plan.windows)
    return Foreseen(
        issue_id=issue.id,
        component=issue.component,
        fault=issue.fault,
        begins=at(engine.case.now, one.begins_s) if one.known else None,
        ends=at(engine.case.now, one.ends_s) if one.known else None,
        sure=round(one.sure, 4),
        draws=one.draws,
        ahead=ahead and timed,
        reason=_why(one, timed, engine, horizon_s),
    )


def _why(one: Foresight, timed: bool, engine: Engine, horizon_s: float) -> str:
    if not one.known:
        return "too few draws tell when it comes"
    if all(one.issue.id != issue.id for issue in engine.survivable):
        return "no allowed allocation survives it, whenever it comes"
    window = f"{(one.ends_s - one.begins_s) / HOUR_S:.1f} of {horizon_s / HOUR_S:.0f} h, {one.sure:.0%} begin in it"
    return f"its window is {window}" if timed else f"held always: its window is {window}"
