"""Watches: a stream of changes, one JSON a line, that can be resumed from a resourceVersion."""

import asyncio
from collections import deque
from collections.abc import Callable

from aiohttp import web

from chaosprsa.lab.answers import JSON, Encoder, as_json
from chaosprsa.lab.kinds import Obj
from chaosprsa.lab.requests import Asked, is_yes
from chaosprsa.lab.status import StatusError, bad_request
from chaosprsa.lab.store import Change, Store

LONGEST_S = 1800.0
LOOK_S = 2.0  # how often an idle watch looks whether its client is still there
MOST_WAITING = 10_000  # changes a slow reader may fall behind before it has to list again


class Watches:
    """All open watches of one API."""

    def __init__(self, store: Store, encoder: Encoder) -> None:
        self._store = store
        self._encoder = encoder
        self._open: set[asyncio.Task[None]] = set()

    async def close(self, _app: web.Application) -> None:
        """End them, so that a shutdown waits for nobody."""
        for task in tuple(self._open):
            task.cancel()

    async def serve(self, request: web.Request, asked: Asked, wanted: Callable[[Obj], bool]) -> web.StreamResponse:
        """Until the client goes, its timeout passes or the API shuts down. Raises StatusError 400."""
        limit_s = _seconds(asked.query.get("timeoutSeconds"))
        response = web.StreamResponse(headers={"Content-Type": JSON})
        reader = Reader(self._store, self._encoder, asked, wanted)
        await response.prepare(request)
        task = asyncio.create_task(reader.stream(response))
        self._open.add(task)
        try:
            until = asyncio.get_running_loop().time() + limit_s
            while not task.done() and (left_s := until - asyncio.get_running_loop().time()) > 0:
                await asyncio.wait({task}, timeout=min(left_s, LOOK_S))
                if request.transport is None or request.transport.is_closing():
                    return response
            if not task.done() and is_yes(asked.query, "allowWatchBookmarks"):
                await response.write(reader.bookmark())
        except ConnectionError:
            pass
        finally:
            self._open.discard(task)
            reader.close()
            task.cancel()
        return response


class Reader:
    """One watch: what is there or was missed, then what comes."""

    def __init__(self, store: Store, encoder: Encoder, asked: Asked, wanted: Callable[[Obj], bool]) -> None:
        self._encoder = encoder
        self._store = store
        self._asked = asked
        self._wanted = wanted
        self._lines: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._over = False
        self._leave: Callable[[], None] | None = store.on_change(self._changed)
        self._begin(asked.query.get("resourceVersion") or "")

    def close(self) -> None:
        if self._leave is not None:
            self._leave()
            self._leave = None

    def bookmark(self) -> bytes:
        kind = self._asked.kind
        metadata = {"resourceVersion": str(self._store.version)}
        told = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        return as_json({"type": "BOOKMARK", "object": told}) + b"\n"

    async def stream(self, response: web.StreamResponse) -> None:
        """Write lines as they come; ends after an ERROR."""
        try:
            while not (self._over and not self._lines):
                if self._lines:
                    batch = b"".join(self._lines)
                    self._lines.clear()
                    await response.write(batch)
                else:
                    self._wake.clear()
                    await self._wake.wait()
        except ConnectionError:
            return

    def _begin(self, version: str) -> None:
        if version in {"", "0"}:
            for obj in self._store.list(self._asked.kind.plural, self._asked.namespace):
                if self._wanted(obj):
                    self._line("ADDED", obj)
            return
        if not version.isdecimal():
            raise bad_request(f'strconv.ParseUint: parsing "{version}": invalid syntax')
        try:
            for change in self._store.changes_since(self._asked.kind.plural, int(version)):
                self._changed(self._asked.kind.plural, change)
        except StatusError as error:
            self._fail(error)

    def _changed(self, plural: str, change: Change) -> None:
        namespace = self._asked.namespace
        if plural != self._asked.kind.plural or self._over:
            return
        if namespace is not None and change.obj["metadata"].get("namespace") != namespace:
            return
        before = change.previous is not None and self._wanted(change.previous)
        after = change.event != "DELETED" and self._wanted(change.obj)
        event = {(False, True): "ADDED", (True, True): "MODIFIED", (True, False): "DELETED"}.get((before, after))
        if event is not None:
            self._line(event, change.obj)
        if len(self._lines) > MOST_WAITING:
            self._fail(StatusError(410, "the watch fell too far behind"))

    def _line(self, event: str, obj: Obj) -> None:
        self._lines.append(f'{{"type":"{event}","object":'.encode() + self._encoder.whole(obj) + b"}\n")
        self._wake.set()

    def _fail(self, error: StatusError) -> None:
        self._lines.append(as_json({"type": "ERROR", "object": error.body}) + b"\n")
        self._over = True
        self._wake.set()


def _seconds(text: str | None) -> float:
    try:
        return min(float(text), LONGEST_S) if text else LONGEST_S
    except ValueError:
        raise bad_request(f"invalid timeoutSeconds: {text!r}") from None
