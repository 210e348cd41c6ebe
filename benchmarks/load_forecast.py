"""Claim: the load model's quantile forecasts lose less than each baseline's, and its 90 % band holds 87 to 93 %.

What an SRE asks: the next hour at five-minute steps (scale up now?) and the next day at half-hour steps (what will
tomorrow need?); of traces shorter than four days the next five minutes at ten-second steps. Each value is the mean over
its step. Loss: pinball at .05 .1 .25 .5 .75 .9 .95, over the series' mean. At each of several origins every method is
fitted on the series' own past; nothing is tuned on what follows.

Baselines: last day and last week, with the quantiles of their own past errors; Holt-Winters (statsmodels, damped trend,
additive day, quantiles of 300 bootstrapped paths); AutoETS and MSTL (statsforecast). They are slow, so they see the
last two weeks of half-hours for the next day (week as a second season of MSTL where there are two), and the last week
of five minutes for the next hour, where AutoETS and Holt-Winters, which cannot carry a season of 288, have none and the
last day. All see gaps filled by a straight line, and none goes below 0.

    python benchmarks/load_forecast.py --train workloads cloudcluster --test workloads cloudcluster --json out.json

Series: files of one number a second, and metrics.parquet (each component and metric on its own grid, carried forward).
Origins lie in the last 1 - share of each series of --test; --train only names what may be looked at before.
"""

import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from claims import parser, table, write
from load_traces import DAY_S, means, traces
from statsforecast.models import MSTL, AutoETS
from statsmodels.tsa.holtwinters import ExponentialSmoothing

from chaosprsa.models.load import LoadModel

FloatArray = npt.NDArray[np.float64]
PROBABILITIES = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
BANDS = (50, 80, 90)
PATHS = 300
PEERS = ("last_day", "last_week", "holt_winters", "auto_ets", "mstl")


@dataclass(frozen=True)
class Task:
    """The next `steps` values of step_s; season: steps of a day for peers, 1 where they have none."""

    name: str
    step_s: float
    steps: int
    peer_days: float
    season: int


HOUR = Task("hour", 300.0, 12, 7.0, 288)
DAY = Task("day", 1800.0, 48, 14.0, 48)
MINUTES = Task("minutes", 10.0, 30, 7.0, 1)


@dataclass(frozen=True)
class Series:
    """values: means of step_s, NaN in gaps. group: the data set."""

    group: str
    name: str
    start_s: float
    step_s: float
    values: FloatArray


@dataclass(frozen=True)
class Origin:
    """What is known, and what follows. Shapes: (past,), (steps,)."""

    task: Task
    times_s: FloatArray
    past: FloatArray
    ahead_s: FloatArray
    truth: FloatArray


def main() -> None:
    """Prints a table a data set and horizon."""
    options = parser(__doc__)
    options.add_argument("--share", type=float, default=0.6, help="of each series that is only past")
    options.add_argument("--origins", type=int, default=5, help="of a series and horizon, for all methods")
    options.add_argument("--more-origins", type=int, default=30, help="the same for the load model's coverage alone")
    chosen = options.parse_args()
    losses: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    inside: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    took: dict[str, float] = defaultdict(float)
    for series in all_series(chosen.test):
        for task in (HOUR, DAY) if len(series.values) * series.step_s >= 4 * DAY_S else (MINUTES,):
            key = (series.group, task.name)
            few = list(origins(series, task, chosen.share, chosen.origins))
            losses[key].append(scores(few, took, chosen.seed))
            inside[key].append(covered(origins(series, task, chosen.share, chosen.more_origins)))
    figures = _figures(losses, inside)
    figures |= {"origins": chosen.origins, "more_origins": chosen.more_origins}
    figures |= {f"seconds.{name}": value for name, value in took.items()}
    _show(figures, losses, took)
    write(chosen.json, __file__, chosen, figures)


def all_series(folders: Sequence[Path]) -> Iterator[Series]:
    """Traces at ten seconds where they are short, else at a minute; each component's metrics on their own grid."""
    for folder in folders:
        for trace in traces([folder], 1800):
            step = 60 if len(trace.rates) >= 4 * DAY_S else 10
            yield Series(folder.name, trace.name, trace.start_s, step, means(trace.rates, step))
        for file in sorted(folder.rglob("metrics.parquet")):
            yield from _metrics(folder.name, pd.read_parquet(file))


def _metrics(group: str, frame: pd.DataFrame) -> Iterator[Series]:
    """At least half a minute a step: the grid's own, or means of it."""
    for (component, metric), part in frame.groupby(["component", "metric"], observed=True):
        values = part.groupby("timestamp")["value"].last()
        step = pd.Series(values.index).diff().median()
        grid = pd.date_range(values.index[0], values.index[-1], freq=step)
        carried = values.reindex(values.index.union(grid)).ffill().reindex(grid)
        start = grid[0].ceil(pd.Timedelta(minutes=30))
        found = carried[start:].to_numpy(dtype=float)
        yield Series(group, f"{component} {metric}", start.timestamp(), step.total_seconds(), found)


def origins(series: Series, task: Task, share: float, number: int) -> Iterator[Origin]:
    """Evenly over the last 1 - share; those with gaps alone ahead are left out."""
    size = max(1, round(task.step_s / series.step_s))
    values = means(series.values, size)
    times = series.start_s + np.arange(len(values)) * task.step_s
    first, last = int(len(values) * share), len(values) - task.steps
    for at in np.unique(np.linspace(first, last, number).astype(int)) if last > first else ():
        ahead = slice(at, at + task.steps)
        if np.isfinite(values[ahead]).any() and np.isfinite(values[:at]).sum() >= 30:
            yield Origin(task, times[:at], values[:at], times[ahead], values[ahead])


def scores(cases: Sequence[Origin], took: dict[str, float], seed: int) -> dict[str, float]:
    """Each method's mean pinball loss over the series' mean; methods that can't be fitted are left out."""
    found: dict[str, list[float]] = defaultdict(list)
    scale = max(float(np.mean([np.nanmean(np.abs(case.past)) for case in cases])), 1e-9)
    for case in cases:
        for name, method in METHODS.items():
            began = time.perf_counter()
            quantiles = method(case, seed)
            took[name] += time.perf_counter() - began
            if quantiles is not None:
                found[name].append(pinball(case.truth, quantiles) / scale)
    return {name: float(np.mean(each)) for name, each in found.items() if len(each) == len(cases)}


def pinball(truth: FloatArray, quantiles: FloatArray) -> float:
    """Mean over known values and PROBABILITIES, doubled: at the median alone it would be the mean absolute error."""
    known = np.isfinite(truth)
    apart = truth[known, None] - quantiles[known]
    return float(2 * np.mean(np.maximum(PROBABILITIES * apart, (PROBABILITIES - 1) * apart)))


def covered(cases: Iterator[Origin]) -> tuple[int, int]:
    """(values inside the load model's 90 % band, values)."""
    inside = total = 0
    for case in cases:
        quantiles = ours(case, 0)
        known = np.isfinite(case.truth)
        held = (case.truth >= quantiles[:, 0]) & (case.truth <= quantiles[:, -1])
        inside, total = inside + int(held[known].sum()), total + int(known.sum())
    return inside, total


def ours(case: Origin, _seed: int) -> FloatArray:
    return LoadModel().fit(case.times_s, case.past).quantiles(case.ahead_s, PROBABILITIES)


def last_day(case: Origin, _seed: int) -> FloatArray | None:
    return _seasonal(case, DAY_S)


def last_week(case: Origin, _seed: int) -> FloatArray | None:
    return _seasonal(case, 7 * DAY_S)


def _seasonal(case: Origin, period_s: float) -> FloatArray | None:
    """What was a period ago, and the quantiles of what that got wrong before."""
    lag = round(period_s / case.task.step_s)
    if len(case.past) < lag + case.task.steps:
        return None
    past = _filled(case.past)
    errors = case.past[lag:] - case.past[:-lag]
    spread = np.quantile(errors[np.isfinite(errors)], PROBABILITIES)
    return np.maximum(past[-lag : len(past) - lag + len(case.truth)][:, None] + spread, 0.0)


def holt_winters(case: Origin, seed: int) -> FloatArray:
    season = case.task.season if case.task is DAY else 1
    past = _peer_past(case, 1.0 if season == 1 else case.task.peer_days)
    seasonal = {"seasonal": "add", "seasonal_periods": season} if season > 1 and len(past) > 2 * season else {}
    model = ExponentialSmoothing(past, trend="add", damped_trend=True, initialization_method="heuristic", **seasonal)
    paths = model.fit().simulate(
        len(case.truth), repetitions=PATHS, random_errors="bootstrap", random_state=np.random.RandomState(seed)
    )
    return np.maximum(np.quantile(np.asarray(paths), PROBABILITIES, axis=1).T, 0.0)


def auto_ets(case: Origin, _seed: int) -> FloatArray:
    season = case.task.season if case.task is DAY else 1
    past = _peer_past(case, 1.0 if season == 1 else case.task.peer_days)
    return _bands(AutoETS(season_length=season), past, len(case.truth))


def mstl(case: Origin, _seed: int) -> FloatArray | None:
    past = _peer_past(case, case.task.peer_days)
    seasons = [each for each in (case.task.season, 7 * case.task.season) if 1 < each <= len(past) // 2]
    return _bands(MSTL(season_length=seasons), past, len(case.truth)) if seasons else None


def _bands(model: Any, past: FloatArray, steps: int) -> FloatArray:
    found = model.forecast(y=past, h=steps, level=list(BANDS))
    low = [found[f"lo-{level}"] for level in reversed(BANDS)]
    high = [found[f"hi-{level}"] for level in BANDS]
    return np.maximum(np.column_stack([*low, found["mean"], *high]), 0.0)


def _peer_past(case: Origin, days: float) -> FloatArray:
    return _filled(case.past)[-round(days * DAY_S / case.task.step_s) :]


def _filled(values: FloatArray) -> FloatArray:
    known = np.flatnonzero(np.isfinite(values))
    return np.interp(np.arange(len(values)), known, values[known])


METHODS: dict[str, Callable[[Origin, int], FloatArray | None]] = {
    "ours": ours,
    "last_day": last_day,
    "last_week": last_week,
    "holt_winters": holt_winters,
    "auto_ets": auto_ets,
    "mstl": mstl,
}


def _figures(losses: Any, inside: Any) -> dict[str, Any]:
    """By data set and horizon: mean loss, and of each peer the mean and the share of series lost to us."""
    found: dict[str, Any] = {"goal.coverage_low": 0.87, "goal.coverage_high": 0.93}
    for (group, task), series in losses.items():
        key = f"{group}.{task}"
        found[f"{key}.series"] = len(series)
        found[f"{key}.ours.pinball"] = float(np.mean([each["ours"] for each in series]))
        held, total = np.sum(inside[group, task], axis=0)
        found[f"{key}.ours.coverage_90"] = float(held / max(total, 1))
        for peer in PEERS:
            both = [(each["ours"], each[peer]) for each in series if peer in each]
            if both:
                mine, other = np.array(both).T
                found[f"{key}.{peer}.pinball"] = float(other.mean())
                found[f"{key}.{peer}.ours_on_the_same_series"] = float(mine.mean())
                found[f"{key}.{peer}.ours_wins"] = int(np.sum(mine < other))
                found[f"{key}.{peer}.of"] = len(both)
    return found


def _show(figures: dict[str, Any], losses: Any, took: dict[str, float]) -> None:
    for group, task in losses:
        key = f"{group}.{task}"
        rows = [["ours", figures[f"{key}.ours.pinball"], "", ""]]
        for peer in PEERS:
            if f"{key}.{peer}.pinball" in figures:
                wins = f"{figures[f'{key}.{peer}.ours_wins']} of {figures[f'{key}.{peer}.of']}"
                same = figures[f"{key}.{peer}.ours_on_the_same_series"]
                rows.append([peer, figures[f"{key}.{peer}.pinball"], same, wins])
        coverage = figures[f"{key}.ours.coverage_90"]
        print(f"{group}, next {task}: {figures[f'{key}.series']} series; our 90 % band holds {coverage:.1%}")
        print(table(["", "pinball / mean", "ours there", "ours lower"], rows) + "\n")
    print("seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in took.items()))


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the peers warn of every fit that converges slowly
    main()
