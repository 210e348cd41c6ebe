"""The lowest rung of the twin: each world as the steady state of its fault, fast enough to weigh thousands of moves.

What a service does to a request depends, at a given load, on its own pods only, so it is worked out once for each
service, number of pods and CPU limit, and kept; a candidate is a sum along its calls (adding). Times are gamma laws.
Where pods are gone for a while the percentile is read off whichever of the two states is worse for it. Latencies are
multiplied by a correction a world: what the fluid twin said of a point over what the sketch said of it (space mapping:
Bandler and others 1994).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from chaosprsa.allocation.adding import added
from chaosprsa.allocation.scores import Objective, Scores
from chaosprsa.allocation.space import AMPLE_MIB, CPU, MEMORY, REPLICAS, Floats, Ints
from chaosprsa.twin import Rehearsal
from chaosprsa.twin.course import LONGEST_S, effects_of
from chaosprsa.twin.fluid import PEAK_DEVIATIONS
from chaosprsa.twin.graph import CallGraph
from chaosprsa.twin.queueing import sojourn_s

FULL = 0.98
MOST_CORRECTION = 5.0
MOST_USED = 8.0  # of the SLO: beyond it answers fail
HEADROOM = 1.1
CRASH = 0.8  # share of answers that fail where a pod over its memory limit dies and starts over


@dataclass(slots=True)
class _Kept:
    """What has been worked out; shape (room, worlds, 2): while killed pods are away, and after. count: rows in use."""

    mean: Floats
    variance: Floats
    pressure: Floats
    pods: Floats
    count: int

    def add(self, parts: list[Floats]) -> None:
        """Rows at the end, in room that doubles."""
        end = self.count + len(parts[0])
        for name, part in zip(("mean", "variance", "pressure", "pods"), parts, strict=True):
            kept = getattr(self, name)
            if end > len(kept):
                kept = np.concatenate((kept, np.zeros((max(end, 256), *kept.shape[1:]))))
                setattr(self, name, kept)
            kept[self.count : end] = part
        self.count = end


class Sketch:
    """An objective that answers much like the fluid one, in microseconds a candidate.

    mixed: the objective's rehearsal for one mix, where points differ in that.
    """

    def __init__(self, objective: Objective, mixed: Rehearsal | None = None) -> None:
        self.space, self._objective = objective.space, objective
        rehearsal = mixed or objective.rehearsal
        self._twin, self._slo, self._worlds = rehearsal.twin, rehearsal.slo, rehearsal.worlds
        worlds, graph = self._worlds, rehearsal.twin.graph
        services, issues = graph.services, [rehearsal.issues[at] for at in worlds.issue]
        self._effects = effects_of(issues, services, worlds.strength, graph.owners)
        self._target = services.index(self._slo.service)
        self._flow = (worlds.load_per_s * self._effects.surge)[:, None] * graph.visits
        fault_s = np.minimum(worlds.duration_s, rehearsal.phases_s[0])
        self._length_s = np.minimum(worlds.duration_s, rehearsal.phases_s[0] + LONGEST_S)
        away_s = np.where(self._effects.killed > 0, worlds.parameters.start_delay_s, 0.0).max(axis=1)
        self._away = np.minimum(away_s / np.maximum(fault_s, 1e-9), 1.0)
        self._above = 1.0 - self._slo.latency_percentile / 100
        away = np.minimum(self._above / np.maximum(self._away, 1e-9), 1.0 - 1e-9)
        self._levels = np.stack((-ndtri(away), np.full_like(away, -ndtri(self._above))), axis=-1)
        self._failing = 1.0 - (1.0 - worlds.parameters.error_share) * (1.0 - self._effects.failing)
        self._failed = graph.failing(self._failing)[:, self._target]
        self._base, self._per_job = (
            np.nan_to_num(values).copy()
            for values in (worlds.parameters.memory_mib, worlds.parameters.memory_per_job_mib)
        )
        self._edges = _edges(graph)
        self.correction = np.ones(len(worlds.issue))
        self._pods_of, rates = np.array(graph.pods), self.space.rates
        self._parts = np.array([CPU] * len(self.space.services) + [rate.column for rate in rates])
        self._shares = {len(self.space.services) + number: rate.share for number, rate in enumerate(rates)}
        low, high, step = (self._columns(corner) for corner in (self.space.low, self.space.high, self.space.step))
        self._low, self._step, self._at = (
            low,
            step,
            np.full((len(services), *(((high - low) // step).max(axis=0) + 1)), -1, dtype=np.int64),
        )
        nothing = [np.zeros((256, len(worlds.issue), 2)) for _ in range(4)]
        self._kept = _Kept(nothing[0], nothing[1], nothing[2], nothing[3], 0)

    def _columns(self, points: Ints) -> Ints:
        """What decides how a service or station serves: pods, and millicores or what it has of a station."""
        return np.stack((points[..., self._pods_of, REPLICAS], points[..., self._pods_of, self._parts]), axis=-1)

    def correct(self, point: Ints) -> Scores:
        """Look at one point on the fluid twin and take the ratio over; its scores there.

        Where pods crash that the sketch keeps alive, their memory is the difference: it gets headroom in that world.
        """
        fine = self._objective.used(point[None])
        self.correction = np.ones(fine.shape[1])
        coarse = np.maximum(self._used(point[None])[0], 1e-3)
        crashed = ((fine > MOST_USED) & (coarse < 1))[0]
        self._base[crashed] *= HEADROOM
        self._per_job[crashed] *= HEADROOM
        ratio = np.clip(fine / coarse, 1 / MOST_CORRECTION, MOST_CORRECTION)[0]
        self.correction = np.where(crashed, 1.0, ratio)
        return self._objective.scored(point[None], fine, np.log(np.maximum(fine, 1.0)))

    def __call__(self, points: Ints) -> Scores:
        """points: shape (candidates, services, columns)."""
        used, pressure = self._used(points)
        rising = np.where(used > 1, np.log(np.maximum(used, 1.0)) + np.maximum(pressure - 1.0, 0.0), 0.0)
        return self._objective.scored(points, used, rising)

    def _used(self, points: Ints) -> tuple[Floats, Floats]:
        """(share of the SLO used, demand over capacity at the fullest service), shape (candidates, worlds)."""
        rows, kept = self._rows(points), self._kept
        memory = np.full(rows.shape, AMPLE_MIB)
        memory[:, : len(self.space.services)] = points[..., MEMORY]
        latency, pressure, full = (np.empty((len(points), len(self._away))) for _ in range(3))
        gone = added(
            rows, memory, kept.mean, kept.variance, kept.pressure, kept.pods,
            self._away, self._levels, self._flow, self._base, self._per_job, self._effects.memory_left,
            *self._edges, self._above, self._twin.timeout_s, PEAK_DEVIATIONS, self._target, latency, pressure, full,
        )  # fmt: skip
        failed = self._failures(rows) if gone else self._failed
        used = latency * self.correction * 1000 / self._slo.latency_ms
        used = np.maximum(used, failed / max(1 - self._slo.success_ratio, 1e-3))
        crashed = np.maximum(used, CRASH * full / max(1 - self._slo.success_ratio, 1e-3))
        return np.where(full > 1, crashed, used), np.maximum(pressure, full)

    def _failures(self, rows: NDArray[np.int64]) -> Floats:
        gone = self._kept.pods[rows] <= 0  # (candidates, services, worlds, states)
        dead = np.where(gone[..., 1], 1.0, gone[..., 0] * self._away)
        own = np.maximum(np.swapaxes(dead, 1, 2), self._failing)
        return np.asarray(self._twin.graph.failing(own)[..., self._target], dtype=np.float64)

    def _rows(self, points: Ints) -> NDArray[np.int64]:
        """Where each row's share of each point is kept, shape (candidates, services and stations)."""
        cells = (self._columns(points) - self._low) // self._step
        at = (np.arange(len(self._pods_of)), cells[..., 0], cells[..., 1])
        rows = self._at[at]
        missing = rows < 0
        if missing.any():
            which = np.broadcast_to(at[0], rows.shape)[missing]
            wanted = np.stack((which, cells[..., 0][missing], cells[..., 1][missing]), axis=1)
            wanted = np.unique(wanted, axis=0)
            self._at[tuple(wanted.T)] = self._kept.count + np.arange(len(wanted))
            self._keep(wanted)
            rows = self._at[at]
        return np.asarray(rows, dtype=np.int64)

    def _keep(self, wanted: Ints) -> None:
        """wanted: rows of (service or station, its pods' cell, the cell of its cores)."""
        which = wanted[:, 0]
        values = self._low[which] + wanted[:, 1:] * self._step[which]
        pods, cores = values[:, 0].astype(float)[:, None], values[:, 1] / 1000
        for station, share in self._shares.items():
            cores[which == station] = share[values[which == station, 1]]
        cores = cores[:, None] * self._effects.cpu_left.T[which]
        lost, killed = (_pods(share.T[which], pods) for share in (self._effects.lost, self._effects.killed))
        away = self._state(which, np.maximum(pods - lost - killed, 0.0), cores, self._away * self._length_s)
        after = self._state(which, np.maximum(pods - lost, 0.0), cores, self._length_s)
        self._kept.add([np.stack(pair, axis=-1) for pair in zip(away, after, strict=True)])

    def _state(
        self, which: NDArray[np.int64], ready: Floats, cores: Floats, length_s: Floats
    ) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean and variance of the services' own time, demand over capacity, pods; shape (wanted, worlds)."""
        parameters = self._worlds.parameters
        demand, wait = parameters.demand_s.T[which], parameters.wait_s.T[which]
        pressure = self._flow.T[which] * demand / np.maximum(ready * cores, 1e-9)
        backlog_s = np.maximum(1.0 - FULL / np.maximum(pressure, 1e-9), 0.0) * length_s
        sojourn = sojourn_s(np.minimum(pressure, FULL), cores, demand) + np.minimum(backlog_s, self._twin.timeout_s)
        shared = np.clip(1.0 - demand / np.minimum(cores, 1.0) / sojourn, 0.0, 1.0)
        cv2 = self._twin.work_cv2
        varied = sojourn**2 * (cv2 + 2.0 * shared / (2.0 - shared)) + cv2 * wait**2
        return sojourn + wait + self._effects.slower_s.T[which], varied, np.minimum(pressure, 1e3), ready


def _pods(share: Floats, pods: Floats) -> Floats:
    """Whole pods, at least one where any share is: as the fluid twin has it."""
    return np.where(share > 0, np.minimum(np.maximum(np.round(share * pods), 1.0), pods), 0.0)


def _edges(graph: CallGraph) -> tuple[Ints, Ints, Ints, Floats, Floats]:
    """(order, first_edge, callee, calls, share of them that is waited for), callees first."""
    callers, callees = np.nonzero(graph.calls)
    first = np.searchsorted(callers, np.arange(len(graph.services) + 1))
    return (
        np.array(graph.order, dtype=np.int64),
        first.astype(np.int64),
        callees.astype(np.int64),
        np.ascontiguousarray(graph.calls[callers, callees]),
        np.ascontiguousarray(graph.waited[callers, callees]),
    )
