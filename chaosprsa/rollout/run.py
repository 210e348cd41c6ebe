"""Plays an approved plan's experiment and says how it ended. Production is never left in between.

The experiment's own rollbacks settle or restore. Where they couldn't (the run was killed, the API was away), what the
snapshots say is restored here; where that can't be done either, the outcome says so and `chaos prsa restore` is left.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from chaosprsa.cluster import STATE_VARIABLE, Cluster, Production, restore_all
from chaosprsa.cluster.snapshots import snapshots_folder
from chaosprsa.documents import write_document, write_text
from chaosprsa.errors import ChaosPrsaError, Refused
from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.journals import Journal
from chaosprsa.progress import Progress, silent
from chaosprsa.rollout.experiment import APPROVAL_VARIABLE, PROMETHEUS_VARIABLE, rollout_experiment
from chaosprsa.rollout.outcome import rollout_outcome, was_kept
from chaosprsa.rollout.plan import check_approval, check_in_time
from chaosprsa.rollout.steps import READY_TIMEOUT_S
from chaosprsa.rollout.watch import longest_s
from chaosprsa.running import ChaosRun, run_chaos
from chaosprsa.settings import Settings
from chaosprsa.trial import journal_of
from chaosprsa.types import Allocation, RolloutOutcome, RolloutPlan

OUTCOME, EARLIER = "outcome.json", "earlier"
GRACE_S = READY_TIMEOUT_S + 60.0  # for the way back when a rollout is ended early


def run_rollout(
    plan: RolloutPlan,
    folder: Path,
    settings: Settings,
    cluster: Cluster,
    prometheus: PrometheusClient,
    approval: str,
    progress: Progress = silent,
) -> RolloutOutcome:
    """Roll out; outcome.json, journal.json, chaos.log and the experiment go to `folder`.

    Raises NotApproved (another hash, lapsed), Refused (nothing to change, stopped, an interrupted run's leftovers),
    Busy, Unavailable (no Prometheus, no cluster). What goes wrong once it runs is in the outcome.
    """
    check_approval(plan, approval)
    check_in_time(plan, datetime.now(UTC))
    if not plan.changes:
        raise Refused(f"plan {plan.hash}: it changes nothing, so there is nothing to roll out")
    if not prometheus.ready():
        raise Refused(
            f"{settings.sources.prometheus}: Prometheus isn't ready, so nothing could be judged; start it first"
        )
    production = cluster.production(plan.namespace, plan.hash, approval)
    set_aside(folder)
    experiment = folder / "rollout.experiment.json"
    write_text(experiment, json.dumps(rollout_experiment(plan, settings), indent=1, ensure_ascii=False) + "\n")
    with production.lease(f"rollout of plan {plan.hash}"):
        problems: list[str] = []
        try:
            run = _play(plan, experiment, folder, settings, cluster, approval, progress)
        finally:
            problems += _put_back_what_is_left(cluster, production, plan)
        journal = journal_of(run, problems)
        restored = _is_restored(production, plan, journal, problems)
    if run.problem:
        problems.insert(0, run.problem)
    outcome = rollout_outcome(plan, journal, restored, tuple(problems), run.journal.name)
    write_document(folder / OUTCOME, outcome)
    return outcome


def set_aside(folder: Path) -> None:
    """An earlier outcome must not stand for a rollout that is cut short; what it showed is still worth knowing."""
    last = folder / OUTCOME
    if last.is_file():
        (folder / EARLIER).mkdir(exist_ok=True)
        moment = datetime.fromtimestamp(last.stat().st_mtime, UTC)
        last.replace(folder / EARLIER / f"{moment:%Y%m%dT%H%M%S%f}.json")


def _play(
    plan: RolloutPlan,
    experiment: Path,
    folder: Path,
    settings: Settings,
    cluster: Cluster,
    approval: str,
    progress: Progress,
) -> ChaosRun:
    planned_s = plan.canary_s + plan.settle_s
    waits = 2 + len(plan.changes)  # canaries, each promotion, the way back
    environment = {
        STATE_VARIABLE: str(cluster.state.resolve()),
        APPROVAL_VARIABLE: approval,
        PROMETHEUS_VARIABLE: settings.sources.prometheus,
    }
    if settings.cluster.context:
        environment["KUBERNETES_CONTEXT"] = settings.cluster.context
    return run_chaos(
        experiment,
        folder,
        environment,
        limit_s=longest_s(plan.canary_s) + longest_s(plan.settle_s) + waits * READY_TIMEOUT_S + 60.0,
        grace_s=GRACE_S,
        tick=lambda elapsed_s: progress(f"plan {plan.hash}: canary, judge, promote", min(elapsed_s / planned_s, 1.0)),
    )


def _put_back_what_is_left(cluster: Cluster, production: Production, plan: RolloutPlan) -> list[str]:
    """Undo what the experiment's rollbacks did not; what was amiss, in words."""
    try:
        if not production.open_snapshots():
            return []
        done = restore_all(cluster, snapshots_folder(cluster.state), production.namespace)
        production.wait_ready(READY_TIMEOUT_S, [change.service for change in plan.changes])
    except ChaosPrsaError as error:
        return [f"production could not be put back ({error}); do it by hand: chaos prsa restore"]
    return [f"the rollout's own rollbacks did not finish; put back afterwards: {'; '.join(done) or 'nothing was left'}"]


def _is_restored(production: Production, plan: RolloutPlan, journal: Journal | None, problems: list[str]) -> bool:
    """Whether production has what it had before; a production that is neither that nor the target is a problem."""
    kept = was_kept(journal) and not problems
    wanted = Allocation(services=tuple(one.after if kept else one.before for one in plan.changes))
    try:
        gaps = production.missing_from(wanted)
    except ChaosPrsaError as error:
        problems.append(f"production could not be looked at afterwards: {error}")
        return False
    if gaps:
        problems.append(f"production is not as it should be ({'; '.join(gaps)}); put it back: chaos prsa restore")
        return False
    return not kept


__all__ = ["run_rollout"]
