"""The default system: a small shop with five services, over-provisioned in some places and too thin in one.

At 60 requests/s the gateway, cart and checkout stand idle most of the time, while two pods of the catalogue carry 42
of them: it holds its objective (p99 of 300 ms at the gateway) on a good day, and misses it when it loses a pod or when
load doubles.
"""

from chaosprsa.lab.topology import Call, Endpoint, LabService, LabTopology
from chaosprsa.types import Resources

_GATEWAY = LabService(
    name="gateway",
    cpu_ms=4,
    wait_ms=1,
    memory_base_mib=96,
    memory_per_request_mib=0.4,
    concurrency=256,
    queue=256,
    timeout_ms=5000,
    endpoints=(
        Endpoint(path="/", weight=4, calls=(Call(callee="catalogue"),)),
        Endpoint(path="/catalogue", weight=3, calls=(Call(callee="catalogue"),)),
        Endpoint(path="/cart", weight=2, calls=(Call(callee="cart"),)),
        Endpoint(path="/checkout", weight=1, cpu_factor=1.5, calls=(Call(callee="checkout"),)),
    ),
    replicas=4,
    resources=Resources(
        cpu_request_millicores=500, cpu_limit_millicores=800, memory_request_mib=256, memory_limit_mib=384
    ),
)
_CATALOGUE = LabService(
    name="catalogue",
    cpu_ms=12,
    wait_ms=4,
    memory_base_mib=150,
    memory_per_request_mib=1.0,
    replicas=2,
    resources=Resources(
        cpu_request_millicores=300, cpu_limit_millicores=600, memory_request_mib=224, memory_limit_mib=288
    ),
)
_CART = LabService(
    name="cart",
    kind="StatefulSet",
    cpu_ms=6,
    wait_ms=3,
    memory_base_mib=110,
    memory_per_request_mib=0.8,
    replicas=3,
    resources=Resources(
        cpu_request_millicores=400, cpu_limit_millicores=600, memory_request_mib=256, memory_limit_mib=384
    ),
)
_CHECKOUT = LabService(
    name="checkout",
    cpu_ms=10,
    wait_ms=5,
    memory_base_mib=120,
    memory_per_request_mib=1.2,
    endpoints=(Endpoint(calls=(Call(callee="cart"), Call(callee="payment"))),),
    replicas=3,
    resources=Resources(
        cpu_request_millicores=400, cpu_limit_millicores=600, memory_request_mib=256, memory_limit_mib=384
    ),
)
_PAYMENT = LabService(
    name="payment",
    cpu_ms=8,
    wait_ms=30,
    memory_base_mib=90,
    memory_per_request_mib=0.8,
    replicas=2,
    resources=Resources(
        cpu_request_millicores=250, cpu_limit_millicores=400, memory_request_mib=128, memory_limit_mib=192
    ),
)


def shop() -> LabTopology:
    """The default topology."""
    return LabTopology(services=(_GATEWAY, _CATALOGUE, _CART, _CHECKOUT, _PAYMENT), entry="gateway")
