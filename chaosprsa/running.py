"""Runs one experiment under the unchanged `chaos run`: in its own process group, for a bounded time.

Whoever ends us ends it gracefully: Ctrl-C and SIGTERM here become a SIGUSR1 there, which ends the method and plays the
rollbacks; a SIGKILL here does the same by the parent-death signal (Linux). It isn't SIGTERM because Chaos Toolkit turns
that one into an exception which fails the activity that runs, and the method goes on (chaoslib 1.44, provider/python).
Only what doesn't end in time is killed.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaosprsa.errors import ToolMissing

PR_SET_PDEATHSIG = 1
GRACEFULLY = signal.SIGUSR1  # chaoslib.exit: leave now, and play the rollbacks
POLL_S = 0.1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosRun:
    """What `chaos run` left. problem: why it has no journal, or what was amiss with its end; "" when all went well."""

    journal: Path
    log: Path
    duration_s: float
    problem: str = ""


def run_chaos(
    experiment: Path,
    folder: Path,
    environment: Mapping[str, str],
    limit_s: float,
    grace_s: float,
    tick: Callable[[float], None] = lambda _: None,
) -> ChaosRun:
    """Play `experiment`; journal.json and chaos.log go below `folder`.

    limit_s: after it the run is ended (its rollbacks are played). grace_s: how long rollbacks may take then, before it
    is killed. tick: called ten times a second with the seconds since the start. Raises ToolMissing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    journal, log = folder / "journal.json", folder / "chaos.log"
    for old in (journal, log):
        old.unlink(missing_ok=True)
    command = [chaos_program(), "--no-version-check", "--log-file", str(log), "run", "--journal-path", str(journal)]
    with (folder / "chaos.out").open("wb") as output:
        child = subprocess.Popen(
            [*command, str(experiment)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **_in_pod(), **environment},
            start_new_session=True,
            preexec_fn=_end_with_parent if _libc else None,  # noqa: PLW1509  # one prctl call, no lock taken
        )
        began = time.monotonic()
        problem = _wait(child, began, limit_s, grace_s, tick)
    if not journal.exists():
        problem = (
            f"{problem or f'chaos ended with exit code {child.returncode}'} and wrote no journal{_last_words(log)}"
        )
    return ChaosRun(journal=journal, log=log, duration_s=time.monotonic() - began, problem=problem)


def _in_pod() -> dict[str, str]:
    """What chaosk8s wants to be told before it uses a pod's own account, as our client does unasked."""
    inside = "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ
    return {"CHAOSTOOLKIT_IN_POD": "true"} if inside else {}


def chaos_program() -> str:
    """The `chaos` beside this Python, else the one on PATH. Raises ToolMissing."""
    beside = Path(sys.executable).with_name("chaos")
    found = str(beside) if beside.exists() else shutil.which("chaos")
    if not found:
        raise ToolMissing("chaos is not there: install it into this Python with: pip install chaostoolkit")
    return found


def _end_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, GRACEFULLY)


def _wait(
    child: "subprocess.Popen[bytes]", began: float, limit_s: float, grace_s: float, tick: Callable[[float], None]
) -> str:
    try:
        while child.poll() is None:
            elapsed_s = time.monotonic() - began
            if elapsed_s > limit_s:
                end_gracefully(child, grace_s)
                return f"the experiment did not end within {limit_s:.0f} s and was ended"
            tick(elapsed_s)
            time.sleep(POLL_S)
    finally:  # Ctrl-C, SIGTERM, or an error while it runs
        if child.poll() is None:
            end_gracefully(child, grace_s)
        _kill_group(child)
    return ""


def end_gracefully(child: "subprocess.Popen[bytes]", grace_s: float) -> None:
    """The signal to leave, and time for the rollbacks; a second Ctrl-C doesn't cut them short. Then SIGKILL."""
    deadline = time.monotonic() + grace_s
    child.send_signal(GRACEFULLY)
    while child.poll() is None and time.monotonic() < deadline:
        try:
            child.wait(timeout=max(deadline - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            break
        except KeyboardInterrupt:
            continue
    _kill_group(child)


def _kill_group(child: "subprocess.Popen[bytes]") -> None:
    """Whatever is left of the run's process group: the run itself, or a Locust that outlived it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _last_words(log: Path) -> str:
    """The last error in Chaos Toolkit's log, for people."""
    if not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    errors = [line for line in lines if "ERROR" in line or "CRITICAL" in line]
    return f" ({errors[-1][-300:]})" if errors else ""
