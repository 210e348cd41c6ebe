"""Links 7 to 9: recommend, rollout, report."""

import itertools
import json
from datetime import timedelta
from pathlib import Path

import numpy as np

from chaosprsa.allocation.checking import Check
from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.recommend import recommend as find_allocation
from chaosprsa.chain.context import Context, utc_now
from chaosprsa.chain.rehearsal import play, read_study
from chaosprsa.documents import read_document, write_document, write_text
from chaosprsa.errors import BadInput
from chaosprsa.models.bundle import Bundle, load_bundle
from chaosprsa.report import render_report
from chaosprsa.rollout.experiment import rollout_experiment
from chaosprsa.rollout.plan import build_plan
from chaosprsa.rollout.run import run_rollout
from chaosprsa.types import Allocation, Outcome, Recommendation, RolloutOutcome, RolloutPlan, Study

FORECAST_STEP_S = 900.0
RECOMMENDATION, PLAN, EXPERIMENT, OPTUNA = "recommendation.json", "plan.json", "rollout.experiment.json", "study.log"


def recommend(context: Context, study_name: str, seed: int, checked: int) -> tuple[Recommendation, RolloutPlan]:
    """Search, check the best in the shadow, write the recommendation, its plan and its experiment.

    checked: how many issues a candidate is played against, the most binding first; each costs as long as a trial.
    """
    settings, study = context.settings, read_study(context, study_name)
    outcomes = read_outcomes(context.workspace.outcomes(study.name), study)
    cluster, folder = context.cluster(), context.workspace.recommendation
    answer = find_allocation(
        outcomes=outcomes,
        issues=[item.issue for item in study.items],
        production=cluster.allocation(study.namespace, settings.topology.services),
        load=entry_load(load_bundle(context.workspace.models), timedelta(hours=settings.safety.lapse_hours)),
        topology=settings.call_graph,
        slo=settings.entry_slo,
        prices=settings.price_list,
        safety=settings.safety,
        scale=study.scale,
        seed=seed,
        now=utc_now(),
        namespace=study.namespace,
        storage=folder / OPTUNA,
        check=_checker(context, study, checked) if checked else None,
        progress=context.progress,
        phases_s=(settings.trial.fault_s, settings.trial.after_s),
    )
    kinds = {workload.service: workload.kind for workload in cluster.workloads(study.namespace)}
    plan = build_plan(answer, study.namespace, kinds, settings.entry_slo, settings.safety, settings.call_graph)
    write_document(folder / RECOMMENDATION, answer)
    write_document(folder / PLAN, plan)
    write_text(folder / EXPERIMENT, json.dumps(rollout_experiment(plan, settings), indent=1, ensure_ascii=False) + "\n")
    return answer, plan


def entry_load(bundle: Bundle, horizon: timedelta) -> EntryLoad:
    """Requests a second at production's entry: the forecast's mean over the horizon, and its highest upper bound."""
    start = utc_now().timestamp()
    forecast = bundle.entry_rate(np.arange(start, start + horizon.total_seconds(), FORECAST_STEP_S))
    return EntryLoad(base_per_s=float(np.mean(forecast.mean)), peak_per_s=float(np.max(forecast.high)))


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
