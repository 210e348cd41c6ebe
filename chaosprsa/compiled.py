"""One way to compile a kernel."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """Compiled on first use and kept on disk where numba may write: beside its file, else in the user's cache."""
    try:
        return cast("Kernel", numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # no place to keep it: compiled again in each process
        return cast("Kernel", numba.njit(nogil=True, error_model="numpy")(function))
