"""`chaos prsa init`."""

from pathlib import Path

import click

from chaosprsa.cli.options import json_option, show
from chaosprsa.errors import BadInput


@click.command()
@click.option("--namespace", default="", help="Production's namespace; without one, --history alone tells.")
@click.option("--context", default="", help="The kubeconfig's context; the current one by default.")
@click.option("--prometheus", default="", help="Prometheus' base URL: call edges and a latency to start from.")
@click.option("--history", default="", help="A history folder in the normal form, written into [sources].")
@click.option("--entry", default="", help="The component that users reach, with --history alone; guessed by default.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("chaosprsa.toml"), show_default=True
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@json_option
def init(
    namespace: str,
    context: str,
    prometheus: str,
    history: str,
    entry: str,
    output: Path,
    force: bool,
    as_json: bool,
) -> None:
    """Write a commented chaosprsa.toml from what the cluster shows, or from files alone.

    Services come from the cluster that KUBECONFIG names, call edges and a first SLO from Prometheus. Without
    --namespace no cluster is asked: services, edges, entry and SLO come from the files. Nothing in the cluster is
    changed.

    Example: chaos prsa init --namespace shop --prometheus http://localhost:9090

    Exit codes: 0 written, 2 bad input, no cluster or no Prometheus.
    """
    _check(namespace, context, history, entry)
    from chaosprsa.chain import proposing

    if output.exists() and not force:
        raise BadInput(
            f"{output}: it is there already; edit it, name another with --output, or replace it with --force"
        )
    if namespace:
        written = proposing.init(namespace, context, prometheus, history, output)
    else:
        written = proposing.init_from_files(Path(history), entry, prometheus, output)
    found = written.settings
    text = (
        f"{output}: {len(found.topology.services)} services, {len(found.topology.edges)} call edges, entry "
        f"{found.topology.entry}, SLO p{found.entry_slo.latency_percentile:g} <= {found.entry_slo.latency_ms:g} ms\n"
        + "".join(f"  note: {note}\n" for note in written.notes)
        + "Next: chaos prsa learn"
    )
    show(as_json, {"settings": str(output), "notes": written.notes, **found.model_dump(mode="json")}, text)


def _check(namespace: str, context: str, history: str, entry: str) -> None:
    if not namespace and not history:
        raise BadInput("name production's namespace with --namespace, or a folder of files with --history")
    if namespace and entry:
        raise BadInput("--entry is for --history alone: in a cluster the entry is what it exposes")
    if context and not namespace:
        raise BadInput("--context names a cluster: say which of its namespaces with --namespace")
