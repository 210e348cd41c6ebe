"""The policy's schooling: one round of experience in drawn situations on many fluid twins at once, then prices.

Headroom is tried at random, held for some steps so that its effects show, and every price learns from the same steps:
following what was learnt so far taught no more than as many further random ones. At each price of a late request the
best fixed headroom is the middle of the trust region in which a policy moves. Whether it is better than that is judged
elsewhere (`examination`), request by request.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from chaosprsa.autoscalers.contract import System
from chaosprsa.operating.fitted_q import ACTIONS, Fixed, Learned, Transitions, fitted
from chaosprsa.operating.world import Drawn, World
from chaosprsa.twin.parameters import Twin
from chaosprsa.types import SimulatedIssue

Floats = npt.NDArray[np.float64]

ENVIRONMENTS, EPISODE_S = 36, 1200.0
HOLDING_S = 150.0  # how long random headroom is held
PRICES = (200.0, 100.0, 50.0, 30.0, 20.0, 15.0, 10.0, 7.5, 5.0, 3.0, 2.0, 1.0, 0.5)  # of a late request, in least cores
HARDER = 20.0  # price at which policies are compared where none is given
TRIED_ON = 36
MISMATCH = 0.18  # deviation of the logarithm of a request's true work: a system is not its twin


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What situations are drawn from. load_per_s: past or expected load, a step's mean each. issues: to be ready for.

    issues_per_h: how often one comes. surprise: share of issues that come unannounced.
    """

    twin: Twin
    system: System
    load_per_s: Floats
    issues: Sequence[SimulatedIssue] = ()
    issues_per_h: float = 3.0
    surprise: float = 0.5

    def world(self, count: int, rng: np.random.Generator) -> World:
        """So many environments. Raises BadInput where an issue starts at a service the twin doesn't know."""
        return World(self.twin, self.system, self.drawn(count, rng))

    def drawn(self, count: int, rng: np.random.Generator) -> Drawn:
        """Stretches of the load played slower or faster, higher or lower; issues at another time of theirs."""
        load = courses(self.load_per_s, count, self.system.step_s, rng)
        work = np.exp(rng.normal(0.0, MISMATCH, (count, len(self.system.services))))
        last_s = EPISODE_S
        often = self.issues_per_h * last_s / 3600.0 if self.issues else 0.0
        where = np.repeat(np.arange(count), rng.poisson(often, count))
        weight = np.array([issue.probability for issue in self.issues])
        which = rng.choice(len(weight), size=len(where), p=weight / weight.sum()) if len(where) else where
        begin = rng.uniform(0.05, 0.95, len(where)) * last_s
        said = np.where(rng.random(len(where)) < self.surprise, 0.0, rng.uniform(0.3, 1.0, len(where)))
        return Drawn(
            load_per_s=load,
            work=work,
            issues=[replace(self.issues[at], start_s=float(start)) for at, start in zip(which, begin, strict=True)],
            where=where,
            happens=(said == 0.0) | (rng.random(len(where)) < said),
            announced=said,
        )


def policies(lessons: Lessons, seed: int, prices: Sequence[float] = PRICES) -> tuple[Learned, ...]:
    """One at each price, from the same experience, around the fixed headroom that is best at it. By the seed."""
    living, trying = np.random.SeedSequence(seed).spawn(2)
    steps = experience(lessons, living)
    trial = lessons.world(TRIED_ON, np.random.default_rng(trying))
    factors = np.exp(ACTIONS[::3])
    cost, late = np.array([[each.mean() for each in played(trial, Fixed(factor).headroom)] for factor in factors]).T
    return tuple(fitted(steps, price, float(factors[(cost + price * late).argmin()])) for price in prices)


def experience(lessons: Lessons, seed: int | np.random.SeedSequence, environments: int = ENVIRONMENTS) -> Transitions:
    """One episode in so many environments, for `fitted` at any price."""
    rng = np.random.default_rng(seed)
    world = lessons.world(environments, rng)
    low, high, holding = float(ACTIONS[0]), float(ACTIONS[-1]), HOLDING_S / world.step_s
    held: Floats = np.asarray(rng.uniform(low, high, environments))
    features, steps = world.reset(), []
    while not world.done:
        anew = rng.random(environments) < 1.0 / holding
        held = np.where(anew, rng.uniform(low, high, environments), held)
        after = world.step(np.exp(held))
        steps.append(Transitions(features, held, world.cost, world.late, after))
        features = after
    return Transitions.joined(steps)


def courses(load_per_s: Floats, count: int, step_s: float, rng: np.random.Generator) -> Floats:
    """Shape (steps, count): from anywhere in the load, forth and back, with the noise of arrivals."""
    there_and_back = np.concatenate([load_per_s, load_per_s[-2::-1]])
    pace, begin = rng.uniform(0.6, 1.7, count), rng.uniform(0, len(load_per_s), count)
    at = np.arange(round(EPISODE_S / step_s))[:, None] * pace + begin
    around = np.interp(at % (len(there_and_back) - 1), np.arange(len(there_and_back)), there_and_back)
    return np.asarray(rng.poisson(around * rng.uniform(0.6, 1.4, count) * step_s) / step_s)


def played(world: World, headroom: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
    """(cost, late), shape (environments,): mean cost of a step, share of requests late."""
    features = world.reset()
    cost = late = arrived = np.zeros(world.environments)
    while not world.done:
        features = world.step(headroom(features))
        cost, late = cost + world.cost, late + world.late * world.arrived
        arrived = arrived + world.arrived
    return cost / (world.steps - 1), late / np.maximum(arrived, 1e-9)
