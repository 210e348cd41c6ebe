"""Locust as a subprocess: started with a profile, followed by its own clock, ended without leaving anything behind.

The process ends by itself when the profile is over, when the process that started it is gone, and at `stop`. It stays
in its starter's process group, so that a signal to the group reaches it too.
"""

import atexit
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaosprsa.documents import read_document
from chaosprsa.errors import InvalidDocument, ToolMissing, Unavailable
from chaosprsa.loadtest.log import LOAD, REQUESTS, SECONDS, read_load
from chaosprsa.types import LoadProfile

LOCUSTFILE = Path(__file__).with_name("locustfile.py")
LOCUST_LOG = "locust.log"
START_TIMEOUT_S = 60.0  # Locust is ready in 1.5 s alone; on a machine that is busy with a trial it takes a multiple
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05


@dataclass(slots=True)
class LoadRun:
    """One load that this process started."""

    profile: LoadProfile
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def began_epoch_s(self) -> float | None:
        """When the first request could have been sent; None before."""
        found: float | None = read_load(self.folder).get("started_epoch_s")
        return found

    @property
    def ended(self) -> bool:
        """Played to its end: the log is complete."""
        return read_load(self.folder).get("ended") is not None


_runs: dict[Path, LoadRun | None] = {}


@atexit.register
def _stop_all() -> None:
    """Whoever started a load and leaves takes it along."""
    for folder in tuple(_runs):
        stop(folder)


def was_asked_for(folder: Path) -> bool:
    """Whether this process has tried to play a load into this folder, well or not."""
    return folder.resolve() in _runs


def start(profile_file: Path, host: str, folder: Path) -> LoadRun:
    """Begin to play a profile; returns when the load's clock runs. Old logs in the folder are removed first.

    Raises InvalidDocument (the profile), ToolMissing (no Locust), Unavailable (it ended or hung; with its last words).
    """
    folder = folder.resolve()
    stop(folder)
    _runs[folder] = None
    for name in (LOAD, REQUESTS, SECONDS, LOCUST_LOG):
        (folder / name).unlink(missing_ok=True)
    profile = read_document(profile_file, LoadProfile)
    folder.mkdir(parents=True, exist_ok=True)
    run = LoadRun(profile, folder, _spawn(profile_file, host, folder))
    _runs[folder] = run
    _until_begun(run)
    return run


def _spawn(profile_file: Path, host: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--headless", "--only-summary",
        "--host", host.rstrip("/"), "--exit-code-on-error", "0", "--csv", str(folder / "locust"), "--csv-full-history",
    ]  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    environment |= {
        "CHAOSPRSA_PROFILE": str(profile_file.resolve()),
        "CHAOSPRSA_LOAD_FOLDER": str(folder),
        "CHAOSPRSA_LOAD_PARENT": str(os.getpid()),
    }
    with (folder / LOCUST_LOG).open("wb") as log:
        try:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=folder
            )
        except OSError as error:
            raise ToolMissing(f"Locust can't be started ({error}); install it: pip install locust") from None


def _until_begun(run: LoadRun) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while run.began_epoch_s is None:
        if run.process.poll() is not None:
            raise Unavailable(f"Locust ended before the load began: {last_words(run.folder)}")
        if time.monotonic() > deadline:
            stop(run.folder)
            raise Unavailable(f"Locust did not begin within {START_TIMEOUT_S:g} s; see {run.folder / LOCUST_LOG}")
        time.sleep(POLL_S)


def wait_until(folder: Path, until_s: float, halted: Any = lambda: "") -> float:
    """Sleep until the load's clock shows until_s; returns the clock. At the profile's end: until the log is complete.

    halted: asked twice a second; a text that it returns ends the wait (the stop switch). Raises Unavailable when there
    is no load, when it died, and when it doesn't end in time.
    """
    run = _runs.get(folder.resolve())
    if run is None or run.began_epoch_s is None:
        raise Unavailable(f"{folder}: no load was started there by this experiment; start_load comes first")
    at_end = until_s >= run.profile.duration_s
    grace_s = run.profile.timeout_s + STOP_TIMEOUT_S + 15.0 if at_end else 0.0
    while True:
        now_s = time.time() - run.began_epoch_s
        reason = halted()
        if reason:
            raise Unavailable(f"the load was halted at {now_s:.1f} s: {reason}")
        if (run.ended and now_s >= until_s) if at_end else now_s >= until_s:
            return now_s
        if run.process.poll() is not None and not run.ended:
            raise Unavailable(f"Locust ended at {now_s:.1f} s, before its profile did: {last_words(run.folder)}")
        if at_end and now_s > until_s + grace_s:
            stop(folder)
            raise Unavailable(f"the load is still open {now_s - until_s:.0f} s after its end; see {run.folder}")
        time.sleep(min(max(until_s - now_s, POLL_S), 0.5))


def stop(folder: Path) -> dict[str, Any]:
    """End the load in this folder, if it runs; what its log says of it. Doing it twice is fine."""
    folder = folder.resolve()
    run = _runs.get(folder)
    if run is None:
        return {"folder": str(folder), "running": False}
    if run.process.poll() is None and run.ended:
        _wait(run.process, STOP_TIMEOUT_S)
    if run.process.poll() is None:
        run.process.terminate()
        if not _wait(run.process, STOP_TIMEOUT_S):
            run.process.kill()
            run.process.wait()
    return {"folder": str(folder), "running": False, **_log_of(folder)}


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _log_of(folder: Path) -> dict[str, Any]:
    try:
        return read_load(folder)
    except InvalidDocument as error:
        return {"problem": str(error)}


def last_words(folder: Path) -> str:
    """The last line that Locust wrote, without its time stamp."""
    try:
        lines = (folder / LOCUST_LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "it said nothing"
    return lines[-1].split("] ", 1)[-1] if lines else "it said nothing"
