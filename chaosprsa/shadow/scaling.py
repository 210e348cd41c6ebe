"""A shadow's size: replicas and requests times a scale, limits as they are."""

import math
from dataclasses import replace
from fractions import Fraction

from chaosprsa.types import Allocation, Resources, ServiceAllocation


def scaled(allocation: Allocation, scale: float) -> Allocation:
    """The allocation at a shadow's size: replicas and requests times scale, rounded up, at least 1; limits as is."""
    return Allocation(services=tuple(_scaled(service, scale) for service in allocation.services))


def _scaled(service: ServiceAllocation, scale: float) -> ServiceAllocation:
    resources: Resources = service.resources
    smaller = replace(
        resources,
        cpu_request_millicores=share(resources.cpu_request_millicores, scale),
        memory_request_mib=share(resources.memory_request_mib, scale),
    )
    return replace(service, replicas=share(service.replicas, scale) if service.replicas else 0, resources=smaller)


def share(count: int, scale: float) -> int:
    """max(1, ceil(count * scale)), exact: 0.1 of 10 is 1."""
    return max(1, math.ceil(count * Fraction(str(scale))))
