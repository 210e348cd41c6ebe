"""Claim: how many cores autoscalers need to keep 99 % of requests within a second, and how few a clairvoyant would.

Each autoscaler is tuned on the traces of `--tune` (the cheapest settings with at most 1 % of requests late or failed on
each of them) and scored on those of `--score` by the exact twin, on other seeds. A trace is tuned for on the others of
its folder, or, alone there, on its own earlier part. Beside the tuned HPA stands the HPA that would have been the best
on the scored trace itself (over target and stabilisation window), which nobody can know beforehand: gaps are counted
from it. The bound knows load and issues. Pods take 30 s to start; pods of one core under CFS quotas.

python benchmarks/allocation.py --tune data/workloads --score data/workloads --json benchmarks/results/allocation.json \
    --decisions /tmp/decisions.csv
"""

import argparse
import csv
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from allocation_cases import Pair, Piece, begun, issues_for, pairs, systems, twin_of
from claims import parser, table, write
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
    play,
    system_of,
    tightest,
)
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
from chaosprsa.operating import Ahead, Lessons, policies
from chaosprsa.twin.exact.network import Network
from chaosprsa.types import SimulatedIssue

UTILISATIONS = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
FULLER = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1)  # of what is forecast, before pods are rounded up
TUNE_SEED, SCORE_SEED = 100, 7000
GOALS = {"gap_closed": 0.5, "of_hpa_50": 0.65, "of_hpa_60": 0.78, "of_best_hpa": 1.02}


@dataclass(frozen=True)
class World:
    """A system under a piece of a trace and issues."""

    network: Network
    load: np.ndarray
    issues: tuple[SimulatedIssue, ...]

    def played(self, policy: Autoscaler, seed: int, give_up: float = 1.0) -> Played:
        """Pods at the beginning are the same for all but those whose pods never change in number."""
        step_s = 1.0 if isinstance(policy, Captain) else 15.0
        network = self.network
        if isinstance(policy, (Captain, Vpa)):
            network = begun(network, np.full(60, self.load.max()), 0.8)
        return play(policy, network, self.load, self.issues, seed, step_s, give_up=give_up)


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
        found = Case(network, pair, troubled, given.seed, full=at == 0).scored()
        rows += [(key, *row) for row in summary(found)]
        figures |= {f"{policy}.{key}.{what}": value for policy, each in flat(found).items() for what, value in each}
        decided += [(key, one) for one in found.values()]
        print(table(("case", "policy", "cores", "late", "of HPA 50 %", "gap closed"), rows[-len(found) :]), flush=True)
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
    found.add_argument("--peak", type=float, default=800.0, help="requests a second to which traces are scaled")
    found.add_argument("--only", nargs="+", metavar="CASE", help="cases as tables name them; --json keeps the others")
    found.add_argument("--systems", nargs="+", default=["tandem", "boutique", "twenty"])
    return found.parse_args()


def earlier(given: argparse.Namespace) -> dict[str, float]:
    """Figures of the cases that are not played again."""
    if not (given.only and given.json and given.json.exists()):
        return {}
    figures = json.loads(given.json.read_text(encoding="utf-8"))["figures"]
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

    def __init__(self, network: Network, pair: Pair, troubled: bool, seed: int, *, full: bool) -> None:
        self._system, self._pair, self._troubled, self._seed, self._full = network, pair, troubled, seed, full
        self._tune = [self._world(piece, TUNE_SEED + seed + at) for at, piece in enumerate(pair.tune)]
        self._score = self._world(pair.score, SCORE_SEED + seed)

    def scored(self) -> dict[str, Played]:
        """By policy, each as it played the scored trace."""
        tuned: dict[str, Autoscaler] = {"hpa_50": Hpa(target=0.5), "hpa_60": Hpa(target=0.6)}
        for name, family in families(self._full).items():
            tuned[name] = self._tuned(family).policy
        tuned["ours"] = self._tuned([self._ours()]).policy
        if self._full:
            tuned |= {"vpa": Vpa(settled_after_s=0.0), "static_peak": self._static()}
        seed = SCORE_SEED + self._seed
        found = {name: self._score.played(policy, seed) for name, policy in tuned.items()}
        for name, of in (("hpa_best", "hpa_tuned"), ("mpc_best", "mpc")):
            best = cheapest(tightest(make, values, self._hindsight) for make, values in families(full=False)[of])
            found[name] = self._score.played(best.policy, seed)
        found["bound"] = clairvoyant(self._score.network, self._score.load, self._score.issues, seed)
        kept = [one for one in found.values() if one.violation_share <= LIMIT]
        found["bound"] = min(kept, key=lambda one: one.core_hours)  # what a policy did, who knows all could, too
        return {name: replace(one, policy=name) for name, one in found.items()}

    def _world(self, piece: Piece, seed: int) -> World:
        issues = issues_for(self._system, len(piece.load), seed) if self._troubled else ()
        return World(begun(self._system, piece.load), piece.load, issues)

    def _tuned(self, family: Family) -> Scored:
        return cheapest(tightest(make, values, self._on_tune) for make, values in family)

    def _ours(self) -> tuple[Callable[[float], Autoscaler], Sequence[float]]:
        """Policies learnt on the tuned pieces and issues like theirs, from safe to tight; no issue is announced."""
        loads = [means(world.load, 15) for world in self._tune]
        seconds, found = sum(len(world.load) for world in self._tune), [each for w in self._tune for each in w.issues]
        alike = range(10) if self._troubled else ()
        drawn = [each for at in alike for each in issues_for(self._system, len(self._tune[0].load), at)]
        lessons = Lessons(
            twin=twin_of(self._system),
            system=system_of(self._tune[0].network),
            load_per_s=np.concatenate(loads),
            issues=drawn,
            issues_per_h=len(found) * 3600.0 / seconds,
            surprise=1.0,
        )
        learnt = {policy.price: policy for policy in policies(lessons, self._seed)}
        return (lambda price: Ahead(policy=learnt[price], name="ours")), tuple(learnt)

    def _on_tune(self, policy: Autoscaler) -> Scored:
        """Mean cores, worst violations."""
        runs = [world.played(policy, TUNE_SEED + self._seed, LIMIT) for world in self._tune]
        return Scored(policy, float(np.mean([one.mean_cores for one in runs])), max(o.violation_share for o in runs))

    def _hindsight(self, policy: Autoscaler) -> Scored:
        run = self._score.played(policy, SCORE_SEED + self._seed, LIMIT)
        return Scored(policy, run.mean_cores, run.violation_share)

    def _static(self) -> StaticPeak:
        """For the peak of the tuned traces, which are scaled alike, at 80 %."""
        peak = max(float(world.load.max()) for world in self._tune)
        services = self._system.services
        demand, cores = (np.array([getattr(each, name) for each in services]) for name in ("demand_s", "cores"))
        return StaticPeak.for_peak(peak * visits_of(self._system) * demand, cores, 0.8)


def summary(found: dict[str, Played]) -> list[tuple[str, float, float, float, float]]:
    """policy, cores, violations, cores over HPA's at 50 %, share of the gap from the best HPA to the bound.

    The last is NaN where the limit is missed: cores saved that way close no gap.
    """
    best, bound, usual = (found[name].mean_cores for name in ("hpa_best", "bound", "hpa_50"))
    gap = max(best - bound, 1e-9)
    return [
        (name, one.mean_cores, one.violation_share, one.mean_cores / usual, (best - one.mean_cores) / gap)
        if one.violation_share <= LIMIT
        else (name, one.mean_cores, one.violation_share, one.mean_cores / usual, math.nan)
        for name, one in found.items()
    ]


def flat(found: dict[str, Played]) -> dict[str, list[tuple[str, float]]]:
    """Figures of each policy that exist, by name."""
    names = ("cores", "violations", "of_hpa_50", "gap_closed")
    rows = {policy: zip(names, rest, strict=True) for policy, *rest in summary(found)}
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
