"""The controllers: each follows the store's changes and moves what is towards what should be."""

import asyncio

from chaosprsa.lab.controllers.deployments import Deployments
from chaosprsa.lab.controllers.disruption import DisruptionBudgets
from chaosprsa.lab.controllers.endpoints import EndpointsController
from chaosprsa.lab.controllers.garbage import GarbageCollector
from chaosprsa.lab.controllers.hpa import PERIOD_S, Autoscalers
from chaosprsa.lab.controllers.namespaces import Namespaces
from chaosprsa.lab.controllers.quotas import Quotas
from chaosprsa.lab.controllers.replicasets import ReplicaSets
from chaosprsa.lab.controllers.statefulsets import StatefulSets
from chaosprsa.lab.runtime import PodRuntime
from chaosprsa.lab.store import Store

__all__ = ["start_controllers"]


def start_controllers(store: Store, runtime: PodRuntime, hpa_period_s: float = PERIOD_S) -> list[asyncio.Task[None]]:
    """All controllers, running in the current event loop; cancel the tasks to stop them."""
    parts = (
        Namespaces(store),
        GarbageCollector(store),
        Deployments(store),
        ReplicaSets(store),
        StatefulSets(store),
        EndpointsController(store),
        DisruptionBudgets(store),
        Quotas(store),
        Autoscalers(store, runtime.usage, hpa_period_s),
    )
    return [asyncio.create_task(part.queue.run(), name=type(part).__name__) for part in parts]
