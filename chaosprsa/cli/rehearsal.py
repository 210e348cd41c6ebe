"""`chaos prsa shadow ...` and `trial`."""

from pathlib import Path

import click

from chaosprsa.cli.options import exit_with, json_option, settings_option, show, study_option
from chaosprsa.cli.text import outcomes_table
from chaosprsa.progress import one_step


@click.group()
def shadow() -> None:
    """The shadow: a scaled-down, isolated namespace that mirrors production."""


@shadow.command("create")
@settings_option
@json_option
def create(settings_file: Path, as_json: bool) -> None:
    """Create the shadow, or bring an existing one up to date.

    Secrets are never copied: they become placeholders, and that is said.

    Example: chaos prsa shadow create

    Exit codes: 0 ready, 2 refused, no cluster, or not ready in time.
    """
    from chaosprsa.chain import rehearsal
    from chaosprsa.chain.context import load

    with one_step("creating the shadow") as progress:
        context = load(settings_file, progress)
        notes = rehearsal.create_shadow(context)
    text = "\n".join([f"{context.settings.shadow_namespace}: ready", *(f"  {note}" for note in notes)])
    show(as_json, {"shadow": context.settings.shadow_namespace, "notes": notes}, text)


@shadow.command("verify")
@settings_option
@json_option
def verify(settings_file: Path, as_json: bool) -> None:
    """Report where the shadow has drifted from production.

    Example: chaos prsa shadow verify

    Exit codes: 0 no drift, 1 drift, 2 not a shadow or no cluster.
    """
    from chaosprsa.chain import rehearsal
    from chaosprsa.chain.context import load

    with one_step("comparing") as progress:
        context = load(settings_file, progress)
        drift = rehearsal.verify_shadow(context)
    show(as_json, {"shadow": context.settings.shadow_namespace, "drift": drift}, "\n".join(drift) or "no drift")
    raise SystemExit(1 if drift else 0)


@shadow.command("destroy")
@settings_option
@json_option
def destroy(settings_file: Path, as_json: bool) -> None:
    """Delete the shadow. A namespace that isn't labelled as one is refused.

    Example: chaos prsa shadow destroy

    Exit codes: 0 gone, 2 refused or no cluster.
    """
    from chaosprsa.chain import rehearsal
    from chaosprsa.chain.context import load

    with one_step("deleting the shadow") as progress:
        context = load(settings_file, progress)
        rehearsal.destroy_shadow(context)
    show(
        as_json,
        {"shadow": context.settings.shadow_namespace, "gone": True},
        f"{context.settings.shadow_namespace}: gone",
    )


@click.command()
@click.argument("issue", required=False)
@study_option
@settings_option
@json_option
def trial(issue: str | None, study: str, settings_file: Path, as_json: bool) -> None:
    """Play the study's experiments in the shadow, each with its load, and write an Outcome for each.

    ISSUE: one issue's id; all of the study without it.

    Example: chaos prsa trial --study next

    Exit codes: 0 all passed, 1 one failed, 2 bad input or refused, 3 one inconclusive or invalid.
    """
    from chaosprsa.chain import rehearsal
    from chaosprsa.chain.context import load, worst
    from chaosprsa.documents import to_json

    with one_step("rehearsing") as progress:
        context = load(settings_file, progress)
        outcomes = rehearsal.trial(context, study, issue)
    show(as_json, [to_json(outcome) for outcome in outcomes], outcomes_table(outcomes))
    exit_with(worst(outcome.verdict for outcome in outcomes))
