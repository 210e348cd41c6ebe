"""Claim: a drawn load has the real one's texture from a second to a day, and is a copy of no day that was seen.

Learned on the earlier part of a trace of requests a second, new days are drawn for the later part: each at the level
that the load model forecasts at the midnight before (as a rehearsal of tomorrow would), the rest from the earlier part
alone. Goals, of the later part's figures: mean, peak/mean (of a day's minutes), p99/median (of minutes),
autocorrelation at a minute, an hour and a day, bursts a day and their length, index of dispersion at 1 s to 1 h, each
within 20 %; a classifier of ten-minute windows (real against drawn; trained on the first half of the later part, judged
on the second) with an AUC of at most .75 (half: as good as none); a drawn day no nearer to a seen one than real days.

Baselines: Poisson around the mean day; whole days drawn from those seen (copies: distance 0); the load model's smooth
forecast with Poisson arrivals.

    python benchmarks/load_profiles.py --train workloads --test workloads --json out.json

One folder for both: a trace's first --share trains. Two: traces are matched by the word their file's name begins with.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from claims import parser, table, write
from load_traces import DAY_S, MINUTE_S, Trace, means, traces
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from chaosprsa.models.load import LoadModel
from chaosprsa.models.load_texture import LoadTexture

FloatArray = npt.NDArray[np.float64]
SCALES = {"1s": 1, "10s": 10, "1min": 60, "10min": 600, "1h": 3600}
WINDOW_S = 600
SLOT_S = 900
DRAWS = 4
GOAL = 0.20


@dataclass(frozen=True)
class Case:
    """past, later: one value a second, whole days, NaN in gaps; start_s: of each."""

    name: str
    past: FloatArray
    past_start_s: float
    later: FloatArray
    later_start_s: float
    warm_up: FloatArray  # of the later trace, where it is another file: known by midnight, never learned from


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--share", type=float, default=0.7, help="of a trace that trains, where train is test")
    chosen = options.parse_args()
    figures: dict[str, Any] = {"goal.within": GOAL, "goal.auc": 0.75}
    for case in cases(chosen.train, chosen.test, chosen.share):
        figures |= judged(case, chosen.seed)
    write(chosen.json, __file__, chosen, figures)


def cases(train: list[Path], test: list[Path], share: float) -> Iterator[Case]:
    """Traces of at least four days."""
    known = {each.word: each for each in traces(train, 4 * DAY_S)}
    if {each.resolve() for each in train} == {each.resolve() for each in test}:
        for trace in known.values():
            cut = int(len(trace.rates) * share) // DAY_S * DAY_S
            yield _case(trace, trace.rates[:cut], replace(trace, rates=trace.rates[cut:], start_s=trace.start_s + cut))
        return
    for trace in traces(test, 2 * DAY_S):
        if trace.word in known:
            yield _case(known[trace.word], known[trace.word].rates, trace)


def _case(earlier: Trace, past: FloatArray, later: Trace) -> Case:
    whole = len(later.rates) // DAY_S * DAY_S
    ends = len(past) // DAY_S * DAY_S
    return Case(later.word, past[:ends], earlier.start_s, later.rates[:whole], later.start_s, np.zeros(0))


def judged(case: Case, seed: int) -> dict[str, Any]:
    """Prints a trace's tables and returns its figures."""
    rng = np.random.default_rng(seed)
    methods = {name: [draw(rng) for _ in range(DRAWS)] for name, draw in _methods(case).items()}
    gap = ~np.isfinite(case.later)
    for drawn in methods.values():
        for each in drawn:
            each[gap] = np.nan
    real = statistics(case.later)
    found = {name: _mean([statistics(each) for each in drawn]) for name, drawn in methods.items()}
    rows = [[key, real[key], *(each[key] for each in found.values())] for key in real]
    within = {name: sum(abs(each[key] / real[key] - 1) <= GOAL for key in real) for name, each in found.items()}
    aucs = {name: classifier_auc(case.later, drawn[0], seed) for name, drawn in methods.items()}
    seen, own = days_of(case.past), days_of(case.later)
    near = {name: nearest(days_of(drawn[0]), seen) for name, drawn in methods.items()}
    rows += [["within 20 %", len(real), *within.values()], ["AUC", 0.5, *aucs.values()]]
    rows += [["nearest seen day", nearest(own, seen), *near.values()]]
    days = f"{len(case.past) // DAY_S} days seen, {len(case.later) // DAY_S} days later"
    print(f"{case.name}: {days}\n{table(['', 'real', *methods], rows)}\n")
    figures: dict[str, Any] = {f"{case.name}.real.{key}": value for key, value in real.items()}
    figures[f"{case.name}.real.nearest_day"] = nearest(own, seen)
    for name in methods:
        figures |= {f"{case.name}.{name}.{key}": value for key, value in found[name].items()}
        figures |= {f"{case.name}.{name}.within_20_percent": within[name], f"{case.name}.{name}.of": len(real)}
        figures |= {f"{case.name}.{name}.auc": aucs[name], f"{case.name}.{name}.nearest_day": near[name]}
    return figures


def _methods(case: Case) -> dict[str, Any]:
    """By name: a function of a generator that draws the later days, requests in each second."""
    samples, past_times = len(case.later), case.past_start_s + np.arange(len(case.past))
    texture = LoadTexture().fit(past_times, case.past)
    levels = midnight_levels(case)
    table_ = case.past.reshape(-1, DAY_S)
    minutes = means(case.past, MINUTE_S).reshape(len(table_), -1)
    seen = np.isfinite(minutes)
    profile = (np.nan_to_num(minutes).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)).repeat(MINUTE_S)
    quarters = case.past_start_s + np.arange(len(case.past) // SLOT_S) * SLOT_S
    model = LoadModel().fit(quarters, means(case.past, SLOT_S))
    ahead = case.later_start_s + np.arange(samples // MINUTE_S) * MINUTE_S
    smooth = model.forecast(ahead).mean.repeat(MINUTE_S)
    copies = np.nan_to_num(table_)
    return {
        "ours": lambda rng: texture.draw(case.later_start_s, samples, 1.0, rng, levels).astype(float),
        "poisson_mean_day": lambda rng: rng.poisson(np.tile(profile, samples // DAY_S)).astype(float),
        "copied_days": lambda rng: copies[rng.integers(len(copies), size=samples // DAY_S)].ravel(),
        "smooth_forecast": lambda rng: rng.poisson(smooth).astype(float),
    }


def midnight_levels(case: Case) -> list[float]:
    """Each later day's mean as the load model forecasts it from what was known at its midnight."""
    joined = np.concatenate([means(case.past, SLOT_S), means(case.later, SLOT_S)])
    gap = case.later_start_s - case.past_start_s - len(case.past)
    times = case.past_start_s + np.arange(len(joined)) * SLOT_S
    first = len(case.past) // SLOT_S
    times[first:] += gap
    day = DAY_S // SLOT_S
    found = []
    for start in range(first, len(joined), day):
        model = LoadModel().fit(times[:start], joined[:start])
        found.append(float(model.forecast(times[start : start + day]).mean.mean()))
    return found


def statistics(rates: FloatArray) -> dict[str, float]:
    """What is compared; rates: one value a second, whole days, NaN in gaps."""
    minutes = means(rates, MINUTE_S)
    days = minutes.reshape(-1, DAY_S // MINUTE_S)
    found = {
        "mean": float(np.nanmean(rates)),
        "peak_over_mean": float(np.mean(np.nanmax(days, axis=1) / np.nanmean(days, axis=1))),
        "p99_over_median": float(np.nanquantile(minutes, 0.99) / np.nanmedian(minutes)),
    }
    lags = {"minute": 1, "hour": 60, "day": 1440}
    found |= {f"autocorrelation_{name}": _autocorrelation(minutes, lag) for name, lag in lags.items() if len(days) > 2}
    lengths = _bursts(minutes)
    found |= {"bursts_a_day": len(lengths) / len(days), "burst_minutes": float(np.mean(lengths)) if len(lengths) else 0}
    for name, size in SCALES.items():
        counts = means(rates, size) * size
        counts = counts[np.isfinite(counts)]
        found[f"dispersion_{name}"] = float(counts.var() / counts.mean())
    return found


def _mean(found: list[dict[str, float]]) -> dict[str, float]:
    return {key: float(np.mean([each[key] for each in found])) for key in found[0]}


def _autocorrelation(minutes: FloatArray, lag: int) -> float:
    before, after = minutes[:-lag], minutes[lag:]
    known = np.isfinite(before) & np.isfinite(after)
    return float(np.corrcoef(before[known], after[known])[0, 1])


def _bursts(minutes: FloatArray) -> FloatArray:
    """Lengths in minutes of stretches half above the two hours' median and three standard deviations of Poisson."""
    known = np.nan_to_num(minutes)
    median = ndimage.median_filter(known, 121, mode="reflect")
    above = (known > 1.5 * median + 3 * np.sqrt(median / MINUTE_S)) & (median > 0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], above.astype(int), [0]]))).reshape(-1, 2)
    return (edges[:, 1] - edges[:, 0]).astype(float)


def classifier_auc(real: FloatArray, drawn: FloatArray, seed: int) -> float:
    """Of gradient boosting on windows' features: trained on the first half in time, judged on the second."""
    first, second = (windows(each) for each in (real, drawn))
    half = len(first) // 2
    model = HistGradientBoostingClassifier(max_iter=100, max_leaf_nodes=15, random_state=seed)
    model.fit(np.vstack([first[:half], second[:half]]), np.repeat([0, 1], [half, half]))
    late = np.vstack([first[half:], second[half:]])
    truth = np.repeat([0, 1], [len(first) - half, len(second) - half])
    return float(roc_auc_score(truth, model.predict_proba(late)[:, 1]))


def windows(rates: FloatArray) -> FloatArray:
    """Shape (windows, features): level, spread, skewness, tails, memory and dispersion of ten minutes of seconds."""
    found = rates[: len(rates) // WINDOW_S * WINDOW_S].reshape(-1, WINDOW_S)
    found = found[np.isfinite(found).all(axis=1)]
    mean = found.mean(axis=1)
    apart = found - mean[:, None]
    spread = np.maximum(found.std(axis=1), 1e-9)
    columns = [mean, spread, (apart**3).mean(axis=1) / spread**3, (apart**4).mean(axis=1) / spread**4]
    columns += [np.quantile(found, q, axis=1) for q in (0.05, 0.5, 0.95)]
    columns += [found.max(axis=1), found.min(axis=1), (found == 0).mean(axis=1)]
    columns += [(apart[:, :-lag] * apart[:, lag:]).mean(axis=1) / spread**2 for lag in (1, 2, 5, 10, 30, 60)]
    for size in (1, 10, 60):
        sums = found.reshape(len(found), -1, size).sum(axis=2)
        columns.append(sums.var(axis=1) / np.maximum(sums.mean(axis=1), 1e-9))
    columns += [found[:, WINDOW_S // 2 :].mean(axis=1) / np.maximum(found[:, : WINDOW_S // 2].mean(axis=1), 1e-9)]
    columns += [np.abs(np.diff(found, axis=1)).mean(axis=1)]
    return np.column_stack(columns)


def days_of(rates: FloatArray) -> FloatArray:
    """Shape (days, quarters of an hour): roots of the mean rate, whose distance means the same at each level."""
    return np.sqrt(np.nan_to_num(means(rates, SLOT_S))).reshape(-1, DAY_S // SLOT_S)


def nearest(days: FloatArray, seen: FloatArray) -> float:
    """The smallest root mean square distance of one of the days to one that was seen."""
    distances = np.sqrt(np.mean((days[:, None, :] - seen[None, :, :]) ** 2, axis=2))
    return float(distances.min())


if __name__ == "__main__":
    main()
