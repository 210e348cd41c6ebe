"""What the kubelet asks of whatever emulates the pods: the seam between the lab's API and its data plane."""

from typing import Any, Protocol

Obj = dict[str, Any]
"""A Kubernetes object as its API shows it (JSON). What the store hands out is shared: read it, never change it."""


class PodRuntime(Protocol):
    """Runs pods. Every method is called in the lab's one event loop, so none may block it for long (1 ms)."""

    def start_delay_s(self, pod: Obj) -> float:
        """Seconds from the pod's scheduling (or from its restart) until it is Ready."""

    def started(self, pod: Obj) -> None:
        """The pod is Ready from now on: serve. Called again after each restart of its container."""

    def stopped(self, pod: Obj) -> None:
        """The pod is terminating, gone or waiting for its restart: take no new request, finish the running ones."""

    def resized(self, pod: Obj) -> None:
        """The resources in the pod's spec are in force from now on, without a restart."""

    def usage(self, pod: Obj) -> tuple[float, float]:
        """(CPU cores over the last seconds, memory bytes now) of a Ready pod."""

    def logs(self, pod: Obj) -> str:
        """The container's log since its start; each line begins with an RFC 3339 time and a blank, as kubelets do."""
