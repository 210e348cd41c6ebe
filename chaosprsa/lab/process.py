"""Start, find and stop a lab: one process tree that ends with whoever started it."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from chaosprsa.errors import Busy, ToolMissing, Unavailable
from chaosprsa.lab.topology import LabTopology, write_lab_topology

START_S = 360.0  # a first start may fetch Prometheus; every step of the server has its own, shorter limit
STOP_S = 8.0
_started: dict[Path, "subprocess.Popen[bytes]"] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningLab:
    """How to reach a lab."""

    kubeconfig: Path
    api_url: str
    prometheus_url: str
    metrics_url: str
    entry_url: str
    namespace: str
    pid: int
    prometheus_pid: int


def default_tools() -> Path:
    """Where a fetched Prometheus is kept: CHAOSPRSA_TOOLS, else the user's cache."""
    if given := os.environ.get("CHAOSPRSA_TOOLS"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chaosprsa"


def start_lab(
    state: Path,
    topology: LabTopology,
    seed: int,
    *,
    rate_per_s: float | None = None,
    steady: bool | None = None,
    tools: Path | None = None,
) -> RunningLab:
    """Start a lab and wait until API, data plane, Prometheus and production's pods are ready.

    rate_per_s: production's own load at its peak, and steady: the same at any hour; None: as the topology says. A rate
    of 0: no load of its own. The lab ends when this process ends.

    Raises Busy when a lab runs on this state; Unavailable or ToolMissing, with its last words, when it does not get
    ready.
    """
    state = state.resolve()
    if (running := lab_status(state)) is not None:
        raise Busy(f"a lab runs on {state} already (process {running.pid}). Stop it: chaos prsa lab down")
    _clean(state)
    state.mkdir(parents=True, exist_ok=True)
    topology = replace(
        topology,
        rate_per_s=topology.rate_per_s if rate_per_s is None else rate_per_s,
        steady=topology.steady if steady is None else steady,
    )
    topology_file = write_lab_topology(state / "topology.json", topology)
    command = [sys.executable, "-m", "chaosprsa.lab.server", "--state", str(state), "--topology", str(topology_file)]
    command += ["--tools", str((tools or default_tools()).resolve()), "--seed", str(seed)]
    with (state / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _started[state] = server
    try:
        return _wait(state, server)
    except BaseException:
        stop_lab(state)
        raise


def stop_lab(state: Path) -> bool:
    """End the lab of this state and everything it started. False where none ran."""
    state = state.resolve()
    server = _started.pop(state, None)
    running = lab_status(state)
    if server is not None:
        _end_child(server)
    elif running is not None:
        _end(running.pid)
    if running is not None and _is_ours(running.prometheus_pid, state):
        _end(running.prometheus_pid)
    (state / "lab.json").unlink(missing_ok=True)
    return server is not None or running is not None


def lab_status(state: Path) -> RunningLab | None:
    """The lab that runs on this state, or None."""
    told = _told(state.resolve())
    if told is None or "pid" not in told or not _is_ours(int(str(told["pid"])), state.resolve()):
        return None
    values = {name: told[name] for name in RunningLab.__dataclass_fields__}
    return RunningLab(**{**values, "kubeconfig": Path(str(told["kubeconfig"]))})  # type: ignore[arg-type]  # read back


@contextlib.contextmanager
def running_lab(
    state: Path,
    topology: LabTopology,
    seed: int = 1,
    *,
    rate_per_s: float | None = None,
    steady: bool | None = None,
    tools: Path | None = None,
) -> Iterator[RunningLab]:
    """A lab for the length of a with block."""
    lab = start_lab(state, topology, seed, rate_per_s=rate_per_s, steady=steady, tools=tools)
    try:
        yield lab
    finally:
        stop_lab(state)


def _wait(state: Path, server: "subprocess.Popen[bytes]") -> RunningLab:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        told = _told(state)
        if told is not None and "error" in told:
            kind = ToolMissing if told.get("kind") == "ToolMissing" else Unavailable
            raise kind(f"the lab does not start: {told['error']}")
        if told is not None and (running := lab_status(state)) is not None:
            return running
        if server.poll() is not None:
            raise Unavailable(f"the lab ended at its start (exit {server.returncode}): {_last_words(state)}")
        time.sleep(0.02)
    raise Unavailable(f"the lab is not ready after {START_S:g} s: {_last_words(state)}")


def _last_words(state: Path) -> str:
    lines = (state / "server.log").read_text(encoding="utf-8", errors="replace").splitlines()
    return f"{lines[-1] if lines else 'it said nothing'} (all of it: {state / 'server.log'})"


def _told(state: Path) -> dict[str, object] | None:
    try:
        told = json.loads((state / "lab.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def _is_ours(pid: int, state: Path) -> bool:
    """The process runs, and its command line names this state: numbers are used again."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return str(state).encode() in words and _runs(pid)


def _runs(pid: int) -> bool:
    """Neither gone nor a zombie that its parent has yet to notice."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _clean(state: Path) -> None:
    """What a killed lab left: its Prometheus, if it still runs, its data and its addresses."""
    told = _told(state) or {}
    if isinstance(pid := told.get("prometheus_pid"), int) and _is_ours(pid, state):
        _end(pid)
    shutil.rmtree(state / "prometheus", ignore_errors=True)
    for name in ("lab.json", "kubeconfig", "topology.json"):
        (state / name).unlink(missing_ok=True)


def _end_child(server: "subprocess.Popen[bytes]") -> None:
    if server.stdin is not None:
        server.stdin.close()
    server.terminate()
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _end(pid: int) -> None:
    """SIGTERM, and SIGKILL to what does not listen."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        while _runs(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        if _runs(pid):
            os.kill(pid, signal.SIGKILL)
