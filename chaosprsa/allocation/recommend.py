"""Outcomes -> a recommendation: calibrate, search, fine-tune, race on the exact twin, ask the shadow, say how sure.

Order of trust: a failure in the shadow outweighs everything; then a pass there; then a twin that told held-out trials,
the exact one before the fluid one.
A twin that did not is used to propose, never as evidence: without a pass in the shadow production then stays as it is.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from chaosprsa.allocation.answer import answer
from chaosprsa.allocation.checking import MOST_CHECKS, Check, checked
from chaosprsa.allocation.counterexamples import counterexamples
from chaosprsa.allocation.engine import Candidate, Case, Engine
from chaosprsa.allocation.ladder import climbed, nearer
from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.risk import Risk
from chaosprsa.allocation.run import Considered, Run
from chaosprsa.allocation.survival import contradictions, verdicts
from chaosprsa.errors import BadInput
from chaosprsa.progress import Progress, silent
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.shadow import scaled
from chaosprsa.types import Allocation, Declared, Limits, Outcome, Prices, Recommendation, SimulatedIssue, Slo, Topology


def recommend(
    *,
    outcomes: Sequence[Outcome],
    issues: Sequence[SimulatedIssue],
    production: Allocation,
    load: EntryLoad,
    topology: Topology,
    slo: Slo,
    prices: Prices,
    safety: SafetyTable,
    scale: float,
    seed: int,
    now: datetime,
    namespace: str = "",
    storage: Path | str | None = None,
    check: Check | None = None,
    progress: Progress = silent,
    phases_s: tuple[float, float] = (120.0, 60.0),
    trials: int = 64,
    timeout_s: float = 10.0,
    risk: Risk | None = None,
    limits: Limits | None = None,
    rolled_back: Sequence[Allocation] = (),
    frontier: bool = False,
    study: str = "",
    notes: Sequence[str] = (),
    declared: Declared | None = None,
    draws: Sequence[SimulatedIssue] = (),
) -> Recommendation:
    """The cheapest allocation that holds the SLO in every issue that can be survived within the limits.

    load: at production's entry. scale: the shadow's share of it. storage: where the Optuna study is kept, a file or a
    URL, none if None; study: its name there; frontier: of cost against risk. check: plays an allocation (at the
    shadow's scale), asked at most twice. phases_s: a trial's fault and after phases, by which the twin judges too.
    trials: Optuna's. timeout_s: users give up after it. risk: how much of it is accepted, CVaR over the issues of what
    is missed. limits: quota, nodes, disruption budgets. rolled_back: allocations that production did worse with.
    notes: what the reader must know of all this. declared: what may be tried besides replicas, CPU and memory.
    draws: of the Issue Simulator, that tell when issues are to come.

    Same arguments, same answer. Raises BadInput: no usable outcomes, another system, loads or issues that can't be,
    limits that nothing fits in, a named study of another space; SourceUnreachable: no such storage.
    """
    case = Case(
        issues=tuple(issues), production=production, load=load, topology=topology, slo=slo, prices=prices,
        safety=safety, seed=seed, now=now, phases_s=phases_s, trials=trials, timeout_s=timeout_s,
        risk=risk or Risk(), limits=limits or Limits(), frontier=frontier, study=study,
        declared=declared or Declared(), draws=tuple(draws),
    )  # fmt: skip
    _refuse_contradictions(case, scale)
    progress("calibrating the twin", 0.0)
    run = Run(Engine(case, outcomes), tuple(outcomes), scale)
    run.notes += (*notes, *contradictions(outcomes), *_free(prices))
    first = _proposed(run, storage, check, rolled_back, progress)
    chosen, present = _chosen(run)
    return answer(run, chosen, present, first, namespace)


def _proposed(
    run: Run, storage: Path | str | None, check: Check | None, rolled_back: Sequence[Allocation], progress: Progress
) -> Candidate:
    """The first candidate; it and what came after it are in what was considered."""
    refuted = counterexamples(run, rolled_back)
    first = run.engine.propose(storage, progress, refuted)
    run.notes += first.notes
    first = climbed(run, first, refuted, progress)
    _consider(run, first, check, progress, rolled_back)
    return first


def _free(prices: Prices) -> tuple[str, ...]:
    """What costs nothing, in words: a search for the least cost has no reason to give less of it."""
    each = {"CPU": prices.cpu_core_hour, "memory": prices.memory_gib_hour}
    free = [name for name, price in each.items() if not price]
    if not free:
        return ()
    return (f"{' and '.join(free)} cost nothing by [prices]: nothing is saved by less of it, so less is no aim",)


def _refuse_contradictions(case: Case, scale: float) -> None:
    if not 0 < scale <= 1:
        raise BadInput(f"scale: {scale}, expected above 0 and at most 1 (the shadow's share of production)")
    if case.now.tzinfo is None:
        raise BadInput("now: it has no time zone")
    services = set(case.topology.services)
    strange = sorted({issue.component for issue in case.issues} - services)
    if strange:
        raise BadInput(f"issues: they start at {', '.join(strange)}, which the topology doesn't name")
    if len({issue.id for issue in case.issues}) < len(case.issues):
        raise BadInput("issues: two have the same id; draw them again")
    unknown = sorted(case.declared.services - services)
    if unknown:
        raise BadInput(f"declared: {', '.join(unknown)}, which the topology doesn't name")
    extra = sorted({one.service for one in case.production.services} - services)
    if extra:
        raise BadInput(f"production's allocation names {', '.join(extra)}, which the topology doesn't")


def _consider(
    run: Run, first: Candidate, check: Check | None, progress: Progress, rolled_back: Sequence[Allocation]
) -> None:
    """The first candidate, and after a counterexample one more; each asked in the shadow where there is one."""
    candidate = first
    for number in range(1, MOST_CHECKS + 1):
        engine = run.engine
        if check is None:
            run.considered.append(Considered(candidate.point, candidate, None, run.shown(candidate.point)))
            return
        if engine.space.moves_further(candidate.point):
            run.notes.append(_NOT_PLAYED)
            run.considered.append(Considered(candidate.point, candidate, None, run.shown(candidate.point)))
            return
        progress(f"checking candidate {number} in the shadow", 0.95)
        small = scaled(engine.space.allocation(candidate.point), run.scale)
        expected = run.expected(candidate.point)
        order = engine.most_binding(candidate.point)
        ids = tuple(issue for issue in order if issue in expected) or order
        told = checked(number, check(small, ids), expected, engine.case.slo)
        run.outcomes += told.outcomes
        run.words += told.words
        run.considered.append(Considered(candidate.point, candidate, told, run.shown(candidate.point)))
        if not told.refuted or number == MOST_CHECKS:
            return
        run.engine = Engine(engine.case, run.outcomes)
        refuted = (candidate.point, *counterexamples(run, rolled_back))
        share = told.reach
        run.notes.append(
            f"candidate {number} failed in the shadow ({told.failed[0].issue.fault.value} on "
            f"{told.failed[0].issue.component}); the next is searched to hold {share:.0%} of the SLO's latency, and "
            f"goes {share:.0%} of the way from production at most"
        )
        space = run.engine.space
        near = nearer(space, space.present, candidate.point, share)
        candidate = run.engine.propose(None, progress, refuted, share, trials=32, near=near)
        candidate = climbed(run, candidate, refuted, progress)
        if any(run.engine.space.covered(candidate.point, failed) for failed in refuted):
            run.notes.append("there is nothing more generous within the limits")
            return


_NOT_PLAYED = (
    "it was not played in the shadow: that has production's bandwidth, volumes, caches and weights, and the "
    "recommendation others, so the twin alone speaks for it"
)


def _chosen(run: Run) -> tuple[Considered, Considered]:
    """What the search itself holds to, with the shadow's word above the twin's: the risk, then the price.

    Production as it is is always among them.
    """
    engine = run.engine
    space, trusted = engine.space, engine.twin.fit.trusted
    present = Considered(space.present, None, None, run.shown(space.present))
    everyone = [*run.considered, present]
    for one in everyone:
        one.shown = run.shown(one.point)
        one.verdicts = verdicts(space, engine.final, one.point, one.shown, trusted, run.exact(one.point))

    def rank(one: Considered) -> tuple[float, float, float, float]:
        over, missed = engine.missed(one.point, one.verdicts.seen)
        passed = float(space.excess(one.point[None])[0]) if one is not present else 0.0
        return passed, round(over, 6), round(missed, 6), engine.price_month(one.point)

    if trusted:
        return min(everyone, key=rank), present
    return next((one for one in run.considered if _speaks_for(one, present)), present), present


def _speaks_for(one: Considered, present: Considered) -> bool:
    """Where the twin is not trusted: the shadow passed it, and it loses nothing there that production survives."""
    if one.check is None or one.check.refuted or not one.check.passed:
        return False
    return all(one.shown.passed.get(issue, True) for issue, passed in present.shown.passed.items() if passed)
