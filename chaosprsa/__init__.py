"""chaosprsa: rehearse the next incident, and be ready for it.

PRSA stands for predictive resource allocation based on simulated operational issues. The package is a Chaos Toolkit
extension; its rooms and their order are described in docs/architecture.md.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

try:
    __version__ = version("chaosprsa")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0"

__all__ = ["__version__", "discover"]

_ACTIVITIES = (
    ("action", "chaosprsa.actions"),
    ("probe", "chaosprsa.probes"),
    ("tolerance", "chaosprsa.tolerances"),
    ("control", "chaosprsa.controls"),
    ("action", "chaosprsa.rollout.actions"),
    ("probe", "chaosprsa.rollout.probes"),
)


def discover(discover_system: bool = True) -> dict[str, Any]:  # noqa: ARG001  # the name is Chaos Toolkit's
    """What `chaos discover chaosprsa --no-install` lists: every activity with its arguments and their types."""
    discovery = import_module("chaoslib.discovery.discover")
    found: dict[str, Any] = discovery.initialize_discovery_result("chaosprsa", __version__, "chaosprsa")
    for kind, module in _ACTIVITIES:
        if find_spec(module) is not None:
            found["activities"].extend(discovery.discover_activities(module, kind))
    return found
