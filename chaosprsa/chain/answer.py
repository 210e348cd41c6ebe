"""Links 7 to 9: recommend, rollout, report."""

import itertools
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from chaosprsa.allocation import ahead
from chaosprsa.allocation.checking import Check
from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.outputs import FILES, about_autoscalers, outputs
from chaosprsa.allocation.recommend import recommend as find_allocation
from chaosprsa.allocation.risk import Risk
from chaosprsa.chain.context import Context, utc_now
from chaosprsa.chain.rehearsal import play, read_study
from chaosprsa.documents import read_document, write_document, write_text
from chaosprsa.errors import BadInput
from chaosprsa.issues import draw_issues
from chaosprsa.models.bundle import Bundle, load_bundle
from chaosprsa.report import render_report
from chaosprsa.rollout.experiment import rollout_experiment
from chaosprsa.rollout.plan import build_plan
from chaosprsa.rollout.run import EARLIER, OUTCOME, run_rollout
from chaosprsa.types import (
    Allocation,
    Outcome,
    Recommendation,
    RolloutOutcome,
    RolloutPlan,
    SimulatedIssue,
    Study,
    Verdict,
)

FORECAST_STEP_S = 900.0
DRAWS = 4000  # issues, for their times: half a second
RECOMMENDATION, PLAN, EXPERIMENT, OPTUNA = "recommendation.json", "plan.json", "rollout.experiment.json", "study.log"


def recommend(context: Context, study_name: str, seed: int, checked: int) -> tuple[Recommendation, RolloutPlan]:
    """Search, check the best in the shadow, write the recommendation, its plan and experiment, and what others apply.

    checked: how many issues a candidate is played against, the most binding first; each costs as long as a trial.
    """
    settings, study = context.settings, read_study(context, study_name)
    outcomes = read_outcomes(context.workspace.outcomes(study.name), study)
    cluster, folder, table = context.cluster(), context.workspace.recommendation, settings.allocation
    services = settings.topology.services
    production = cluster.allocation(study.namespace, services)
    limits, notes = cluster.limits(study.namespace, services)
    bundle, horizon = load_bundle(context.workspace.models), timedelta(hours=settings.safety.lapse_hours)
    answer = find_allocation(
        outcomes=outcomes,
        issues=[item.issue for item in study.items],
        production=production,
        load=entry_load(bundle, horizon),
        topology=settings.call_graph,
        slo=settings.entry_slo,
        prices=settings.price_list,
        safety=settings.safety,
        scale=study.scale,
        seed=seed,
        now=utc_now(),
        namespace=study.namespace,
        storage=table.storage or folder / OPTUNA,
        check=_checker(context, study, checked) if checked else None,
        progress=context.progress,
        phases_s=(settings.trial.fault_s, settings.trial.after_s),
        trials=table.trials,
        risk=Risk(level=table.risk_level, limit=table.risk_limit, change_share=table.change_share),
        limits=limits,
        rolled_back=rolled_back(context.workspace.rollout, production),
        frontier=table.frontier,
        study=table.study,
        notes=notes,
        declared=settings.declared,
        draws=drawn(bundle, horizon, seed),
    )
    workloads = cluster.workloads(study.namespace)
    answer = replace(answer, notes=(*answer.notes, *about_autoscalers(answer, workloads)))
    kinds = {workload.service: workload.kind for workload in workloads}
    plan = build_plan(answer, study.namespace, kinds, settings.entry_slo, settings.safety, settings.call_graph)
    write_document(folder / RECOMMENDATION, answer)
    write_document(folder / PLAN, plan)
    write_text(folder / EXPERIMENT, json.dumps(rollout_experiment(plan, settings), indent=1, ensure_ascii=False) + "\n")
    for name, text in outputs(answer, workloads, settings.declared).items():
        write_text(folder / name / FILES[name], text)
    for name, text in ahead.ahead_outputs(answer, workloads).items():
        write_text(folder / ahead.FOLDER / ahead.FILES[name], text)
    return answer, plan


def read_recommendation(context: Context) -> Recommendation:
    """What recommend wrote."""
    return read_document(context.workspace.recommendation / RECOMMENDATION, Recommendation)


def as_others_apply_it(context: Context, name: str) -> str:
    """The recommendation as a Kustomize component, Helm values, kubectl commands, or what is held ahead of time."""
    file = FILES[name] if name in FILES else ahead.FILES["directives"]
    return (context.workspace.recommendation / name / file).read_text(encoding="utf-8")


def drawn(bundle: Bundle, horizon: timedelta, seed: int) -> tuple[SimulatedIssue, ...]:
    """So many issues that their times can be told, from now on; none where too little was learnt to draw any."""
    try:
        return draw_issues(bundle, horizon, DRAWS, np.random.default_rng(seed), utc_now(), seed, edge_share=0.0)
    except BadInput:
        return ()


def entry_load(bundle: Bundle, horizon: timedelta) -> EntryLoad:
    """Requests a second at production's entry: the forecast's mean over the horizon, and its highest upper bound.

    From the last whole step on, so that workers who start within one ask the same question.
    """
    start = utc_now().timestamp() // FORECAST_STEP_S * FORECAST_STEP_S
    forecast = bundle.entry_rate(np.arange(start, start + horizon.total_seconds(), FORECAST_STEP_S))
    return EntryLoad(base_per_s=float(np.mean(forecast.mean)), peak_per_s=float(np.max(forecast.high)))


def rolled_back(folder: Path, production: Allocation) -> tuple[Allocation, ...]:
    """What production did worse with in earlier rollouts; services that a rollout left alone as they are now.

    Only those that the judge called worse: one that was cut short says nothing of its allocation.
    """
    files = [folder / OUTCOME, *sorted((folder / EARLIER).glob("*.json"))]
    outcomes = [read_document(file, RolloutOutcome) for file in files if file.is_file()]
    found = []
    for outcome in outcomes:
        if outcome.verdict is Verdict.FAILED:
            changed = {change.service: change.after for change in outcome.plan.changes}
            found.append(Allocation(services=tuple(changed.get(one.service, one) for one in production.services)))
    return tuple(found)


def read_outcomes(folder: Path, study: Study) -> tuple[Outcome, ...]:
    """The study's outcomes, checks included; not those of an earlier study of its name. BadInput: there is none."""
    found = [read_document(file, Outcome) for file in sorted(folder.glob("*/outcome.json"))]
    ours = tuple(outcome for outcome in found if study.lineage.id in outcome.lineage.parents)
    if not ours:
        why = "those there are of an earlier study of its name" if found else "none is there"
        raise BadInput(f"{folder}: no outcome of study {study.name!r} ({why}); play it first: chaos prsa trial")
    return ours


def _checker(context: Context, study: Study, most: int) -> Check:
    """Plays a candidate (shadow scale) against the most binding issues, each into a folder of its own."""
    tries = itertools.count(1)

    def check(candidate: Allocation, issues: tuple[str, ...]) -> tuple[Outcome, ...]:
        return play(context, study, issues[:most], f"-check{next(tries)}", candidate)

    return check


def read_plan(context: Context) -> RolloutPlan:
    """The plan that recommend wrote."""
    return read_document(context.workspace.recommendation / PLAN, RolloutPlan)


def rollout(context: Context, plan: RolloutPlan, approval: str) -> RolloutOutcome:
    """Roll an approved plan out."""
    cluster, prometheus = context.cluster(), context.prometheus()
    folder = context.workspace.rollout
    return run_rollout(plan, folder, context.settings, cluster, prometheus, approval, context.progress)


def report(context: Context) -> Path:
    """Write report.html."""
    return write_text(context.workspace.report, render_report(context.workspace, context.settings, utc_now()))
