"""The ranges of a study: how little and how much may be tried, from the safety settings and the present."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from chaosprsa.allocation import further
from chaosprsa.allocation.dimensions import CPU, MEMORY, REPLICAS
from chaosprsa.allocation.space import Floats, Ints, Space, point_of
from chaosprsa.errors import BadInput
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.twin import Twin
from chaosprsa.types import Allocation, Declared, Limits, Prices

CPU_STEP_MILLICORES = 50
CPU_FLOOR_MILLICORES = 50
MEMORY_STEP_MIB = 32
LEAST_MIB = 16
MEMORY_HEADROOM = 1.15  # over what was seen, as the Vertical Pod Autoscaler keeps


def build_space(
    production: Allocation,
    twin: Twin,
    safety: SafetyTable,
    prices: Prices,
    limits: Limits | None = None,
    declared: Declared | None = None,
) -> Space:
    """Ranges from the safety settings, on a grid that the present values lie on; declared: further columns.

    What the twin can't tell stays as it is: a service that nobody calls, CPU or memory that was never seen in use.
    Raises BadInput where the settings or the hard limits leave no room.
    """
    services = twin.graph.services
    present = point_of(production, services)
    step = np.tile([1, CPU_STEP_MILLICORES, MEMORY_STEP_MIB], (len(services), 1))
    most = np.array([safety.max_replicas, safety.max_cpu_limit_millicores, safety.max_memory_limit_mib])
    if safety.min_replicas > safety.max_replicas:
        raise BadInput(
            f"[safety]: min_replicas is {safety.min_replicas}, above max_replicas {safety.max_replicas}; nothing fits"
        )
    hard = limits or Limits()
    least = np.stack([_least(present[at], twin, at, safety) for at in range(len(services))])
    least[:, MEMORY] -= further.spare_mib(declared or Declared(), services)
    least[:, MEMORY] = np.maximum(least[:, MEMORY], np.minimum(present[:, MEMORY], LEAST_MIB))
    least[:, REPLICAS] = _drainable(hard, services, least[:, REPLICAS], safety)
    low = present - (present - least) // step * step
    high = present + (most - present) // step * step
    low, high = np.minimum(low, high), np.maximum(high, 1)
    low = np.where(high < low, high, low)
    notes = _outside(present, most, services)
    fixed = _fixed(twin)
    ratio = _ratios(production, services)
    corners = present, np.where(fixed, present, low), np.where(fixed, present, high), step
    more = further.columns(declared or Declared(), services, ~fixed[:, [REPLICAS, MEMORY]])
    present, low, high, step = (np.concatenate(pair, axis=1) for pair in zip(corners, more, strict=True))
    space = Space(services, present, low, high, step, ratio, prices, notes, hard, declared=declared or Declared())
    _refuse_what_fits_nowhere(space)
    return space


def _refuse_what_fits_nowhere(space: Space) -> None:
    """Raises BadInput where even the least that may be tried passes a hard limit; all that do are named."""
    over = {name: float(share[0]) for name, share in space.excesses(space.low[None]).items() if share[0] > 0}
    if over:
        named = ", ".join(f"{name} by {share:.0%}" for name, share in over.items())
        raise BadInput(
            f"limits: nothing fits: even the least that may be tried passes {named}; raise it, or allow less: "
            "[safety] min_replicas, or a smaller PodDisruptionBudget"
        )


def _least(present: Ints, twin: Twin, at: int, safety: SafetyTable) -> Ints:
    """The smallest values to try; memory never below what was seen in use, with headroom, unless it is already."""
    memory = twin.nominal.memory_mib[at]
    wanted = int(np.ceil(memory * MEMORY_HEADROOM)) if np.isfinite(memory) else int(present[MEMORY])
    return np.array(
        [
            min(safety.min_replicas, int(present[REPLICAS])),
            min(CPU_FLOOR_MILLICORES, int(present[CPU])),
            min(max(wanted, LEAST_MIB), int(present[MEMORY])),
        ]
    )


def _drainable(limits: Limits, services: Sequence[str], least: Ints, safety: SafetyTable) -> Ints:
    """One pod more than a disruption budget keeps. Raises BadInput where [safety] allows fewer."""
    strange = sorted(set(limits.budgets) - set(services))
    if strange:
        raise BadInput(f"limits: a disruption budget is of {', '.join(strange)}, which the topology doesn't name")
    found = least.copy()
    for service, kept in limits.budgets.items():
        if kept + 1 > safety.max_replicas:
            raise BadInput(
                f"{service}: its PodDisruptionBudget keeps {kept} pods available, so {kept + 1} are needed to drain a "
                f"node, and [safety] max_replicas is {safety.max_replicas}; lower the one or raise the other"
            )
        at = services.index(service)
        found[at] = max(found[at], kept + 1)
    return found


def _fixed(twin: Twin) -> NDArray[np.bool_]:
    visits = twin.graph.visits
    rows = []
    for at, name in enumerate(twin.graph.services):
        unknown = visits[at] <= 1e-6 or name in twin.loose
        rows.append((unknown, unknown, unknown or _unseen(twin, at)))
    return np.array(rows, dtype=np.bool_)


def _unseen(twin: Twin, at: int) -> bool:
    return not np.isfinite(twin.nominal.memory_mib[at])


def _ratios(production: Allocation, services: Sequence[str]) -> Floats:
    resources = [production[name].resources for name in services]
    return np.array(
        [
            (
                one.cpu_request_millicores / one.cpu_limit_millicores,
                one.memory_request_mib / one.memory_limit_mib,
            )
            for one in resources
        ]
    )


def _outside(present: Ints, most: Ints, services: Sequence[str]) -> tuple[str, ...]:
    names = ("replicas", "CPU limit", "memory limit")
    return tuple(
        f"{service}: its {names[part]} ({present[at, part]}) is above what [safety] allows ({most[part]})"
        for at, service in enumerate(services)
        for part in range(3)
        if present[at, part] > most[part]
    )
