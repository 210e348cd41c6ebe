"""Production's objects -> a shadow's objects, and how far a shadow has drifted. Pure: manifests in, manifests out.

The shadow has the same images, commands, settings and limits, with a share of the replicas and of the requests. What
would reach back into production, or out of the cluster, is cut: Secrets become placeholders, storage becomes empty,
host access and foreign service accounts go, names of production's namespace become the shadow's, a NetworkPolicy
closes the rest. Each cut is a note in words.
"""

from chaosprsa.shadow.cutting import COPIED_KINDS, is_copied
from chaosprsa.shadow.drifting import drift
from chaosprsa.shadow.fence import APART, ENTRY, QUOTA, REACHES
from chaosprsa.shadow.planning import ShadowPlan, plan_shadow, shadow_objects
from chaosprsa.shadow.scaling import scaled, share

__all__ = [
    "APART",
    "COPIED_KINDS",
    "ENTRY",
    "QUOTA",
    "REACHES",
    "ShadowPlan",
    "drift",
    "is_copied",
    "plan_shadow",
    "scaled",
    "shadow_objects",
    "share",
]
