"""The lab's commands."""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from chaosprsa.chain.context import utc_now
from chaosprsa.history.files import write_history
from chaosprsa.history.frame import History
from chaosprsa.history.topology import read_topology
from chaosprsa.lab.emulate import emulate
from chaosprsa.lab.history import lab_history as make_history
from chaosprsa.lab.process import RunningLab, running_lab, stop_lab
from chaosprsa.lab.process import lab_status as find_lab
from chaosprsa.lab.shop import shop
from chaosprsa.lab.topology import SCHEMA, LabTopology, read_lab_topology

HEARTBEAT_S = 1.0


def lab_topology(path: Path | None) -> LabTopology:
    """The lab's own form, or a call graph that it then emulates; the shop where none is named."""
    if path is None:
        return shop()
    return read_lab_topology(path) if _is_the_labs_own(path) else emulate(read_topology(path))


def _is_the_labs_own(path: Path) -> bool:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False  # whoever reads it next says what is wrong
    return isinstance(values, dict) and values.get("schema") == SCHEMA


def lab_in_front(state: Path, topology: Path | None, seed: int, announce: Callable[[Mapping[str, str]], None]) -> None:
    """Run a lab until Ctrl-C, or until it ends by itself."""
    with running_lab(state, lab_topology(topology), seed) as lab:
        announce(described(lab))
        waiting = threading.Event()
        while find_lab(state) is not None:
            waiting.wait(HEARTBEAT_S)


def described(lab: RunningLab) -> dict[str, str]:
    """Where everything is."""
    return {
        "KUBECONFIG": str(lab.kubeconfig),
        "namespace": lab.namespace,
        "API": lab.api_url,
        "Prometheus": lab.prometheus_url,
        "entry": lab.entry_url,
    }


def lab_status(state: Path) -> dict[str, str]:
    """Where the lab of this state is; empty where none runs."""
    running = find_lab(state)
    return described(running) if running else {}


def lab_down(state: Path) -> bool:
    """End it; False where none ran."""
    return stop_lab(state)


def lab_history(days: float, seed: int, topology: Path | None, folder: Path) -> History:
    """A history made by the lab's own model, written in the normal form."""
    made = make_history(lab_topology(topology), days, seed, utc_now())
    write_history(made, folder)
    return made
