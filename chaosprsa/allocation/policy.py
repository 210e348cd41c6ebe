"""The fine-tune: fitted Q iteration on the twin (Ernst, Geurts and Wehenkel 2005), inside a trust region.

An episode is one situation (an issue or none, a load, a system a little unlike the calibrated one) in which an agent
starts from the searched allocation and makes a few bounded moves; the reward of each step is minus what the allocation
costs and what the SLO's violation costs. Q is learnt from moves made at random and then by itself. Where its greedy
moves end most profitably is the tuned allocation: a static one, in force before anything happens.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.space import CPU, REPLICAS, Floats, Ints, Space
from chaosprsa.twin import Noise
from chaosprsa.twin.environment import Situations, draw_situations
from chaosprsa.types import PolicyResult

MISSED = 2.0  # a missed SLO costs twice the searched allocation's month
DEEPER = 1.0  # and once more in proportion to how far it is missed, up to all of it
REPLICAS_WITHIN = 1
CPU_WITHIN = 0.2
STEPS, EPISODES, TREES, DISCOUNT, EXPLORING = 4, 64, 30, 0.9, 0.3
JUDGED_ON = 256
ACTIONS = ("hold", "pod more", "pod less", "CPU more", "CPU less")
_Z95 = 1.645


@dataclass(frozen=True, slots=True)
class Tuned:
    """point: the allocation to go on with, tuned where result.kept, else the searched one."""

    point: Ints
    result: PolicyResult


class _World:
    """Moves inside the trust region, and what they are worth."""

    def __init__(self, space: Space, searched: Ints, situations: Situations) -> None:
        self.space, self.searched, self.situations = space, searched, situations
        self._cost = float(space.cost_month(searched[None])[0])
        self.low, self.high = trust_region(space, searched)

    def value(self, points: Ints) -> tuple[Floats, Floats]:
        """(reward (situations,), observation (situations, features)) of one point for each situation."""
        violation, used = self.situations.play(self.space.capacity(points))
        price = self.space.cost_month(points) / max(self._cost, 1e-9)
        reward = -price - np.where(violation > 0, MISSED + DEEPER * np.minimum(violation, 1.0), 0.0)
        moved = points - self.searched
        at = np.arange(len(points))
        fullest, idlest = used.argmax(axis=1), used.argmin(axis=1)
        relative = moved[..., CPU] / self.searched[:, CPU]
        features = [
            self.situations.load_share, used.max(1), used.mean(1), used.min(1), fullest, idlest,
            moved[at, fullest, REPLICAS], moved[at, idlest, REPLICAS], relative[at, fullest], relative[at, idlest],
        ]  # fmt: skip
        return reward, np.stack(features, axis=1).astype(np.float64)

    def move(self, points: Ints, observation: Floats, actions: Ints) -> Ints:
        """More goes to the fullest service, less comes from the idlest."""
        moved = points.copy()
        at = np.arange(len(points))
        full, idle = observation[:, 4].astype(int), observation[:, 5].astype(int)
        moved[at, full, REPLICAS] += actions == 1
        moved[at, idle, REPLICAS] -= actions == 2
        step = self.space.step[:, CPU]
        moved[at, full, CPU] += step[full] * (actions == 3)
        moved[at, idle, CPU] -= step[idle] * (actions == 4)
        return np.clip(moved, self.low, self.high)


def trust_region(space: Space, searched: Ints) -> tuple[Ints, Ints]:
    """One replica and a fifth of the CPU (at least a step of it) either way; memory stays."""
    reach = np.zeros_like(searched)
    reach[:, REPLICAS] = REPLICAS_WITHIN
    steps = np.maximum(np.floor(CPU_WITHIN * searched[:, CPU] / space.step[:, CPU]), 1.0)
    reach[:, CPU] = steps.astype(np.int64) * space.step[:, CPU]
    return np.maximum(searched - reach, space.low), np.minimum(searched + reach, space.high)


def fine_tune(objective: Objective, searched: Ints, load: EntryLoad, seed: int) -> Tuned:
    """Learn, propose, and judge on situations that neither search nor learning has met."""
    if not objective.survivable or not objective(searched[None]).feasible[0]:
        reason = "the searched allocation does not hold every constraint, so there is nothing to refine"
        return Tuned(searched, PolicyResult(kept=False, searched_return=0.0, tuned_return=0.0, reason=reason))
    learning, choosing, judging = np.random.SeedSequence(seed).spawn(3)
    rng = np.random.default_rng(learning)
    space = objective.space
    world = _World(
        space, searched, draw_situations(objective.rehearsal, load.base_per_s, load.peak_per_s, EPISODES, rng, Noise())
    )
    proposals = _proposals(world, _learnt(world, rng, seed))
    chosen = _chosen(objective, proposals, searched, load, np.random.default_rng(choosing))
    return _judged(objective, chosen, searched, load, np.random.default_rng(judging))


def _learnt(world: _World, rng: np.random.Generator, seed: int) -> Any:
    """Q from one round of random moves and one of its own, as many backups as an episode has steps."""
    rounds = [_episodes(world, None, rng)]
    model = _fitted(rounds, seed)
    rounds.append(_episodes(world, model, rng))
    return _fitted(rounds, seed)


def _episodes(world: _World, model: Any, rng: np.random.Generator) -> tuple[Floats, Ints, Floats, Floats]:
    """Transitions: observation, action, reward, observation after."""
    points = np.repeat(world.searched[None], len(world.situations.load_share), axis=0)
    _, seen = world.value(points)
    before, acted, rewards, after = [], [], [], []
    for _ in range(STEPS):
        random = rng.integers(len(ACTIONS), size=len(points))
        own = random if model is None else _values(model, seen).argmax(axis=1)
        actions = np.where(rng.random(len(points)) < EXPLORING, random, own)
        points = world.move(points, seen, actions)
        reward, then = world.value(points)
        before.append(seen)
        acted.append(actions)
        rewards.append(reward)
        after.append(then)
        seen = then
    return np.concatenate(before), np.concatenate(acted), np.concatenate(rewards), np.concatenate(after)


def _fitted(rounds: list[tuple[Floats, Ints, Floats, Floats]], seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor  # takes a second

    before, actions, rewards, after = (np.concatenate(part) for part in zip(*rounds, strict=True))
    inputs = np.column_stack((before, actions))
    target, model = rewards, None
    for _ in range(STEPS):
        if model is not None:
            target = rewards + DISCOUNT * _values(model, after).max(axis=1)
        model = ExtraTreesRegressor(n_estimators=TREES, min_samples_leaf=4, random_state=seed, n_jobs=1)
        model.fit(inputs, target)
    return model


def _values(model: Any, seen: Floats) -> Floats:
    """Q of every action, shape (situations, actions)."""
    inputs = np.column_stack((np.repeat(seen, len(ACTIONS), axis=0), np.tile(np.arange(len(ACTIONS)), len(seen))))
    return np.asarray(model.predict(inputs), dtype=np.float64).reshape(len(seen), len(ACTIONS))


def _proposals(world: _World, model: Any) -> Ints:
    """Where greedy moves end, the commonest first; shape (proposals, services, 3)."""
    points = np.repeat(world.searched[None], len(world.situations.load_share), axis=0)
    _, seen = world.value(points)
    for _ in range(STEPS):
        points = world.move(points, seen, _values(model, seen).argmax(axis=1))
        _, seen = world.value(points)
    ends, counts = np.unique(points, axis=0, return_counts=True)
    return ends[np.argsort(-counts, kind="stable")][:8]


def _returns(objective: Objective, points: Ints, situations: Situations, searched: Ints) -> Floats:
    """Shape (points, situations)."""
    world = _World(objective.space, searched, situations)
    count = len(situations.load_share)
    return np.stack([world.value(np.repeat(point[None], count, axis=0))[0] for point in points])


def _chosen(objective: Objective, proposals: Ints, searched: Ints, load: EntryLoad, rng: np.random.Generator) -> Ints:
    """The proposal that holds the constraints and returns most on situations of its own."""
    holding = proposals[objective(proposals).feasible]
    if not len(holding):
        return searched
    situations = draw_situations(objective.rehearsal, load.base_per_s, load.peak_per_s, JUDGED_ON // 2, rng, Noise())
    best = _returns(objective, holding, situations, searched).mean(axis=1).argmax()
    return np.asarray(holding[best], dtype=np.int64)


def _judged(objective: Objective, tuned: Ints, searched: Ints, load: EntryLoad, rng: np.random.Generator) -> Tuned:
    """Paired difference on fresh situations; kept where its lower 95 % bound is above 0."""
    situations = draw_situations(objective.rehearsal, load.base_per_s, load.peak_per_s, JUDGED_ON, rng, Noise())
    own, other = _returns(objective, np.stack((searched, tuned)), situations, searched)
    difference = other - own
    bound = float(difference.mean() - _Z95 * difference.std(ddof=1) / np.sqrt(len(difference)))
    kept = bound > 0 and not np.array_equal(tuned, searched)
    if np.array_equal(tuned, searched):
        reason = "the policy found no better allocation within reach that holds every constraint"
    elif kept:
        reason = f"better by {difference.mean():.4f} on {JUDGED_ON} fresh situations (at least {bound:.4f} at 95 %)"
    else:
        reason = f"not shown better on {JUDGED_ON} fresh situations: {difference.mean():+.4f}, at least {bound:+.4f}"
    result = PolicyResult(
        kept=kept,
        searched_return=round(float(own.mean()), 6),
        tuned_return=round(float(other.mean()), 6),
        reason=reason,
    )
    return Tuned(tuned if kept else searched, result)
