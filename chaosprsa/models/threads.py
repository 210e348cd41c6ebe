"""One thread for linear algebra and trees: the same sums in the same order, and no spinning for busy cores."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]  # no stubs; scikit-learn's own dependency


def one_thread() -> AbstractContextManager[Any]:
    """A context in which numpy's, scipy's and scikit-learn's pools have one thread."""
    limited: AbstractContextManager[Any] = _pools().limit(limits=1)
    return limited


@cache
def _pools() -> Any:
    """Looked up once, after everything that brings a pool is imported."""
    import sklearn.ensemble  # noqa: F401  # brings OpenMP

    return ThreadpoolController()
