"""The product's stages as the ablation adds them: an allocation is searched, then it is operated."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from allocation_cases import Pair, begun, issues_for, twin_of
from load_traces import means
from search_problem import NOW, PRICES
from situations import ANNOUNCED, MISMATCH, OFF_S, Policy, Situation, situation

from chaosprsa.allocation.engine import MOST_HARDENINGS, PAIRS, SEARCH_STEP_S
from chaosprsa.allocation.greedy import Found, found_at, trimmed
from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.policy import Tuned, fine_tune
from chaosprsa.allocation.ranges import build_space
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.search import first_answer, search
from chaosprsa.allocation.space import CPU, REPLICAS, Ints, Space
from chaosprsa.allocation.swift import swift
from chaosprsa.allocation.threats import representatives, usual_load
from chaosprsa.autoscalers import Scored, StaticPeak, cheapest, system_of, tightest
from chaosprsa.autoscalers.contract import Autoscaler
from chaosprsa.operating import IN_PLACE, IN_PLACE_S, Ahead, Lessons, rows_of
from chaosprsa.settings_tables import SafetyTable
from chaosprsa.twin import Noise, Rehearsal, Spread, Twin, draw_worlds
from chaosprsa.twin.exact.network import Network
from chaosprsa.types import Allocation, Resources, ServiceAllocation, SimulatedIssue, Slo

PRESENT_AT = 0.5  # utilisation of the present allocation at the peak
MIB = 256
LEAST_MILLICORES, ROOM = (200, 500), 1.25  # of a pod: what the peak takes at its service with some room, within these
SAFETY = SafetyTable()
PHASES_S = (120.0, 60.0)
LEARNT_FROM = 4  # draws of four issues
ISSUES_PER_DRAW = 4
TUNE_SEED = 500
ONE_PAIR = (0, 1, 1 + PAIRS)  # of an issue's worlds, as predicted and one pair around it: the engine takes four


@dataclass(frozen=True)
class Setting:
    """What all stages of one seed share: the system as its twin has it, tuned pieces, issues to learn from."""

    network: Network
    pair: Pair
    issues: tuple[SimulatedIssue, ...]
    seed: int
    trials: int
    tuned_on: int

    @classmethod
    def drawn(cls, network: Network, pair: Pair, seed: int, trials: int, tuned_on: int) -> "Setting":
        """The issues are drawn by the law of those that are scored, with other seeds."""
        seconds = len(pair.score.load)
        each = [issues_for(network, seconds, 1000 * seed + at) for at in range(LEARNT_FROM)]
        issues = tuple(replace(one, id=f"{at}-{one.id}") for at, found in enumerate(each) for one in found)
        return cls(network, pair, issues, seed, trials, tuned_on)

    @property
    def load(self) -> EntryLoad:
        """Of the tuned pieces, over 15 s."""
        rates = np.concatenate([means(piece.load, 15) for piece in self.pair.tune])
        return EntryLoad(base_per_s=float(rates.min()), peak_per_s=float(rates.max()))

    @property
    def twin(self) -> Twin:
        """As unsure of a request's work as situations differ in it; memory was never seen, so it stays."""
        twin = twin_of(self.network)
        none, unseen = np.zeros_like(twin.nominal.demand_s), np.full_like(twin.nominal.demand_s, np.nan)
        sure = np.full_like(none, MISMATCH / np.sqrt(3))  # the deviation of what is uniform within it
        return replace(twin, nominal=replace(twin.nominal, memory_mib=unseen), spread=Spread(sure, none, none, none))

    @property
    def present(self) -> Network:
        """Pods of one core, for the peak at half of their limits."""
        return begun(self.network, np.full(60, self.load.peak_per_s), PRESENT_AT)

    @property
    def least(self) -> Ints:
        """Pods of each service that nothing goes below: the search's own floor."""
        present = np.array([service.replicas for service in self.present.services])
        return np.minimum(present, SAFETY.min_replicas)

    @property
    def tune(self) -> list[Situation]:
        return [
            situation(self.network, piece, TUNE_SEED + 1000 * self.seed + 100 * at + k)
            for at, piece in enumerate(self.pair.tune)
            for k in range(self.tuned_on)
        ]


class Search:
    """The allocation engine's search on the twin that is given, with or without drawn issues in its objective.

    Cheaper than the engine: three worlds an issue instead of nine, and the search's steps of 6 s to the end. No limit
    is too low for a small service's own work at the peak: greedy's sketch goes below it, the way back takes minutes.
    """

    def __init__(self, setting: Setting, issues: Sequence[SimulatedIssue]) -> None:
        self._setting, self._twin = setting, setting.twin
        self._usual = usual_load(setting.network.entry, NOW)
        self._among = frozenset(one.id for one in (*representatives(issues), self._usual))
        slo = Slo(service=setting.network.entry, latency_ms=1000.0)
        every = (*issues, self._usual)
        worlds = draw_worlds(self._twin, every, setting.load.peak_per_s, setting.seed, PAIRS, Noise())
        place = np.arange(len(worlds.issue)) % (1 + 2 * PAIRS)
        kept = np.flatnonzero((worlds.issue == len(issues)) | np.isin(place, ONE_PAIR))
        self._final = Rehearsal(self._twin, slo, every, worlds.only(kept), PHASES_S, SEARCH_STEP_S)
        space = build_space(_allocation(setting.present), self._twin, SAFETY, PRICES)
        low = space.low.copy()
        busy = setting.load.peak_per_s * self._twin.graph.visits * self._twin.nominal.demand_s
        low[:, CPU] = np.clip(np.ceil(busy * ROOM * 1000 / 50) * 50, *LEAST_MILLICORES)
        self.space: Space = replace(space, low=low)

    def greedy(self) -> Ints:
        """The first answer: greedy on the sketch, confirmed by the fluid twin."""
        return self._held(first_answer(self._coarse()))[1].point

    def whole(self) -> Ints:
        """Greedy, iterated, Optuna, and greedy from there."""
        return self._held(search(self._coarse(), self._setting.seed, self._setting.trials).best)[1].point

    def tuned(self, point: Ints) -> Tuned:
        """The searched one, fine-tuned where that was shown better."""
        every = Objective(self.space, self._final, reference=point)
        found = fine_tune(every, point, self._setting.load, self._setting.seed)
        moved = not np.array_equal(found.point, point)
        return replace(found, point=point) if moved and every.hardened(found.point) else found

    def network(self, point: Ints) -> Network:
        """The system with a point's pods and limits."""
        services = tuple(
            replace(each, replicas=int(point[at, REPLICAS]), cores=float(point[at, CPU]) / 1000)
            for at, each in enumerate(self._setting.network.services)
        )
        return replace(self._setting.network, services=services)

    def _coarse(self) -> Objective:
        return Objective(self.space, replace(self._final, step_s=SEARCH_STEP_S), among=self._among)

    def _held(self, found: Found) -> tuple[Objective, Found]:
        """As the engine does: mended where finer steps, further issues or harder worlds ask for more."""
        every = Objective(self.space, self._final, reference=found.point)
        for _ in range(MOST_HARDENINGS):
            found = found_at(found.point, every(found.point[None]), 0)
            if not found.feasible:
                found = trimmed(self.space, every, swift(every, [found.point]))
            if not every.hardened(found.point):
                break
        return every, found


def held() -> Policy:
    """The allocation for ever."""
    return lambda _: StaticPeak(name="as searched")


class Operated:
    """A headroom over the load's forecast, from an allocation on, resized in place; tuned on what the stage knows."""

    def __init__(self, setting: Setting, given: Network, *, issues: bool, told: bool) -> None:
        self._setting, self._given, self._told = setting, given, told
        self._tune = [one.allotted(given) if issues else one.allotted(given).calm for one in setting.tune]
        seconds = len(setting.pair.score.load)
        self._lessons = Lessons(
            twin=twin_of(setting.network),
            system=system_of(given, IN_PLACE_S, resized=IN_PLACE),
            load_per_s=np.concatenate([means(piece.load, round(IN_PLACE_S)) for piece in setting.pair.tune]),
            issues=setting.issues if issues else (),
            issues_per_h=ISSUES_PER_DRAW * 3600.0 / seconds if issues else 0.0,
            surprise=ANNOUNCED if told else 1.0,
        )

    def chosen(self, *, learnt: bool) -> Autoscaler:
        """The cheapest settings that keep the limit; a learnt policy has no right of way over a fixed headroom."""
        rows = rows_of(self._lessons, self._setting.seed, learnt=learnt)
        return cheapest(tightest(make, values, self._scored) for make, values in rows).policy

    def policy(self, chosen: Autoscaler) -> Policy:
        """Told of what is announced where this stage is."""
        if not self._told or not isinstance(chosen, Ahead):
            return lambda _: chosen
        return lambda announced: replace(chosen, announced=announced, unsure_s=OFF_S)

    def _scored(self, policy: Autoscaler) -> Scored:
        played = [one.played(self.policy(policy), self._setting.least) for one in self._tune]
        cores, late = np.array(played).mean(axis=0).tolist()
        return Scored(policy, cores, late)


def _allocation(network: Network) -> Allocation:
    return Allocation(
        services=tuple(
            ServiceAllocation(
                service=each.name,
                replicas=each.replicas,
                resources=Resources(
                    cpu_request_millicores=round(each.cores * 1000),
                    cpu_limit_millicores=round(each.cores * 1000),
                    memory_request_mib=MIB,
                    memory_limit_mib=MIB,
                ),
            )
            for each in network.services
        )
    )
