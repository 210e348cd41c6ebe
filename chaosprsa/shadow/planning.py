"""All of production's objects -> all of a shadow's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chaosprsa.errors import BadInput
from chaosprsa.manifests import WORKLOAD_KINDS, Manifest, name_of
from chaosprsa.shadow.cutting import Shape, is_copied, shadowed
from chaosprsa.shadow.fence import policies, quota


@dataclass(frozen=True, slots=True)
class ShadowPlan:
    """What to create, in no order, and what was cut or left out, in words."""

    objects: tuple[Manifest, ...]
    notes: tuple[str, ...]


def shadow_objects(
    manifests: Iterable[Manifest],
    shadow_namespace: str,
    scale: float,
    quota_headroom: float,
    lineage: str = "",
) -> tuple[Manifest, ...]:
    """The shadow's objects; see plan_shadow, which says what was cut too."""
    return plan_shadow(manifests, shadow_namespace, scale, quota_headroom, lineage).objects


def plan_shadow(
    manifests: Iterable[Manifest],
    shadow_namespace: str,
    scale: float,
    quota_headroom: float,
    lineage: str = "",
) -> ShadowPlan:
    """The shadow of production's manifests, all of one namespace. Raises BadInput: nothing to copy, a wrong scale."""
    if not 0 < scale <= 1:
        raise BadInput(f"scale is {scale}, expected above 0 and at most 1")
    copied = [manifest for manifest in manifests if is_copied(manifest)]
    production = _namespace_of(copied)
    if not any(manifest["kind"] in WORKLOAD_KINDS for manifest in copied):
        raise BadInput(
            f'namespace "{production}": it has no Deployment or StatefulSet, so there is nothing to rehearse'
        )
    notes: list[str] = []
    shape = Shape(production, shadow_namespace, scale, lineage, _service_names(copied), _replicas(copied), notes)
    objects = [made for manifest in copied for made in shadowed(manifest, shape)]
    objects += [*policies(objects, shape), quota(objects, quota_headroom, shape)]
    return ShadowPlan(tuple(objects), tuple(dict.fromkeys(notes)))


def _namespace_of(manifests: Sequence[Manifest]) -> str:
    found = {manifest["metadata"].get("namespace", "") for manifest in manifests}
    if len(found) > 1:
        raise BadInput(f"a shadow is of one namespace, and these objects are of several: {', '.join(sorted(found))}")
    return found.pop() if found else ""


def _service_names(manifests: Iterable[Manifest]) -> tuple[str, ...]:
    return tuple(name_of(manifest) for manifest in manifests if manifest["kind"] == "Service")


def _replicas(manifests: Iterable[Manifest]) -> dict[tuple[str, str], int]:
    workloads = [manifest for manifest in manifests if manifest["kind"] in WORKLOAD_KINDS]
    return {(item["kind"], name_of(item)): item["spec"].get("replicas", 1) for item in workloads}
