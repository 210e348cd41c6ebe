"""A real listening port per Service: what comes in over HTTP walks the call graph."""

import asyncio
import json
import random
from typing import Any

from aiohttp import web

from chaosprsa.lab.dataplane import DataPlane
from chaosprsa.lab.store import Store

HOST = "127.0.0.1"
NODE_PORTS = range(30000, 32768)
URL_ANNOTATION = "lab.chaosprsa.io/url"


class Listeners:
    """Opens a port when a Service appears and closes it when the Service goes.

    A NodePort Service is listened on at its nodePort (another one where that is taken on this machine; the object then
    says so), every other at a port of the operating system's choice; the annotation lab.chaosprsa.io/url names it.
    """

    def __init__(self, store: Store, dataplane: DataPlane, loop: asyncio.AbstractEventLoop) -> None:
        self._store, self._dataplane, self._loop = store, dataplane, loop
        self._open: dict[tuple[str, str], asyncio.Task[_Listener]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def on_service(self, event: str, obj: dict[str, Any]) -> None:
        """A Service appeared, changed or went."""
        key = (obj["metadata"]["namespace"], obj["metadata"]["name"])
        if event == "DELETED":
            self._close(key)
        elif key not in self._open:
            self._open[key] = self._loop.create_task(self._listen(key, obj))

    async def close(self) -> None:
        """Close all."""
        for key in list(self._open):
            self._close(key)
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _listen(self, key: tuple[str, str], obj: dict[str, Any]) -> "_Listener":
        listener = _Listener(self._dataplane, *key)
        is_node_port = (obj.get("spec") or {}).get("type") == "NodePort"
        wanted = _node_port(obj) if is_node_port else 0
        port = await listener.open(wanted, in_range=is_node_port)
        if self._store.find("services", *key) is not None:
            self._store.patch(
                "services", *key, {"metadata": {"annotations": {URL_ANNOTATION: f"http://{HOST}:{port}"}}}
            )
            if is_node_port and port != wanted:
                ports = [dict(entry) for entry in self._store.get("services", *key)["spec"]["ports"]]
                ports[0]["nodePort"] = port
                self._store.patch("services", *key, {"spec": {"ports": ports}})
        return listener

    def _close(self, key: tuple[str, str]) -> None:
        task = self._loop.create_task(_closed(self._open.pop(key))) if key in self._open else None
        if task is not None:
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _closed(opening: "asyncio.Task[_Listener]") -> None:
    await (await opening).close()


def _node_port(obj: dict[str, Any]) -> int:
    ports = obj["spec"].get("ports") or [{}]
    return int(ports[0].get("nodePort") or 0)


def _some_node_ports() -> list[int]:
    """Node ports in no order: labs on one machine must not meet."""
    return random.SystemRandom().sample(NODE_PORTS, 100)


class _Listener:
    """HTTP for one Service."""

    def __init__(self, dataplane: DataPlane, namespace: str, service: str) -> None:
        self._dataplane, self._namespace, self._service = dataplane, namespace, service
        self._http = web.Server(self._answer, access_log=None)
        self._server: asyncio.Server | None = None

    async def open(self, wanted: int, *, in_range: bool) -> int:
        """The port that is listened on: the wanted one where it is free; in_range: one that Kubernetes allows."""
        loop = asyncio.get_running_loop()
        for candidate in (wanted, *_some_node_ports()) if in_range else (0,):
            if in_range and not candidate:
                continue
            try:
                self._server = await loop.create_server(self._http, HOST, candidate, backlog=512)
            except OSError:
                continue
            return int(self._server.sockets[0].getsockname()[1])
        raise OSError(f"no free port for {self._namespace}/{self._service}")

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._http.shutdown(0.1)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/healthz":
            ready = self._dataplane.is_served(self._namespace, self._service)
            return web.Response(text="ok\n" if ready else "no pod is ready\n", status=200 if ready else 503)
        answer = await self._dataplane.request(self._namespace, self._service, request.path)
        body = {
            "service": self._service,
            "pod": answer.pod,
            "path": request.path,
            "status": answer.code,
            "simulated_ms": round(answer.duration_s * 1000, 3),
        }
        return web.Response(body=json.dumps(body).encode(), status=answer.code, content_type="application/json")
