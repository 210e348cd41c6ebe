"""`chaos prsa init`."""

from pathlib import Path

import click

from chaosprsa.cli.options import json_option, show
from chaosprsa.errors import BadInput


@click.command()
@click.option("--namespace", required=True, help="Production's namespace.")
@click.option("--context", default="", help="The kubeconfig's context; the current one by default.")
@click.option("--prometheus", default="", help="Prometheus' base URL: call edges and a latency to start from.")
@click.option("--history", default="", help="A history folder in the normal form, written into [sources].")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("chaosprsa.toml"), show_default=True
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@json_option
def init(namespace: str, context: str, prometheus: str, history: str, output: Path, force: bool, as_json: bool) -> None:
    """Write a commented chaosprsa.toml from what the cluster shows.

    Services come from the cluster that KUBECONFIG names, call edges and a first SLO from Prometheus. Nothing in the
    cluster is changed.

    Example: chaos prsa init --namespace shop --prometheus http://localhost:9090

    Exit codes: 0 written, 2 bad input, no cluster or no Prometheus.
    """
    from chaosprsa.chain import learning

    if output.exists() and not force:
        raise BadInput(
            f"{output}: it is there already; edit it, name another with --output, or replace it with --force"
        )
    written = learning.init(namespace, context, prometheus, history, output)
    found = written.settings
    text = (
        f"{output}: {len(found.topology.services)} services, {len(found.topology.edges)} call edges, entry "
        f"{found.topology.entry}, SLO p{found.entry_slo.latency_percentile:g} <= {found.entry_slo.latency_ms:g} ms\n"
        + "".join(f"  note: {note}\n" for note in written.notes)
        + "Next: chaos prsa learn"
    )
    show(as_json, {"settings": str(output), "notes": written.notes, **found.model_dump(mode="json")}, text)
