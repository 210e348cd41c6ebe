"""What may be tried, in one table: a point of the space has a column for each row, a service each.

The first three are everywhere; the others where chaosprsa.toml declares them.
"""

from dataclasses import dataclass

from chaosprsa.types import AllocationField

REPLICAS, CPU, MEMORY, BANDWIDTH, STORAGE, CACHE, WEIGHT = range(7)
EVERYWHERE = 3  # columns of a space in which nothing more is declared
MIXING = CACHE  # from here on columns make requests go another way: no step of one says what others then need


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """name: in a study. held: how a reason says a value; short: what follows it.

    type, unit, range, price, change: as the reference shows them; change: in place, or with a restart of the pods.
    """

    name: str
    type: str
    unit: str
    range: str
    price: str
    change: str
    field: AllocationField
    held: str
    short: str
    applied_to: str


DIMENSIONS = (
    Dimension(
        name="replicas",
        type="integer",
        unit="pods",
        range="[safety] min_replicas to max_replicas",
        price="its requests, [prices]",
        change="in place",
        field=AllocationField.REPLICAS,
        held="{} replica(s)",
        short=" replicas",
        applied_to="the workload's replicas, or its HPA's floor",
    ),
    Dimension(
        name="cpu_limit_millicores",
        type="integer",
        unit="millicores a pod, in steps of 50",
        range="50 to [safety] max_cpu_limit_millicores; requests follow",
        price="[prices] cpu_core_hour, by request",
        change="in place",
        field=AllocationField.CPU_LIMIT,
        held="{}m CPU a pod",
        short="m CPU",
        applied_to="the container's resources",
    ),
    Dimension(
        name="memory_limit_mib",
        type="integer",
        unit="MiB a pod, in steps of 32",
        range="1.15 x what was seen in use, to [safety] max_memory_limit_mib; requests follow",
        price="[prices] memory_gib_hour, by request",
        change="in place; less of it with a restart",
        field=AllocationField.MEMORY_LIMIT,
        held="{} MiB a pod",
        short="Mi",
        applied_to="the container's resources",
    ),
    Dimension(
        name="bandwidth_mbit",
        type="integer",
        unit="Mbit/s a pod, in steps of step_mbit",
        range="[bandwidth.SERVICE] min_mbit to max_mbit",
        price="[bandwidth.SERVICE] mbit_month",
        change="restart",
        field=AllocationField.BANDWIDTH,
        held="{} Mbit/s a pod",
        short=" Mbit/s",
        applied_to="the pod template's annotation kubernetes.io/egress-bandwidth or ingress-bandwidth",
    ),
    Dimension(
        name="volume_class",
        type="choice",
        unit="VolumeAttributesClass of each pod's volume",
        range="[storage.SERVICE] classes",
        price="[storage.SERVICE] volume_month of the class",
        change="in place",
        field=AllocationField.STORAGE,
        held="volumes of class {}",
        short="",
        applied_to="volumeAttributesClassName of the pods' PersistentVolumeClaims",
    ),
    Dimension(
        name="cache_mib",
        type="integer",
        unit="MiB a pod, in steps of step_mib",
        range="[cache.SERVICE] min_mib to max_mib",
        price="the memory that it takes",
        change="restart, or in place with restart = false",
        field=AllocationField.CACHE,
        held="a cache of {} MiB",
        short="Mi cache",
        applied_to="a key of a ConfigMap",
    ),
    Dimension(
        name="route_weight",
        type="integer",
        unit="a weight, over all of its route's, in steps of step_weight",
        range="[weights.ROUTE] min_weight to max_weight",
        price="none",
        change="in place",
        field=AllocationField.WEIGHT,
        held="a weight of {}",
        short=" weight",
        applied_to="an HTTPRoute's (Gateway API) or a VirtualService's (Istio) backends",
    ),
)
