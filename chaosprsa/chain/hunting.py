"""The adversary's part of link 3: a twin from a study's trials, production's allocation, what it survives least."""

from datetime import datetime, timedelta

from chaosprsa.allocation.adversary import weaknesses as hunt
from chaosprsa.allocation.attacks import Target
from chaosprsa.chain.answer import read_outcomes
from chaosprsa.chain.context import Context
from chaosprsa.chain.rehearsal import read_study
from chaosprsa.errors import BadInput, InvalidDocument
from chaosprsa.models.bundle import load_bundle
from chaosprsa.twin import calibrate, capacity_of
from chaosprsa.types import Outcome, Study, Weaknesses


def weaknesses(
    context: Context, study_name: str, horizon: timedelta, count: int, now: datetime, seed: int
) -> Weaknesses:
    """At most `count` issues by risk and as many by harm. Raises BadInput where the study has no trials yet."""
    bundle = load_bundle(context.workspace.models)
    study, outcomes = _rehearsed(context, study_name)
    settings = context.settings
    context.progress("calibrating the twin", 0.0)
    twin = calibrate(outcomes, settings.call_graph, settings.entry_slo)
    production = context.cluster().allocation(study.namespace, settings.topology.services)
    target = Target(
        twin=twin,
        present=capacity_of([production], twin.graph.services),
        slo=settings.entry_slo,
        phases_s=(settings.trial.fault_s, settings.trial.after_s),
    )
    context.progress("searching for what is survived least", 0.1)
    return hunt(bundle, horizon, count, now, seed, target)


def _rehearsed(context: Context, name: str) -> tuple[Study, tuple[Outcome, ...]]:
    try:
        study = read_study(context, name)
        return study, read_outcomes(context.workspace.outcomes(study.name), study)
    except (BadInput, InvalidDocument) as error:
        raise BadInput(
            f"adversarial issues are searched for on a twin, which trials calibrate, and study {name!r} has none "
            f"({error}); first: chaos prsa generate --study {name}, shadow create, trial --study {name}"
        ) from None
