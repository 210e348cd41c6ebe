"""Link 1, init: settings from what a cluster and its metrics show, or from the files of a history alone."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from chaosprsa.chain.context import utc_now
from chaosprsa.discovery import Found, Proposal, endpoints_of, guess_entry, propose
from chaosprsa.documents import write_text
from chaosprsa.errors import BadInput
from chaosprsa.history.columns import listed
from chaosprsa.history.files import read_history
from chaosprsa.history.frame import History
from chaosprsa.history.prometheus import PrometheusClient, read_prometheus
from chaosprsa.history.queries import RATE
from chaosprsa.history.topology import USERS_VIEW
from chaosprsa.models.learned import likely_entry
from chaosprsa.settings_file import render_settings
from chaosprsa.types import Window

if TYPE_CHECKING:
    from chaosprsa.cluster.discovering import System

LOOK_BACK = timedelta(hours=1)
LATENCY = "latency_p99_ms"
NO_NAME = "production"  # where a folder's own can't be one


def init(namespace: str, context: str, prometheus: str, history: str, output: Path) -> Proposal:
    """Write chaosprsa.toml from what the cluster and its metrics show."""
    from chaosprsa.cluster import connect
    from chaosprsa.cluster.discovering import discover_system

    system = discover_system(connect(context), namespace)
    proposal = propose(_found(system, context, prometheus, history))
    write_text(output, render_settings(proposal.settings, proposal.remarks))
    return replace(proposal, notes=(*proposal.notes, *system.notes))


def init_from_files(folder: Path, entry: str, prometheus: str, output: Path) -> Proposal:
    """Write chaosprsa.toml from a history in the normal form, where there is no cluster.

    entry: the service that users reach; empty: guessed, with a note. Raises InvalidHistory, BadInput.
    """
    seen = read_history(folder, utc_now())
    graph = seen.topology
    named = {name for each in seen.incidents for name in each.components if name}
    services = tuple(sorted({*seen.components, *named, *(graph.services if graph else ())} - {USERS_VIEW}))
    if not services:
        raise BadInput(f"{folder}: neither metrics nor incidents name a component, so there is no system to set up for")
    if entry and entry not in services:
        raise BadInput(f"--entry {entry}: {folder} has no such component; it has {listed(list(services))}")
    guess, reason = (graph.entry, "by the call graph") if graph else likely_entry(seen)
    found = Found(
        namespace=_namespace(folder),
        context="",
        services=services,
        stateful=(),
        entry=entry or guess,
        edges=tuple(_edges(seen, services)),
        latency_p99_ms=_usually_at_most(seen, LATENCY, entry or guess),
        endpoints=(),
        prometheus=prometheus,
        history=_beside(output, folder),
    )
    proposal = propose(found)
    remarks = {"cluster.namespace": "the folder's name: no cluster was asked.", **proposal.remarks}
    write_text(output, render_settings(proposal.settings, remarks))
    guessed = () if entry else (f"the entry {guess} is a guess ({reason}); another: --entry NAME",)
    no_cluster = "no cluster was asked: learn, issues, backtest, detect, telemetry, load need none, the rehearsal does"
    return replace(proposal, notes=(*guessed, *proposal.notes, no_cluster))


def _namespace(folder: Path) -> str:
    """The folder's name as Kubernetes would take it."""
    return re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower())[:56].strip("-") or NO_NAME


def _beside(output: Path, folder: Path) -> str:
    """How the settings name a folder: from where they lie."""
    return str(folder) if folder.is_absolute() else os.path.relpath(folder, output.parent)


def _found(system: "System", context: str, prometheus: str, history: str) -> Found:
    seen = _seen(system, prometheus) if prometheus else None
    edges = tuple(_edges(seen, system.services)) if seen else ()
    entry = system.entry or guess_entry(system.services, edges, system.exposed) if system.services else ""
    annotations = system.annotations.get(entry, {})
    return Found(
        namespace=system.namespace,
        context=context,
        services=system.services,
        stateful=tuple(item.service for item in system.workloads if item.kind == "StatefulSet"),
        entry=entry,
        edges=edges,
        latency_p99_ms=_usually_at_most(seen, LATENCY, entry) if seen else None,
        endpoints=endpoints_of(annotations, f"namespace {system.namespace}, the Service of {entry}"),
        prometheus=prometheus,
        history=history,
    )


def _seen(system: "System", prometheus: str) -> History | None:
    """The last hour's metrics; None where there are none yet."""
    now = utc_now()
    window = Window(start=now - LOOK_BACK, end=now)
    seen = read_prometheus(PrometheusClient(prometheus), system.namespace, window, step_s=15.0)
    return seen if len(seen.metrics) else None


def _edges(seen: History, services: Sequence[str]) -> Iterator[tuple[str, str, float]]:
    """(caller, callee, calls a request) where both are workloads, from the rates of calls and of requests."""
    for edge in seen.topology.edges if seen.topology else ():
        if {edge.caller, edge.callee} <= set(services):
            calls = _median(seen, RATE, f"{edge.caller}->{edge.callee}")
            requests = _median(seen, RATE, edge.caller)
            known = calls is not None and requests is not None and calls > 0 and requests > 0
            yield edge.caller, edge.callee, round(calls / requests, 3) if known and calls and requests else 1.0


def _median(seen: History, metric: str, component: str) -> float | None:
    return _quantile(seen, metric, component, 0.5)


def _usually_at_most(seen: History, metric: str, component: str) -> float | None:
    return _quantile(seen, metric, component, 0.9)


def _quantile(seen: History, metric: str, component: str, share: float) -> float | None:
    table = seen.table(metric)
    values = table[component].dropna() if component in table else ()
    return float(np.quantile(values, share)) if len(values) else None
