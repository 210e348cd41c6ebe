"""The recommendation as a noun, with everything that a reader must know beside it."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from chaosprsa.allocation.autoscaling import autoscaling
from chaosprsa.allocation.confidence import confidence
from chaosprsa.allocation.dimensions import DIMENSIONS, WEIGHT
from chaosprsa.allocation.engine import Candidate
from chaosprsa.allocation.explain import bindings, directives
from chaosprsa.allocation.provisioning import provision
from chaosprsa.allocation.remedies import remedies
from chaosprsa.allocation.run import Considered, Run
from chaosprsa.allocation.rungs import rungs
from chaosprsa.allocation.space import Space, point_of
from chaosprsa.allocation.threats import USUAL, in_words
from chaosprsa.documents import lineage, to_json
from chaosprsa.types import Bounds, PolicyResult, Recommendation, Survival

MOST_NAMED = 4


def answer(run: Run, chosen: Considered, present: Considered, first: Candidate, namespace: str) -> Recommendation:
    """first: the candidate whose search is told."""
    engine, case = run.engine, run.engine.case
    space, fit = engine.space, engine.twin.fit
    lapses_at = case.now + timedelta(hours=case.safety.lapse_hours)
    check = chosen.check
    wrong = [one for one in run.considered if one.check and one.check.refuted and (chosen is one or chosen is present)]
    sure = confidence(fit, bool(check and check.passed), bool(wrong), check is not None)
    recommended = space.allocation(chosen.point)
    further_now, further_then = (float(space.further_month(point[None])[0]) for point in (space.present, chosen.point))
    told = directives(space, engine.holding(chosen.point), chosen.point, sure, lapses_at, fit.trusted)
    provisioned = provision(engine, chosen.point)
    parents = (*(outcome.lineage for outcome in run.outcomes), *(issue.lineage for issue in case.issues))
    content = [to_json(recommended), to_json(case.production), case.seed, case.now.isoformat(), namespace]
    made = lineage("recommendation", content, tuple({parent.id: parent for parent in parents}.values()))
    return Recommendation(
        id=made.id,
        created=case.now,
        lapses_at=lapses_at,
        seed=case.seed,
        namespace=namespace,
        now=space.allocation(space.present),
        recommended=recommended,
        directives=told,
        cost_now_month=round(case.production.cost_month(case.prices) + further_now, 4),
        cost_recommended_month=round(recommended.cost_month(case.prices) + further_then, 4),
        currency=case.prices.currency,
        survivals=_survivals(run, chosen, present),
        search=first.search,
        policy=_policy(chosen, first),
        twin=fit,
        checks=tuple(run.words),
        confidence=sure,
        notes=tuple(dict.fromkeys(_notes(run, chosen, present))),
        lineage=made,
        bounds=_bounds(space),
        bindings=bindings(space, engine.objective(chosen.point), chosen.point, fit.trusted),
        rungs=rungs(run, chosen, first),
        provisioning=provisioned,
        autoscaling=autoscaling(engine, chosen.point, point_of(provisioned.usual, space.services)),
    )


def _bounds(space: Space) -> tuple[Bounds, ...]:
    pairs = zip(space.allocation(space.low).services, space.allocation(space.high).services, strict=True)
    return tuple(Bounds(service=least.service, least=least, most=most) for least, most in pairs)


def _survivals(run: Run, chosen: Considered, present: Considered) -> tuple[Survival, ...]:
    further = remedies(run.engine, chosen.point, chosen.verdicts)
    return tuple(
        Survival(
            issue_id=issue.id,
            component=issue.component,
            fault=issue.fault,
            probability=issue.probability,
            now=present.verdicts.survived[issue.id],
            recommended=chosen.verdicts.survived[issue.id],
            evidence=chosen.verdicts.by[issue.id],
            remedy=further.get(issue.id),
            expected_by=issue.evidence,
            trials=tuple(outcome.id for outcome in run.outcomes if outcome.issue.id == issue.id),
        )
        for issue in run.engine.case.issues
    )


def _policy(chosen: Considered, first: Candidate) -> PolicyResult:
    return chosen.candidate.policy if chosen.candidate else first.policy


def _notes(run: Run, chosen: Considered, present: Considered) -> Iterator[str]:
    yield from run.notes
    yield from _about_the_twin(run)
    yield from _about_the_risk(run, chosen, present)
    yield from _about_what_is_lost(run, chosen, present)
    yield from _about_the_shadow(run, chosen)
    yield from _about_passes_now(run, present)
    yield from _about_what_a_rollout_leaves(run, chosen)
    yield from run.engine.space.notes


def _about_the_twin(run: Run) -> Iterator[str]:
    fit = run.engine.twin.fit
    if not fit.trusted:
        yield f"the twin is not trusted ({fit.reason}): only trials in the shadow count as evidence"
    yield from run.engine.twin.notes


def _about_the_risk(run: Run, chosen: Considered, present: Considered) -> Iterator[str]:
    engine, risk = run.engine, run.engine.case.risk
    if engine.twin.fit.trusted:
        now, then = (engine.risk_at(one.point, one.verdicts.seen) for one in (present, chosen))
        yield (
            f"risk: CVaR {risk.level:g} of the share of the SLO that is missed is {then:.3g} with the recommendation, "
            f"{now:.3g} now, allowed {risk.limit:g} (below 0: to spare; a miss counts up to 1)"
        )


def _about_what_is_lost(run: Run, chosen: Considered, present: Considered) -> Iterator[str]:
    engine = run.engine
    hopeless = [issue for issue in engine.hopeless if issue.id != USUAL]
    if any(issue.id == USUAL for issue in engine.hopeless):
        yield "the usual peak load alone misses the SLO at every allowed allocation; raise [safety]'s limits or the SLO"
    if hopeless:
        named = ", ".join(in_words(issue) for issue in hopeless[:MOST_NAMED])
        more = f" and {len(hopeless) - MOST_NAMED} more" if len(hopeless) > MOST_NAMED else ""
        yield f"no allowed allocation survives {named}{more}, by the twin: left out of the search"
    if not engine.survivable:
        yield "nothing can be survived within the limits: the recommendation misses the SLO by as little as they allow"
    if not engine.case.issues:
        yield "no issues were given: the recommendation only carries the usual load"
    for issue in engine.case.issues:
        before, after = present.verdicts.survived[issue.id], chosen.verdicts.survived[issue.id]
        if before and after is False:
            yield f"it no longer survives {in_words(issue)}, which production survives now; the risk over all is less"
    if chosen is present:
        yield _why_nothing_changes(run)


def _why_nothing_changes(run: Run) -> str:
    if np.array_equal(run.considered[-1].point, run.engine.space.present):
        return "production's present allocation is the cheapest that holds"
    if not run.engine.twin.fit.trusted:
        return "production stays as it is: no candidate has passed in the shadow, and the twin alone is no evidence"
    return "production stays as it is: no candidate risks less, or as little for less money"


def _about_passes_now(run: Run, present: Considered) -> Iterator[str]:
    """Where the reader saw a trial pass, and reads that production would not survive it."""
    told, passed = present.verdicts, present.shown.passed
    for issue in run.engine.case.issues:
        if passed.get(issue.id) and told.survived[issue.id] is False:
            named = ", ".join(present.shown.roomier)
            yield (
                f"{in_words(issue)}: its trial passed, but in the shadow {named} had more pods for the load than "
                "production has (pods are whole); at production's own scale and peak the twin expects a miss"
            )


def _about_what_a_rollout_leaves(run: Run, chosen: Considered) -> Iterator[str]:
    space = run.engine.space
    for at, part in np.argwhere(chosen.point != space.present):
        dimension = DIMENSIONS[part]
        if dimension.field.by_hand:
            when = "before it" if chosen.point[at, part] > space.present[at, part] else "after it"
            when = "once those that get more traffic have grown, before the others shrink" if part == WEIGHT else when
            yield (
                f"{space.services[at]}: a rollout leaves {dimension.field.value} alone; apply it yourself, {when}: "
                f"{dimension.applied_to} (in recommendation/kustomize and kubectl)"
            )


def _about_the_shadow(run: Run, chosen: Considered) -> Iterator[str]:
    if chosen.check is None and chosen.candidate is not None:
        yield "not checked in the shadow"
    elif chosen.check is not None and chosen.check.refuted:
        yield "it failed a check in the shadow; nothing that was tried there risks less"
    elif chosen.check is not None and not chosen.check.conclusive:
        yield "the shadow could not tell: its checks were inconclusive or invalid"
    shown = chosen.shown
    if chosen.check is not None and shown.roomier:
        named = ", ".join(shown.roomier)
        yield f"pods are whole: in the shadow {named} had more of them for the load than production will"
    failed = [issue for issue in run.engine.case.issues if shown.passed.get(issue.id) is False]
    coarse = [in_words(issue) for issue in failed if issue.id in shown.coarse]
    if coarse and run.engine.twin.fit.trusted:
        named = ", ".join(coarse)
        yield f"pods are whole: the shadow is too small to survive {named}; production is large enough, by the twin"
