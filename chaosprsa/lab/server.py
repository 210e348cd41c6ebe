"""The lab in one process: `python -m chaosprsa.lab.server`. Only the wiring; process.py starts and stops it.

It ends when its standard input is closed (whoever started it is gone) or on SIGTERM, and takes Prometheus with it.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from aiohttp import web

from chaosprsa.documents import write_text
from chaosprsa.errors import ChaosPrsaError
from chaosprsa.lab import chaos
from chaosprsa.lab.api import build_api, serve
from chaosprsa.lab.boot import boot, write_kubeconfig
from chaosprsa.lab.controllers import start_controllers
from chaosprsa.lab.dataplane import DataPlane
from chaosprsa.lab.kubelet import Kubelet
from chaosprsa.lab.listeners import HOST, URL_ANNOTATION, Listeners
from chaosprsa.lab.manifests import production_objects
from chaosprsa.lab.metrics import exposition
from chaosprsa.lab.prometheus import RunningPrometheus, find_prometheus, run_prometheus
from chaosprsa.lab.store import Store
from chaosprsa.lab.topology import LabTopology, read_lab_topology
from chaosprsa.lab.traffic import Traffic

READY_S = 60.0


def main() -> None:
    """Run until told to end; exit code 3 with a message where it can't start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options = _options()
    try:
        asyncio.run(_serve(options))
    except ChaosPrsaError as error:
        write_text(options.state / "lab.json", json.dumps({"error": str(error), "kind": type(error).__name__}))
        sys.exit(error.exit_code)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--topology", type=Path, required=True)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--seed", type=int, required=True)
    return parser.parse_args()


async def _serve(options: argparse.Namespace) -> None:
    topology = read_lab_topology(options.topology)
    _end_on_signals()
    with contextlib.suppress(asyncio.CancelledError):
        async with _lab(options, topology) as told:
            write_text(options.state / "lab.json", json.dumps(told, indent=1))
            await asyncio.Event().wait()


def _end_on_signals() -> None:
    """SIGTERM, SIGINT and the end of standard input cancel the calling task, at its start too."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)

    def read() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            task.cancel()

    loop.add_reader(0, read)


@contextlib.asynccontextmanager
async def _lab(options: argparse.Namespace, topology: LabTopology) -> AsyncIterator[dict[str, object]]:
    """Everything up and ready; what others need to reach it."""
    loop = asyncio.get_running_loop()
    traffic_rng, plane_rng = (np.random.default_rng(seed) for seed in np.random.SeedSequence(options.seed).spawn(2))
    store, dataplane = Store(), DataPlane(topology, plane_rng, loop)
    boot(store)
    listeners = Listeners(store, dataplane, loop)
    _subscribe(store, dataplane, listeners)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(listeners.close)
        api = await _open(stack, build_api(store, dataplane))
        target = await _open(stack, _metrics_page(store, dataplane))
        prometheus = loop.create_task(_prometheus(stack, options, target))
        kubelet = Kubelet(store, dataplane)
        dataplane.report_oom = kubelet.report_oom
        tasks = [*start_controllers(store, dataplane), *kubelet.start()]
        stack.push_async_callback(_cancelled, tasks)
        for plural, manifest in production_objects(topology):
            store.create(plural, manifest)
        await _wait_ready(store, topology)
        running = await prometheus
        if topology.rate_per_s > 0:
            traffic = Traffic(dataplane, topology, traffic_rng, lambda: datetime.now(UTC))
            stack.push_async_callback(_cancelled, [loop.create_task(traffic.run())])
        yield _told(options, store, topology, api, target, running)


def _subscribe(store: Store, dataplane: DataPlane, listeners: Listeners) -> None:
    store.subscribe("services", dataplane.on_service, replay=True)
    store.subscribe("services", listeners.on_service, replay=True)
    store.subscribe("pods", dataplane.on_pod)
    store.admissions.append(chaos.admission)
    for plural in ("networkchaos", "httpchaos"):
        store.subscribe(plural, dataplane.on_chaos)


async def _open(stack: contextlib.AsyncExitStack, application: web.Application) -> str:
    """Serve it on a port of the operating system's choice; its URL."""
    runner, url = await serve(application, HOST)
    stack.push_async_callback(runner.cleanup)
    return url


def _metrics_page(store: Store, dataplane: DataPlane) -> web.Application:
    async def page(_request: web.Request) -> web.Response:
        return web.Response(text=exposition(store, dataplane), content_type="text/plain")

    application = web.Application()
    application.router.add_get("/metrics", page)
    return application


async def _prometheus(stack: contextlib.AsyncExitStack, options: argparse.Namespace, target: str) -> RunningPrometheus:
    binary = await asyncio.to_thread(find_prometheus, options.tools)
    running = await run_prometheus(binary, options.state / "prometheus", target.removeprefix("http://"))
    stack.push_async_callback(running.stop)
    return running


async def _cancelled(tasks: "Sequence[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _wait_ready(store: Store, topology: LabTopology) -> None:
    """Until every workload of production has its replicas and every Service its port."""
    deadline = asyncio.get_running_loop().time() + READY_S
    while missing := _missing(store, topology):
        if asyncio.get_running_loop().time() > deadline:
            raise ChaosPrsaError(f"the lab's production does not get ready: {', '.join(missing)}")
        await asyncio.sleep(0.02)


def _missing(store: Store, topology: LabTopology) -> list[str]:
    missing = []
    for service in topology.services:
        workload = store.get(f"{service.kind.lower()}s", topology.namespace, service.name)
        annotations = store.get("services", topology.namespace, service.name)["metadata"].get("annotations") or {}
        if (workload.get("status") or {}).get(
            "readyReplicas", 0
        ) < service.replicas or URL_ANNOTATION not in annotations:
            missing.append(service.name)
    return missing


def _told(
    options: argparse.Namespace,
    store: Store,
    topology: LabTopology,
    api: str,
    target: str,
    prometheus: RunningPrometheus,
) -> dict[str, object]:
    kubeconfig = options.state / "kubeconfig"
    write_kubeconfig(kubeconfig, api)
    entry = store.get("services", topology.namespace, topology.entry)
    return {
        "pid": os.getpid(),
        "prometheus_pid": prometheus.process.pid,
        "kubeconfig": str(kubeconfig),
        "api_url": api,
        "prometheus_url": prometheus.url,
        "metrics_url": f"{target}/metrics",
        "entry_url": entry["metadata"]["annotations"][URL_ANNOTATION],
        "namespace": topology.namespace,
    }


if __name__ == "__main__":
    main()
