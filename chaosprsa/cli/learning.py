"""`chaos prsa learn`, `issues` and `generate`."""

from datetime import timedelta
from pathlib import Path

import click

from chaosprsa.cli.options import (
    duration,
    history_option,
    json_option,
    seed_option,
    settings_option,
    show,
    study_option,
)
from chaosprsa.cli.text import issues_table, told_apart, weaknesses_table
from chaosprsa.progress import one_step


@click.command()
@history_option
@click.option(
    "--incidents",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A file or folder of incidents, besides those of [sources]; may be given several times.",
)
@seed_option
@settings_option
@json_option
def learn(history: Path | None, incidents: tuple[Path, ...], seed: int, settings_file: Path, as_json: bool) -> None:
    """Learn load, incidents and precursors from history; write the model bundle to models/.

    Example: chaos prsa learn --history ./history --incidents pagerduty/ --incidents events.json

    Exit codes: 0 learnt, 2 bad input or a source is unreachable.
    """
    from chaosprsa.chain import learning
    from chaosprsa.chain.context import load

    with one_step("learning") as progress:
        told = learning.told(learning.learn(load(settings_file, progress), history, seed, incidents))
    lines = [f"{name:11s} {value}" for name, value in told.items() if name != "notes"]
    notes = [f"note        {note}" for note in told["notes"]]
    show(as_json, told, "\n".join([*lines, *notes, "Next: chaos prsa issues --seed 1"]))


@click.command()
@seed_option
@click.option("--horizon", type=duration, default="24h", show_default=True, help="How far ahead.")
@click.option("--count", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many issues.")
@click.option(
    "--edge-cases",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="Share of the issues beyond what was observed: tails, kinds never seen there, faults together; 0: none.",
)
@click.option(
    "--adversarial",
    type=click.IntRange(0, 100),
    default=0,
    show_default=True,
    help="How many to add that production survives least, by risk and by harm; needs trials of --study.",
)
@study_option
@settings_option
@json_option
def issues(
    seed: int,
    horizon: timedelta,
    count: int,
    edge_cases: float,
    adversarial: int,
    study: str,
    settings_file: Path,
    as_json: bool,
) -> None:
    """Draw the issues likely within the horizon; write issues.jsonl, alerts.json and telemetry/ to issues/.

    Example: chaos prsa issues --seed 7 --horizon 24h --count 50 --edge-cases 0.3

    Exit codes: 0 written, 2 bad input, no model bundle, or no trials where adversarial ones are asked for.
    """
    from chaosprsa.chain import hunting, learning
    from chaosprsa.chain.context import load, utc_now
    from chaosprsa.documents import to_json

    with one_step("drawing issues") as progress:
        context, now = load(settings_file, progress), utc_now()
        found = hunting.weaknesses(context, study, horizon, adversarial, now, seed) if adversarial else None
        hunted = found.issues if found else ()
        drawn = learning.issues(context, horizon, count, seed, edge_cases, hunted, now)
        age = learning.age_in_words(context, now)
    text = issues_table(drawn) + (f"\n\n{weaknesses_table(found)}\n" if found else "")
    text += f"\nnote  {age}" if age else ""
    text += f"\n{context.workspace.issues}: {told_apart(drawn)}. Next: chaos prsa generate"
    show(as_json, [to_json(issue) for issue in drawn], text)


@click.command()
@study_option
@click.option("--limit", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many issues are played.")
@seed_option
@settings_option
@json_option
def generate(study: str, limit: int, seed: int, settings_file: Path, as_json: bool) -> None:
    """Turn issues that together cover most into an experiment and a load profile each, under generated/STUDY/.

    They cover kinds, components, severities and impact, weighted by probability x impact; faults that an allocation
    can mend come first. What stays uncovered is said.

    Example: chaos prsa generate --study next --limit 5

    Exit codes: 0 written, 2 bad input, no bundle or no issues.
    """
    from chaosprsa.chain import learning
    from chaosprsa.chain.context import load
    from chaosprsa.documents import to_json

    with one_step("writing experiments") as progress:
        context = load(settings_file, progress)
        written = learning.generate(context, study, limit, seed)
    lines = [f"  {item.experiment}: {item.issue.fault.value} on {item.issue.component}" for item in written.items]
    lines += [f"  note: {note}" for note in written.notes]
    text = "\n".join(
        [
            f"{context.workspace.study(study)}:",
            *lines,
            f"Next: chaos prsa shadow create, chaos prsa trial --study {study}",
        ]
    )
    show(as_json, to_json(written), text)
