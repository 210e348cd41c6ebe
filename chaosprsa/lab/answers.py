"""Objects as bytes on the wire; what does not change is written once."""

import json
from typing import Any

from aiohttp import web

from chaosprsa.lab.kinds import Kind, Obj
from chaosprsa.lab.resources import OF_KIND
from chaosprsa.lab.store import Change, Store

JSON = "application/json"


def as_json(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def answer(value: Any, status: int = 200) -> web.Response:
    """An HTTP response with a JSON body."""
    return web.Response(body=as_json(value), status=status, content_type=JSON)


class Encoder:
    """Writes stored objects, each version once: a list of hundreds costs a join."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._written: dict[str, tuple[str, bytes]] = {}  # by uid, of what is there now
        store.on_change(self._changed)

    def _changed(self, _plural: str, change: Change) -> None:
        if change.event == "DELETED":
            self._written.pop(change.obj["metadata"]["uid"], None)

    def _inner(self, obj: Obj) -> bytes:
        """The object's JSON from its metadata on, without the opening brace."""
        metadata = obj["metadata"]
        known = self._written.get(metadata["uid"])
        if known is None or known[0] != metadata["resourceVersion"]:
            rest = {key: item for key, item in obj.items() if key not in {"apiVersion", "kind"}}
            known = (metadata["resourceVersion"], as_json(rest)[1:])
            place = (OF_KIND[obj["kind"]].plural, metadata.get("namespace") or "", metadata["name"])
            if self._store.find(*place) is obj:
                self._written[metadata["uid"]] = known
        return known[1]

    def whole(self, obj: Obj) -> bytes:
        """One stored object."""
        return f'{{"apiVersion":"{obj["apiVersion"]}","kind":"{obj["kind"]}",'.encode() + self._inner(obj)

    def items(self, kind: Kind, objects: tuple[Obj, ...], metadata: Obj) -> bytes:
        """A list; the items of built-in kinds don't repeat their kind, as upstream's don't."""
        items = [b"{" + self._inner(obj) if kind.strategic else self.whole(obj) for obj in objects]
        head = as_json({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata})
        return head[:-1] + b',"items":[' + b",".join(items) + b"]}"
