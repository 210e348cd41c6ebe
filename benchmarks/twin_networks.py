"""Networks that the benchmarks of the twin share."""

import math

import numpy as np
import numpy.typing as npt

from chaosprsa.twin import Parameters, Spread, Twin
from chaosprsa.twin.course import Effects
from chaosprsa.twin.exact.network import Call, Network, Service
from chaosprsa.twin.graph import call_graph
from chaosprsa.types import Topology, TwinFit

UNJUDGED = TwinFit(trusted=True, latency_ratio=1.0, error_share_gap=0.0, trials=3, reason="")


def twin_of(topology: Topology, demand_s: npt.ArrayLike, timeout_s: float = math.inf) -> Twin:
    """A twin known without doubt: exponential work, no memory to speak of; callers wait for ever by default."""
    count = len(topology.services)
    none, known = np.zeros(count), np.asarray(demand_s, dtype=float)
    nominal = Parameters(known, none, none, none, none, none)
    return Twin(call_graph(topology), nominal, Spread(none, none, none, none), 1.0, timeout_s, UNJUDGED)


def quiet(environments: int, services: int) -> Effects:
    """No fault anywhere."""
    none, full = np.zeros((environments, services)), np.ones((environments, services))
    return Effects(none, none, full, full, none, none, np.ones(environments))


def shop() -> Network:
    """Ten services, 23 pods of two cores: chances, calls one after the other and side by side, three levels deep."""
    front = (
        Call(callee="catalogue", chance=0.9),
        Call(callee="currency", chance=0.6),
        Call(callee="cart", chance=0.5, group=1),
        Call(callee="recommendations", chance=0.4, group=1),
        Call(callee="ads", chance=0.5, group=1),
        Call(callee="checkout", chance=0.1, group=2),
    )
    buy = (Call(callee="cart"), Call(callee="shipping", group=1), Call(callee="payment", group=2))
    return Network(
        services=(
            Service(name="frontend", demand_s=0.004, replicas=4, cores=2.0, calls=front),
            Service(name="catalogue", demand_s=0.003, replicas=3, cores=2.0),
            Service(name="currency", demand_s=0.001, replicas=2, cores=2.0),
            Service(name="cart", demand_s=0.002, replicas=2, cores=2.0, calls=(Call(callee="store", chance=0.8),)),
            Service(name="store", demand_s=0.002, replicas=2, cores=2.0),
            Service(
                name="recommendations",
                demand_s=0.005,
                replicas=2,
                cores=2.0,
                calls=(Call(callee="catalogue", chance=0.5),),
            ),
            Service(name="ads", demand_s=0.002, replicas=2, cores=2.0),
            Service(name="checkout", demand_s=0.004, replicas=2, cores=2.0, calls=buy),
            Service(name="shipping", demand_s=0.002, replicas=2, cores=2.0),
            Service(name="payment", demand_s=0.002, replicas=2, cores=2.0),
        ),
        entry="frontend",
    )
