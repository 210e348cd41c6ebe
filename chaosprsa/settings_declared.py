"""Tables of chaosprsa.toml that declare what else may be tried, one a service or route."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from chaosprsa.types import VolumeClass


class DeclaredTable(BaseModel):
    """A table for one service or route."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BandwidthTable(DeclaredTable):
    """[bandwidth.SERVICE]: what its pods may send or receive, where the network plugin keeps to it."""

    kib_per_request: Annotated[
        float,
        Field(gt=0, description="KiB that a request moves in this direction; its answer's size for egress."),
    ]
    now_mbit: Annotated[int, Field(ge=1, description="Mbit/s that a pod has now; no default: it is what is measured.")]
    min_mbit: Annotated[int, Field(ge=1, description="The least to try, Mbit/s a pod.")]
    max_mbit: Annotated[int, Field(ge=1, description="The most to try, Mbit/s a pod; what a node has for it.")]
    mbit_month: Annotated[
        float,
        Field(
            ge=0,
            description="What 1 Mbit/s of one pod costs a month; no default: only you know who else needs the link.",
        ),
    ]
    step_mbit: Annotated[int, Field(ge=1, description="From one value to the next, Mbit/s; 10.")] = 10
    direction: Annotated[
        Literal["egress", "ingress"],
        Field(description="Which annotation is meant; egress: answers are mostly larger than requests."),
    ] = "egress"


class StorageTable(DeclaredTable):
    """[storage.SERVICE]: the volume of each pod of a StatefulSet, by VolumeAttributesClass."""

    claim: Annotated[str, Field(min_length=1, description="The volume's name in volumeClaimTemplates.")]
    operations_per_request: Annotated[
        float, Field(gt=0, description="Reads and writes that reach the volume, for each request.")
    ]
    now: Annotated[str, Field(min_length=1, description="The class that the volumes have now.")]
    classes: Annotated[
        tuple[VolumeClass, ...],
        Field(
            min_length=1,
            description="What may be tried, the slowest first: name, iops of one volume, volume_month, its price.",
        ),
    ]


class CacheTable(DeclaredTable):
    """[cache.SERVICE]: a cache in its pods, whose size is a key of a ConfigMap."""

    config_map: Annotated[str, Field(min_length=1, description="The ConfigMap's name.")]
    key: Annotated[str, Field(min_length=1, description="The key in it that holds the size.")]
    now_mib: Annotated[int, Field(ge=1, description="The size now, MiB a pod.")]
    min_mib: Annotated[int, Field(ge=1, description="The least to try, MiB a pod.")]
    max_mib: Annotated[int, Field(ge=1, description="The most to try, MiB a pod.")]
    hits: Annotated[
        tuple[tuple[int, float], ...],
        Field(
            min_length=1,
            description="[MiB, share of requests that it answers then], as you measured it; linear between them.",
        ),
    ]
    hit_work: Annotated[
        float,
        Field(ge=0, le=1, description="CPU time of a request that it answers over another's; it calls nobody."),
    ]
    step_mib: Annotated[int, Field(ge=1, description="From one size to the next, MiB; 32, as memory limits go.")] = 32
    fill_requests: Annotated[
        float,
        Field(
            ge=0,
            description="Requests after which a fresh pod's cache is 63 % full, for the exact twin; 0, full at once.",
        ),
    ] = 0.0
    form: Annotated[str, Field(description='The value of the key, {} is the size in MiB; "{}". Or: "{}MB".')] = "{}"
    restart: Annotated[bool, Field(description="Whether pods have to restart to read it; true, most do.")] = True


class WeightsTable(DeclaredTable):
    """[weights.ROUTE]: how an HTTPRoute or a VirtualService of that name shares requests among services."""

    kind: Annotated[
        Literal["HTTPRoute", "VirtualService"], Field(description="Gateway API's, or Istio's; no default: name yours.")
    ]
    backends: Annotated[
        tuple[str, ...],
        Field(min_length=2, description="Services of [topology], in the route's own order, all of the rule's."),
    ]
    now: Annotated[tuple[int, ...], Field(min_length=2, description="What each weighs now.")]
    rule: Annotated[int, Field(ge=0, description="Which of the route's rules, counted from 0; 0, the first.")] = 0
    min_weight: Annotated[
        int, Field(ge=1, description="The least to try; 5, so that each stays in use and shows that it works.")
    ] = 5
    max_weight: Annotated[int, Field(ge=1, description="The most to try; 100, weights are mostly percent.")] = 100
    step_weight: Annotated[int, Field(ge=1, description="From one weight to the next; 5.")] = 5
