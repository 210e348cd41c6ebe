"""chaosprsa: rehearse the next incident, and be ready for it.

PRSA stands for predictive resource allocation based on simulated operational issues. The package is a Chaos Toolkit
extension; its rooms and their order are described in docs/architecture.md.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("chaosprsa")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"

__all__ = ["__version__"]
