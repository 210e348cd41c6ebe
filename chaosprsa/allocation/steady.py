"""Steady states of a whole allocation, compiled: what services take themselves, added up along calls.

A condition is a world's fault as it stays: while killed pods are away, or after. What one service does depends on its
own row of the point only, so a move of one service changes that row and the totals of those above it, nothing else.
Numbers of one shape lie in one array, by the names below: numba takes seconds for each array that it is given.
"""

import math
from typing import NamedTuple

import numpy as np

from chaosprsa.allocation.space import MEMORY, REPLICAS, Floats, Ints
from chaosprsa.compiled import inner
from chaosprsa.twin.queueing import MAX_WHOLE_CORES

FULL = 0.98
CRASH = 0.8  # share of answers that fail where a pod over its memory limit dies and starts over

# a row in a condition: a service, or a station in its pods; WAIT_S with what the fault adds, VARIED_S2 its variance
FLOW, DEMAND_S, WAIT_S, VARIED_S2, CPU_LEFT, MEMORY_LEFT, LOST, KILLED, BASE_MIB, PER_JOB_MIB = range(10)
LEVEL, LENGTH_S = range(2)  # a condition; the normal law's quantile at which it is judged
AWAY, FAILED, CORRECTION = range(
    3
)  # a world; AWAY: share of the fault, FAILED: answers, while no service is without pods
CALLS, WAITED, SPREAD, CHANCE = range(
    4
)  # caller and callee: calls, and what a callee's cumulants count for in the caller's
OWN_MEAN, OWN_VARIANCE, DEMANDED, PODS, MEAN, VARIANCE, INSIDE = range(7)  # follows from the point
USED, FULLEST = range(2)  # a world, follows from the point
POD, COLUMN = range(2)  # a row: the service in whose pods it is, the column that says how fast it serves


class Model(NamedTuple):
    """What doesn't depend on the point. Rows are services, then stations.

    each: (10, rows, conditions), conditions: (2, conditions), worlds: (3, worlds), calls: (4, rows, rows). world:
    (conditions,), the number; condition w is world w's after, those at the end are the absence of killed pods. failing:
    (rows, worlds), own. rows: (rows, 2); speed: (stations, values), by the column's value. above: (services, rows),
    whether a row is the service, a station of it or calls it by any way; order: callees first. peak: deviations above
    the mean at which a pod's memory is judged.
    """

    each: Floats
    conditions: Floats
    worlds: Floats
    calls: Floats
    world: Ints
    failing: Floats
    rows: Ints
    speed: Floats
    above: Ints
    order: Ints
    target: int
    slo_s: float
    allowed: float  # share of failures
    timeout_s: float
    work_cv2: float
    peak: float


class State(NamedTuple):
    """A point and what follows from it: each (7, rows, conditions), worlds (2, worlds)."""

    point: Ints
    each: Floats
    worlds: Floats


def state_of(model: Model, point: Ints) -> State:
    """Room for the state of a point; nothing is worked out yet."""
    return State(point.copy(), np.zeros((7, *model.each.shape[1:])), np.zeros((2, model.worlds.shape[1])))


@inner
def _sojourn(used: float, cores: float, demand_s: float) -> float:
    """Mean time in a pod: queueing.sojourn_s of one number."""
    if cores <= 1.0:
        return demand_s / cores / (1.0 - used)
    offered, weight, total, rise = cores * used, 1.0, 1.0, 0.0
    for k in range(1, min(int(cores), MAX_WHOLE_CORES) + 1):
        rise += weight
        weight *= offered / k
        total += weight
    spare = 1.0 - used
    norm = spare * total + weight * used
    kappa = (spare * rise * cores + weight * math.floor(cores)) / norm
    return (kappa + weight / norm / spare) * demand_s / cores


@inner
def _gone(share: float, pods: float) -> float:
    """Whole pods, at least one where any share is: as the fluid twin has it."""
    return min(max(np.rint(share * pods), 1.0), pods) if share > 0.0 else 0.0


@inner
def _own(model: Model, state: State, at: int) -> None:
    """Mean and variance of a row's own time, demand over capacity, pods."""
    each, found, count = model.each, state.each, len(state.point)
    pod, column = model.rows[at, POD], model.rows[at, COLUMN]
    replicas, value = float(state.point[pod, REPLICAS]), state.point[pod, column]
    limit = value / 1000.0 if at < count else model.speed[at - count, value]
    for k in range(each.shape[2]):
        ready = max(replicas - _gone(each[LOST, at, k], replicas) - _gone(each[KILLED, at, k], replicas), 0.0)
        cores, demand = limit * each[CPU_LEFT, at, k], each[DEMAND_S, at, k]
        full = each[FLOW, at, k] * demand / max(ready * cores, 1e-9)
        backlog_s = max(1.0 - FULL / max(full, 1e-9), 0.0) * model.conditions[LENGTH_S, k]
        sojourn = _sojourn(min(full, FULL), cores, demand) + min(backlog_s, model.timeout_s)
        shared = min(max(1.0 - demand / min(cores, 1.0) / sojourn, 0.0), 1.0)
        slowed = sojourn * sojourn * (model.work_cv2 + 2.0 * shared / (2.0 - shared))
        found[OWN_MEAN, at, k] = sojourn + each[WAIT_S, at, k]
        found[OWN_VARIANCE, at, k] = slowed + each[VARIED_S2, at, k]
        found[DEMANDED, at, k], found[PODS, at, k] = min(full, 1e3), ready


@inner
def _along(model: Model, state: State, at: int) -> None:
    """Mean and variance with all callees in them, and memory needed over its limit, whose jobs wait for callees too."""
    each, calls, found = model.each, model.calls, state.each
    for k in range(each.shape[2]):
        found[MEAN, at, k], found[VARIANCE, at, k] = found[OWN_MEAN, at, k], found[OWN_VARIANCE, at, k]
    for below in range(calls.shape[1]):
        if calls[CALLS, at, below] > 0.0:
            for k in range(each.shape[2]):
                mean = found[MEAN, below, k]
                found[MEAN, at, k] += calls[WAITED, at, below] * mean
                found[VARIANCE, at, k] += (
                    calls[SPREAD, at, below] * found[VARIANCE, below, k] + calls[CHANCE, at, below] * mean * mean
                )
    for k in range(each.shape[2]):
        found[MEAN, at, k] = min(found[MEAN, at, k], model.timeout_s)
        jobs = each[FLOW, at, k] * found[MEAN, at, k] / max(found[PODS, at, k], 1.0)
        most = jobs + model.peak * math.sqrt(jobs * (jobs + 1.0))  # a shared pod's number is geometric
        needed = each[BASE_MIB, at, k] + each[PER_JOB_MIB, at, k] * most
        if at < len(state.point):  # a station has no memory
            found[INSIDE, at, k] = needed / (state.point[at, MEMORY] * each[MEMORY_LEFT, at, k])


@inner
def _quantile(mean: float, variance: float, level: float) -> float:
    """Of a gamma law, by its cube root's normal law (Wilson and Hilferty 1931); level: the normal law's quantile."""
    ninth = variance / (9.0 * max(mean, 1e-12) ** 2)
    root = max(1.0 - ninth + level * math.sqrt(ninth), 0.0)
    return mean * root * root * root


@inner
def _failed(model: Model, state: State, world: int) -> float:
    """Share of requests that fail at the target, own causes or a callee's: CallGraph.failing of one world."""
    failed = np.empty(len(model.order))
    for at in model.order:
        failed[at] = model.failing[at, world]
        for k in range(world, len(model.world)):
            if model.world[k] == world and state.each[PODS, at, k] <= 0.0:
                failed[at] = max(failed[at], 1.0 if k == world else model.worlds[AWAY, world])
        for callee in range(len(failed)):
            number, below = model.calls[CALLS, at, callee], failed[callee]
            if number > 0.0:
                lost = number * below if number <= 1.0 else 1.0 - (1.0 - below) ** number
                failed[at] = 1.0 - (1.0 - failed[at]) * (1.0 - lost)
    return float(failed[model.target])


@inner
def look(model: Model, state: State) -> None:
    """Shares of the SLO that are used, and the demand or memory over capacity at the fullest service; every world."""
    found, seen, count = state.each, state.worlds, model.worlds.shape[1]
    memory, least = np.zeros(count), np.ones(count)
    for world in range(count):
        seen[USED, world], seen[FULLEST, world] = 0.0, 0.0
    for k in range(len(model.world)):
        world, full, inside, pods = model.world[k], 0.0, 0.0, 1.0
        for at in range(found.shape[1]):
            full, inside = max(full, found[DEMANDED, at, k]), max(inside, found[INSIDE, at, k])
            pods = min(pods, found[PODS, at, k])
        memory[world], least[world] = max(memory[world], inside), min(least[world], pods)
        seen[FULLEST, world] = max(seen[FULLEST, world], full, inside)
        mean, variance = found[MEAN, model.target, k], found[VARIANCE, model.target, k]
        took = _quantile(mean, variance, model.conditions[LEVEL, k]) * model.worlds[CORRECTION, world]
        seen[USED, world] = max(seen[USED, world], took / model.slo_s)
    for world in range(count):
        failed = model.worlds[FAILED, world] if least[world] > 0.0 else _failed(model, state, world)
        used = max(seen[USED, world], failed / model.allowed)
        seen[USED, world] = max(used, CRASH * memory[world] / model.allowed) if memory[world] > 1.0 else used


@inner
def settle(model: Model, state: State, at: int) -> None:
    """After a service's row of the point has changed."""
    for row in model.order:
        if model.above[at, row]:
            if model.rows[row, POD] == at:
                _own(model, state, row)
            _along(model, state, row)


@inner
def settle_all(model: Model, state: State) -> None:
    """After the point has changed."""
    for row in model.order:
        _own(model, state, row)
        _along(model, state, row)
