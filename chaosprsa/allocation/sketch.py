"""The lowest rung of the twin: each world as the steady state of its fault, fast enough to weigh thousands of moves.

What a service does to a request depends, at a given load, on its own pods only, and a candidate is a sum along its
calls (steady, compiled). Times are gamma laws. Where pods are gone for a while the percentile is read off whichever of
the two states is worse for it. Latencies are multiplied by a correction a world: what the fluid twin said of a point
over what the sketch said of it (space mapping: Bandler and others 1994).

Its own greedy search goes up by the best move for its money, down lazily (lazy), and on by exchanges.
"""

from typing import Self

import numpy as np
from scipy.special import ndtri

from chaosprsa.allocation.dimensions import MIXING
from chaosprsa.allocation.greedy import MOST_PODS, Found, found_at
from chaosprsa.allocation.lazy import Question, lowered, repaired, scores_of, tried
from chaosprsa.allocation.scores import Objective, Scores
from chaosprsa.allocation.space import CPU, REPLICAS, Floats, Ints, Space
from chaosprsa.allocation.steady import BASE_MIB, CORRECTION, PER_JOB_MIB, USED, Model, state_of
from chaosprsa.allocation.weighing import bill_of
from chaosprsa.twin import Rehearsal
from chaosprsa.twin.course import LONGEST_S, effects_of
from chaosprsa.twin.fluid import PEAK_DEVIATIONS
from chaosprsa.twin.graph import CallGraph

MOST_CORRECTION = 5.0
MOST_USED = 8.0  # of the SLO: beyond it answers fail
HEADROOM = 1.1
REPAIRS, SIZES, EXCHANGED = (np.array(sizes) for sizes in ((1, 4, 16), (16, 8, 4, 2, 1), (1, 2, 4)))
MOST_REPAIRS = 400  # twenty services that all need some steps
MOST_EXCHANGES = 30
MOST_PAIRS = 60
CLOSE = 0.05  # of the SLO: exchanges whose moves together promise to take less are tried


class Sketch:
    """An objective that answers much like the fluid one, in microseconds a candidate.

    mixed: the objective's rehearsal for one mix, where points differ in that.
    """

    def __init__(self, objective: Objective, mixed: Rehearsal | None = None) -> None:
        self.space, self._objective = objective.space, objective
        space = objective.space
        model = _model(mixed or objective.rehearsal, space)
        self._question = Question(model, objective.stakes, bill_of(space, objective.risk.change_share))
        self._state, self._kept = state_of(model, space.low), state_of(model, space.low)

    def begin(self) -> Self:
        """Corrected at the most generous point, where the objective has looked anyway: what holds there holds here."""
        self._learn(self.space.generous, self._objective.least_used)
        return self

    def correct(self, point: Ints) -> Scores:
        """Look at one point on the fluid twin and take the ratio over; its scores there."""
        fine = self._objective.used(point[None])
        self._learn(point, fine[0])
        return self._objective.scored(point[None], fine, np.log(np.maximum(fine, 1.0)))

    def _learn(self, point: Ints, fine: Floats) -> None:
        """Where pods crash that the sketch keeps alive, their memory is the difference: it gets headroom there."""
        model = self._question.model
        self.correction = np.ones(len(fine))
        self(point[None])
        coarse = np.maximum(self.used, 1e-3)
        crashed = (fine > MOST_USED) & (coarse < 1)
        for memory in (BASE_MIB, PER_JOB_MIB):
            model.each[memory][:, crashed[model.world]] *= HEADROOM
        ratio = np.clip(fine / coarse, 1 / MOST_CORRECTION, MOST_CORRECTION)
        self.correction = np.where(crashed, 1.0, ratio)

    def __call__(self, points: Ints) -> Scores:
        """points: shape (candidates, services, columns). The state is the last one's then."""
        found = np.empty((len(points), 3))
        scores_of(self._question, self._state, points, found)
        cost, price = self._objective.prices(points)
        return Scores(cost, price, *found.T)

    def search(self, start: Ints) -> Found:
        """Greedy from a start within the hard limits: where no move and no exchange saves, or as close as it came."""
        self(start[None])
        if repaired(self._question, self._state, self._kept, REPAIRS, MOST_REPAIRS):
            for _ in range(MOST_EXCHANGES):
                lowered(self._question, self._state, self._kept, SIZES)
                if not self._exchanged():
                    break
        point = self._state.point.copy()
        return found_at(point, self(point[None]), 0)

    def _exchanged(self) -> bool:
        """One down and one up that save most together, of those whose single moves together promise to fit."""
        now, point = self(self._state.point[None]), self._state.point.copy()
        (downs, cut), (ups, raised) = self._tried(-EXCHANGED), self._tried(EXCHANGED)
        room = cut[:, 2, None] + raised[:, 2] - 2 * now.tightness
        worth = np.where(room < CLOSE, -cut[:, 3, None] - raised[:, 3], 0.0)
        order = np.argsort(-worth, axis=None, kind="stable")[:MOST_PAIRS]
        pairs = self._after(downs[order // max(len(ups), 1)]) + self._after(ups[order % max(len(ups), 1)]) - point
        inside = (pairs >= self.space.low).all(axis=(1, 2)) & (pairs <= self.space.high).all(axis=(1, 2))
        pairs = np.concatenate((pairs[inside], point[None]))
        scores = self(pairs)
        price = np.where(scores.feasible, scores.price_month, np.inf)
        best = int(price.argmin())
        self(pairs[[best]])
        return bool(price[best] < price[-1] - 1e-9)

    @property
    def correction(self) -> Floats:
        """What latencies are multiplied by, shape (worlds,)."""
        return np.asarray(self._question.model.worlds[CORRECTION], dtype=np.float64)

    @correction.setter
    def correction(self, ratio: Floats) -> None:
        self._question.model.worlds[CORRECTION] = ratio

    @property
    def used(self) -> Floats:
        """Shares of the SLO that the last point uses, shape (worlds,)."""
        return np.asarray(self._state.worlds[USED], dtype=np.float64)

    def moves(self, point: Ints, sizes: Ints) -> tuple[Ints, Floats]:
        """Every single move from a point by so many steps (service, part, steps), and what lazy.tried says of it."""
        self(point[None])
        return self._tried(sizes)

    def _tried(self, sizes: Ints) -> tuple[Ints, Floats]:
        """Every single move from here."""
        point, space = self._state.point, self.space
        each = np.arange(len(point)), np.arange(min(point.shape[1], MIXING)), sizes
        at, part, size = (one.ravel() for one in np.meshgrid(*each, indexing="ij"))
        moves = np.stack((at, part, size), axis=1)
        to = point[at, part] + size * space.step[at, part]
        fits = (space.low[at, part] <= to) & (to <= space.high[at, part])
        moves = moves[fits & ((part != REPLICAS) | (np.abs(size) <= MOST_PODS))]
        moves = moves[space.excess(self._after(moves)) <= space.excess(point[None])[0]]
        found = np.empty((len(moves), 4))
        tried(self._question, self._state, self._kept, moves, found)
        return moves, found

    def _after(self, moves: Ints) -> Ints:
        """The points that moves lead to from here."""
        points = np.repeat(self._state.point[None], len(moves), axis=0)
        at, part, size = moves.T
        points[np.arange(len(moves)), at, part] += size * self.space.step[at, part]
        return points


def _model(rehearsal: Rehearsal, space: Space) -> Model:
    """Conditions of the worlds: each after killed pods are back, then those in which they are away for a while."""
    twin, slo, worlds = rehearsal.twin, rehearsal.slo, rehearsal.worlds
    graph, parameters = twin.graph, worlds.parameters
    issues, target = [rehearsal.issues[at] for at in worlds.issue], graph.services.index(slo.service)
    effects = effects_of(issues, graph.services, worlds.strength, graph.owners)
    fault_s = np.minimum(worlds.duration_s, rehearsal.phases_s[0])
    away_s = np.where(effects.killed > 0, parameters.start_delay_s, 0.0).max(axis=1)
    away = np.minimum(away_s / np.maximum(fault_s, 1e-9), 1.0)
    after = np.arange(len(away))
    world = np.concatenate((after, gone := np.flatnonzero(away > 0)))
    length_s = np.minimum(worlds.duration_s, rehearsal.phases_s[0] + LONGEST_S)
    above = 1.0 - slo.latency_percentile / 100
    failing = 1.0 - (1.0 - parameters.error_share) * (1.0 - effects.failing)

    def of(values: Floats) -> Floats:
        return np.ascontiguousarray(np.nan_to_num(values)[world].T)

    killed = of(effects.killed)
    killed[:, : len(after)] = 0.0
    each = (
        of((worlds.load_per_s * effects.surge)[:, None] * graph.visits),
        of(parameters.demand_s), of(parameters.wait_s + effects.slower_s), of(twin.work_cv2 * parameters.wait_s**2),
        of(effects.cpu_left), of(effects.memory_left), of(effects.lost), killed,
        of(parameters.memory_mib), of(parameters.memory_per_job_mib),
    )  # fmt: skip
    level = -ndtri(np.concatenate((np.full(len(after), above), np.minimum(above / away[gone], 1.0 - 1e-9))))
    return Model(
        each=np.stack(each),
        conditions=np.stack((level, np.concatenate((length_s, away[gone] * length_s[gone])))),
        worlds=np.stack((away, graph.failing(failing)[:, target], np.ones(len(away)))),
        calls=_calls(graph),
        world=world,
        failing=np.ascontiguousarray(failing.T),
        rows=np.stack((graph.pods, [CPU] * len(graph.named) + [rate.column for rate in space.rates]), axis=1),
        speed=_speed(space),
        above=_above(graph),
        order=np.array(graph.order, dtype=np.int64),
        target=target,
        slo_s=slo.latency_ms / 1000,
        allowed=max(1 - slo.success_ratio, 1e-3),
        timeout_s=float(twin.timeout_s),
        work_cv2=float(twin.work_cv2),
        peak=PEAK_DEVIATIONS,
    )


def _calls(graph: CallGraph) -> Floats:
    """What a callee's mean, variance and squared mean count for in its caller's; see steady."""
    part, waited = graph.calls - np.floor(graph.calls), graph.waited
    return np.stack((graph.calls, waited * graph.calls, waited**2 * graph.calls, waited**2 * part * (1.0 - part)))


def _above(graph: CallGraph) -> Ints:
    """Whether what a service does reaches a row; see steady.Model."""
    callers = np.linalg.inv(np.eye(len(graph.services)) - (graph.calls > 0)).T > 0.5  # by any number of calls
    within = np.equal.outer(np.arange(len(graph.named)), graph.pods)
    return np.asarray(callers[: len(graph.named)] | within, dtype=np.int64)


def _speed(space: Space) -> Floats:
    """Of each station, by the value of its column."""
    found = np.zeros((len(space.rates), max((len(rate.share) for rate in space.rates), default=1)))
    for row, rate in zip(found, space.rates, strict=True):
        row[: len(rate.share)] = rate.share
    return found
