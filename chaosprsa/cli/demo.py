"""`chaos prsa demo`."""

from pathlib import Path

import click

from chaosprsa.cli.options import exit_with, json_option, seed_option, show
from chaosprsa.cli.recommended import recommendation_table
from chaosprsa.cli.text import outcomes_table, rollout_table


@click.command()
@click.option(
    "--history", type=click.Path(path_type=Path), help="A history in the normal form; the lab emulates its call graph."
)
@click.option(
    "--dir", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path("demo-run"), show_default=True
)
@seed_option
@json_option
def demo(history: Path | None, folder: Path, seed: int, as_json: bool) -> None:
    """Run the nine links in order on the embedded lab, in about three minutes.

    Example: chaos prsa demo --history ./history

    Exit codes: 0 rolled out, 1 judged worse and put back, 2 bad input, 3 inconclusive or invalid, 130 Ctrl-C.
    """
    from chaosprsa.demo import run_demo

    result = run_demo(folder, history, seed)
    lines = [
        outcomes_table(result.outcomes),
        "",
        recommendation_table(result.recommendation, result.prices),
        "",
        rollout_table(result.rollout) if result.rollout else "nothing to roll out: the allocation is right as it is",
        "",
        f"report    {result.report}",
        f"took      {result.seconds:.0f} s",
    ]
    show(as_json, result.as_json(), "\n".join(lines))
    exit_with(result.verdict)
