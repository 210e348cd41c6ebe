"""A real listening port per Service: what comes in over HTTP walks the call graph."""

import asyncio
import ipaddress
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
    """Opens ports when a Service appears and closes them when the Service goes.

    A Service is listened on at its cluster IP (a loopback address in the lab) and port, where this user may have that
    port, and at its node port on 127.0.0.1 (another one where that is taken; the object then says so). The annotation
    lab.chaosprsa.io/url names one that works.
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
            self._open[key] = self._loop.create_task(self._listen(key, obj["spec"]))

    async def close(self) -> None:
        """Close all."""
        for key in list(self._open):
            self._close(key)
        await asyncio.gather(*self._closing, return_exceptions=True)

    async def _listen(self, key: tuple[str, str], spec: dict[str, Any]) -> "_Listener":
        listener = _Listener(self._dataplane, *key)
        port = (spec.get("ports") or [{}])[0]
        url = await listener.open(spec.get("clusterIP") or "None", [int(port.get("port") or 0)])
        if spec.get("type") in {"NodePort", "LoadBalancer"}:
            wanted = int(port.get("nodePort") or 0)
            url = await listener.open(HOST, [wanted, *_some_node_ports()])
        url = url or await listener.open(HOST, [0])
        self._announce(key, spec, url)
        return listener

    def _announce(self, key: tuple[str, str], spec: dict[str, Any], url: str) -> None:
        if self._store.find("services", *key) is None:
            return
        self._store.patch("services", *key, {"metadata": {"annotations": {URL_ANNOTATION: url}}})
        port = int(url.rpartition(":")[2])
        if spec.get("type") in {"NodePort", "LoadBalancer"} and port != spec["ports"][0].get("nodePort"):
            ports = [dict(entry) for entry in self._store.get("services", *key)["spec"]["ports"]]
            ports[0]["nodePort"] = port
            self._store.patch("services", *key, {"spec": {"ports": ports}})

    def _close(self, key: tuple[str, str]) -> None:
        task = self._loop.create_task(_closed(self._open.pop(key))) if key in self._open else None
        if task is not None:
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


async def _closed(opening: "asyncio.Task[_Listener]") -> None:
    await (await opening).close()


def _some_node_ports() -> list[int]:
    """Node ports in no order: labs on one machine must not meet."""
    return random.SystemRandom().sample(NODE_PORTS, 100)


class _Listener:
    """HTTP for one Service, at any number of addresses."""

    def __init__(self, dataplane: DataPlane, namespace: str, service: str) -> None:
        self._dataplane, self._namespace, self._service = dataplane, namespace, service
        self._http = web.Server(self._answer, access_log=None)
        self._servers: list[asyncio.Server] = []

    async def open(self, host: str, ports: list[int]) -> str:
        """The URL of the first port that can be had; "" where none can."""
        loop = asyncio.get_running_loop()
        for port in ports if _is_address(host) else ():
            try:
                server = await loop.create_server(self._http, host, port, backlog=512)
            except OSError:
                continue
            self._servers.append(server)
            return f"http://{host}:{server.sockets[0].getsockname()[1]}"
        return ""

    async def close(self) -> None:
        for server in self._servers:
            server.close()
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


def _is_address(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
