"""A data plane alone: pods and Services told to it directly, as the kubelet and the store would.

Most of these tests run in an event loop whose clock jumps to the next timer, so that a busy machine changes nothing;
those that are about real time say so.
"""

import asyncio
import selectors

import numpy as np
import pytest

from chaosprsa.lab.dataplane import DataPlane
from chaosprsa.lab.topology import Call, Endpoint, LabService, LabTopology


class Plane:
    """front calls back; front has little work of its own."""

    namespace = "shop"

    def __init__(self, topology=None, seed=1):
        self.topology = topology or two_services()
        self.plane = DataPlane(self.topology, np.random.default_rng(seed), asyncio.get_running_loop())
        self.killed = []
        self.plane.report_oom = lambda namespace, name: self.killed.append((namespace, name))

    def service(self, name, event="ADDED", namespace="shop"):
        self.plane.on_service(
            event, {"metadata": {"namespace": namespace, "name": name}, "spec": {"selector": {"app": name}}}
        )

    def pod(self, app, name=None, cpu="1", memory="512Mi", namespace="shop", grace=None):
        metadata = {"namespace": namespace, "name": name or f"{app}-0", "uid": name or app, "labels": {"app": app}}
        if grace is not None:
            metadata["deletionGracePeriodSeconds"] = grace
        limits = {key: value for key, value in {"cpu": cpu, "memory": memory}.items() if value}
        return {"metadata": metadata, "spec": {"containers": [{"name": app, "resources": {"limits": limits}}]}}

    def up(self, app, name=None, **given):
        pod = self.pod(app, name, **given)
        self.plane.started(pod)
        return pod

    def chaos(self, kind, name="fault", event="ADDED", **spec):
        selector = {"namespaces": ["shop"], "labelSelectors": {"app": "back"}}
        spec = {"mode": "all", "selector": selector, **spec}
        self.plane.on_chaos(event, {"kind": kind, "metadata": {"namespace": "shop", "name": name}, "spec": spec})

    async def ask(self, service="front", path="/"):
        return await self.plane.request("shop", service, path)

    async def ask_many(self, count, service="front"):
        return await asyncio.gather(*(self.ask(service) for _ in range(count)))


def two_services(**back):
    front = LabService(name="front", cpu_ms=0.1, cpu_cv=0, endpoints=(Endpoint(calls=(Call(callee="back"),)),))
    return LabTopology(
        services=(front, LabService(**{"name": "back", "cpu_ms": 1, "cpu_cv": 0, **back})), entry="front"
    )


class JumpingLoop(asyncio.SelectorEventLoop):
    """Waits take no time: its clock jumps to whatever is due next."""

    def __init__(self):
        self.now = 1000.0
        super().__init__(_JumpingSelector(self))

    def time(self):
        return self.now


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, loop):
        super().__init__()
        self._loop = loop

    def select(self, timeout=None):
        found = super().select(0)
        if not found and timeout:
            self._loop.now += timeout
        return found


@pytest.fixture
def jump():
    """jump(coroutine): its result, in an event loop whose clock jumps."""

    def run(coroutine):
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            return runner.run(coroutine)

    return run


@pytest.fixture
def play(jump):
    """Run a coroutine function on a fresh Plane: play(scene), play(scene, cpu_ms=20) with another `back`.

    real=True: in real time.
    """

    def run(scene, ready=True, real=False, **back):
        async def main():
            plane = Plane(two_services(**back))
            for name in ("front", "back"):
                plane.service(name)
                if ready:
                    plane.up(name)
            return await scene(plane)

        return asyncio.run(main()) if real else jump(main())

    return run
