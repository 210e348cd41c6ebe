"""The ways back: restore, stop, resume."""

from chaosprsa.chain.context import Context
from chaosprsa.cluster import restore_all, stop_locally
from chaosprsa.cluster import resume as resume_cluster
from chaosprsa.cluster import stop as stop_cluster


def restore(context: Context) -> tuple[str, ...]:
    """Undo what an interrupted run left, wherever a snapshot says so."""
    return restore_all(context.cluster(), context.workspace.snapshots)


def set_stop(context: Context, *, on: bool) -> None:
    """Set or release the switch, locally and in both namespaces; the local one is set even without a cluster."""
    if on:
        stop_locally(context.workspace.state, "stopped by hand")
    cluster = context.cluster()
    known = set(cluster.namespaces())
    for namespace in (context.settings.cluster.namespace, context.settings.shadow_namespace):
        if namespace in known:
            (stop_cluster if on else resume_cluster)(cluster, namespace)
