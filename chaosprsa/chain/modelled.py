"""One's own system as a twin, with the pods it has and those recommended: from trials, else from the history."""

from collections.abc import Callable
from dataclasses import dataclass

from chaosprsa.chain.answer import RECOMMENDATION, read_outcomes
from chaosprsa.chain.context import Context
from chaosprsa.chain.rehearsal import read_study
from chaosprsa.documents import read_document
from chaosprsa.errors import BadInput, ChaosPrsaError, InvalidDocument
from chaosprsa.history.frame import History
from chaosprsa.twin import Twin, calibrate
from chaosprsa.twin.past import allocation_of_past, twin_of_past
from chaosprsa.types import Allocation, Recommendation, Study, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Modelled:
    """words: what the twin is made from. recommended, study: None where there is none yet."""

    twin: Twin
    words: str
    present: Allocation
    recommended: Allocation | None
    study: Study | None
    notes: tuple[str, ...]


def modelled(context: Context, study_name: str, past: Callable[[], History]) -> Modelled:
    """past: read when it is needed. Raises BadInput where neither trials nor a history tell what a request costs."""
    answer, topology = _answer(context), context.settings.call_graph
    study = _study(context, study_name)
    present = answer.now if answer else _present(context, past)
    twin, words = _twin(context, study, present, past)
    return Modelled(
        twin=twin,
        words=words,
        present=_in_order(present, topology),
        recommended=_in_order(answer.recommended, topology) if answer else None,
        study=study,
        notes=twin.notes,
    )


def _answer(context: Context) -> Recommendation | None:
    """Raises BadInput where it is another system's, InvalidDocument where it can't be read."""
    file = context.workspace.recommendation / RECOMMENDATION
    if not file.exists():
        return None
    found, services = read_document(file, Recommendation), context.settings.topology.services
    if {each.service for each in found.now.services} != set(services):
        raise BadInput(f"{file}: it is of other services than the settings' {', '.join(services)}; recommend again")
    return found


def _study(context: Context, name: str) -> Study | None:
    return read_study(context, name) if (context.workspace.study(name) / "study.json").exists() else None


def _twin(context: Context, study: Study | None, present: Allocation, past: Callable[[], History]) -> tuple[Twin, str]:
    """Trials' where it is trusted, else the history's, else trials' all the same, and it is said."""
    played, reason = _calibrated(context, study)
    if played is not None and played.fit.trusted:
        return played, f"calibrated from {played.fit.trials} trials, {played.fit.reason}"
    try:
        found = twin_of_past(past(), context.settings.call_graph, present)
    except BadInput as error:
        if played is None:
            raise BadInput(f"compare: nothing tells what a request costs. Trials: {reason}. History: {error}") from None
        return played, f"calibrated from {played.fit.trials} trials, not to be trusted: {reason}"
    return found, f"from the history's load and CPU use, judged by no trial ({reason})"


def _calibrated(context: Context, study: Study | None) -> tuple[Twin | None, str]:
    """The twin of the study's trials, and why it isn't to be used. Raises InvalidDocument for what can't be read."""
    folder = context.workspace.outcomes(study.name) if study else None
    if study is None or folder is None or next(folder.glob("*/outcome.json"), None) is None:
        return None, "there are no trials"
    context.progress("calibrating the twin", 0.0)
    settings = context.settings
    try:
        found = calibrate(read_outcomes(folder, study), settings.call_graph, settings.entry_slo)
    except InvalidDocument:
        raise
    except BadInput as error:
        return None, str(error)
    return found, found.fit.reason


def _present(context: Context, past: Callable[[], History]) -> Allocation:
    """What pods there are: the history's last hour, else the cluster's."""
    try:
        found, reason = allocation_of_past(past(), context.settings.call_graph), "it lacks replicas or limits"
    except ChaosPrsaError as error:
        found, reason = None, str(error)
    if found is not None:
        return found
    table = context.settings.cluster
    try:
        return context.cluster().allocation(table.namespace, context.settings.topology.services)
    except ChaosPrsaError as error:
        raise BadInput(
            "compare: nothing says what pods there are now: there is no recommendation/; the history: "
            f"{reason}; the cluster: {error}"
        ) from None


def _in_order(given: Allocation, topology: Topology) -> Allocation:
    return Allocation(services=tuple(given[name] for name in topology.services))
