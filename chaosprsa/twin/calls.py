"""How often each service calls each other one: the topology's numbers are the prior, what counters show the evidence.

Calls counted at the caller tell each edge. Requests counted at the callee tell the sum over its callers: how it splits
follows from the callers' loads where they move apart, else it stays as declared, and that is said.
"""

from dataclasses import replace

import numpy as np

from chaosprsa.twin.evidence import DECLARED_SPREAD, Line, calls_of_requests
from chaosprsa.twin.graph import CallGraph
from chaosprsa.twin.observed import Observed
from chaosprsa.twin.queueing import Floats

_UNTOLD = 0.6  # of a declared number's spread: as wide after the evidence, the split was not shown


def measured_calls(graph: CallGraph, seen: Observed) -> tuple[CallGraph, Floats, tuple[str, ...]]:
    """(the graph with measured calls, standard errors of visits' logarithms, what could not be told).

    Before any fault: failing and retried calls say nothing of those that are usual.
    """
    calls, visits = graph.calls.copy(), np.zeros(len(graph.services))
    spread, notes = np.zeros(len(visits)), []
    visits[graph.entry] = 1.0
    for at in reversed(graph.order):
        callers = np.flatnonzero(graph.calls[:, at])
        if at == graph.entry:
            continue
        if not len(callers):
            notes.append(_uncalled(graph.services[at], seen.rate[:, at]))
            continue
        line, counted = _calls_to(at, callers, graph.calls[callers, at], seen)
        calls[callers, at] = line.value
        own, through = visits[callers], visits[callers] * line.value
        visits[at] = through.sum()
        if visits[at] <= 0:
            continue
        inherited = float(np.sqrt(through**2 @ spread[callers] ** 2)) / visits[at]
        spread[at] = np.hypot(line.relative(own), inherited)  # calls of a caller's requests, however many those are
        notes += _untold(graph, at, callers, line, counted)
    return replace(graph, calls=calls), spread, tuple(notes)


def _calls_to(at: int, callers: np.ndarray, declared: Floats, seen: Observed) -> tuple[Line, bool]:
    """Calls of each caller to a service, and whether they or its requests were counted at all."""
    rows, value, variance = seen.quiet, declared.copy(), (DECLARED_SPREAD * declared) ** 2
    rate, length = seen.rate[rows], seen.length_s[rows]
    edges = (
        np.full((len(rate), len(callers)), np.nan) if seen.edge_rate is None else seen.edge_rate[rows][:, callers, at]
    )
    told = np.isfinite(edges).any(axis=0) & np.isfinite(rate[:, callers]).any(axis=0)
    for number in np.flatnonzero(told):
        one = calls_of_requests(rate[:, [callers[number]]], edges[:, number], length, declared[[number]])
        value[number], variance[number] = one.value[0], one.covariance[0, 0]
    covariance, counted = np.diag(variance), bool(told.any())
    left = np.flatnonzero(~told)
    rest = rate[:, at] - np.nansum(np.where(told, edges, 0.0), axis=1)
    if len(left) and np.any(np.isfinite(rest) & (rest > 0)):
        one = calls_of_requests(rate[:, callers[left]], rest, length, declared[left])
        value[left], covariance[np.ix_(left, left)] = one.value, one.covariance
        counted = True
    return Line(value, covariance), counted


def _uncalled(name: str, rate: Floats) -> str:
    """Of a service that no edge leads to."""
    if np.nan_to_num(rate).max(initial=0.0) > 0:
        most = np.nanmax(rate)
        return f"{name}: nobody calls it in [topology] edges, yet up to {most:.3g} requests/s came: add who calls it"
    return f"{name}: nobody calls it in [topology] edges; no load reaches it, and it stays as it is"


def _untold(graph: CallGraph, at: int, callers: np.ndarray, line: Line, counted: bool) -> list[str]:
    name, names = graph.services[at], ", ".join(graph.services[caller] for caller in callers)
    if not counted:
        return [f"{name}: its requests were not counted; how often {names} call it is the topology's own number"]
    wide = np.sqrt(np.diag(line.covariance)) > _UNTOLD * DECLARED_SPREAD * graph.calls[callers, at]
    if len(callers) < 2 or not wide.any():
        return []
    only = f"{name}: only the sum of the calls of {names} was counted; how it splits between them is the topology's own"
    return [f"{only} guess"]
