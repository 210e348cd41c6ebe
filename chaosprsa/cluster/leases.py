"""A Lease keeps two runs apart: one holder a namespace, renewed while it lives, taken over when it died.

A holder that ran on this machine and is gone is known to be dead at once; of one elsewhere we know when its lease was
not renewed for its duration and a grace for clocks that differ.
"""

import os
import socket
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from chaosprsa.errors import Busy, ClusterRefused, ClusterUnreachable
from chaosprsa.manifests import LEASE_NAME, Manifest

if TYPE_CHECKING:
    from chaosprsa.cluster.reading import Cluster

DURATION_S = 30
RENEW_EVERY_S = 5.0
GRACE_S = 10
HOLDER_VARIABLE = "CHAOSPRSA_HOLDER"
"""Environment: the holder under whose lease this process works; set for the children while a lease is held."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Lease:
    """A context manager. Raises Busy on entry, with who holds it; `check` raises Busy once it was lost.

    holder: what the run is, for people ("trial of issue-7"); the process is added to it. begin: called once the lease
    is ours. A process started by the holder (HOLDER_VARIABLE) joins its lease instead of waiting for it.
    """

    def __init__(
        self,
        cluster: "Cluster",
        namespace: str,
        holder: str,
        begin: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._begin = begin
        self._now = now
        self._joined = False
        self.holder = f"{holder}@{_machine()}/{os.getpid()}/{_started(os.getpid())}/{uuid.uuid4().hex[:8]}"
        self._renewed = now()
        self._lost = ""
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="chaosprsa-lease", daemon=True)
        self._outer: str | None = None

    def __enter__(self) -> Self:
        self._acquire()
        if self._joined:
            return self
        self._outer = os.environ.get(HOLDER_VARIABLE)
        os.environ[HOLDER_VARIABLE] = self.holder
        self._thread.start()
        try:
            self._begin()
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._joined:
            return
        self._end.set()
        self._thread.join(timeout=30)
        if self._outer is None:
            os.environ.pop(HOLDER_VARIABLE, None)
        else:
            os.environ[HOLDER_VARIABLE] = self._outer
        try:
            self._release()
        except ClusterUnreachable:
            if error is None:
                raise

    def check(self) -> None:
        """Raises Busy when the lease was lost, or may have been because it couldn't be renewed."""
        if self._joined:
            refuse_when_busy(self._cluster, self._namespace)
        elif self._lost:
            raise Busy(f'namespace "{self._namespace}": the lease was lost: {self._lost}')
        elif self._now() - self._renewed > timedelta(seconds=DURATION_S):
            raise Busy(f'namespace "{self._namespace}": the lease could not be renewed for {DURATION_S} s')

    def _acquire(self) -> None:
        for _ in range(5):
            found = self._cluster.api.find("Lease", self._namespace, LEASE_NAME)
            ours = os.environ.get(HOLDER_VARIABLE, "")
            if found is not None and (message := held(found, self._now(), ours)):
                raise Busy(f'namespace "{self._namespace}": {message}')
            if found is not None and ours and found["spec"].get("holderIdentity") == ours:
                self.holder, self._joined = ours, True
                return
            try:
                self._write(found)
            except ClusterRefused as refused:
                if refused.status not in {404, 409}:
                    raise
                continue  # another one was faster, or it went away: look again
            return
        raise Busy(f'namespace "{self._namespace}": others keep taking the lease; try again')

    def _write(self, found: Manifest | None) -> None:
        stamp = self._now()
        before = (found or {}).get("spec") or {}
        spec = {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": DURATION_S,
            "acquireTime": _micro(stamp),
            "renewTime": _micro(stamp),
            "leaseTransitions": int(before.get("leaseTransitions") or 0) + (found is not None),
        }
        metadata = {"name": LEASE_NAME, "namespace": self._namespace}
        if found is None:
            manifest = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
            self._cluster.api.create(manifest)
        else:
            self._cluster.api.replace({**found, "spec": spec})
        self._renewed = stamp

    def _renew(self) -> None:
        while not self._end.wait(RENEW_EVERY_S):
            try:
                self._renew_once()
            except ClusterRefused as refused:
                if refused.status != 409:  # 409: somebody wrote it in between; the next turn sees who
                    self._lost = str(refused)
                    return
            except ClusterUnreachable:
                continue  # check() notices when it lasts
            if self._lost:
                return

    def _renew_once(self) -> None:
        stamp = self._now()
        found = self._cluster.api.get("Lease", self._namespace, LEASE_NAME)
        holder = found["spec"].get("holderIdentity")
        if holder != self.holder:
            self._lost = f"{holder or 'nobody'} holds it now"
            return
        self._cluster.api.replace({**found, "spec": {**found["spec"], "renewTime": _micro(stamp)}})
        self._renewed = stamp

    def _release(self) -> None:
        found = self._cluster.api.find("Lease", self._namespace, LEASE_NAME)
        if found is not None and found["spec"].get("holderIdentity") == self.holder:
            self._cluster.api.delete("Lease", self._namespace, LEASE_NAME, uid=found["metadata"]["uid"])


def held(lease: Manifest, now: datetime, ours: str = "") -> str:
    """Who holds the lease and until when, in words; "" where nobody alive does, or we do."""
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity") or ""
    renewed = spec.get("renewTime") or spec.get("acquireTime")
    if not holder or holder == ours or not renewed or _is_dead_here(holder):
        return ""
    until = datetime.fromisoformat(renewed) + timedelta(seconds=int(spec.get("leaseDurationSeconds") or DURATION_S))
    if now > until + timedelta(seconds=GRACE_S):
        return ""
    who, _, process = holder.partition("@")
    host, _, pid = (*process.split("/"), "", "", "")[:3]
    return (
        f"{who} holds it (process {pid} on {host}, until {until:%H:%M:%S} UTC unless renewed); wait for it, or end it"
    )


def refuse_when_busy(cluster: "Cluster", namespace: str) -> None:
    """Raises Busy when a run other than the one this process belongs to holds the namespace."""
    found = cluster.api.find("Lease", namespace, LEASE_NAME)
    if found is not None and (message := held(found, _utc_now(), os.environ.get(HOLDER_VARIABLE, ""))):
        raise Busy(f'namespace "{namespace}": {message}')


def _is_dead_here(holder: str) -> bool:
    """The holder ran on this machine and its process is gone (or its number belongs to a younger one)."""
    machine, pid, start = (*holder.rpartition("@")[2].rsplit("/", 3), "", "", "")[:3]
    return machine == _machine() and pid.isdigit() and _started(int(pid)) != start


def _machine() -> str:
    """This host, and where process numbers mean what they mean here: a boot and a process namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        numbers = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        boot, numbers = "unknown", str(uuid.getnode())
    return f"{socket.gethostname()}/{uuid.uuid5(uuid.NAMESPACE_OID, boot + numbers).hex[:8]}"


def _started(pid: int) -> str:
    """When the process started, in ticks since boot (proc(5), field 22); "" where there is none, or it is dead."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


def _micro(stamp: datetime) -> str:
    """Kubernetes' MicroTime."""
    return stamp.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
