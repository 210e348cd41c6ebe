"""The call graph: from a file, or from the call edges that the metrics show."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from chaosprsa.documents import read_document
from chaosprsa.errors import InvalidDocument, InvalidHistory, InvalidNoun
from chaosprsa.history.columns import listed
from chaosprsa.history.frame import EDGE, History
from chaosprsa.types import Edge, Topology

USERS_VIEW = "front_service"  # some exports name the users' view of the entry so; it is not a service


def read_topology(path: Path) -> Topology:
    """A call graph: our own document, or {"edges": [[caller, callee], ...]}. Raises InvalidHistory."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidHistory(f"{path}: there is no such file") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InvalidHistory(f"{path}: not JSON ({error})") from None
    if isinstance(values, dict) and "schema" in values:
        try:
            return read_document(path, Topology)
        except InvalidDocument as error:
            raise InvalidHistory(str(error)) from None
    edges = values.get("edges") if isinstance(values, dict) else None
    if not isinstance(edges, list) or not all(isinstance(edge, list) and len(edge) in (2, 3) for edge in edges):
        raise InvalidHistory(f'{path}: expected {{"edges": [[caller, callee], ...]}} or a topology document of ours')
    found = _topology([(str(edge[0]), str(edge[1]), *edge[2:]) for edge in edges], str(path))
    if found is None:
        raise InvalidHistory(f"{path}: it has no edges; give at least one [caller, callee]")
    return found


def topology_of_edges(metrics: pd.DataFrame) -> Topology | None:
    """The call graph that components named "a->b" show; None where there are none."""
    names = [name for name in metrics["component"].unique() if EDGE in name]
    return _topology([tuple(name.split(EDGE, maxsplit=1)) for name in sorted(names)], "the metrics' call edges")


def _topology(edges: Iterable[tuple[Any, ...]], where: str) -> Topology | None:
    calls = {edge[:2]: edge for edge in edges if USERS_VIEW not in edge[:2] and edge[0] != edge[1]}
    if not calls:
        return None
    outgoing = Counter(caller for caller, _ in calls)
    called = {callee for _, callee in calls}
    services = tuple(sorted({*outgoing, *called}))
    entry = max(services, key=lambda name: (name not in called, outgoing[name], services.index(name) * -1))
    try:
        found = tuple(
            Edge(caller=edge[0], callee=edge[1], calls_per_request=float(edge[2]) if len(edge) == 3 else 1.0)
            for edge in calls.values()
        )
        return Topology(services=services, edges=found, entry=entry)
    except (InvalidNoun, TypeError, ValueError) as error:
        raise InvalidHistory(f"{where}: {error}") from None


def differences(history: History, given: Topology) -> tuple[str, ...]:
    """What a call graph that was given and a history don't share, in words: one may be unfinished.

    Raises InvalidHistory where they share no service: it is another system's.
    """
    named = {name for each in history.incidents for name in each.components if name}
    seen = {*history.components, *named, *(history.topology.services if history.topology else ())} - {USERS_VIEW}
    strange, unseen = sorted(seen - set(given.services)), sorted(set(given.services) - seen)
    if not seen:
        return ()
    if len(unseen) == len(given.services):
        raise InvalidHistory(
            f"the history is another system's: it has {listed(strange)}, and none of [topology] services, which are "
            f"{listed(unseen)}; give these services' history, or settings that fit it: chaos prsa init --history DIR"
        )
    notes = []
    if strange:
        notes.append(
            f"{len(strange)} of the history's {len(seen)} components are not among [topology] services: "
            f"{listed(strange)}; no issues are drawn for them: add those that are yours"
        )
    if unseen:
        notes.append(
            f"{len(unseen)} of the {len(given.services)} [topology] services are unknown to the history: "
            f"{listed(unseen)}; what is said of them rests on the others alone"
        )
    if history.topology and history.topology.edges and not given.edges:
        count = len(history.topology.edges)
        notes.append(f"[topology] has no edges, the history's call graph has {count}: copy those that are true")
    return tuple(notes)
