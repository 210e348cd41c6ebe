"""The nine links in order on the embedded lab: what `make demo` shows."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from chaosprsa.chain import answer, labs, learning, proposing, rehearsal
from chaosprsa.chain.context import Context, load, utc_now
from chaosprsa.cluster.api import until
from chaosprsa.documents import to_json, write_text
from chaosprsa.errors import BadInput, Refused, Unavailable
from chaosprsa.history.files import read_history
from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.history.queries import RATE, SERVICE_QUERIES, promql
from chaosprsa.lab.emulate import emulate
from chaosprsa.lab.process import RunningLab, running_lab
from chaosprsa.lab.topology import LabTopology
from chaosprsa.progress import Steps, steps
from chaosprsa.settings import read_settings
from chaosprsa.settings_file import render_settings
from chaosprsa.settings_tables import SafetyTable, ShadowTable, TrialTable
from chaosprsa.types import Outcome, Prices, Recommendation, RolloutOutcome, Verdict
from chaosprsa.workspace import Workspace

Result = TypeVar("Result")

DAYS = 7.0
COUNT = 50
HORIZON = timedelta(hours=24)
STUDY = "demo"
TRIALS, FEW_TRIALS = 3, 2  # the fewer where a small system makes each of them longer
CHECKED = 1
SIGHT_S, LONGEST_SIGHT_S = 6.0, 18.0  # production's load runs before init looks: a few scrapes of every series
SIGHT = 150  # and requests enough for a 99th percentile
FIRST_S = 90.0  # until the first of them is counted: a lab that never ran on this machine compiles before it answers
# What each link usually takes on two cores; the display scales what is left by how the past ones went.
EXPECTED_S: Mapping[str, float] = {
    "start the lab": 5.0,
    "history": 3.0,
    "init": 8.0,
    "learn": 12.0,
    "issues": 3.0,
    "generate": 1.0,
    "shadow": 3.0,
    "trial": 66.0,
    "recommend": 40.0,
    "rollout": 25.0,
    "report": 2.0,
}
# Minutes become seconds: the lab's pods start in a second, and a demo has three minutes.
BEFORE_S, FAULT_S, AFTER_S, LONGEST_S = 4.0, 7.0, 4.0, 12.0
ROLLOUT_S = {"canary_s": 8.0, "settle_s": 6.0}
ENOUGH = 70  # requests in a phase: a p99 can't be judged by fewer than half a hundred


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoResult:
    """What the demo ends with."""

    outcomes: tuple[Outcome, ...]
    recommendation: Recommendation
    rollout: RolloutOutcome | None
    prices: Prices
    report: Path
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The rollout's; a recommendation that changes nothing is passed without one."""
        return self.rollout.verdict if self.rollout else Verdict.PASSED

    def as_json(self) -> dict[str, Any]:
        return {
            "recommendation": to_json(self.recommendation),
            "rollout": to_json(self.rollout) if self.rollout else None,
            "trials": {outcome.issue.id: outcome.verdict.value for outcome in self.outcomes},
            "report": str(self.report),
            "seconds": round(self.seconds, 1),
        }


def run_demo(folder: Path, history: Path | None, seed: int) -> DemoResult:
    """All nine links in `folder`. The lab, its namespaces and its Prometheus end with this call."""
    began = time.monotonic()
    if history is not None and not history.is_dir():
        raise BadInput(
            f"{history}: there is no such folder; name one in the normal form (metrics, incidents, topology)"
        )
    workspace = Workspace(folder.resolve())
    _claim(workspace)
    with steps(EXPECTED_S) as display, _environment():
        topology = _topology(history)
        display.begin("start the lab")
        with running_lab(workspace.lab, topology, seed, steady=True) as lab:  # the same at any hour of the day
            os.environ["KUBECONFIG"] = str(lab.kubeconfig)
            result = _links(_Run(workspace, lab, topology.rate_per_s, display, seed), history)
        display.end()
    return replace(result, seconds=time.monotonic() - began)


def _claim(workspace: Workspace) -> None:
    """The folder is the demo's: it replaces files there. Raises Refused where somebody's own settings are."""
    mark = workspace.state / "demo"
    if workspace.settings.exists() and not mark.exists():
        raise Refused(
            f"{workspace.settings}: it wasn't made by the demo, which would replace it and what lies beside it; name "
            "another folder with --dir"
        )
    write_text(mark, "made by chaos prsa demo\n")


@contextmanager
def _environment() -> Iterator[None]:
    """The caller's KUBECONFIG is never touched by the demo, and is back afterwards."""
    before = os.environ.get("KUBECONFIG")
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("KUBECONFIG", None)
        else:
            os.environ["KUBECONFIG"] = before


def _topology(history: Path | None) -> LabTopology:
    if history is None:
        return labs.lab_topology(None)
    past = read_history(history, utc_now())
    if past.topology is None:
        raise BadInput(
            f"{history}: it has no call graph (topology.json, or metrics of edges a->b), so no lab can emulate it"
        )
    return emulate(past.topology, past)


@dataclass(frozen=True, slots=True)
class _Run:
    workspace: Workspace
    lab: RunningLab
    rate_per_s: float
    display: Steps
    seed: int

    def link(self, name: str, work: Callable[[], Result]) -> Result:
        self.display.begin(name)
        return work()


def _links(run: _Run, history: Path | None) -> DemoResult:
    past = (history or run.workspace.root / "history").resolve()
    if history is None:
        run.link("history", lambda: labs.lab_history(DAYS, run.seed, None, past))
    context = run.link("init", lambda: _settings(run, past))
    run.link("learn", lambda: learning.learn(context, None, run.seed))
    run.link("issues", lambda: learning.issues(context, HORIZON, COUNT, run.seed))
    trials = TRIALS if context.settings.trial.fault_s <= FAULT_S else FEW_TRIALS
    run.link("generate", lambda: learning.generate(context, STUDY, trials, run.seed))
    run.link("shadow", lambda: rehearsal.create_shadow(context))
    outcomes = run.link("trial", lambda: rehearsal.trial(context, STUDY))
    recommendation, plan = run.link("recommend", lambda: answer.recommend(context, STUDY, run.seed, CHECKED))
    rolled = run.link("rollout", lambda: answer.rollout(context, plan, plan.hash)) if plan.changes else None
    page = run.link("report", lambda: answer.report(context))
    return DemoResult(
        outcomes=outcomes,
        recommendation=recommendation,
        rollout=rolled,
        prices=context.settings.price_list,
        report=page,
        seconds=0.0,
    )


def _settings(run: _Run, history: Path) -> Context:
    """What `init` writes, with the demo's shorter times."""
    wait_for_load(run.lab, FIRST_S)
    time.sleep(min(max(SIGHT / run.rate_per_s, SIGHT_S), LONGEST_SIGHT_S))
    path, lab = run.workspace.settings, run.lab
    proposing.init(lab.namespace, "", lab.prometheus_url, str(history), path)
    found = read_settings(path)
    scale, trial_s = rehearsal_size(run.rate_per_s, found.shadow.scale)
    changed = {
        "shadow": ShadowTable(**{**dict(found.shadow), "scale": scale}),
        "trial": TrialTable(**{**dict(found.trial), **trial_s}),
        "safety": SafetyTable(**{**dict(found.safety), **ROLLOUT_S}),
    }
    remark = "the demo's own."
    remarks = dict.fromkeys(("shadow.scale", "trial.fault_s", "trial.after_s", "safety.canary_s"), remark)
    write_text(path, render_settings(found.model_copy(update=changed), remarks))
    return load(path, run.display)


def wait_for_load(lab: RunningLab, within_s: float) -> None:
    """Until the lab's Prometheus has counted requests of production. Raises Unavailable where it has none in time."""
    prometheus = PrometheusClient(lab.prometheus_url)
    query = promql(SERVICE_QUERIES[RATE], lab.namespace, "app", SIGHT_S)
    if not until(lambda: any(rate > 0 for _, rate in prometheus.instant(query)), within_s):
        raise Unavailable(
            f"the lab's Prometheus at {lab.prometheus_url} has counted no request in {within_s:g} s, so there is "
            "nothing to learn from; is this machine very busy? Try again"
        )


def rehearsal_size(rate_per_s: float, scale: float) -> tuple[float, dict[str, float]]:
    """The shadow's scale and a trial's phases, in seconds, so that each phase has enough requests to be judged by.

    A system of few requests is mirrored whole, and watched a little longer.
    """
    if rate_per_s * scale * AFTER_S < ENOUGH:
        scale = 1.0
    needed_s = min(ENOUGH / (rate_per_s * scale), LONGEST_S)
    return scale, {"before_s": BEFORE_S, "fault_s": max(FAULT_S, needed_s), "after_s": max(AFTER_S, needed_s)}
