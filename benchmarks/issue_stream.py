"""Claim: simulated streams of incidents look like what then came: times between them, durations, busy days, components.

Fitted on --train; --streams streams are simulated over the time of --test, given only what was before it: incidents of
the test part are read for scoring alone. One folder for both is cut in time: up to --until is fitted. Goals:
Kolmogorov-Smirnov distance of inter-arrival times <= .10 and of durations <= .16, all streams' against what came.

`ours_monthly` is the same model used as a rehearsal uses it: at each month's beginning it is given what happened until
then (the test part's earlier months too), and simulates the month. Parameters stay as fitted. `ours_refitted` learns
again at each month's beginning as well. `resampled_monthly` is the rival that is told as much.

Also: incidents a day, with the range of nine in ten streams (`_90`); their index of dispersion (variance over mean of
days), share of days with any, share of gaps under an hour, and the total variation distance of components named.
`_ks_each` is the median over streams of one stream's distance: streams are as long as what came, so it has two samples'
luck. `inter_arrivals_shape_ks` is the distance when both are put on their mean: what is wrong beyond the rate. `fair`
is the distance that as many draws of the truth would have to it, in the median (`_each`: to as many other draws): no
model gets below that but by luck.

Baselines: poisson, at the mean rate of the training part, durations log-normal, components as often as seen;
resampled: gaps and durations drawn from the training part as they are.

`marks` asks of the training part whether an incident's severity and duration go with those of others that came up to
so long before it, on the same component and anywhere; p by permutation within half-years, so that drift is no answer.
And whether incidents of several components are worse than those of one.

    python benchmarks/issue_stream.py --train github_status --test github_status --until 2024-12-31 --json out.json
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from claims import parser, table, write
from incident_days import DAY, Split, fitted, splits, until
from mark_dependence import dependence
from scipy.stats import ks_2samp, kstest

from chaosprsa.models.incidents import IncidentModel
from chaosprsa.types import Incident, Window

FloatArray = npt.NDArray[np.float64]
MONTH = timedelta(days=30)
GOALS = {"inter_arrivals_ks": 0.10, "durations_ks": 0.16}
SHOWN = (
    "inter_arrivals_ks",
    "inter_arrivals_ks_each",
    "inter_arrivals_shape_ks",
    "durations_ks",
    "incidents_per_day",
    "dispersion_of_days",
    "days_with_any",
    "gaps_under_1h",
    "components_distance",
)


@dataclass(frozen=True)
class Stream:
    """gaps_h: hours between neighbours. durations_min: of those with an end. days: incidents on each day. names."""

    gaps_h: FloatArray
    durations_min: FloatArray
    days: FloatArray
    names: Counter[str]


def main() -> None:
    """Simulates, compares, prints and writes."""
    options = parser(__doc__)
    until(options)
    options.add_argument("--streams", type=int, default=200)
    chosen = options.parse_args()
    split = splits(chosen)
    rng = np.random.default_rng(chosen.seed)
    model, few = fitted(split, split.days.start), max(1, chosen.streams // 4)
    drawn = {
        "ours": [_stream(split, model.simulate(split.days, split.before, rng)) for _ in range(chosen.streams)],
        "ours_monthly": _monthly(split, lambda _: model, few, rng),
        "ours_refitted": _monthly(split, lambda at: fitted(split, at), few, rng),
        "poisson": [_poisson(split, rng) for _ in range(chosen.streams)],
        "resampled": [_resampled(split, rng) for _ in range(chosen.streams)],
        "resampled_monthly": _resampled_monthly(split, few, rng),
    }
    came = _stream(split, split.came)
    figures: dict[str, Any] = {f"goal.{key}": value for key, value in GOALS.items()}
    figures |= {f"came.{key}": value for key, value in _figures(came).items()}
    for method, streams in drawn.items():
        figures |= {f"{method}.{key}": value for key, value in compared(streams, came).items()}
    for key, values in (("inter_arrivals", came.gaps_h), ("durations", came.durations_min)):
        figures |= {f"fair.{key}_ks": _fair(len(values), rng), f"fair.{key}_ks_each": _fair_each(len(values), rng)}
    figures |= dependence(split.fitted, rng)
    rows = [[method, *(figures.get(f"{method}.{key}", np.nan) for key in SHOWN)] for method in (*drawn, "came", "fair")]
    print(table(["", *SHOWN], rows))
    print({key: value for key, value in figures.items() if key.startswith("marks")})
    write(chosen.json, __file__, chosen, figures)


def compared(streams: Sequence[Stream], came: Stream) -> dict[str, Any]:
    """All streams together against what came."""
    every = _together(streams)
    apart = {
        name: every.names[name] / every.names.total() - came.names[name] / came.names.total()
        for name in every.names | came.names
    }
    return {
        "inter_arrivals_ks": _distance(every.gaps_h, came.gaps_h),
        "inter_arrivals_ks_each": float(np.median([_distance(each.gaps_h, came.gaps_h) for each in streams])),
        "inter_arrivals_shape_ks": _distance(every.gaps_h / every.gaps_h.mean(), came.gaps_h / came.gaps_h.mean()),
        "durations_ks": _distance(every.durations_min, came.durations_min),
        "durations_ks_each": float(np.median([_distance(each.durations_min, came.durations_min) for each in streams])),
        "incidents_per_day_90": tuple(np.quantile([each.days.mean() for each in streams], [0.05, 0.95])),
        "components_distance": sum(abs(each) for each in apart.values()) / 2,
        **_figures(every),
    }


def _distance(one: FloatArray, two: FloatArray) -> float:
    """1 where there is nothing to compare."""
    return float(ks_2samp(one, two).statistic) if len(one) and len(two) else 1.0


def _quantile(values: FloatArray, level: float) -> float:
    """NaN of none: no incident of the test part may have an end."""
    return float(np.quantile(values, level)) if len(values) else np.nan


def _figures(stream: Stream) -> dict[str, float]:
    return {
        "incidents_per_day": float(stream.days.mean()),
        "dispersion_of_days": float(stream.days.var() / stream.days.mean()),
        "days_with_any": float(np.mean(stream.days > 0)),
        "gaps_under_1h": float(np.mean(stream.gaps_h < 1)) if len(stream.gaps_h) else np.nan,
        "gap_median_h": _quantile(stream.gaps_h, 0.5),
        "duration_median_min": _quantile(stream.durations_min, 0.5),
        "duration_p95_min": _quantile(stream.durations_min, 0.95),
    }


def _stream(split: Split, incidents: Sequence[Incident]) -> Stream:
    days = round(split.days.duration / DAY)
    starts_h = np.array([(each.start - split.days.start) / timedelta(hours=1) for each in incidents])
    lengths = [(each.likely_end - each.start) / timedelta(minutes=1) for each in incidents if each.likely_end]
    names = Counter(name for each in incidents for name in (each.components or ("",)))
    by_day = np.bincount((starts_h // 24).astype(int), minlength=days)[:days]
    return Stream(np.diff(starts_h), np.array(lengths), by_day.astype(float), names)


def _monthly(
    split: Split, learned: Callable[[datetime], IncidentModel], count: int, rng: np.random.Generator
) -> list[Stream]:
    """Streams of the whole time, month by month, of the model learned at each one's beginning."""
    months = split.months()
    models = [learned(month.start) for month in months]
    return [
        _together([_month(model, split, month, rng) for model, month in zip(models, months, strict=True)])
        for _ in range(count)
    ]


def _month(model: IncidentModel, split: Split, month: Window, rng: np.random.Generator) -> Stream:
    """Each gap belongs to the month that it begins in, so two months are simulated and gaps of the first kept."""
    drawn = model.simulate(Window(start=month.start, end=month.end + MONTH), split.known(month.start), rng)
    whole = _stream(replace(split, days=month), drawn)
    inside = [each for each in drawn if each.start < month.end]
    return replace(_stream(replace(split, days=month), inside), gaps_h=whole.gaps_h[: len(inside)])


def _resampled_monthly(split: Split, count: int, rng: np.random.Generator) -> list[Stream]:
    """Gaps and durations of all that was known at each month's beginning."""
    parts = []
    for month in split.months():
        past, window = split.at(month.start)
        parts.append(replace(split, fitted=past, window=window, days=month))
    return [_together([_resampled(part, rng, straddling=True) for part in parts]) for _ in range(count)]


def _together(streams: Sequence[Stream]) -> Stream:
    return Stream(
        np.concatenate([each.gaps_h for each in streams]),
        np.concatenate([each.durations_min for each in streams]),
        np.concatenate([each.days for each in streams]),
        sum((each.names for each in streams), Counter()),
    )


def _trained(split: Split) -> Stream:
    starts_h = np.array([(each.start - split.window.start) / timedelta(hours=1) for each in split.fitted])
    lengths = [(each.likely_end - each.start) / timedelta(minutes=1) for each in split.fitted if each.likely_end]
    names = Counter(name for each in split.fitted for name in (each.components or ("",)))
    return Stream(np.diff(starts_h), np.array(lengths), np.zeros(0), names)


def _poisson(split: Split, rng: np.random.Generator) -> Stream:
    trained, hours = _trained(split), split.days.duration / timedelta(hours=1)
    rate = len(split.fitted) / (split.window.duration / timedelta(hours=1))
    starts = np.sort(rng.uniform(0, hours, rng.poisson(rate * hours)))
    logs = np.log(np.maximum(trained.durations_min, 0.5))
    return _made(split, starts, rng.lognormal(logs.mean(), logs.std(), len(starts)), trained.names)


def _resampled(split: Split, rng: np.random.Generator, *, straddling: bool = False) -> Stream:
    """straddling: the last gap is kept, that goes beyond the end."""
    trained, hours = _trained(split), split.days.duration / timedelta(hours=1)
    gaps = rng.choice(trained.gaps_h, size=10 + int(4 * hours / trained.gaps_h.mean()))
    starts = np.cumsum(gaps)
    starts = starts[starts < hours]
    made = _made(split, starts, rng.choice(trained.durations_min, size=len(starts)), trained.names)
    return replace(made, gaps_h=gaps[1 : len(starts) + straddling])


def _made(split: Split, starts_h: FloatArray, durations_min: FloatArray, names: Counter[str]) -> Stream:
    days = round(split.days.duration / DAY)
    by_day = np.bincount((starts_h // 24).astype(int), minlength=days)[:days]
    return Stream(np.diff(starts_h), durations_min, by_day.astype(float), names)


def _fair(count: int, rng: np.random.Generator) -> float:
    """The median distance of as many draws of a continuous law to that law."""
    if not count:
        return np.nan
    return float(np.median([kstest(rng.uniform(size=count), "uniform").statistic for _ in range(500)]))


def _fair_each(count: int, rng: np.random.Generator) -> float:
    """The same to as many other draws of it."""
    return float(np.median([_distance(*rng.uniform(size=(2, count))) for _ in range(500)]))


if __name__ == "__main__":
    main()
