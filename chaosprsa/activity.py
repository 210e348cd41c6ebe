"""What actions and probes share: our errors become Chaos Toolkit's, and a cluster or a shadow is found for them.

Chaos Toolkit hands activities plain values, `configuration` (a flat mapping) and `secrets` (chaosk8s' names).
"""

import functools
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from chaoslib.exceptions import ActivityFailed

from chaosprsa.errors import ChaosPrsaError

if TYPE_CHECKING:
    from chaosprsa.cluster import Cluster
    from chaosprsa.cluster.handles import Shadow

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def activity(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """An error of ours fails the activity with its message (what, where, what to do), without our class names."""

    @functools.wraps(function)
    def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except ChaosPrsaError as error:
            raise ActivityFailed(str(error)) from error

    return guarded


def cluster_for(configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None) -> "Cluster":
    """The cluster that the experiment's secrets, or KUBECONFIG, name. Raises ClusterUnreachable."""
    from chaosprsa.cluster import connect

    known = configuration or {}
    return connect(secrets=secrets, service_label=str(known.get("service_label") or "app"))


def shadow_for(namespace: str, configuration: Mapping[str, Any] | None, secrets: Mapping[str, Any] | None) -> "Shadow":
    """The only way to change anything: raises NotAShadow unless the namespace is labelled as a shadow."""
    return cluster_for(configuration, secrets).shadow(namespace)


def halt() -> None:
    """End the running experiment: Chaos Toolkit goes straight to its rollbacks. Nothing happens outside `chaos run`."""
    if signal.getsignal(signal.SIGUSR1) in {signal.SIG_DFL, signal.SIG_IGN, None}:
        return
    from chaoslib.exit import exit_gracefully

    exit_gracefully()


def existing(name: str, folder: str) -> Path:
    """A file of a study: in the study's folder, else in the working folder, else that folder's path as it is."""
    for place in (Path(folder), Path()):
        if (place / name).is_file():
            return place / name
    return Path(folder) / name
