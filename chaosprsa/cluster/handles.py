"""Handles: the only things that change a cluster. A label allows a Shadow, an approval a Production.

Every method that changes something first looks whether it still may (the same namespace, no stop switch, no other run's
lease), then sees that a snapshot is open which knows what is about to change, and only then writes.

What was chosen where Kubernetes leaves a choice:

- Changes that are to last go into the workload's template: a rolling update, which replaces pods under the workload's
  own maxSurge and maxUnavailable. Resizing in place as well would only be undone by it.
- Changes that are to go away (a fault's squeeze) go to the running pods, in place: no restart, and the way back needs
  no memory. Where the server or the pod can't, the template is changed after all and remembers what it was.
- Replicas of a workload that an HPA owns are its floor: minReplicas moves (maxReplicas is raised to it, or to what a
  plan says, never lowered), and the count is raised at once, never lowered: that stays the HPA's decision. Its targets
  are never touched.
"""

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from chaosprsa.cluster import snapshots
from chaosprsa.cluster.changes import Change, told
from chaosprsa.cluster.handle import Handle, name_one
from chaosprsa.cluster.inplace import reset_pods, resize_pods, same_quality
from chaosprsa.cluster.restoring import restore_all
from chaosprsa.cluster.writing import annotate, modify, set_resources
from chaosprsa.errors import NotAShadow, Refused
from chaosprsa.manifests import (
    BEFORE,
    SHADOW_OF,
    Manifest,
    Workload,
    annotations_of,
    labels_of,
    main_container,
    pod_spec,
    resources_json,
)
from chaosprsa.types import Resources

if TYPE_CHECKING:
    from chaosprsa.cluster.reading import Cluster


class Shadow(Handle):
    """A namespace labelled as a shadow. production: the namespace it is a shadow of."""

    is_shadow = True

    def __init__(self, cluster: "Cluster", namespace: str, uid: str, production: str) -> None:
        super().__init__(cluster, namespace, uid)
        self.production = production

    def _check_kind(self, found: Manifest) -> None:
        if labels_of(found).get(SHADOW_OF) != self.production:
            raise NotAShadow(f'namespace "{self.namespace}": it isn\'t the shadow of "{self.production}" any more')

    def _undo_leftovers(self) -> None:
        restore_all(self.cluster, snapshots.snapshots_folder(self.cluster.state), self.namespace)

    def clear(self, objects: Iterable[tuple[str, str]]) -> None:
        """Delete these objects (kind, name) of the shadow, whoever made them."""
        doomed = list(objects)
        if doomed:
            self._begin("clear", doomed)
        for kind, name in doomed:
            name_one(name, self.namespace)
            self.cluster.api.delete(kind, self.namespace, name)

    def resize(self, service: str, resources: Resources, timeout_s: float = 10.0) -> Change:
        """Give the service's running pods these resources until `unresize`: in place, without a restart, if they can.

        Else (an old server, or less memory than is used) by the template, which restarts them and remembers what it
        was. Requests give way by one where the pods' quality of service would change, which is refused in place.
        """
        workload = self._workload(service)
        self._begin(f"resize {service} for a while")
        wanted = resources_json(same_quality(workload.resources, resources))
        pods, refusal = resize_pods(self.cluster, self.namespace, workload, wanted, timeout_s)
        what = told(workload.resources, resources)
        if not refusal:
            return Change(service=service, workload=workload.name, what=what, in_place=True, pods=pods)
        self._resize_template(workload, wanted)
        return Change(service=service, workload=workload.name, what=f"{what}; by the template, as in place: {refusal}")

    def unresize(self, service: str) -> Change:
        """Undo `resize`: pods and template as they were before it. Idempotent; needs no memory of what was done."""
        workload = self._workload(service)
        self._begin(f"resize {service} back")
        modify(self.cluster.api, workload.kind, self.namespace, workload.name, _forget(workload.container))
        pods = reset_pods(self.cluster, self.namespace, workload.kind, workload.name)
        return Change(service=service, workload=workload.name, what="as it was", in_place=True, pods=pods)

    def _resize_template(self, workload: Workload, wanted: Manifest) -> None:
        def change(manifest: Manifest) -> None:
            if BEFORE not in annotations_of(manifest):
                container = main_container(manifest, workload.service)
                annotate(manifest, BEFORE, json.dumps(container.get("resources") or {}, sort_keys=True))
            set_resources(manifest, workload.container, wanted)

        modify(self.cluster.api, workload.kind, self.namespace, workload.name, change)


class Production(Handle):
    """Production, for one approved plan."""

    def __init__(self, cluster: "Cluster", namespace: str, uid: str, plan_hash: str) -> None:
        super().__init__(cluster, namespace, uid)
        self.plan_hash = plan_hash

    def _check_kind(self, found: Manifest) -> None:
        if labels_of(found).get(SHADOW_OF):
            raise Refused(f'namespace "{self.namespace}": it became a shadow; a rollout goes to production')

    def _undo_leftovers(self) -> None:
        left = self.open_snapshots()
        if left:
            raise Refused(
                f'namespace "{self.namespace}": a run that was interrupted left changes ({left[0].reason}, '
                f"{left[0].created}). Undo them first: chaos prsa restore"
            )


def _forget(container: str) -> Callable[[Manifest], None]:
    """Take back what `resize` did to a template, if it did."""

    def change(manifest: Manifest) -> None:
        before = annotations_of(manifest).get(BEFORE)
        if before is None:
            return
        for found in pod_spec(manifest)["containers"]:
            if found["name"] == container:
                found["resources"] = json.loads(before)
        annotate(manifest, BEFORE, None)

    return change
