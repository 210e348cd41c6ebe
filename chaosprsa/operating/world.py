"""Many simulated systems at once, scaled step by step: the fluid twin with pods that start, and issues that come.

Each environment has its own load, its own true work a request and its own issue; the policy sees what a metrics
pipeline would show. Issues may be announced, as the simulator predicts them, and announced ones may stay away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chaosprsa.autoscalers.contract import System
from chaosprsa.errors import require
from chaosprsa.operating.orders import ordered
from chaosprsa.operating.watch import Look, Watch
from chaosprsa.twin.course import Course, Effects, Part, effects_of
from chaosprsa.twin.fluid import Capacity, Fluid
from chaosprsa.twin.parameters import Parameters, Twin
from chaosprsa.types import SimulatedIssue

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FIRST_HEADROOM = 1.3
AMPLE_MIB = 1e9  # memory is what the search decides; here nothing runs out of it
MOST_ANNOUNCED = 3.0
THROTTLING = 8.0  # power of utilisation that is nearest to throttling under CFS on the exact twin


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Situations, one an environment. load_per_s: shape (steps, environments), a step's mean.

    work: shape (environments, services), the true work a request over the twin's. issues: of all, each in the
    environment of its row in `where`. happens: whether it does. announced: the probability that was said before, or 0.
    """

    load_per_s: Floats
    work: Floats
    issues: Sequence[SimulatedIssue]
    where: npt.NDArray[np.int64]
    happens: npt.NDArray[np.bool_]
    announced: Floats

    def __post_init__(self) -> None:
        require(len(self.work) == self.load_per_s.shape[1], "situations: load and work differ in their environments")
        count = len(self.issues)
        same = len(self.where) == len(self.happens) == len(self.announced) == count
        require(same, f"situations: there are {count} issues, but not as many of what is said of them")


def announcement(effects: Effects, probability: Floats) -> Floats:
    """What an issue is predicted to multiply each service's need with, shape (issues, services)."""
    left = effects.cpu_left * (1.0 - np.maximum(effects.killed, effects.lost))
    factor = effects.surge[:, None] / np.maximum(left, 1.0 / MOST_ANNOUNCED)
    return np.minimum(1.0 + probability[:, None] * (factor - 1.0), MOST_ANNOUNCED)


class World:
    """Reset, then steps of headroom until `done`. After each: cost and late, shape (environments,).

    cost: of cores that are paid, over what the load's work takes at least on average. late: share of requests.
    """

    def __init__(self, twin: Twin, system: System, drawn: Drawn) -> None:
        self.steps, self.environments = drawn.load_per_s.shape
        self.step_s = system.step_s
        self._twin, self._system, self._drawn = twin, system, drawn
        shape = (self.environments, len(system.services))
        nominal = {name: np.broadcast_to(getattr(twin.nominal, name), shape) for name in Parameters.__slots__}
        self._parameters = Parameters(**{**nominal, "demand_s": twin.nominal.demand_s * drawn.work})
        self._memory = np.full(shape, AMPLE_MIB)
        strength, begin, lasts = (
            np.array([getattr(issue, name) for issue in drawn.issues]) for name in ("strength", "start_s", "duration_s")
        )
        self._effects = effects_of(drawn.issues, system.services, strength)
        self._begin_s, self._end_s = begin, begin + lasts
        self._announced = announcement(self._effects, drawn.announced)
        self._work = self._parameters.demand_s * twin.graph.visits
        self._least = (drawn.load_per_s.mean(axis=0)[:, None] * self._work).sum(axis=1)
        self._delay = int(np.ceil(system.start_s / system.step_s - 1e-9))
        self._at = 0
        self.cost = self.late = self.arrived = np.zeros(self.environments)

    @property
    def done(self) -> bool:
        """Whether the load is over."""
        return bool(self._at >= self.steps)

    def reset(self) -> Floats:
        """Features after the first step, which is played at a usual headroom."""
        need = self._drawn.load_per_s[0][:, None] * self._work
        self._cores = np.broadcast_to(self._system.cores, need.shape).astype(np.float64)
        self._ready = np.ceil(FIRST_HEADROOM * need / self._cores)
        self._starting = [np.zeros_like(self._ready) for _ in range(self._delay)]
        steps = np.full((self.steps, self.environments), self._system.step_s)
        course = Course(steps, self._drawn.load_per_s, np.full(self.steps, Part.FAULT))
        self._fluid = Fluid(self._twin, self._capacity(), self._parameters, self._now(np.zeros(0, np.int64)), course)
        self._watch = Watch(self._system, self.environments)
        self._at = 0
        return self._advance()

    def step(self, headroom: Floats) -> Floats:
        """Order need x headroom, play a step, and look. headroom: shape (environments,)."""
        have = self._ready + sum(self._starting)
        orders = ordered(self._system, self._watch.needs, headroom, have, self._ready)
        wanted, self._cores = orders.pods, orders.cores
        if self._delay:
            self._starting[-1] = self._starting[-1] + np.maximum(wanted - have, 0)
        else:
            self._ready = self._ready + np.maximum(wanted - have, 0)
        self._drop(np.maximum(have - wanted, 0))
        return self._advance()

    def _drop(self, surplus: Floats) -> None:
        """The youngest first."""
        for at in reversed(range(self._delay)):
            gone = np.minimum(self._starting[at], surplus)
            self._starting[at], surplus = self._starting[at] - gone, surplus - gone
        self._ready = self._ready - surplus

    def _advance(self) -> Floats:
        now_s = self._at * self._system.step_s
        on = self._drawn.happens & (self._begin_s <= now_s) & (now_s < self._end_s)
        self._strike(np.flatnonzero(on & (self._begin_s > now_s - self._system.step_s)))
        effects = self._now(np.flatnonzero(on))
        room = np.ceil(self._ready * (1.0 - self._most("lost", np.flatnonzero(on))) - 1e-9)
        self._fluid.allot(self._capacity(room), effects)
        seen = self._fluid.step(self._at)
        self.late = 1.0 - (1.0 - seen.law().above(self._system.slo_s)) * (1.0 - seen.failed)
        self.arrived = self._drawn.load_per_s[self._at] * effects.surge
        paid = self._ready + sum(self._starting)
        self.cost = (paid * self._cores).sum(axis=1) / self._least
        look = Look(
            arrivals_per_s=self.arrived,
            answered_per_s=self._fluid.carried[:, self._system.entry],
            mean_s=seen.mean_s,
            cpu_cores=self._fluid.utilisation * room * self._cores * effects.cpu_left,
            ready=room,
            starting=np.asarray(sum(self._starting)) + np.zeros_like(room),
            cores=self._cores,
            throttled=self._fluid.utilisation**THROTTLING,
            announced=self._ahead(now_s, self._system.start_s + self._system.step_s),
            next=self._ahead(now_s, self._system.step_s),
        )
        if self._delay:
            self._ready = self._ready + self._starting.pop(0)
            self._starting.append(np.zeros_like(room))
        self._at += 1
        return self._watch.see(look)

    def _strike(self, beginning: Ints) -> None:
        """Pods are killed, and others begin to start."""
        share = self._most("killed", beginning)
        killed = np.where(share > 0, np.minimum(np.maximum(np.round(share * self._ready), 1), self._ready), 0.0)
        self._ready = self._ready - killed
        if self._delay:
            self._starting[-1] = self._starting[-1] + killed

    def _ahead(self, now_s: float, reach_s: float) -> Floats:
        """What is announced for so long from the end of this step."""
        after_s = now_s + self._system.step_s
        soon = np.flatnonzero((self._begin_s < after_s + reach_s) & (after_s < self._end_s))
        found = np.ones(self._work.shape)
        np.multiply.at(found, self._drawn.where[soon], self._announced[soon])
        return np.minimum(found, MOST_ANNOUNCED)

    def _capacity(self, ready: Floats | None = None) -> Capacity:
        return Capacity(self._ready if ready is None else ready, self._cores, self._memory)

    def _most(self, name: str, issues: Ints) -> Floats:
        """The largest share among these issues, shape (environments, services)."""
        found = np.zeros(self._work.shape)
        np.maximum.at(found, self._drawn.where[issues], getattr(self._effects, name)[issues])
        return found

    def _now(self, on: Ints) -> Effects:
        """What is on, without killed and lost pods, which are the world's own matter."""
        where, effects, shape = self._drawn.where[on], self._effects, self._work.shape
        none, surge = np.zeros(shape), np.ones(self.environments)
        cpu_left, memory_left, slower_s, working = np.ones(shape), np.ones(shape), np.zeros(shape), np.ones(shape)
        np.multiply.at(cpu_left, where, effects.cpu_left[on])
        np.multiply.at(memory_left, where, effects.memory_left[on])
        np.add.at(slower_s, where, effects.slower_s[on])
        np.multiply.at(working, where, 1.0 - effects.failing[on])
        np.multiply.at(surge, where, effects.surge[on])
        return Effects(none, none, cpu_left, memory_left, slower_s, 1.0 - working, surge)
