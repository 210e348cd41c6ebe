"""Claim: greedy search answers 20 services within 2 % of swap search in 0.1 s, and 100 times sooner than plain TPE.

Made systems (search_problem: a tree of 20 services, 14 issues and the usual peak; least cost at CVaR .9 of missing the
SLO), one a seed. Every searcher asks the same objective, the fluid twin: greedy on the corrected sketch (the product's
first answer), the product's whole search (greedy, trimmed, iterated, then Optuna), plain TPE with constraints from
nothing, random points, and swap search (every single step and random exchanges of two, the best that holds is taken)
from the least multiple of the present that holds, until its time is over. The best known is the cheapest that any of
them found, or swap search from greedy's answer. Seconds are processor seconds until an answer is within 2 % of it;
where that never came, the seconds spent are a lower bound (written > ). Medians over the seeds.

python benchmarks/search.py --json benchmarks/results/search.json
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from claims import parser, table, write
from search_problem import problem

from chaosprsa.allocation.greedy import fitted, found_at
from chaosprsa.allocation.scores import Objective
from chaosprsa.allocation.search import BATCH, search, starts
from chaosprsa.allocation.space import REPLICAS, Ints
from chaosprsa.allocation.study import Study
from chaosprsa.allocation.swift import swift

WITHIN = 1.02
GOALS = {"greedy.s": 0.1, "greedy.over_swap": 1.02, "greedy.times_tpe": 100.0}
NAMES = ("ours.greedy", "ours.greedy_then_optuna", "tpe", "random", "swap")
GROWN = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 5.0)
Course = list[tuple[float, float]]  # (processor seconds, cheapest that holds so far)


def main() -> None:
    """Measure, compare, print, write."""
    options = parser(__doc__ or "")
    options.add_argument("--services", type=int, default=20)
    options.add_argument("--issues", type=int, default=14)
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--tpe-s", type=float, default=8.0, help="processor seconds for plain TPE and for swap search")
    options.add_argument("--trials", type=int, default=16, help="Optuna's, in the product's search")
    given = options.parse_args()
    swift(problem(5, 4, 1), starts(problem(5, 4, 1).space))  # compiles
    runs = [measured(given, seed) for seed in range(given.seed, given.seed + given.seeds)]
    figures: dict[str, Any] = {f"goal.{name}": value for name, value in GOALS.items()}
    figures |= {"services": given.services, "seeds": given.seeds}
    searchers = [name for name in runs[0] if name != "present"]
    best = [min(cost for name in searchers for _, cost in run[name]) for run in runs]
    rows = []
    for name in NAMES:
        told = summary([run[name] for run in runs], best)
        figures |= {f"{name}.{key}": value if math.isfinite(value) else None for key, value in told.items()}
        bound = told["within_2_percent_s"]
        shown = f"{bound:.3g}" if told["reached"] > len(runs) / 2 else f"> {bound:.3g}"
        rows.append((name, told["over_best"], told["worst_over_best"], f"{told['reached']} of {len(runs)}", shown))
    present = [run["present"][0][1] / cost for run, cost in zip(runs, best, strict=True)]
    ours = np.array([run["ours.greedy"][-1] for run in runs])
    swap = np.array([run["swap"][-1][1] for run in runs])
    figures["present.over_best"] = float(np.median(present))
    figures["ours.greedy.s"] = float(np.median(ours[:, 0]))
    figures["ours.greedy.over_swap"] = float(np.median(ours[:, 1] / swap))
    figures["ours.greedy.times_tpe_at_least"] = figures["tpe.within_2_percent_s"] / figures["ours.greedy.s"]
    print(table(("search", "cost over the best known", "worst", "within 2 %", "s until then"), rows))
    print(
        f"greedy: {figures['ours.greedy.s']:.3g} s (goal 0.1), {figures['ours.greedy.over_swap']:.3f} of swap search's "
        f"cost (goal 1.02), {figures['ours.greedy.times_tpe_at_least']:.0f} times as fast as plain TPE's time was long "
        f"(goal 100); what is there at present costs {', '.join(f'{each:.2f}' for each in present)} of the best"
    )
    write(given.json, __file__, given, figures)


def summary(courses: list[Course], best: list[float]) -> dict[str, float]:
    """Over the seeds; where the best was never reached within 2 %, the seconds spent count, a lower bound."""
    over = [course[-1][1] / cost for course, cost in zip(courses, best, strict=True)]
    reached = [seconds_to(course, WITHIN * cost) for course, cost in zip(courses, best, strict=True)]
    spent = [course[-1][0] for course in courses]
    bound = [there if math.isfinite(there) else all_of_it for there, all_of_it in zip(reached, spent, strict=True)]
    return {
        "over_best": float(np.median(over)),
        "worst_over_best": float(np.max(over)),
        "within_2_percent_s": float(np.median(bound)),
        "reached": sum(math.isfinite(each) for each in reached),
        "spent_s": float(np.median(spent)),
    }


def measured(given: Any, seed: int) -> dict[str, Course]:
    """Every searcher on one problem, each with an objective of its own."""

    def fresh() -> Objective:
        return problem(given.services, given.issues, seed)

    found: dict[str, Course] = {}
    began = time.process_time()
    first = swift(objective := fresh(), starts(objective.space))
    found["ours.greedy"] = [(time.process_time() - began, first.price_month if first.feasible else math.inf)]
    began = time.process_time()
    whole = search(fresh(), seed, given.trials).best
    found["ours.greedy_then_optuna"] = [
        (time.process_time() - began, whole.price_month if whole.feasible else math.inf)
    ]
    rng = np.random.default_rng(seed)
    found["tpe"] = course(tpe(fresh(), seed), given.tpe_s)
    found["random"] = course(random(fresh(), rng), given.tpe_s / 2)
    objective = fresh()
    found["swap"] = course(swap(objective, fitted(objective.space, objective.space.present), rng), given.tpe_s)
    present = objective.space.present
    found["present"] = [(0.0, float(objective.space.cost_month(present[None])[0]))]
    found["swap from greedy"] = course(swap(fresh(), first.point, rng), given.tpe_s / 2)
    return found


def course(costs: Iterator[float], seconds: float) -> Course:
    """Play a searcher until its time is over; it yields the cost of what holds, infinite where nothing does."""
    began, best, found = time.process_time(), math.inf, []
    for cost in costs:
        best = min(best, cost)
        spent = time.process_time() - began
        found.append((spent, best))
        if spent > seconds:
            break
    return found


def seconds_to(found: Course, cost: float) -> float:
    return next((seconds for seconds, best in found if best <= cost), math.inf)


def tpe(objective: Objective, seed: int) -> Iterator[float]:
    """The product's Optuna study over the whole space, from nothing."""
    study = Study(objective.space, seed, objective.space.high)
    while True:
        study.round(objective, BATCH)
        yield study.best.price_month if study.best.feasible else math.inf


def random(objective: Objective, rng: np.random.Generator) -> Iterator[float]:
    """Uniform over the grid."""
    space = objective.space
    cells = (space.high - space.low) // space.step
    while True:
        drawn = rng.random((BATCH, *cells.shape))
        yield cheapest(objective, space.low + np.floor(drawn * (cells + 1)).astype(np.int64) * space.step)


def cheapest(objective: Objective, points: Ints) -> float:
    scores = objective(points)
    return float(np.where(scores.feasible, scores.price_month, np.inf).min())


def swap(objective: Objective, start: Ints, rng: np.random.Generator) -> Iterator[float]:
    """Exchange local search from the least multiple of start that holds: the best of single steps and exchanges."""
    space = objective.space
    grown = np.stack([on_grid(objective, start * factor) for factor in GROWN] + [space.high])
    scores = objective(grown)
    first = int(scores.feasible.argmax())
    here = found_at(grown[first], scores, first)
    while True:
        yield here.price_month if here.feasible else math.inf
        near = neighbours(objective, here.point, rng)
        near = near[space.cost_month(near) < here.price_month - 1e-9]
        if not len(near):
            continue
        scores = objective(near)
        price = np.where(scores.feasible, scores.price_month, np.inf)
        best = int(price.argmin())
        if price[best] < here.price_month - 1e-9:
            here = found_at(near[best], scores, best)


def on_grid(objective: Objective, point: np.ndarray) -> Ints:
    space = objective.space
    return space.clipped(space.low + np.rint((point - space.low) / space.step).astype(np.int64) * space.step)


def neighbours(objective: Objective, point: Ints, rng: np.random.Generator) -> Ints:
    """One step down of each coordinate by a random size, and as many pairs of one down and another up."""
    space = objective.space
    count = point.size

    def moved(sign: int, which: np.ndarray) -> Callable[[Ints], Ints]:
        service, part = which // 3, which % 3
        size = rng.choice([1, 1, 2, 4, 8, 16], size=len(which))
        size = np.where(part == REPLICAS, np.minimum(size, 4), size)

        def apply(points: Ints) -> Ints:
            points[np.arange(len(which)), service, part] += sign * size * space.step[service, part]
            return points

        return apply

    single = moved(-1, np.arange(count))(np.repeat(point[None], count, axis=0))
    pairs = moved(-1, rng.integers(count, size=count))(np.repeat(point[None], count, axis=0))
    pairs = moved(1, rng.integers(count, size=count))(pairs)
    every = np.concatenate((single, pairs))
    return every[((every >= space.low) & (every <= space.high)).all(axis=(1, 2))]


if __name__ == "__main__":
    main()
