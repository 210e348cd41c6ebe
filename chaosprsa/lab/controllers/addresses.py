"""Cluster IPs and node ports: allocated when a Service is written, free again when it goes."""

import random
import socket
from collections.abc import Callable

from chaosprsa.lab.kinds import Kind, Obj
from chaosprsa.lab.status import StatusError, invalid
from chaosprsa.lab.store import Store
from chaosprsa.lab.validation import wrong

FIRST_PORT, LAST_PORT = 30000, 32767


def admission(store: Store, rng: random.Random | None = None) -> Callable[[Kind, Obj, Obj | None], None]:
    """Completes Services. Cluster IPs are loopback addresses (127.96.0.0/16), so a data plane can really listen there;
    node ports are free on this machine at the time. Raises StatusError 422 for a node port that is taken.
    """
    chance = rng or random.Random()

    def admit(kind: Kind, new: Obj, _old: Obj | None) -> None:
        if kind.plural != "services" or new["spec"]["type"] == "ExternalName":
            return
        spec, others = new["spec"], _others(store, new)
        if not spec.get("clusterIP"):
            taken = {each["spec"].get("clusterIP") for each in others}
            spec["clusterIP"] = _address(chance, taken)
        spec["clusterIPs"] = [spec["clusterIP"]]
        if spec["type"] in {"NodePort", "LoadBalancer"}:
            used = {port.get("nodePort") for each in others for port in each["spec"].get("ports") or ()}
            _fill_ports(new, used, chance)

    return admit


def _others(store: Store, new: Obj) -> list[Obj]:
    key = (new["metadata"]["namespace"], new["metadata"]["name"])
    services = store.list("services")
    return [each for each in services if (each["metadata"]["namespace"], each["metadata"]["name"]) != key]


def _address(chance: random.Random, taken: set[str | None]) -> str:
    while True:
        address = f"127.96.{chance.randint(0, 255)}.{chance.randint(1, 254)}"
        if address not in taken:
            return address


def _fill_ports(new: Obj, used: set[int | None], chance: random.Random) -> None:
    for place, port in enumerate(new["spec"].get("ports") or ()):
        if port.get("nodePort"):
            if port["nodePort"] in used:
                why = wrong(port["nodePort"], "provided port is already allocated")
                raise invalid("Service", new["metadata"]["name"], "", [(f"spec.ports[{place}].nodePort", why)])
        else:
            port["nodePort"] = _free_port(chance, used)
        used.add(port["nodePort"])


def _free_port(chance: random.Random, used: set[int | None]) -> int:
    """A port of the range that nobody has and that this machine could listen on."""
    for _ in range(1000):
        port = chance.randint(FIRST_PORT, LAST_PORT)
        if port not in used and _can_listen(port):
            return port
    raise StatusError(500, f"no node port is free between {FIRST_PORT} and {LAST_PORT}")


def _can_listen(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
