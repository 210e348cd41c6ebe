"""Plays one experiment with its load in the shadow, and gathers what it left into an Outcome.

The shadow is leased, written down, given the allocation under test, and put back afterwards, whatever happens in
between: an error, Ctrl-C, SIGTERM. After a SIGKILL `chaos prsa restore` does it; the experiment and its Locust are
ended by the death of their parents.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chaosprsa.cluster import STATE_VARIABLE, Cluster, Shadow
from chaosprsa.documents import read_document, write_document
from chaosprsa.errors import BadInput, InvalidDocument, SourceUnreachable
from chaosprsa.experiments import ENTRY_VARIABLE, LOAD_VARIABLE, PROMETHEUS_VARIABLE, STUDY_VARIABLE
from chaosprsa.history.prometheus import PrometheusClient
from chaosprsa.journals import Evidence, Journal, build_outcome, fault_begun, parse_journal
from chaosprsa.loadtest.log import Requests, read_load, read_requests
from chaosprsa.observe import observe
from chaosprsa.progress import Progress, silent
from chaosprsa.running import ChaosRun, run_chaos
from chaosprsa.settings import Settings
from chaosprsa.types import Allocation, LoadProfile, Outcome, Phase, PhaseObservation, Study, StudyItem

READY_TIMEOUT_S = 120.0  # for pods to take the allocation: a slow image's start, twice
MARGIN_S = 90.0  # beyond the load's own length: Locust's start, the fault's begin and end, a slow API
GRACE_S = 120.0  # for rollbacks when an experiment is ended early: the steady state's own time-out and some
LATE_SHARE = 0.5  # of the fault's window: a fault that begins later than this was not rehearsed


def run_trial(
    item: StudyItem,
    study: Study,
    folder: Path,
    out: Path,
    settings: Settings,
    cluster: Cluster,
    prometheus: PrometheusClient,
    allocation: Allocation | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Play `item` of the study that lies in `folder`; outcome.json, journal.json, chaos.log and load/ go to `out`.

    allocation: what the shadow is given for the trial, at its own scale; None: what it has. Raises BadInput (files
    missing, not a shadow, another run's lease, stopped), Unavailable (no cluster). What goes wrong once the experiment
    runs is no error: it is in the Outcome's verdict and reasons.
    """
    experiment = _existing(folder / item.experiment)
    profile = read_document(_existing(folder / item.profile), LoadProfile)
    services = settings.topology.services
    shadow = cluster.shadow(study.shadow)
    with shadow.lease(f"trial of {item.issue.id}"), _prepared(shadow, item, allocation, progress):
        given = cluster.allocation(study.shadow, services)
        started = datetime.now(UTC)
        progress(f"playing {item.issue.fault.value} on {item.issue.component}", 0.0)
        run = run_chaos(
            experiment,
            out,
            _environment(folder, out, settings, cluster),
            limit_s=profile.duration_s + profile.timeout_s + MARGIN_S,
            grace_s=GRACE_S,
            tick=lambda elapsed_s: progress(
                f"playing {item.issue.fault.value} on {item.issue.component}", min(elapsed_s / profile.duration_s, 1.0)
            ),
        )
    evidence = _gather(run, item, study, profile, out, settings, prometheus)
    outcome = build_outcome(item, study, evidence, settings.entry_slo, given, started, _relative(run.journal, out))
    write_document(out / "outcome.json", outcome)
    return outcome


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise BadInput(f"{path}: there is no such file; write the study again with: chaos prsa generate")
    return path


def _relative(path: Path, out: Path) -> str:
    return path.relative_to(out).as_posix()


@contextmanager
def _prepared(shadow: Shadow, item: StudyItem, allocation: Allocation | None, progress: Progress) -> Iterator[None]:
    """The shadow with the allocation under test; as it was before when the block is left, however it is left."""
    snapshot = shadow.snapshot(f"trial of {item.issue.id}")
    try:
        if allocation is not None:
            progress("giving the shadow the allocation")
            shadow.set_allocation(allocation)
        shadow.wait_ready(READY_TIMEOUT_S)
        yield
    finally:
        shadow.restore(snapshot)


def _environment(folder: Path, out: Path, settings: Settings, cluster: Cluster) -> dict[str, str]:
    """Where the experiment finds its files and what it works on; everything else is inherited."""
    found = {
        STATE_VARIABLE: str(cluster.state.resolve()),
        STUDY_VARIABLE: str(folder.resolve()),
        LOAD_VARIABLE: str((out / "load").resolve()),
        PROMETHEUS_VARIABLE: settings.sources.prometheus,
        ENTRY_VARIABLE: settings.trial.entry_url,
    }
    if settings.cluster.context:
        found["KUBERNETES_CONTEXT"] = settings.cluster.context
    return found


def _gather(
    run: ChaosRun,
    item: StudyItem,
    study: Study,
    profile: LoadProfile,
    out: Path,
    settings: Settings,
    prometheus: PrometheusClient,
) -> Evidence:
    problems = [run.problem] if run.problem else []
    spans = phases_of(item, profile.duration_s)
    journal = journal_of(run, problems)
    requests, began = _load(out / "load", problems)
    phases: tuple[PhaseObservation, ...] = ()
    if began is not None:
        problems += _late(journal, item, began)
        phases = _observed(prometheus, study.shadow, settings, began, spans, problems)
    return Evidence(journal=journal, requests=requests, phases=phases, spans=spans, problems=tuple(problems))


def phases_of(item: StudyItem, duration_s: float) -> dict[Phase, tuple[float, float]]:
    """Each phase's start and end, in seconds since the load began."""
    return {
        Phase.BEFORE: (0.0, item.fault_start_s),
        Phase.FAULT: (item.fault_start_s, item.fault_end_s),
        Phase.AFTER: (item.fault_end_s, max(duration_s, item.fault_end_s)),
    }


def journal_of(run: ChaosRun, problems: list[str]) -> Journal | None:
    """What a run of chaos wrote; None where it wrote nothing, or nothing that can be read: that joins the problems."""
    if not run.journal.exists():
        return None
    try:
        return parse_journal(run.journal.read_text(encoding="utf-8"), str(run.journal))
    except InvalidDocument as error:
        problems.append(str(error))
        return None


def _load(folder: Path, problems: list[str]) -> tuple[Requests | None, datetime | None]:
    """Locust's log and when its clock began; a load that didn't end by itself is a problem."""
    try:
        said: Mapping[str, Any] = read_load(folder)
        if not said:
            return None, None
        requests = read_requests(folder)
    except InvalidDocument as error:
        problems.append(str(error))
        return None, None
    if said.get("ended") is None:
        problems.append(f"the load did not play to its end; see {folder / 'locust.log'}")
    return requests, datetime.fromtimestamp(said["started_epoch_s"], UTC)


def _late(journal: Journal | None, item: StudyItem, began: datetime) -> list[str]:
    """A fault that took most of its own window to begin was not rehearsed."""
    begun = fault_begun(journal, item.fault_start_s, item.fault_end_s) if journal else None
    if begun is None:
        return []
    delay_s = (begun - began).total_seconds() - item.fault_start_s
    length_s = item.fault_end_s - item.fault_start_s
    if delay_s <= LATE_SHARE * length_s:
        return []
    return [
        f"the fault took {delay_s:.1f} s to begin, of {length_s:g} s that it should last; make [trial] fault_s longer"
    ]


def _observed(
    prometheus: PrometheusClient,
    namespace: str,
    settings: Settings,
    began: datetime,
    spans: Mapping[Phase, tuple[float, float]],
    problems: list[str],
) -> tuple[PhaseObservation, ...]:
    services: Sequence[str] = settings.topology.services
    try:
        return observe(prometheus, namespace, services, began, spans, settings.cluster.service_label)
    except SourceUnreachable as error:
        problems.append(str(error))
        return ()


__all__ = ["phases_of", "run_trial"]
