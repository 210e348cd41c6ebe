"""The stop switch: a ConfigMap in the namespace and a local file. Where either is, nothing new is changed.

It never stops the way back: restore and a shadow's destruction go on.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from chaosprsa.documents import write_text
from chaosprsa.errors import ClusterRefused, Stopped
from chaosprsa.manifests import STOP_NAME
from chaosprsa.workspace import Workspace

if TYPE_CHECKING:
    from chaosprsa.cluster.reading import Cluster


def stop_file(state: Path) -> Path:
    """Workspace.stop_file of the folder whose state this is."""
    return Workspace(state.parent).stop_file if state.name == ".chaosprsa" else state / "stop"


def stop_locally(state: Path, reason: str) -> None:
    """Stop whatever works from this folder, in any namespace; needs no cluster."""
    write_text(stop_file(state), f"{reason}\n")


def stop(cluster: "Cluster", namespace: str, reason: str = "stopped by hand") -> None:
    """Turn the switch on for a namespace, for everyone, and in this folder."""
    stop_locally(cluster.state, reason)
    cluster.namespace(namespace)
    metadata = {"name": STOP_NAME, "namespace": namespace}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"reason": reason}}
    try:
        cluster.api.create(manifest)
    except ClusterRefused as refused:
        if refused.status != 409:
            raise
        cluster.api.patch("ConfigMap", namespace, STOP_NAME, {"data": {"reason": reason}})


def resume(cluster: "Cluster", namespace: str) -> None:
    """Turn it off again, there and here. Off already is fine."""
    cluster.namespace(namespace)
    cluster.api.delete("ConfigMap", namespace, STOP_NAME)
    stop_file(cluster.state).unlink(missing_ok=True)


def is_stopped(cluster: "Cluster", namespace: str) -> str:
    """Why it is stopped, and where that is said; "" when it isn't."""
    local = stop_file(cluster.state)
    if local.exists():
        return f"{local.read_text(encoding='utf-8').strip() or 'stopped'} ({local})"
    found = cluster.api.find("ConfigMap", namespace, STOP_NAME)
    if found is None:
        return ""
    reason = (found.get("data") or {}).get("reason") or "stopped"
    return f'{reason} (ConfigMap {STOP_NAME} in namespace "{namespace}")'


def refuse_when_stopped(cluster: "Cluster", namespace: str) -> None:
    """Raises Stopped."""
    reason = is_stopped(cluster, namespace)
    if reason:
        raise Stopped(f'namespace "{namespace}": the stop switch is on: {reason}. Turn it off: chaos prsa resume')
