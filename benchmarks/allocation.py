"""Claim: how many cores autoscalers need to keep 99 % of requests within a second, and how few a clairvoyant would.

Each autoscaler is tuned on the traces of `--tune` (the cheapest settings with at most 1 % of requests late or failed
on each of them) and scored on those of `--score` by the exact twin, on other seeds of arrivals (means over `--seeds`,
and the least and most). A trace is tuned for on the others of its folder, or, alone there, on its own earlier part.
Beside the tuned HPA stands the HPA that would have been the best on the scored trace itself (over target and
stabilisation window, by mean cores among those that keep the limit with every seed; the least late where none does),
which nobody can know beforehand: gaps are counted from it. The bound knows load and issues; what policies did with as
many late, it could do, too.
Pods take 30 s to start; pods of one core under CFS quotas.

Ours stands there twice. `ours` resizes pods in place, between a half and two cores, every 5 s (Kubernetes 1.33 and
later; metrics of that period), as the captain does every second, and `bound_in_place`, to which its gap is counted,
too. `ours_by_pods` counts pods every 15 s, as HPA does. Both are tuned on three draws of arrivals and issues, the worst
of them to half of what may be late beyond what even their safest settings miss, and all of it in all: the next hour is
another.

python benchmarks/allocation.py --tune data/workloads --score data/workloads --json benchmarks/results/allocation.json \
    --decisions /tmp/decisions.csv
"""

import argparse
import csv
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from allocation_cases import Pair, Piece, begun, issues_for, pairs, systems, twin_of
from claims import figures_in, parser, table, write
from load_traces import means

from chaosprsa.autoscalers import (
    Autoscaler,
    Captain,
    Hpa,
    Played,
    PredictiveHpa,
    Scored,
    StaticPeak,
    Vpa,
    cheapest,
    clairvoyant,
    fitting,
    play,
    system_of,
    tightest,
)
from chaosprsa.autoscalers.contract import AS_DEPLOYED, STEP_S
from chaosprsa.autoscalers.families import (
    THROTTLED,
    WINDOWS_S,
    Family,
    captain,
    down,
    hpa,
    mpc,
    percentile,
    predictive,
)
from chaosprsa.autoscalers.sizing import visits_of
from chaosprsa.autoscalers.tuning import LIMIT
from chaosprsa.operating import IN_PLACE, IN_PLACE_S, Lessons, rows_of
from chaosprsa.twin.exact.network import Network
from chaosprsa.types import SimulatedIssue

UTILISATIONS = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
FULLER = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1)  # of what is forecast, before pods are rounded up
TUNE_SEED, SCORE_SEED = 100, 7000
AIM, DRAWS, APART = LIMIT / 2, 3, 1000  # ours' on tuned pieces; of arrivals and issues; between their seeds
WAYS = {"ours": (IN_PLACE_S, IN_PLACE), "ours_by_pods": (STEP_S, AS_DEPLOYED)}
GOALS = {"gap_closed": 0.5, "of_hpa_50": 0.65, "of_hpa_60": 0.78, "of_best_hpa": 1.02}


@dataclass(frozen=True)
class World:
    """A system under a piece of a trace and issues."""

    network: Network
    load: np.ndarray
    issues: tuple[SimulatedIssue, ...]

    def played(self, policy: Autoscaler, seed: int, give_up: float = 1.0) -> Played:
        """Pods at the beginning are the same for all but those whose pods never change in number."""
        network = self.network
        if isinstance(policy, (Captain, Vpa)):
            network = begun(network, np.full(60, self.load.max()), 0.8)
        return play(policy, network, self.load, self.issues, seed, give_up=give_up)


def main() -> None:
    """Tune, score, compare, print, write."""
    given = options()
    began = time.process_time()
    figures = {f"goal.{name}": value for name, value in GOALS.items()} | earlier(given)
    spent, rows, decided = figures.get("seconds_of_cpu", 0.0), [], []
    for at, (name, network, pair, troubled) in enumerate(cases(given)):
        key = f"{name}.{pair.score.name}.{'issues' if troubled else 'calm'}"
        if given.only and key not in given.only:
            continue
        found = Case(network, pair, troubled, given.seed, given.seeds, full=at == 0).scored()
        rows += [(key, *row[:6]) for row in summary(found)]
        figures |= {f"{policy}.{key}.{what}": value for policy, each in flat(found).items() for what, value in each}
        decided += [(key, every[0]) for every in found.values()]
        heads = ("case", "policy", "cores", "late", "of HPA 50 %", "gap closed", "of it in place")
        print(table(heads, rows[-len(found) :]), flush=True)
        write(given.json, __file__, given, figures | {"seconds_of_cpu": spent + time.process_time() - began})
    figures["seconds_of_cpu"] = spent + time.process_time() - began
    if given.decisions:
        write_decisions(given.decisions, decided)
    print(f"{figures['seconds_of_cpu']:.0f} s of CPU")


def options() -> argparse.Namespace:
    found = parser(__doc__ or "")
    found.add_argument(
        "--tune", dest="train", type=Path, nargs="+", required=True, help="traces to tune on, or folders"
    )
    found.add_argument("--score", dest="test", type=Path, nargs="+", required=True, help="traces to score, or folders")
    found.add_argument("--decisions", type=Path, metavar="CSV", help="what each policy decided at each step")
    found.add_argument("--minutes", type=int, default=20, help="of a trace that is scored, half of it to tune on")
    found.add_argument("--seeds", type=int, default=3, help="of arrivals that each policy is scored on")
    found.add_argument("--peak", type=float, default=800.0, help="requests a second to which traces are scaled")
    found.add_argument("--only", nargs="+", metavar="CASE", help="cases as tables name them; --json keeps the others")
    found.add_argument("--systems", nargs="+", default=["tandem", "boutique", "twenty"])
    return found.parse_args()


def earlier(given: argparse.Namespace) -> dict[str, float]:
    """Figures of the cases that are not played again."""
    figures = figures_in(given.json) if given.only else {}
    return {key: value for key, value in figures.items() if not any(f".{case}." in key for case in given.only)}


def cases(given: argparse.Namespace) -> Iterator[tuple[str, Network, Pair, bool]]:
    """The first system under every trace, without issues and, for the first trace, with; the others the first trace."""
    known = systems()
    every = pairs(given.train, given.test, given.minutes * 60, given.peak)
    for name in given.systems:
        for at, pair in enumerate(every if name == "tandem" else every[:1]):
            yield name, known[name], pair, False
            if at == 0:
                yield name, known[name], pair, True


def holt_winters(target: float) -> Autoscaler:
    return PredictiveHpa(target=target, behaviour=down(60.0), model="holt-winters", alpha=0.8, beta=0.2)


def families(full: bool) -> dict[str, Family]:
    """Rows of settings, each from safe to tight."""
    found: dict[str, Family] = {
        "hpa_tuned": [(partial(hpa, window), UTILISATIONS) for window in WINDOWS_S],
        "mpc": [(mpc, FULLER)],
    }
    if full:
        found |= {
            "predictive_linear": [(predictive, UTILISATIONS)],
            "predictive_holt_winters": [(holt_winters, UTILISATIONS)],
            "percentile": [(percentile, UTILISATIONS)],
            "captain": [(captain, THROTTLED)],
        }
    return found


class Case:
    """One system, one trace, with or without issues."""

    def __init__(self, network: Network, pair: Pair, troubled: bool, seed: int, seeds: int, *, full: bool) -> None:
        self._system, self._pair, self._troubled, self._seed, self._full = network, pair, troubled, seed, full
        self._seeds = [SCORE_SEED + seed + at for at in range(seeds)]
        self._tune = [world for world, _ in self._drawn(range(1))]
        self._score = self._world(pair.score, SCORE_SEED + seed)

    def scored(self) -> dict[str, list[Played]]:
        """By policy, as each played the scored trace with every seed."""
        tuned: dict[str, Autoscaler] = {"hpa_50": Hpa(target=0.5), "hpa_60": Hpa(target=0.6)}
        for name, family in families(self._full).items():
            tuned[name] = self._tuned(family)
        for name, way in WAYS.items():
            tuned[name] = fitting(self._ours(*way), self._on_draws, self._by_luck, LIMIT, AIM).policy
            print(f"{name}: {tuned[name].name}", flush=True)
        if self._full:
            tuned |= {"vpa": Vpa(settled_after_s=0.0), "static_peak": self._static()}
        for name, of in (("hpa_best", "hpa_tuned"), ("mpc_best", "mpc")):
            tuned[name] = self._best(families(full=False)[of])
        found = {name: [self._score.played(policy, seed) for seed in self._seeds] for name, policy in tuned.items()}
        for name, way in (("bound", WAYS["ours_by_pods"]), ("bound_in_place", WAYS["ours"])):
            done = [[every[at] for every in found.values()] for at in range(len(self._seeds))]
            found[name] = [self._bound(seed, *way, each) for seed, each in zip(self._seeds, done, strict=True)]
        return {name: [replace(one, policy=name) for one in every] for name, every in found.items()}

    def _bound(self, seed: int, step_s: float, resized: tuple[float, float], done: Sequence[Played]) -> Played:
        world, own = self._score, np.array([service.cores for service in self._system.services])
        could = [one for one in done if not np.any((one.cores < own * resized[0]) | (one.cores > own * resized[1]))]
        return clairvoyant(world.network, world.load, world.issues, seed, step_s=step_s, resized=resized, done=could)

    def _world(self, piece: Piece, seed: int) -> World:
        issues = issues_for(self._system, len(piece.load), seed) if self._troubled else ()
        return World(begun(self._system, piece.load), piece.load, issues)

    def _tuned(self, family: Family) -> Autoscaler:
        return cheapest(tightest(make, values, self._on_tune) for make, values in family).policy

    def _best(self, rows: Family) -> Autoscaler:
        """Known only afterwards. Where nothing keeps the limit with every seed, the least late of the safest."""
        found = cheapest(tightest(make, values, self._hindsight) for make, values in rows)
        if found.violations <= LIMIT:
            return found.policy
        safest = [make(values[0]) for make, values in rows]
        return min((self._all_of(policy) for policy in safest), key=lambda one: one.violations).policy

    def _ours(self, step_s: float, resized: tuple[float, float]) -> Family:
        """Headrooms, fixed or learnt on the tuned pieces and issues like theirs; no issue is announced."""
        loads = [means(world.load, round(step_s)) for world in self._tune]
        seconds, found = sum(len(world.load) for world in self._tune), [each for w in self._tune for each in w.issues]
        alike = range(10) if self._troubled else ()
        drawn = [each for at in alike for each in issues_for(self._system, len(self._tune[0].load), at)]
        lessons = Lessons(
            twin=twin_of(self._system),
            system=system_of(self._tune[0].network, step_s, resized=resized),
            load_per_s=np.concatenate(loads),
            issues=drawn,
            issues_per_h=len(found) * 3600.0 / seconds,
            surprise=1.0,
        )
        return rows_of(lessons, self._seed)

    def _on_tune(self, policy: Autoscaler) -> Scored:
        """Mean cores, worst violations."""
        runs = [world.played(policy, TUNE_SEED + self._seed, LIMIT) for world in self._tune]
        return worst_of(policy, runs)

    def _drawn(self, draws: range) -> list[tuple[World, int]]:
        """Every piece that is tuned on with each draw of issues, and the draw's seed of arrivals."""
        seeds = [TUNE_SEED + self._seed + APART * draw for draw in draws]
        pieces = enumerate(self._pair.tune)
        return [(self._world(piece, seed + at), seed + at) for at, piece in pieces for seed in seeds]

    def _on_draws(self, policy: Autoscaler) -> Scored:
        """Mean cores, worst violations."""
        runs = [world.played(policy, seed) for world, seed in self._drawn(range(DRAWS))]
        return worst_of(policy, runs)

    def _by_luck(self, one: Scored) -> list[float]:
        """With draws that nothing was tuned on."""
        drawn = self._drawn(range(DRAWS, 2 * DRAWS))
        return [world.played(one.policy, seed).violation_share for world, seed in drawn]

    def _hindsight(self, policy: Autoscaler) -> Scored:
        """Mean cores and the worst violations over all scored seeds, until one misses the limit."""
        runs: list[Played] = []
        for seed in self._seeds:
            runs.append(self._score.played(policy, seed, LIMIT))
            if runs[-1].violation_share > LIMIT:
                break
        return worst_of(policy, runs)

    def _all_of(self, policy: Autoscaler) -> Scored:
        runs = [self._score.played(policy, seed) for seed in self._seeds]
        cores, late = (float(np.mean([getattr(one, of) for one in runs])) for of in ("mean_cores", "violation_share"))
        return Scored(policy, cores, late)

    def _static(self) -> StaticPeak:
        """For the peak of the tuned traces, which are scaled alike, at 80 %."""
        peak = max(float(world.load.max()) for world in self._tune)
        services = self._system.services
        demand, cores = (np.array([getattr(each, name) for each in services]) for name in ("demand_s", "cores"))
        return StaticPeak.for_peak(peak * visits_of(self._system) * demand, cores, 0.8)


def worst_of(policy: Autoscaler, runs: Sequence[Played]) -> Scored:
    """Mean cores, worst violations."""
    return Scored(policy, float(np.mean([one.mean_cores for one in runs])), max(o.violation_share for o in runs))


NAMES = (
    "cores", "violations", "of_hpa_50", "gap_closed", "gap_closed_in_place", "cores_least", "cores_most",
    "violations_most",
)  # fmt: skip


def summary(found: dict[str, list[Played]]) -> list[tuple[str, *tuple[float, ...]]]:
    """A policy and its NAMES: means over seeds; gaps from the best HPA to the bounds, NaN where the limit is missed.

    Cores saved that way close no gap.
    """
    cores = {name: [one.mean_cores for one in every] for name, every in found.items()}
    best, usual = np.mean(cores["hpa_best"]), np.mean(cores["hpa_50"])
    gaps = [max(float(best - np.mean(cores[name])), 1e-9) for name in ("bound", "bound_in_place")]
    rows = []
    for name, every in found.items():
        late, mean = [one.violation_share for one in every], float(np.mean(cores[name]))
        kept = 1.0 if np.mean(late) <= LIMIT else math.nan
        closed = [kept * float(best - mean) / gap for gap in gaps]
        spread = (min(cores[name]), max(cores[name]), max(late))
        rows.append((name, mean, float(np.mean(late)), mean / float(usual), *closed, *spread))
    return rows


def flat(found: dict[str, list[Played]]) -> dict[str, list[tuple[str, float]]]:
    """Figures of each policy that exist, by name."""
    rows = {policy: zip(NAMES, rest, strict=True) for policy, *rest in summary(found)}
    return {policy: [(what, value) for what, value in row if math.isfinite(value)] for policy, row in rows.items()}


def write_decisions(path: Path, decided: Sequence[tuple[str, Played]]) -> None:
    """A line for each step, policy and service; cpu: a pod's limit in cores; case: system, trace, issues or calm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("time_s", "policy", "service", "replicas", "cpu", "case"))
        for case, one in decided:
            for step, time_s in enumerate(one.time_s.tolist()):
                for at, service in enumerate(one.services):
                    cpu = round(float(one.cores[step, at]), 4)
                    rows.writerow((time_s, one.policy, service, int(one.replicas[step, at]), cpu, case))


if __name__ == "__main__":
    main()
