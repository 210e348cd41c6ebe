"""The clairvoyant bound: the cheapest plan that knows the load and the issues, found on the exact twin.

A plan says replicas and, where limits move in place, each pod's limit. Steps are taken one by one: each costs its cores
and, at a price, the requests that miss the SLO in it (Lagrange), and takes the mix that is least of both. The price is
found on the twin: the lowest that keeps the limit. Where the twin was later or sooner than the formula said, that is
put right for the stretch, and the price found anew. Pods are ordered their start delay ahead, and paid from then on. It
is a bound in so far as no policy can know more; a longer search may find a plan a little cheaper.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from chaosprsa.autoscalers.contract import AS_DEPLOYED, STEP_S, Decision, Floats, Ints, Reading, System
from chaosprsa.autoscalers.disturbances import Disturbances
from chaosprsa.autoscalers.play import SLO_S, START_S, Played, play
from chaosprsa.autoscalers.sizing import Sizes, sizes, sizes_in_place
from chaosprsa.autoscalers.tuning import LIMIT
from chaosprsa.twin.exact.network import Network
from chaosprsa.types import SimulatedIssue

MIXES = 40
PRICES = (0.1, 1e3)  # cores that are worth one late request a second
EXACT = 0.15  # in the logarithm of the price
CORRECTIONS, NEAR, MOST_OFF, UNSURE = 1, 2.0, 30.0, 1e-3
STRETCH_S = 120.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Replicas a step, shape (steps, services): those to be ready in it; cores: each pod's limit, None: as deployed."""

    replicas: Ints
    cores: Floats | None = None
    period_s: float = STEP_S
    name: str = "bound"

    def begin(self, system: System) -> "_PlanController":
        """A controller that orders ahead by the system's start delay."""
        ordered = self.ordered(math.ceil(system.start_s / system.step_s - 1e-9))
        cores = np.broadcast_to(system.cores, ordered.shape) if self.cores is None else self.cores
        return _PlanController(np.minimum(ordered, system.most_replicas), cores, system)

    def ordered(self, delay_steps: int) -> Ints:
        """What is to be there or on its way, shape (steps, services)."""
        ends = np.concatenate([self.replicas, np.repeat(self.replicas[-1:], delay_steps, axis=0)])
        shifted = [ends[at : at + len(self.replicas)] for at in range(delay_steps + 1)]
        return np.asarray(np.max(shifted, axis=0), dtype=np.int64)


class _PlanController:
    def __init__(self, ordered: Ints, cores: Floats, system: System) -> None:
        self._ordered, self._cores, self._system = ordered, cores, system

    def decide(self, reading: Reading) -> Decision:
        """The order of the step that begins now."""
        step = min(round(reading.time_s / self._system.step_s), len(self._ordered) - 1)
        return Decision(replicas=self._ordered[step], cores=self._cores[step])


def clairvoyant(
    network: Network,
    load_per_s: Floats,
    issues: Sequence[SimulatedIssue] = (),
    seed: int = 0,
    limit: float = LIMIT,
    step_s: float = STEP_S,
    start_s: float = START_S,
    slo_s: float = SLO_S,
    least: npt.ArrayLike = 0,
    resized: tuple[float, float] = AS_DEPLOYED,
    done: Iterable[Played] = (),
) -> Played:
    """The cheapest plan found, as it played. least: pods of each service in any plan. Same arguments: same plan.

    resized: shares of the deployed CPU limit between which limits move in place. done: what policies did in this world
    with this seed, by the same limits; who knows all could do the same, so the bound is none of these that is dearer.
    """
    times_s, floor = (step_s, start_s, slo_s), np.asarray(least, np.int64)
    search = _Search(network, load_per_s, issues, seed, limit, times_s, floor, resized)
    search.price(*PRICES)
    for _ in range(CORRECTIONS):
        search.correct()
        search.price(search.found_price / NEAR, search.found_price * NEAR)
    kept = [one for one in done if one.violation_share <= limit]
    if search.best.violation_share <= limit:
        kept.append(search.best)
    return min(kept, key=lambda one: one.core_hours, default=search.best)


class _Search:
    """Plans for one world, the best so far among them."""

    def __init__(
        self,
        network: Network,
        load_per_s: Floats,
        issues: Sequence[SimulatedIssue],
        seed: int,
        limit: float,
        times_s: tuple[float, float, float],
        least: Ints,
        resized: tuple[float, float],
    ) -> None:
        self._network, self._load, self._issues = network, np.asarray(load_per_s, dtype=np.float64), issues
        self._seed, self._limit, self._least = seed, limit, least
        self._step_s, self._start_s, self._slo_s = times_s
        names = tuple(service.name for service in network.services)
        surge, left, killed = known(Disturbances(issues, names), len(self._load), self._step_s, self._start_s)
        steps = len(left)
        load = (self._load * surge)[: round(steps * self._step_s)].reshape(steps, -1).mean(axis=1)
        found = (
            sizes(network, load, self._slo_s, left, MIXES)
            if resized == AS_DEPLOYED
            else sizes_in_place(network, load, self._slo_s, left, MIXES, resized, killed)
        )
        self._sizes: Sizes = found.at_least(least)
        self._arriving = load
        self._off = np.ones(steps)  # by how much lateness is more than the formula says
        self._mix = self._best_mix = np.full(steps, MIXES)
        self.found_price = PRICES[1]
        self.best = self._played(self._mix, 1.0)

    def price(self, least: float, most: float) -> None:
        """The lowest price of a late request that keeps the limit."""
        low, high = math.log(least), math.log(most)
        while high - low > EXACT:
            middle = (low + high) / 2
            self._mix = self._at(math.exp(middle))
            kept = self._try()
            low, high = (low, middle) if kept else (middle, high)
        self.found_price = math.exp(high)

    def correct(self) -> None:
        """Put the formula right by the best plan's own lateness, stretch by stretch."""
        said = self._off * self._sizes.late[self._best_mix, np.arange(len(self._arriving))]
        width = max(1, round(STRETCH_S / self._step_s))
        kernel = np.ones(width) / width
        seen, expected = (np.convolve(each, kernel, "same") for each in (self.best.late_share, said))
        self._off = np.clip(self._off * (seen + UNSURE) / (expected + UNSURE), 1 / MOST_OFF, MOST_OFF)

    def _at(self, price: float) -> Ints:
        """Each step's least of cores and priced lateness."""
        worth = self._sizes.cores + price * self._arriving * self._off * self._sizes.late
        return np.asarray(np.argmin(worth, axis=0), dtype=np.int64)

    def _try(self) -> bool:
        """Play the mixes; remember it where it is cheaper than the best and keeps the limit. Whether it keeps it."""
        found = self._played(self._mix, self._limit)
        kept = found.violation_share <= self._limit
        if kept and (found.core_hours < self.best.core_hours or self.best.violation_share > self._limit):
            self.best, self._best_mix = found, self._mix
        return kept

    def _played(self, mix: Ints, give_up: float) -> Played:
        steps = np.arange(len(self._arriving))
        policy = Plan(self._sizes.pods[mix, steps], self._sizes.limits[mix, steps], self._step_s)
        first = policy.ordered(math.ceil(self._start_s / self._step_s - 1e-9))[0] * self._sizes.limits[mix[0], 0]
        services = tuple(  # as many of the deployed size, since limits only move after the first step
            replace(each, replicas=min(math.ceil(cores / each.cores - 1e-9), each.pods))
            for each, cores in zip(self._network.services, first.tolist(), strict=True)
        )
        network = replace(self._network, services=services)
        return play(
            policy, network, self._load, self._issues, self._seed, self._step_s, self._start_s, self._slo_s, give_up,
            self._least,
        )  # fmt: skip


def known(disturbances: Disturbances, seconds: int, step_s: float, start_s: float) -> tuple[Floats, Floats, Floats]:
    """(what the load is multiplied by, each second; what is left of pods' capacity, and the share of pods killed).

    The latter of shape (steps, services).
    """
    steps = int(seconds // step_s)
    times = np.arange(steps, dtype=np.float64) * step_s
    surge = disturbances.surge(np.arange(seconds, dtype=np.float64) + 0.5)
    of_step = (times, step_s, start_s)
    return surge, disturbances.capacity(*of_step), disturbances.killed(*of_step)
