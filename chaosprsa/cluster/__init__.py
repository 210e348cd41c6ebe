"""The only room that talks to Kubernetes: reading, the guard, changes through handles, the way back.

connect() -> Cluster                        read
cluster.shadow(namespace) -> Shadow         may change what carries the shadow label
cluster.production(ns, plan, approval)      may change production, for one approved plan
create_shadow / verify_shadow / destroy_shadow, restore_all, stop / resume / is_stopped, discover_system
"""

from chaosprsa.cluster.changes import Change
from chaosprsa.cluster.discovering import System, discover_system
from chaosprsa.cluster.handle import Handle
from chaosprsa.cluster.handles import Production, Shadow
from chaosprsa.cluster.leases import HOLDER_VARIABLE, Lease
from chaosprsa.cluster.reading import STATE_VARIABLE, Cluster, connect
from chaosprsa.cluster.restoring import restore_all
from chaosprsa.cluster.shadowing import Created, create_shadow, destroy_shadow, verify_shadow
from chaosprsa.cluster.snapshots import Snapshot
from chaosprsa.cluster.stopping import is_stopped, resume, stop, stop_locally

__all__ = [
    "HOLDER_VARIABLE",
    "STATE_VARIABLE",
    "Change",
    "Cluster",
    "Created",
    "Handle",
    "Lease",
    "Production",
    "Shadow",
    "Snapshot",
    "System",
    "connect",
    "create_shadow",
    "destroy_shadow",
    "discover_system",
    "is_stopped",
    "restore_all",
    "resume",
    "stop",
    "stop_locally",
    "verify_shadow",
]
