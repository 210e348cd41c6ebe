"""Links 5 and 6: the shadow and the trials."""

from collections.abc import Sequence

import chaosprsa.cluster.shadowing as shadows
from chaosprsa.chain.context import Context
from chaosprsa.documents import read_document
from chaosprsa.errors import BadInput
from chaosprsa.progress import Progress
from chaosprsa.trial import run_trial
from chaosprsa.types import Allocation, Outcome, Study


def create_shadow(context: Context) -> tuple[str, ...]:
    """Create or refresh the shadow; what could not be copied, in words."""
    settings = context.settings
    created = shadows.create_shadow(
        context.cluster(),
        settings.cluster.namespace,
        settings.shadow_namespace,
        settings.shadow.scale,
        settings.shadow.quota_headroom,
        say=context.progress,
    )
    return created.notes


def verify_shadow(context: Context) -> tuple[str, ...]:
    """Where it has drifted."""
    settings = context.settings
    scale = settings.shadow.scale
    return shadows.verify_shadow(context.cluster(), settings.cluster.namespace, settings.shadow_namespace, scale)


def destroy_shadow(context: Context) -> None:
    """Delete it."""
    shadows.destroy_shadow(context.cluster(), context.settings.shadow_namespace, say=context.progress)


def read_study(context: Context, study: str) -> Study:
    """The study that generate wrote."""
    return read_document(context.workspace.study(study) / "study.json", Study)


def trial(context: Context, study_name: str, issue: str | None = None) -> tuple[Outcome, ...]:
    """Play the study's items (or one of them) and write an Outcome for each."""
    study = read_study(context, study_name)
    ids = [item.issue.id for item in study.items]
    if issue is not None and issue not in ids:
        raise BadInput(f"study {study_name!r} has no issue {issue!r}; it has: {', '.join(ids)}")
    return play(context, study, [issue] if issue else ids, "", None)


def play(
    context: Context, study: Study, ids: Sequence[str], suffix: str, given: Allocation | None
) -> tuple[Outcome, ...]:
    """Play these issues with the allocation `given` (shadow scale); outcomes go to ISSUE+suffix folders."""
    cluster, prometheus = context.cluster(), context.prometheus()
    folder = context.workspace.study(study.name)
    items = [item for item in study.items if item.issue.id in ids]
    outcomes = []
    for number, item in enumerate(items):
        out = context.workspace.outcomes(study.name) / f"{item.issue.id}{suffix}"
        progress = _part(context, number, len(items))
        outcomes.append(run_trial(item, study, folder, out, context.settings, cluster, prometheus, given, progress))
    return tuple(outcomes)


def _part(context: Context, number: int, of: int) -> Progress:
    def progress(doing: str, share: float | None = None) -> None:
        context.progress(f"{number + 1} of {of}, {doing}", (number + (share or 0.0)) / of)

    return progress
