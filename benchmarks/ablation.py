"""Claim: every stage of the product lowers the price of cores and late requests; the table says which don't.

The stages are added one by one on the same systems, each from what the one before it found: an allocation is searched,
then held (`held`) or operated from there (`operated`: a headroom over the load's forecast, resized in place every 5 s).

- greedy: the product's first answer, for the usual peak only; held.
- optuna: the whole search, for the usual peak only; held.
- rl_static: that, fine-tuned by fitted Q iteration where it was shown better; held.
- fixed: operated with a fixed headroom, to see what operating does without anything that is learnt.
- rl: operated with a headroom learnt without issues, where it is cheaper than the fixed one at the same limit.
- issues_held: searched with drawn issues by CVaR, and fine-tuned; held, to see what the search does by itself.
- issues: operated from there, learnt and tuned with issues that nobody announces.
- forecasts: half of the issues are announced, up to half a minute off and with false alarms; learnt and tuned so.

Beside them `issues_blind`: `issues` that looks one step of 5 s ahead instead of 35 s, what the load's forecast is for.
And the rival, HPA at 50 %, from the present allocation.

Every stage is tuned on other traces than it is scored on: the cheapest settings with at most 1 % late, in calm where it
knows no issues, under issues of other seeds where it does. All are scored by the exact twin in the same situations: the
same arrivals, a true work a request up to 20 % off what the twin believes, four issues in twenty minutes; SLO 1 s, pods
start in 30 s. price: cores over the least that the load's work takes, and 20 a share of requests late, as the policy is
taught. Each seed searches, learns and draws situations anew. better: how much lower the price is than that of the stage
before, situation by situation, with a 90 % interval (bootstrap over situations).

python benchmarks/ablation.py --train data/workloads/autothrottle --test data/workloads/autothrottle/bursty.txt \
    --json benchmarks/results/ablation.json
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ablation_stages import Operated, Search, Setting, held
from allocation_cases import Pair, pairs, systems
from claims import figures_in, parser, table, write
from search_problem import PRICES
from situations import Policy, situation

from chaosprsa.autoscalers import Hpa
from chaosprsa.autoscalers.contract import Autoscaler, Controller, System, period_of, resized_by
from chaosprsa.operating import Learned
from chaosprsa.operating.learning import HARDER
from chaosprsa.twin.exact.network import Network
from chaosprsa.types import HOURS_A_MONTH

BEFORE = {
    "optuna": "greedy", "rl_static": "optuna", "fixed": "rl_static", "rl": "fixed", "issues_held": "rl_static",
    "issues": "rl", "forecasts": "issues", "issues_blind": "issues",
}  # fmt: skip
RIVALS = ("hpa_50",)
SCORE_SEED = 9000
Rows = dict[str, dict[str, float]]  # figures by stage


@dataclass(frozen=True)
class Stage:
    """Pods and limits at the beginning, and what is done from there. used: whether what was added was used."""

    network: Network
    policy: Policy
    used: bool = True


@dataclass(frozen=True)
class NextStepOnly:
    """A policy that isn't told how long pods take to start, so that it forecasts the load for the next step only."""

    policy: Autoscaler

    @property
    def name(self) -> str:
        return f"{self.policy.name}, the next step only"

    @property
    def period_s(self) -> float:
        return period_of(self.policy)

    @property
    def resized(self) -> tuple[float, float]:
        return resized_by(self.policy)

    def begin(self, system: System) -> Controller:
        return self.policy.begin(replace(system, start_s=0.0))


def main() -> None:
    """Search, learn, tune, play, compare, print, write."""
    given, began = options(), time.process_time()
    figures = earlier(given)
    spent = figures.get("seconds_of_cpu", 0.0)
    for name in given.systems:
        for pair in pairs(given.train, given.test, given.minutes * 60, given.peak):
            key = f"{name}.{pair.score.name}"
            for seeds, (found, used) in enumerate(scored(systems()[name], pair, given), start=1):
                figures |= {
                    f"{stage}.{key}.{what}": value for stage, row in found.items() for what, value in row.items()
                }
                figures |= {f"ours.{stage}.{key}.used": share for stage, share in used.items()}
                figures |= {f"seeds.{key}": seeds, "situations": given.situations, "trials": given.trials}
                figures["seconds_of_cpu"] = spent + time.process_time() - began
                print(shown(key, found, used), flush=True)
                write(given.json, __file__, given, figures)
    print(f"{figures['seconds_of_cpu']:.0f} s of CPU")


def options() -> argparse.Namespace:
    found = parser(__doc__ or "")
    found.add_argument("--systems", nargs="+", default=["tandem", "boutique"], help="--json keeps the others' figures")
    found.add_argument("--seeds", type=int, default=3, help="searches and policies, each by a seed of its own")
    found.add_argument("--situations", type=int, default=2, help="that each seed is scored in")
    found.add_argument("--tuned-on", type=int, default=2, help="situations on each tuned piece")
    found.add_argument("--trials", type=int, default=64, help="Optuna's")
    found.add_argument("--minutes", type=int, default=20, help="of a trace that is scored, half of it to tune on")
    found.add_argument("--peak", type=float, default=300.0, help="requests a second to which traces are scaled")
    return found.parse_args()


def earlier(given: argparse.Namespace) -> dict[str, Any]:
    """Figures of systems that are not played again."""
    return {key: value for key, value in figures_in(given.json).items() if not set(key.split(".")) & set(given.systems)}


def scored(network: Network, pair: Pair, given: argparse.Namespace) -> Iterator[tuple[Rows, dict[str, float]]]:
    """After each seed: figures of each stage so far, and the share of seeds in which what it adds was used."""
    played: dict[str, list[list[tuple[float, float, float]]]] = {}  # by stage, seed, situation: cores, late, price
    used: dict[str, list[bool]] = {}
    for seed in range(given.seed, given.seed + given.seeds):
        setting = Setting.drawn(network, pair, seed, given.trials, given.tuned_on)
        where = [situation(network, pair.score, SCORE_SEED + 100 * seed + k) for k in range(given.situations)]
        for name, stage in stages(setting).items():
            rows = [one.allotted(stage.network).played(stage.policy, setting.least) for one in where]
            prices = [cores / one.least_cores + HARDER * late for one, (cores, late) in zip(where, rows, strict=True)]
            triples = [(*row, price) for row, price in zip(rows, prices, strict=True)]
            played.setdefault(name, []).append(triples)
            used.setdefault(name, []).append(stage.used)
        found = {named(name): row for name, row in figured(played, given.seed).items()}
        yield found, {name: float(np.mean(each)) for name, each in used.items() if name not in RIVALS}


def stages(setting: Setting) -> dict[str, Stage]:
    """In the order in which they are added."""
    usual, issues = Search(setting, ()), Search(setting, setting.issues)
    greedy, whole = usual.greedy(), usual.whole()
    tuned, with_issues = usual.tuned(whole), issues.tuned(issues.whole())
    calm = usual.network(tuned.point)
    ready = issues.network(with_issues.point)
    found = {
        "hpa_50": Stage(setting.present, lambda _: Hpa(target=0.5)),
        "greedy": Stage(usual.network(greedy), held()),
        "optuna": Stage(usual.network(whole), held(), used=not np.array_equal(greedy, whole)),
        "rl_static": Stage(calm, held(), used=not np.array_equal(whole, tuned.point)),
        "fixed": operated(setting, calm, issues=False, told=False, learnt=False),
        "rl": operated(setting, calm, issues=False, told=False),
        "issues_held": Stage(ready, held()),
        "issues": operated(setting, ready, issues=True, told=False),
        "forecasts": operated(setting, ready, issues=True, told=True),
    }
    unannounced = found["issues"].policy(())
    return found | {"issues_blind": Stage(ready, lambda _: NextStepOnly(unannounced))}


def operated(setting: Setting, network: Network, *, issues: bool, told: bool, learnt: bool = True) -> Stage:
    how = Operated(setting, network, issues=issues, told=told)
    chosen = how.chosen(learnt=learnt)
    print(f"seed {setting.seed}: {chosen.name}", flush=True)
    used = isinstance(getattr(chosen, "policy", None), Learned)
    return Stage(network, how.policy(chosen), used or not learnt)


def named(stage: str) -> str:
    return stage if stage in RIVALS else f"ours.{stage}"


def figured(played: Mapping[str, list[list[tuple[float, float, float]]]], seed: int) -> dict[str, dict[str, float]]:
    """Means over seeds and situations, the least and most of seeds' means, and the price beside the stage before."""
    every = {name: np.array(rows) for name, rows in played.items()}  # (seeds, situations, 3)
    found = {}
    for name, values in every.items():
        row = {}
        for at, what in enumerate(("cores", "late", "price")):
            each = values[..., at].mean(axis=1)
            row |= {what: float(each.mean()), f"{what}_least": float(each.min()), f"{what}_most": float(each.max())}
        row["usd_month"] = row["cores"] * PRICES.cpu_core_hour * HOURS_A_MONTH
        if before := BEFORE.get(name):
            better = (every[before] - values)[..., 2].ravel()
            again = np.random.default_rng(seed).integers(len(better), size=(2000, len(better)))
            low, high = np.quantile(better[again].mean(axis=1), (0.05, 0.95)).tolist()
            row |= {"better": float(better.mean()), "better_low": low, "better_high": high}
        found[name] = row
    return found


def shown(key: str, found: Mapping[str, Mapping[str, float]], used: Mapping[str, float]) -> str:
    """One table of a system."""
    heads = (
        key, "cores", "from", "to", "USD a month", "late", "from", "to", "price", "better", "90 % from", "to",
        "than", "used",
    )  # fmt: skip
    names = (
        "cores", "cores_least", "cores_most", "usd_month", "late", "late_least", "late_most", "price", "better",
        "better_low", "better_high",
    )  # fmt: skip
    rows = []
    for stage, row in found.items():
        plain = stage.removeprefix("ours.")
        cells = [row.get(name, np.nan) for name in names]
        rows.append((plain, *cells, BEFORE.get(plain, "-"), used.get(plain, "-")))
    return table(heads, rows)


if __name__ == "__main__":
    main()
