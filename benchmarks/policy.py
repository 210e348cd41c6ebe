"""Claim: a learnt headroom leaves fewer requests late than a tuned model-predictive controller at equal core hours.

Both are tuned on the traces of `--train` (the cheapest settings with at most 1 % late), then played on those of
`--test` by the exact twin, on systems whose requests cost up to 20 % more or less than the twin believes, with four
issues in twenty minutes. Half the issues are announced as the simulator would, with calibrated probabilities, up to
half a minute off, and with false alarms. MPC's late requests are read off its frontier at the policy's own core hours,
seed by seed.

`ours` resizes pods in place every 5 s, which MPC doesn't, and uses announcements, which MPC can't. So that it is seen
what each of these does, the table has ours told of nothing, ours by pods alone (every 15 s, as MPC), both with a fixed
headroom instead of a learnt one, and MPC's plan told of what is announced.

Beside it: environment steps to the same return as Stable-Baselines3's PPO, where that is installed.

python benchmarks/policy.py --train data/workloads --test data/workloads --json benchmarks/results/policy.json
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from allocation_cases import Pair, begun, issues_for, pairs, systems, twin_of
from claims import figures_in, parser, table, write
from load_traces import means
from situations import ANNOUNCED, OFF_S, Policy, Situation, situation

from chaosprsa.autoscalers import Mpc, Scored, system_of, tightest
from chaosprsa.autoscalers.contract import AS_DEPLOYED, STEP_S
from chaosprsa.operating import IN_PLACE, IN_PLACE_S, Ahead, Fixed, Learned, Lessons, policies
from chaosprsa.operating.fitted_q import fitted
from chaosprsa.operating.learning import ENVIRONMENTS, HARDER, TRIED_ON, experience, played
from chaosprsa.twin.exact.network import Network
from chaosprsa.types import SimulatedIssue

GOALS = {"fewer_late": 0.2, "steps_ratio": 10.0}
SECONDS, PEAK = 1200, 800.0
FRONTIER = (0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0)
HEADROOMS = (1.8, 1.6, 1.5, 1.4, 1.3, 1.25, 1.2, 1.15, 1.1)
BY_PODS = (STEP_S, AS_DEPLOYED)
WAY = (IN_PLACE_S, IN_PLACE)
PRICES = (30.0, 20.0, 15.0, 10.0, 7.5, 5.0, 3.0, 2.0, 1.0)
TUNED_ON = 3  # situations on each tuned piece
TUNE_SEED, SCORE_SEED = 500, 9000


Way = tuple[float, tuple[float, float]]  # seconds between decisions, shares of a limit that it may be resized to


def main() -> None:
    """Learn, tune, play, compare, print, write."""
    given, began = options(), time.process_time()
    figures: dict[str, Any] = {f"goal.{name}": value for name, value in GOALS.items()}
    network, rows = systems()["tandem"], []
    every = pairs(given.train, given.test, SECONDS, PEAK)
    figures = earlier(given) | figures
    for pair in every:
        if given.only and pair.score.name not in given.only:
            continue
        found = compared(network, pair, given)
        for name, (cores, late, equal, fewer, low, high) in found.items():
            rows.append((pair.score.name, name, cores, late, equal, fewer, low, high))
            figures |= {f"{name}.{pair.score.name}.cores": cores, f"{name}.{pair.score.name}.late": late}
            figures |= {f"{name}.{pair.score.name}.fewer_late": fewer, f"mpc.{pair.score.name}.late_at_{name}": equal}
            figures |= {f"{name}.{pair.score.name}.fewer_late_{end}": v for end, v in (("low", low), ("high", high))}
    heads = ("trace", "policy", "cores", "late", "MPC at equal cores", "fewer late", "90 % from", "to")
    print(table(heads, rows), flush=True)
    if not given.only or "steps" in given.only:
        figures |= steps_of(network, every[0], given)
    figures |= {"seeds": given.seeds}
    figures["seconds_of_cpu"] = time.process_time() - began + figures.get("seconds_of_cpu", 0.0)
    write(given.json, __file__, given, figures)


def options() -> argparse.Namespace:
    found = parser(__doc__ or "")
    found.add_argument("--seeds", type=int, default=6, help="situations that each trace is scored in")
    found.add_argument(
        "--only", nargs="+", metavar="TRACE", help="or `steps`, the rival's part; --json keeps the others"
    )
    found.add_argument("--steps-seeds", type=int, default=3, help="that the rival's part is done with")
    found.add_argument("--ppo-steps", type=int, default=204_800, help="after which PPO is given up; 0: without it")
    return found.parse_args()


def earlier(given: argparse.Namespace) -> dict[str, Any]:
    """Figures of what is not done again."""
    return figures_in(given.json) if given.only else {}


def lessons_of(network: Network, pair: Pair, surprise: float, way: Way) -> Lessons:
    """The tuned pieces' loads, and issues of the same kinds."""
    return Lessons(
        twin=twin_of(network),
        system=system_of(begun(network, pair.tune[0].load), way[0], resized=way[1]),
        load_per_s=np.concatenate([means(piece.load, round(way[0])) for piece in pair.tune]),
        issues=[issue for at in range(10) for issue in issues_for(network, SECONDS, at)],
        issues_per_h=4 * 3600.0 / SECONDS,
        surprise=surprise,
    )


def compared(network: Network, pair: Pair, given: argparse.Namespace) -> dict[str, tuple[float, ...]]:
    """Of each policy: cores, late, late of MPC at equal cores, share that is fewer, its 90 % interval over seeds."""
    tune = [
        situation(network, piece, TUNE_SEED + given.seed + 100 * at + k)
        for at, piece in enumerate(pair.tune)
        for k in range(TUNED_ON)
    ]
    score = [situation(network, pair.score, SCORE_SEED + given.seed + k) for k in range(given.seeds)]
    tuned = {
        "mpc": chosen(mpc, FRONTIER, tune),
        "mpc_told": chosen(told, FRONTIER, tune),
        "ours": chosen(partial(ours, learnt(network, pair, ANNOUNCED, given.seed, WAY), WAY), PRICES, tune),
        "ours_untold": chosen(partial(untold, learnt(network, pair, 1.0, given.seed, WAY), WAY), PRICES, tune),
        "ours_by_pods": chosen(
            partial(ours, learnt(network, pair, ANNOUNCED, given.seed, BY_PODS), BY_PODS), PRICES, tune
        ),
        "fixed": chosen(partial(fixed, WAY), HEADROOMS, tune),
        "fixed_untold": chosen(partial(fixed_untold, WAY), HEADROOMS, tune),
    }
    edge = np.array([[each.played(mpc(used)) for used in FRONTIER] for each in score])  # (seeds, frontier, 2)
    rng = np.random.default_rng(given.seed)
    return {name: beside(np.array([each.played(p) for each in score]), edge, rng) for name, p in tuned.items()}


def beside(found: np.ndarray, edge: np.ndarray, rng: np.random.Generator) -> tuple[float, ...]:
    """found: shape (seeds, 2), edge: (seeds, frontier, 2), (cores, late) each."""
    equal = np.array(
        [np.interp(cores, line[::-1, 0], line[::-1, 1]) for (cores, _), line in zip(found, edge, strict=True)]
    )
    late = found[:, 1]
    again = rng.integers(len(late), size=(2000, len(late)))
    spread = np.quantile(1 - late[again].sum(axis=1) / np.maximum(equal[again].sum(axis=1), 1e-9), (0.05, 0.95))
    fewer = 1 - late.sum() / max(equal.sum(), 1e-9)
    return float(found[:, 0].mean()), float(late.mean()), float(equal.mean()), float(fewer), *spread.tolist()


def chosen(make: Callable[[float], Policy], values: Sequence[float], tune: Sequence[Situation]) -> Policy:
    """The tightest settings that keep the limit on average."""

    def scored(policy: Policy) -> Scored:
        cores, late = np.array([each.played(policy) for each in tune]).mean(axis=0).tolist()
        return Scored(policy, cores, late)  # type: ignore[arg-type]  # a policy that is told first

    return tightest(make, values, scored).policy  # type: ignore[arg-type,return-value]


def learnt(network: Network, pair: Pair, surprise: float, seed: int, way: Way) -> dict[float, Learned]:
    return {each.price: each for each in policies(lessons_of(network, pair, surprise, way), seed, PRICES)}


def mpc(used: float) -> Policy:
    return lambda _: Mpc(utilisation=used)


def told(used: float) -> Policy:
    """MPC's plan, multiplied by what is announced."""
    return fixed(BY_PODS, 1 / used)


def ahead(policy: Fixed | Learned, way: Way, issues: Sequence[SimulatedIssue] = ()) -> Ahead:
    return Ahead(policy=policy, announced=issues, unsure_s=OFF_S, period_s=way[0], resized=way[1])


def ours(known: dict[float, Learned], way: Way, price: float) -> Policy:
    return lambda issues: ahead(known[price], way, issues)


def untold(known: dict[float, Learned], way: Way, price: float) -> Policy:
    return lambda _: ahead(known[price], way)


def fixed(way: Way, headroom: float) -> Policy:
    return lambda issues: ahead(Fixed(headroom), way, issues)


def fixed_untold(way: Way, headroom: float) -> Policy:
    return lambda _: ahead(Fixed(headroom), way)


def steps_of(network: Network, pair: Pair, given: argparse.Namespace) -> dict[str, Any]:
    """Mean return of a step against environment steps, on the fluid twins that both learn on, without trust region.

    PPO learns until it has the return of `ours`, seed by seed; where it never has, its steps are a lower bound.
    """
    lessons = lessons_of(network, pair, ANNOUNCED, WAY)
    trial = lessons.world(TRIED_ON, np.random.default_rng(given.seed + 1000))
    rival = bool(given.ppo_steps) and importlib.util.find_spec("stable_baselines3") is not None
    if not rival:
        print("PPO is left out: stable-baselines3 is not installed, or --ppo-steps is 0")

    def value(headroom: Callable[[np.ndarray], np.ndarray]) -> float:
        cost, late = played(trial, headroom)
        return -float(cost.mean() + HARDER * late.mean())

    rows: list[tuple[int, str, int, float]] = []
    for seed in range(given.seed, given.seed + given.steps_seeds):
        for environments in (ENVIRONMENTS // 4, ENVIRONMENTS // 2, ENVIRONMENTS):
            steps = experience(lessons, seed, environments)
            rows.append((seed, "ours", len(steps.cost), value(fitted(steps, HARDER).headroom)))
        if rival:
            from policy_ppo import learned_by_ppo  # an optional extra, torch with it

            found = learned_by_ppo(lessons, value, rows[-1][3], given.ppo_steps, seed)
            rows += [(seed, "PPO", steps, worth) for steps, worth in found]
    print(table(("seed", "learner", "environment steps", "mean return"), rows))
    return {"steps": [dict(zip(("seed", "learner", "steps", "return"), row, strict=True)) for row in rows]} | ratios(
        rows
    )


def ratios(rows: Sequence[tuple[int, str, int, float]]) -> dict[str, Any]:
    """PPO's steps to the return of `ours` over ours, a seed each; medians; how often it was reached."""
    mine = {seed: (steps, worth) for seed, name, steps, worth in rows if name == "ours"}
    theirs = {seed: (steps, worth) for seed, name, steps, worth in rows if name == "PPO"}
    found: dict[str, Any] = {
        "ours.steps": max(steps for steps, _ in mine.values()),
        "ours.return": float(np.median([worth for _, worth in mine.values()])),
    }
    if theirs:
        each = [theirs[seed][0] / mine[seed][0] for seed in theirs]
        found |= {"ppo.return": float(np.median([worth for _, worth in theirs.values()])), "ppo.steps_ratios": each}
        found["ppo.reached_ours"] = sum(theirs[seed][1] >= mine[seed][1] for seed in theirs)
        found["steps_ratio_at_least"] = float(np.median(each))
    return found


if __name__ == "__main__":
    main()
