"""How often a request at a caller calls each callee: read off the request rates, where metrics show them.

A callee's rate is the sum of its callers' rates, each times its calls per request, so the calls are a non-negative
least squares solution over time (Lawson & Hanson 1974). Where the callers swing together the split between them is
uncertain; their sum is not.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from chaosprsa.history.frame import EDGE, History
from chaosprsa.history.queries import RATE
from chaosprsa.types import Topology

LEAST = 0.001  # an edge that the call graph names is called at least this often a request
MIN_TIMES = 10


def with_calls(topology: Topology, history: History) -> Topology:
    """The topology with calls_per_request estimated on each edge that the rates tell of; the others stay.

    A topology that states other numbers than 1 itself is believed and stays as it is.
    """
    if not len(history.metrics) or any(edge.calls_per_request != 1.0 for edge in topology.edges):
        return topology
    rates = history.table(RATE)
    found: dict[tuple[str, str], float] = {}
    for callee in topology.services:
        found.update(_of_callee(tuple(edge.caller for edge in topology.callers(callee)), callee, rates))
    edges = (
        replace(edge, calls_per_request=found.get((edge.caller, edge.callee), edge.calls_per_request))
        for edge in topology.edges
    )
    return replace(topology, edges=tuple(edges))


def _of_callee(callers: tuple[str, ...], callee: str, rates: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Calls per request from each caller; empty where rates are missing."""
    measured = {caller: f"{caller}{EDGE}{callee}" for caller in callers}
    if callers and set(callers) | set(measured.values()) <= set(rates.columns):
        ratios = {
            caller: rates[edge].sum() / max(float(rates[caller].sum()), 1e-9) for caller, edge in measured.items()
        }
        return {(caller, callee): max(float(ratio), LEAST) for caller, ratio in ratios.items()}
    if not callers or not {*callers, callee} <= set(rates.columns):
        return {}
    table = rates[[*callers, callee]].dropna().to_numpy()
    if len(table) < MIN_TIMES or table[:, :-1].sum() <= 0:
        return {}
    given, made = table[:, :-1], table[:, -1]
    alike = made.sum() / given.sum()
    weight = np.sqrt(LEAST * float(np.sum(given**2)))  # a light pull to one number for all, where nothing else decides
    design = np.vstack([given, weight * np.eye(len(callers))])
    from scipy.optimize import nnls  # late: only learning needs it

    calls, _ = nnls(design, np.concatenate([made, np.full(len(callers), weight * alike)]))
    return {(caller, callee): max(float(count), LEAST) for caller, count in zip(callers, calls, strict=True)}
