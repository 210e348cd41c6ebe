"""The policy's schooling: rounds of experience in drawn situations, then a price, then an examination in fresh ones.

The first round tries headroom at random, held for some steps so that its effects show; later ones follow the policy so
far, moved at random. The price of a late request is the lowest at which the policy keeps the limit in situations of its
own; whether it is better than a fixed headroom is judged in others again, and said.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from chaosprsa.autoscalers.contract import System
from chaosprsa.operating.fitted_q import ACTIONS, Learned, Transitions, fitted
from chaosprsa.operating.world import Drawn, World
from chaosprsa.twin.parameters import Twin
from chaosprsa.types import SimulatedIssue

Floats = npt.NDArray[np.float64]

ROUNDS, ENVIRONMENTS, STEPS = 4, 36, 80
HOLDING, MOVED = 10, 0.25  # steps that random headroom is held for; how far later rounds move from the policy
PRICES = (3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 200.0)
JUDGED_ON = 144
LIMIT, MARGIN = 0.01, 0.7  # of requests late at most; the share of it that is used, since systems differ from twins
HARDER = 20.0  # price at which policies are compared
MISMATCH = 0.18  # deviation of the logarithm of a request's true work: a system is not its twin
SURPRISE = 0.5  # of issues come unannounced
_Z95 = 1.645


@dataclass(frozen=True, slots=True)
class Schooled:
    """policy: the learnt one. headroom: the fixed one it was compared with, the cheapest that keeps the limit.

    kept: whether the policy was shown better. gain: in least cores' cost a step, at least `bound` with 95 %. cost,
    late: (policy's, fixed one's). steps: of experience.
    """

    policy: Learned
    headroom: float
    kept: bool
    gain: float
    bound: float
    cost: tuple[float, float]
    late: tuple[float, float]
    steps: int


def learn_policy(
    twin: Twin, system: System, load_per_s: Floats, issues: Sequence[SimulatedIssue], seed: int
) -> Schooled:
    """load_per_s: past or expected load, a step's mean each. issues: those to be ready for. Same seed: same policy.

    Raises BadInput where an issue starts at a service the twin doesn't know.
    """
    living, pricing, judging = np.random.SeedSequence(seed).spawn(3)
    steps = experience(twin, system, load_per_s, issues, living)

    def world(seed: np.random.SeedSequence) -> World:
        rng = np.random.default_rng(seed)
        return World(twin, system, drawn(system, load_per_s, issues, JUDGED_ON, rng))

    trial = world(pricing)
    policy = _affordable([fitted(steps, price) for price in PRICES], trial)
    fixed = _affordable([Fixed(headroom) for headroom in np.exp(ACTIONS).tolist()], trial)
    return _examined(policy, fixed, world(judging))


def experience(
    twin: Twin,
    system: System,
    load_per_s: Floats,
    issues: Sequence[SimulatedIssue],
    seed: int | np.random.SeedSequence,
    rounds: int = ROUNDS,
) -> Transitions:
    """What rounds of trying taught, for `fitted` at any price."""
    rng = np.random.default_rng(seed)
    lived: list[Transitions] = []
    policy: Learned | None = None
    for _ in range(rounds):
        lived.append(_lived(World(twin, system, drawn(system, load_per_s, issues, ENVIRONMENTS, rng)), policy, rng))
        policy = fitted(Transitions.joined(lived), HARDER)
    return Transitions.joined(lived)


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same headroom always."""

    factor: float

    def headroom(self, features: Floats) -> Floats:
        """Shape (rows,)."""
        return np.full(len(features), self.factor)


def drawn(
    system: System, load_per_s: Floats, issues: Sequence[SimulatedIssue], count: int, rng: np.random.Generator
) -> Drawn:
    """Situations: stretches of the load played slower or faster, higher or lower; issues at another time of theirs."""
    load = _courses(load_per_s, count, system.step_s, rng)
    work = np.exp(rng.normal(0.0, MISMATCH, (count, len(system.services))))
    if not issues:
        nothing = np.zeros(count)
        return Drawn(load_per_s=load, work=work, issues=(), happens=nothing > 0, announced=nothing)
    weight = np.array([issue.probability for issue in issues])
    which = rng.choice(len(issues), size=count, p=weight / weight.sum())
    begin = np.round(rng.uniform(0.1, 0.8, count) * STEPS) * system.step_s
    said = np.where(rng.random(count) < SURPRISE, 0.0, rng.uniform(0.3, 1.0, count))
    return Drawn(
        load_per_s=load,
        work=work,
        issues=[replace(issues[at], start_s=float(start)) for at, start in zip(which, begin, strict=True)],
        happens=(said == 0.0) | (rng.random(count) < said),
        announced=said,
    )


def _courses(load_per_s: Floats, count: int, step_s: float, rng: np.random.Generator) -> Floats:
    """Shape (STEPS, count): from anywhere in the load, forth and back, with the noise of arrivals."""
    there_and_back = np.concatenate([load_per_s, load_per_s[-2::-1]])
    at = np.arange(STEPS)[:, None] * rng.uniform(0.6, 1.7, count) + rng.uniform(0, len(load_per_s), count)
    around = np.interp(at % (len(there_and_back) - 1), np.arange(len(there_and_back)), there_and_back)
    return np.asarray(rng.poisson(around * rng.uniform(0.6, 1.4, count) * step_s) / step_s)


def _lived(world: World, policy: Learned | None, rng: np.random.Generator) -> Transitions:
    """One episode in every environment."""
    low, high = float(ACTIONS[0]), float(ACTIONS[-1])
    held: Floats = np.asarray(rng.uniform(low, high, world.environments))
    features, steps = world.reset(), []
    while not world.done:
        anew = rng.random(world.environments) < 1.0 / HOLDING
        if policy is None:
            held = np.where(anew, rng.uniform(low, high, world.environments), held)
            action: Floats = held
        else:
            held = np.where(anew, rng.normal(0.0, MOVED, world.environments), held)
            action = np.clip(np.log(policy.headroom(features)) + held, low, high)
        after = world.step(np.exp(action))
        steps.append(Transitions(features, action, world.cost, world.late, after))
        features = after
    return Transitions.joined(steps)


class _Policy(Protocol):
    def headroom(self, features: Floats) -> Floats: ...


Kind = TypeVar("Kind", bound=_Policy)


def _affordable(policies: Sequence[Kind], world: World) -> Kind:
    """From the cheapest on, the first that keeps the limit; the last where none does."""
    for policy in policies:
        _, late = played(world, policy.headroom)
        if np.average(late, weights=world.requests) <= LIMIT * MARGIN:
            return policy
    return policies[-1]


def _examined(policy: Learned, fixed: Fixed, world: World) -> Schooled:
    """Paired, environment by environment."""
    (own_cost, own_late), (cost, late) = (played(world, each.headroom) for each in (policy, fixed))
    gains = (cost - own_cost) + HARDER * (late - own_late)
    gain, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains)))
    return Schooled(
        policy=policy,
        headroom=fixed.factor,
        kept=gain - _Z95 * error > 0,
        gain=gain,
        bound=gain - _Z95 * error,
        cost=(float(own_cost.mean()), float(cost.mean())),
        late=(float(own_late.mean()), float(late.mean())),
        steps=policy.steps,
    )


def played(world: World, headroom: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
    """(cost, late), shape (environments,): mean cost of a step, share of requests late."""
    features = world.reset()
    cost = late = arrived = np.zeros(world.environments)
    while not world.done:
        features = world.step(headroom(features))
        cost, late = cost + world.cost, late + world.late * world.arrived
        arrived = arrived + world.arrived
    return cost / (world.steps - 1), late / np.maximum(arrived, 1e-9)
