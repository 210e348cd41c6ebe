"""What `init` fills chaosprsa.toml with, from what a cluster and its metrics show. Pure: facts in, settings out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaosprsa.errors import InvalidSettings
from chaosprsa.settings import Settings, parse_settings

ENDPOINTS_ANNOTATION = "chaosprsa.io/endpoints"
LATENCY_GUESS_MS = 500.0
HEADROOM = 2.0
_ROUND_STEPS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was seen. edges: (caller, callee, calls a request); latency_p99_ms: the entry's own, None where unknown."""

    namespace: str
    context: str
    services: tuple[str, ...]
    stateful: tuple[str, ...]
    entry: str
    edges: tuple[tuple[str, str, float], ...]
    latency_p99_ms: float | None
    endpoints: tuple[Mapping[str, Any], ...]
    prometheus: str
    history: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Settings with, by field, where a value came from, and notes on what was not found."""

    settings: Settings
    remarks: Mapping[str, str]
    notes: tuple[str, ...]


def propose(found: Found) -> Proposal:
    """Settings from what was found. Raises InvalidSettings where nothing useful was."""
    if not found.services:
        raise InvalidSettings(
            f"namespace {found.namespace!r}: it has no Deployment or StatefulSet, so there is nothing to learn about; "
            "name production's namespace with --namespace"
        )
    latency_ms = LATENCY_GUESS_MS if found.latency_p99_ms is None else rounded_up(found.latency_p99_ms * HEADROOM)
    values: dict[str, Any] = {
        "cluster": {"namespace": found.namespace, "context": found.context},
        "topology": {
            "entry": found.entry,
            "services": found.services,
            "stateful": found.stateful,
            "edges": found.edges,
        },
        "slo": {found.entry: {"latency_ms": latency_ms}},
        "sources": {"prometheus": found.prometheus, "history": found.history},
    }
    if found.endpoints:
        values["trial"] = {"endpoints": found.endpoints}
    remarks = {f"slo.{found.entry}.latency_ms": _why_latency(found), "topology.edges": _why_edges(found)}
    return Proposal(settings=parse_settings(values, "init"), remarks=remarks, notes=tuple(_notes(found)))


def rounded_up(value: float) -> float:
    """The next number a person would write: 237 -> 250."""
    scale = 1.0
    while value / scale > 10:
        scale *= 10
    while value / scale <= 1:
        scale /= 10
    return next(step * scale for step in _ROUND_STEPS if step * scale >= value)


def guess_entry(services: Sequence[str], edges: Sequence[tuple[str, str, float]], exposed: Sequence[str]) -> str:
    """The service that users reach: exposed outside and called by nobody, else called by nobody and calling most."""
    called = {edge[1] for edge in edges}
    calls = {service: sum(edge[0] == service for edge in edges) for service in services}
    return min(services, key=lambda service: (service in called, service not in exposed, -calls[service], service))


def endpoints_of(annotations: Mapping[str, str], where: str) -> tuple[Mapping[str, Any], ...]:
    """The mix that the entry's Service states in its annotation, empty where it states none."""
    text = annotations.get(ENDPOINTS_ANNOTATION, "")
    if not text:
        return ()
    try:
        return tuple({"path": str(item["path"]), "weight": float(item["weight"])} for item in json.loads(text))
    except (ValueError, TypeError, KeyError):
        example = '[{"path": "/", "weight": 1}]'
        raise InvalidSettings(f"{where}: annotation {ENDPOINTS_ANNOTATION} is not like {example}") from None


def _why_latency(found: Found) -> str:
    if found.latency_p99_ms is None:
        return "no latency was found, so this is a guess; write what you promised."
    return f"twice the {found.latency_p99_ms:.0f} ms that nine tenths of its p99 kept to; write what you promised."


def _why_edges(found: Found) -> str:
    return "from call metrics." if found.edges else "no call metrics were found; write who calls whom."


def _notes(found: Found) -> list[str]:
    notes = []
    if not found.edges:
        notes.append("no call edges were found: without them no issue travels; write them into [topology] edges")
    if found.latency_p99_ms is None:
        notes.append(f"the SLO of {found.entry} is a guess; write what you promised into [slo.{found.entry}]")
    if not found.prometheus:
        notes.append("no Prometheus is named: trials and rollouts are judged by its series; see [sources] prometheus")
    return notes
