"""One way to compile a kernel, and where its machine code is kept.

numba keeps a function's code as long as the function's own file stays the same, also when a function that it calls has
changed in another. So the code is kept in a folder that is named after all files beside the kernel's.
"""

import hashlib
import os
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])
_ALONE = threading.Lock()
_SETTINGS: Any = numba.config
_NJIT: Any = numba.njit  # its types don't know every option


def compiled(function: Kernel) -> Kernel:
    """Compiled on first use and kept below XDG_CACHE_HOME; where that can't be written, compiled in each process."""
    return _compiled(function)


def inner(function: Kernel) -> Kernel:
    """The same for what only kernels call: there is no way in from Python, which takes numba longer than the rest."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _compiled(function: Kernel, **options: bool) -> Kernel:
    with _ALONE:
        before = _SETTINGS.CACHE_DIR
        _SETTINGS.CACHE_DIR = str(_folder(Path(function.__code__.co_filename).parent))
        try:
            return cast("Kernel", _NJIT(cache=True, nogil=True, error_model="numpy", **options)(function))
        except (RuntimeError, OSError):  # no place to keep it
            return cast("Kernel", _NJIT(nogil=True, error_model="numpy", **options)(function))
        finally:
            _SETTINGS.CACHE_DIR = before


@cache
def _folder(room: Path) -> Path:
    """Where the code of a room's kernels is kept: another folder for each state of its files, and of this one."""
    state = hashlib.sha256()
    for file in (*sorted(room.glob("*.py")), Path(__file__)):
        state.update(file.name.encode() + b"\0" + file.read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return home / "chaosprsa" / "kernels" / state.hexdigest()[:16]
