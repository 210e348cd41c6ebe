"""The lock of a study's file: the kernel takes it back from a process that was killed.

Optuna's own is a file beside the log. Who is killed while he writes leaves it there, and the next waits half a minute,
or, where the study was named by a relative path, without end.
"""

import fcntl
import time
from pathlib import Path
from typing import IO

MOST_S = 60.0  # a line takes a millisecond; who holds it longer was stopped, not slow
_LOOK_S = 0.002


class FileLock:
    """Optuna's BaseJournalFileLock, by flock(2) on the file itself: also between threads and over NFS 4."""

    def __init__(self, file: Path, most_s: float = MOST_S) -> None:
        self._file, self._most_s = file, most_s
        self._held: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Wait for it. Raises TimeoutError where another holds it all the time."""
        opened = self._file.open("ab")
        deadline = time.monotonic() + self._most_s
        while not _taken(opened):
            if time.monotonic() > deadline:
                opened.close()
                raise TimeoutError(f"{self._file}: another process has held it for {self._most_s:g} s; is it stopped?")
            time.sleep(_LOOK_S)
        self._held = opened
        return True

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_raised: object) -> None:
        self.release()

    def release(self) -> None:
        """Give it back."""
        held, self._held = self._held, None
        if held is not None:
            held.close()


def _taken(opened: IO[bytes]) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
