"""What an HPA should have: a floor, a ceiling that the worst surge needs, a target that keeps the headroom. Pure."""

from collections.abc import Mapping

import numpy as np

from chaosprsa.allocation.engine import Engine
from chaosprsa.allocation.space import CPU, REPLICAS, Floats, Ints
from chaosprsa.types import Autoscaling

TOLERANCE = 0.1  # HPA leaves pods alone this far above its target
MOST_LOAD = 8.0  # times the usual peak: beyond, the load is not what binds
HALVINGS = 6
FULLEST = 0.95  # of a pod's limit: above, HPA can't see how much more is wanted


def autoscaling(engine: Engine, point: Ints, floor: Ints) -> tuple[Autoscaling, ...]:
    """One a service that is called. floor: what is held, a point; its ceiling and target are those of `point`."""
    space = engine.space
    requests = space.requests(point)[:, 0] / 1000.0
    work = _work(engine, point)
    most = _most_load(engine, point)
    cores = point[:, CPU] / 1000.0
    at_most = work * most / np.maximum(point[:, REPLICAS], 1)  # cores of a pod in use
    used = np.minimum(at_most, FULLEST * cores) / requests
    targets = np.floor(100 * used / (1 + TOLERANCE)).astype(np.int64)
    surge = max((issue.surge for issue in engine.survivable), default=1.0)
    safe = most > 0
    pods = work * surge / requests / np.maximum(targets / 100, 0.01) if safe else point[:, REPLICAS] * surge
    ceilings, bound = _ceilings(engine, point, np.ceil(pods - 1e-9).astype(np.int64))
    return tuple(
        Autoscaling(
            service=service,
            floor=max(int(floor[at, REPLICAS]), 1),
            ceiling=int(max(ceilings[at], floor[at, REPLICAS], 1)),
            target=int(targets[at]) if safe and targets[at] > 0 else None,
            reason=_reason(surge, safe, bound.get(at, ""), engine.twin.fit.trusted),
        )
        for at, service in enumerate(space.services)
        if engine.twin.graph.visits[at] > 0
    )


def _work(engine: Engine, point: Ints) -> Floats:
    """Shape (services,): cores in use at the usual peak, requests going as they do at the point."""
    mix, twin = engine.space.mix(point), engine.twin
    demand_s = mix.parameters(twin.nominal).demand_s
    work = engine.case.load.peak_per_s * mix.graph(twin.graph).visits * demand_s
    return np.asarray(work[: len(point)], dtype=np.float64)


def _most_load(engine: Engine, point: Ints) -> float:
    """How many times the usual peak the point carries before the SLO is missed without any fault; 0: not even that."""
    space, rehearsal = engine.space, engine.usual

    def holds(times: float) -> bool:
        return bool((rehearsal.at_scale(times)(space.capacity(point[None])).violation <= 0).all())

    if not holds(1.0):
        return 0.0
    low, high = 1.0, MOST_LOAD
    for _ in range(HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _ceilings(engine: Engine, point: Ints, asked: Ints) -> tuple[Ints, Mapping[int, str]]:
    """Pods that HPA asks for in the worst surge, as far as [safety], quota and nodes let all together; what binds."""
    space = engine.space
    wanted = np.maximum(asked, point[:, REPLICAS])
    most = np.maximum(engine.case.safety.max_replicas, point[:, REPLICAS])
    bound = {int(at): "[safety] max_replicas" for at in np.flatnonzero(wanted > most)}
    there = point.copy()
    there[:, REPLICAS] = np.minimum(wanted, most)
    while float(space.excess(there[None])[0]) > 0 and (there[:, REPLICAS] > point[:, REPLICAS]).any():
        names = [name for name, share in space.excesses(there[None]).items() if share[0] > 0]
        at = int((there[:, REPLICAS] - point[:, REPLICAS]).argmax())
        there[at, REPLICAS] -= 1
        bound[at] = names[0]
    return there[:, REPLICAS], bound


def _reason(surge: float, safe: bool, bound: str, trusted: bool) -> str:
    up_to = f"{surge:.3g} times the usual peak" if surge > 1 else "the usual peak"
    ceiling = f"the ceiling carries {up_to}" if not bound else f"the ceiling is what {bound} leaves for {up_to}"
    target = f"at the target the SLO is held, {TOLERANCE:.0%} of tolerance included"
    if not safe:
        target = "no target is safe, as the usual peak misses the SLO"
    return f"{ceiling}; {target}" + ("" if trusted else "; by a twin that is not trusted")
