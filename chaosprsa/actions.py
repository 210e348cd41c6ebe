"""Chaos Toolkit actions: the load, and what chaosk8s has no action for. All of them touch shadows only.

Each takes plain values, so that `chaos discover chaosprsa --no-install` shows its arguments with their types.
"""

# mypy: disable-error-code="type-arg"
# dict and list stay bare: `chaos discover` shows dict[str, Any] as "object" and dict as "mapping".

import logging
import math
from pathlib import Path
from typing import Any

from chaoslib.exceptions import ActivityFailed
from chaoslib.types import Configuration, Secrets

from chaosprsa.activity import activity, cluster_for, existing, halt, shadow_for
from chaosprsa.errors import ChaosPrsaError, require
from chaosprsa.loadtest import runner
from chaosprsa.loadtest.log import read_load
from chaosprsa.types import Resources

logger = logging.getLogger("chaostoolkit")
__all__ = [
    "resize_pods",
    "restore_shadow",
    "scale_down",
    "start_load",
    "stop_load",
    "take_snapshot",
    "wait_load",
]


@activity
def start_load(
    profile: str,
    folder: str,
    host: str = "",
    namespace: str = "",
    entry: str = "",
    study_folder: str = "",
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> dict:
    """Plays a load profile with Locust, in the background, and returns when the load's clock runs.

    Give `host` (a URL), or `namespace` and `entry` (a service of a shadow), whose address is then found. The namespace
    must be a shadow when it is named. `profile` is a file in `study_folder` or in the working folder. In `folder`:
    requests.csv, seconds.csv, load.json and Locust's own files. The load ends by itself with its profile, and with the
    process that started it.
    """
    if namespace:
        shadow_for(namespace, configuration, secrets)
        _need_no_refusal(namespace)
    require(bool(host or (namespace and entry)), "start_load: give host, or namespace and entry")
    url = host or cluster_for(configuration, secrets).entry_url(namespace, entry)
    run = runner.start(existing(profile, study_folder), url, Path(folder))
    return {"host": url, "pid": run.process.pid, "folder": folder, **read_load(run.folder)}


@activity
def wait_load(
    folder: str, until_s: float, namespace: str = "", configuration: Configuration = None, secrets: Secrets = None
) -> dict:
    """Waits until the load's own clock shows `until_s` seconds; at the profile's end, until its log is complete.

    With `namespace` the stop switch (`chaos prsa stop`) is watched. When it is on, and when there is no load or it
    died, the load ends and the experiment goes straight to its rollbacks: no fault is played without its load.
    """
    watch = _StopSwitch(namespace, configuration, secrets)
    try:
        return {"load_s": round(runner.wait_until(Path(folder), until_s, watch), 3)}
    except ChaosPrsaError as error:
        logger.error(str(error))  # noqa: TRY400  # a message for people, no traceback
        runner.stop(Path(folder))
        halt()
        raise


class _StopSwitch:
    """Asked twice a second by the wait; asks the cluster every fourth time: why it is stopped, or ""."""

    def __init__(self, namespace: str, configuration: Configuration, secrets: Secrets) -> None:
        self._namespace = namespace
        self._cluster: Any = cluster_for(configuration, secrets) if namespace else None
        self._asked = 0

    def __call__(self) -> str:
        self._asked += 1
        if self._cluster is not None and self._asked % 4 == 1:
            from chaosprsa.cluster import is_stopped

            return is_stopped(self._cluster, self._namespace)
        return ""


@activity
def stop_load(folder: str) -> dict:
    """Ends the load in `folder` if it still runs, and returns what its log says. Doing it twice is fine."""
    return runner.stop(Path(folder))


_snapshots: dict[str, Any] = {}
"""The open snapshot of each shadow that this experiment took; after a crash `chaos prsa restore` finds it."""
_refusals: dict[str, str] = {}
"""Why a shadow couldn't be written down (stopped, another run's): this experiment then plays nothing in it."""


@activity
def take_snapshot(namespace: str, reason: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """Writes down what the shadow's workloads have now, before a fault changes it: a ConfigMap and a local file."""
    try:
        _snapshots[namespace] = shadow_for(namespace, configuration, secrets).snapshot(reason)
    except ChaosPrsaError as error:
        _refusals[namespace] = str(error)
        raise
    return {"namespace": namespace, "reason": reason}


@activity
def restore_shadow(namespace: str, configuration: Configuration = None, secrets: Secrets = None) -> dict:
    """Puts the shadow back to this experiment's snapshot and removes its faults. Doing it twice is fine."""
    shadow = shadow_for(namespace, configuration, secrets)
    snapshot = _snapshots.get(namespace)
    if snapshot is None:
        return {"namespace": namespace, "restored": False, "because": "nothing was changed by this experiment"}
    shadow.restore(snapshot)
    return {"namespace": namespace, "restored": True}


@activity
def resize_pods(
    namespace: str,
    service: str,
    cpu_factor: float = 1.0,
    memory_factor: float = 1.0,
    configuration: Configuration = None,
    secrets: Secrets = None,
) -> dict:
    """Multiplies the CPU and memory limits that the service's pods have now, in place where the cluster can.

    Requests are lowered with their limits where they would exceed them. Needs take_snapshot before it. Returns the
    resources before and after.
    """
    for name, factor in (("cpu_factor", cpu_factor), ("memory_factor", memory_factor)):
        require(0 < factor <= 10, f"resize_pods: {name} is {factor}, expected above 0 and at most 10")
    shadow = shadow_for(namespace, configuration, secrets)
    _need_snapshot(namespace)
    before = cluster_for(configuration, secrets).allocation(namespace, [service])[service].resources
    after = _resized(before, cpu_factor, memory_factor)
    shadow.resize(service, after)
    return {"namespace": namespace, "service": service, "from": _plain(before), "to": _plain(after)}


@activity
def scale_down(
    namespace: str, service: str, share: float, configuration: Configuration = None, secrets: Secrets = None
) -> dict:
    """Takes away a share of the replicas that the service has now, at least one. Needs take_snapshot before it."""
    require(0 < share <= 1, f"scale_down: share is {share}, expected above 0 and at most 1")
    shadow = shadow_for(namespace, configuration, secrets)
    _need_snapshot(namespace)
    before = cluster_for(configuration, secrets).allocation(namespace, [service])[service].replicas
    after = max(0, before - max(1, round(before * share)))
    shadow.scale(service, after)
    return {"namespace": namespace, "service": service, "from": before, "to": after}


def _need_no_refusal(namespace: str) -> None:
    if namespace in _refusals:
        raise ActivityFailed(f"nothing is played in it, as it couldn't be written down first: {_refusals[namespace]}")


def _need_snapshot(namespace: str) -> None:
    if namespace not in _snapshots:
        raise ActivityFailed(
            f'namespace "{namespace}": no snapshot was taken in this experiment, so nothing is changed; '
            "put the action take_snapshot before this one"
        )


def _resized(before: Resources, cpu_factor: float, memory_factor: float) -> Resources:
    cpu = max(1, math.ceil(before.cpu_limit_millicores * cpu_factor))
    memory = max(1, math.ceil(before.memory_limit_mib * memory_factor))
    return Resources(
        cpu_request_millicores=min(before.cpu_request_millicores, cpu),
        cpu_limit_millicores=cpu,
        memory_request_mib=min(before.memory_request_mib, memory),
        memory_limit_mib=memory,
    )


def _plain(resources: Resources) -> dict[str, int]:
    return {name: getattr(resources, name) for name in Resources.__slots__}
