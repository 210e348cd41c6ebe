"""Shadows in the cluster: created or refreshed, verified, destroyed. Each can be interrupted and started again.

The namespace is labelled as a shadow in the request that creates it, so there is no moment in which it could be taken
for something else; while it is being filled its annotation says `creating`, and `create` or `destroy` finishes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaosprsa.cluster.api import until
from chaosprsa.cluster.kinds import path_of
from chaosprsa.cluster.leases import refuse_when_busy
from chaosprsa.cluster.snapshots import close, open_snapshots
from chaosprsa.cluster.stopping import refuse_when_stopped
from chaosprsa.errors import BadInput, ClusterRefused, NotAShadow, Unavailable
from chaosprsa.manifests import (
    LINEAGE,
    SCALE,
    SHADOW_OF,
    SHADOW_STATE,
    WORKLOAD_KINDS,
    Manifest,
    annotations_of,
    labels_of,
    name_of,
)
from chaosprsa.shadow import COPIED_KINDS, drift, is_copied, plan_shadow

if TYPE_CHECKING:
    from chaosprsa.cluster.handles import Shadow
    from chaosprsa.cluster.reading import Cluster

GONE_TIMEOUT_S = 120.0
_FENCE_KINDS = ("NetworkPolicy", "ResourceQuota")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What create did. notes: what was cut or left out, in words."""

    namespace: str
    objects: tuple[str, ...]
    removed: tuple[str, ...]
    notes: tuple[str, ...]
    refreshed: bool


def create_shadow(
    cluster: "Cluster",
    production: str,
    shadow: str,
    scale: float,
    quota_headroom: float = 4.0,
    lineage: str = "",
    timeout_s: float = 180.0,
    say: Say = lambda _: None,
) -> Created:
    """Create the shadow, or bring an existing one of the same production up to date; returns when its pods are ready.

    Raises NotAShadow (a namespace of that name is something else, or another's shadow), BadInput (nothing to copy),
    Busy, Stopped, Unavailable (not ready in time; it is there all the same, and create may be run again).
    """
    if production == shadow:
        raise BadInput(f'namespace "{shadow}": a shadow needs a namespace of its own, not production\'s')
    say("reading production")
    originals, unread = _originals(cluster, production)
    plan = plan_shadow(originals, shadow, scale, quota_headroom, lineage)
    refreshed = _namespace(cluster, production, shadow, scale, lineage)
    handle = cluster.shadow(shadow)
    with handle.lease("shadow create"):
        say(f"writing {len(plan.objects)} objects")
        made = handle.apply(item for item in plan.objects if not _has_its_keys(cluster, item))
        removed = _remove_extra(handle, {(item["kind"], name_of(item)) for item in plan.objects})
        for snapshot in open_snapshots(cluster, shadow):
            close(cluster, snapshot)  # the shadow is new; how an older one was is of no use
        say("waiting for its pods")
        handle.wait_ready(timeout_s)
        cluster.api.patch("Namespace", "", shadow, {"metadata": {"annotations": {SHADOW_STATE: "ready"}}})
    return Created(namespace=shadow, objects=made, removed=removed, notes=(*unread, *plan.notes), refreshed=refreshed)


def _has_its_keys(cluster: "Cluster", manifest: Manifest) -> bool:
    """A Secret that the shadow has already: test values that somebody gave it stay."""
    if manifest["kind"] != "Secret":
        return False
    found = cluster.api.find("Secret", manifest["metadata"]["namespace"], name_of(manifest))
    return found is not None and set(manifest["data"]) <= set(found.get("data") or {})


def _originals(cluster: "Cluster", production: str) -> tuple[tuple[Manifest, ...], tuple[str, ...]]:
    """Production's objects, and a note where its Secrets may not be read: their keys are all that is wanted of them."""
    kinds = tuple(kind for kind in COPIED_KINDS if kind != "Secret")
    found = cluster.objects(production, kinds)
    try:
        return (*found, *cluster.objects(production, ("Secret",))), ()
    except ClusterRefused as refused:
        if refused.status != 403:
            raise
        note = "Secrets may not be read, so there are no placeholders; pods that need one won't start"
        return found, (note,)


def _namespace(cluster: "Cluster", production: str, shadow: str, scale: float, lineage: str) -> bool:
    """Create the namespace, or see that the one there is this production's shadow; whether it was there."""
    annotations = {SHADOW_OF: production, SCALE: f"{scale:g}", SHADOW_STATE: "creating", LINEAGE: lineage}
    found = cluster.api.find("Namespace", "", shadow)
    if found is not None and "deletionTimestamp" in found["metadata"]:
        _await_gone(cluster, shadow, found["metadata"]["uid"], GONE_TIMEOUT_S)
        found = None
    if found is None:
        metadata = {"name": shadow, "labels": {SHADOW_OF: production}, "annotations": annotations}
        try:
            cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        except ClusterRefused as refused:
            if refused.status != 409:
                raise
            found = cluster.namespace(shadow)  # another create was faster; its lease will say so
    if found is not None:
        _refuse_others(found, production)
        refuse_when_stopped(cluster, shadow)
        refuse_when_busy(cluster, shadow)
        cluster.api.patch("Namespace", "", shadow, {"metadata": {"annotations": annotations}})
    return found is not None


def _refuse_others(found: Manifest, production: str) -> None:
    shadow, owner = name_of(found), labels_of(found).get(SHADOW_OF)
    if not owner:
        raise NotAShadow(
            f"namespace \"{shadow}\": it exists and isn't labelled {SHADOW_OF}, so it is somebody's, and nothing in it "
            "is touched. Choose another name: [shadow] namespace in chaosprsa.toml"
        )
    if owner != production:
        raise NotAShadow(
            f'namespace "{shadow}": it is the shadow of "{owner}", not of "{production}". '
            "Choose another name: [shadow] namespace in chaosprsa.toml"
        )


def _remove_extra(handle: "Shadow", wanted: set[tuple[str, str]]) -> tuple[str, ...]:
    """What a former production had and this one hasn't."""
    found = handle.cluster.objects(handle.namespace, (*COPIED_KINDS, *_FENCE_KINDS))
    copies = [item for item in found if item["kind"] in _FENCE_KINDS or is_copied(item)]
    extra = [(item["kind"], name_of(item)) for item in copies if (item["kind"], name_of(item)) not in wanted]
    handle.clear(extra)
    return tuple(f"{kind}/{name}" for kind, name in extra)


def verify_shadow(cluster: "Cluster", production: str, shadow: str, scale: float | None = None) -> tuple[str, ...]:
    """How the shadow has drifted from production as it is now, in words; nothing: it hasn't. Changes nothing.

    scale: None, the one it was created with. Raises NotAShadow.
    """
    handle = cluster.shadow(shadow)
    if handle.production != production:
        raise NotAShadow(f'namespace "{shadow}": it is the shadow of "{handle.production}", not of "{production}"')
    annotations = annotations_of(cluster.namespace(shadow))
    share = scale if scale is not None else float(annotations.get(SCALE, "1"))
    copies = cluster.objects(shadow, (*COPIED_KINDS, *_FENCE_KINDS))
    lines = drift(_originals(cluster, production)[0], copies, share)
    half = annotations.get(SHADOW_STATE) != "ready"
    return (*(["it was not finished: run chaos prsa shadow create again"] if half else []), *lines)


def destroy_shadow(
    cluster: "Cluster", shadow: str, timeout_s: float = GONE_TIMEOUT_S, say: Say = lambda _: None
) -> None:
    """Delete a shadow with all that is in it; returns when it is gone. Gone already is fine.

    Heeds no stop switch: it is a way back. Raises NotAShadow, Busy, Unavailable (still going when the time is up).
    """
    if not shadow.strip():
        raise BadInput("no namespace was named, and there is no default one: name it")
    if cluster.api.find("Namespace", "", shadow) is None:
        return
    cluster.shadow(shadow)
    refuse_when_busy(cluster, shadow)
    uid = cluster.namespace(shadow)["metadata"]["uid"]
    cluster.api.delete("Namespace", "", shadow, uid)
    say("waiting until it is gone")
    _await_gone(cluster, shadow, uid, timeout_s)


def _await_gone(cluster: "Cluster", shadow: str, uid: str, timeout_s: float) -> None:
    def gone() -> bool:
        found = cluster.api.find("Namespace", "", shadow)
        return found is None or found["metadata"]["uid"] != uid

    if not until(gone, timeout_s):
        left = cluster.api.call("GET", path_of("Namespace", "", shadow)).get("status", {}).get("conditions") or []
        said = [str(item.get("message")) for item in left if item.get("status") == "True" and item.get("message")]
        pods = sum(len(cluster.api.items(kind, shadow)) for kind in (*WORKLOAD_KINDS, "Pod"))
        why = "; ".join(said) or f"{pods} workloads and pods are left"
        raise Unavailable(f'namespace "{shadow}": it is still being deleted after {timeout_s:g} s: {why}')
