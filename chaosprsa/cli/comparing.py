"""`chaos prsa compare`."""

from datetime import timedelta
from pathlib import Path

import click

from chaosprsa.cli.options import duration as span
from chaosprsa.cli.options import history_option, json_option, seed_option, settings_option, show, study_option
from chaosprsa.progress import one_step

POLICIES = (
    "present", "hpa", "hpa-tuned", "predictive", "percentile", "captain", "mpc", "vpa", "peak", "recommended", "ahead",
    "ahead-in-place", "bound",
)  # fmt: skip


@click.command()
@study_option
@history_option
@click.option(
    "--load",
    "load_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Requests a second at the entry, a number a line; without it, the next day as the load model draws it.",
)
@click.option("--load-step", type=span, default="15s", show_default=True, help="How long a line of --load lasts.")
@click.option(
    "--duration",
    type=span,
    default="2h",
    show_default=True,
    help="Of the load, the stretch that moves most; 5m or more.",
)
@click.option(
    "--policy",
    "policies",
    type=click.Choice(POLICIES),
    multiple=True,
    help="Which are played; again for each further one. All by default.",
)
@click.option(
    "--hpa-target",
    type=click.FloatRange(1, 1000),
    help="Of CPU requests, percent, for all; without it, as the cluster's HPAs say, and 80 where none does.",
)
@click.option(
    "--issues", type=click.IntRange(0, 20), default=4, show_default=True, help="Of the study that happen; 0: none."
)
@click.option("--pod-start", type=span, help="From a decision to a ready pod; without it, as the twin has it.")
@click.option(
    "--most-requests",
    type=click.FloatRange(1e4),
    default=2e7,
    show_default=True,
    help="Simulated in all; where there would be more, the load is scaled down, and it is said.",
)
@seed_option
@settings_option
@json_option
def compare(
    study: str,
    history: Path | None,
    load_file: Path | None,
    load_step: timedelta,
    duration: timedelta,
    policies: tuple[str, ...],
    hpa_target: float | None,
    issues: int,
    pod_start: timedelta | None,
    most_requests: float,
    seed: int,
    settings_file: Path,
    as_json: bool,
) -> None:
    """Play other autoscalers on your own system and load, and say what each would cost and miss; comparison.json.

    On the exact twin, calibrated from trials where it can be trusted, else from the history's load and CPU use: the
    replicas there are, HPA, HPA tuned, predictive HPA, a percentile rule, Autothrottle's captain, MPC, VPA, a fixed
    peak, the recommendation, a policy learnt on the twin, and the cheapest plan that knows everything beforehand.
    Without issues, and with the study's weightiest, at their predicted times where those are played. What is tuned is
    tuned on this very load, as nobody could beforehand.

    Example: chaos prsa compare --duration 1h --policy hpa --policy recommended --policy bound

    Exit codes: 0 compared, whatever came out, 2 bad input, or nothing tells what a request costs.
    """
    from chaosprsa.chain import comparing
    from chaosprsa.chain.context import load, utc_now
    from chaosprsa.cli.compared import comparison_table
    from chaosprsa.documents import to_json

    if duration < timedelta(minutes=5):
        raise click.BadParameter("less than 5m compares nothing", param_hint="--duration")
    if load_step < timedelta(seconds=1) or load_step.total_seconds() % 1:
        raise click.BadParameter("expected whole seconds, at least 1s", param_hint="--load-step")
    asked = comparing.Asked(
        study=study,
        history=history,
        load=load_file,
        load_step_s=int(load_step.total_seconds()),
        duration=duration,
        policies=tuple(name for name in POLICIES if not policies or name in policies),
        hpa_target=None if hpa_target is None else hpa_target / 100,
        issues=issues,
        pod_start_s=pod_start.total_seconds() if pod_start else None,
        most_requests=most_requests,
        seed=seed,
    )
    with one_step("comparing") as progress:
        context = load(settings_file, progress)
        planned = comparing.plan(context, asked)
        click.echo(planned.in_words(), err=True)
        found = comparing.compare(context, planned, utc_now())
    show(as_json, to_json(found), f"{comparison_table(found)}\n{context.workspace.comparison}")
