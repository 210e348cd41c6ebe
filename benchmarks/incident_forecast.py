"""Claim: the incident process says better than a shrunk rate x weekday whether tomorrow has an incident, and of what.

Fitted on the incidents of --train; the time of --test is then forecast day by day (UTC), each at the end of the day
before, given everything that began until then; parameters stay as fitted. One folder for both is cut in time: up to
--until is fitted, the rest scored. With another test folder everything of --train is fitted.

Scored: an incident on a day (any), and one that names a component on a day (each component named in the training part).
Brier score and average precision; log-likelihood per incident of when incidents came; residuals of rescaled time
(uniform where a model is right; Kolmogorov-Smirnov distance and p).

Baselines (chaosprsa.backtest.baselines):
- poisson: one rate, incidents over days; for components n / days each.
- shrunk_weekday: Gamma-Poisson rate x weekday. Any: n / days times the weekday's multiple; the multiple is
  (n_w + a) / (e_w + a), n_w incidents on the weekday, e_w expected of a mean day, a by maximum a posteriori. A
  component's rate is its n of days times (n + a) / (e + a), drawn towards the mean of all in the same way, times the
  weekday's multiple. P = 1 - exp(-rate).
- shrunk_clock: the same for the likelihood and residuals, with hours as well (as the process has them).

The process looks at the days just past even where its parameters stay, which a rate that stays can't. So the same
information goes to rivals too: `_monthly` is fitted again at the beginning of each month, as an operator would learn
again, `_daily` before each day, and `shrunk_weekday_year` each day on the last 365 days alone. The paired differences
have a bootstrap interval (90 %) over weeks.

`known_shares` is the process told how often each component will be named in the time scored: what there is to gain by
knowing components better. `rolling` asks the same of the last four half-years of the training part, each left out in
turn with all that follows; every choice of the model was made there.

    python benchmarks/incident_forecast.py --train github_status --test github_status --until 2024-12-31 --json out.json
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from claims import parser, table, write
from incident_days import DAY, Split, fitted, forecasts, happened, splits, until
from scipy.stats import kstest

from chaosprsa.models.calibration import average_precision
from chaosprsa.models.incident_clock import WeekClock, multiples, seconds
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.types import Incident, Window

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
RESAMPLES = 1000
METHODS = (
    "ours",
    "shrunk_weekday",
    "poisson",
    "ours_monthly",
    "shrunk_weekday_monthly",
    "shrunk_weekday_daily",
    "shrunk_weekday_year",
    "poisson_daily",
)
PAIRS = (
    ("ours", "shrunk_weekday"),
    ("ours", "shrunk_weekday_daily"),
    ("ours_monthly", "shrunk_weekday_monthly"),
    ("ours_monthly", "shrunk_weekday_daily"),
    ("ours_monthly", "shrunk_weekday_year"),
)
ROLLED = ("ours", "shrunk_weekday", "shrunk_weekday_daily", "shrunk_weekday_year")
HALF_YEARS, HALF_YEAR = 4, 182 * DAY
TIMED = ("ours", "ours_monthly", "shrunk_clock", "shrunk_clock_monthly", "poisson")


def main() -> None:
    """Fits, forecasts, prints and writes."""
    options = parser(__doc__)
    until(options)
    chosen = options.parse_args()
    split = splits(chosen)
    model = IncidentModel().fit(split.fitted, split.window, ())
    figures = {**_facts(split, model), **daily(split, model, chosen.seed), **in_time(split, model), **rolling(split)}
    report(figures)
    write(chosen.json, __file__, chosen, figures)


def _facts(split: Split, model: IncidentModel) -> dict[str, Any]:
    return {
        "fitted.incidents": len(split.fitted),
        "test.incidents": len(split.came),
        "test.days": split.days.duration / DAY,
        "model.base_per_day": model.process.base,
        "model.memories_days": model.process.memories_days,
        "model.branching": model.process.branching,
        "model.stay": model.naming.stay,
    }


def daily(split: Split, model: IncidentModel, seed: int) -> dict[str, Any]:
    """Brier and average precision of days and of component-days."""
    came, forecast = happened(split), forecasts(split, model)
    found: dict[str, Any] = {"any.base_rate": came[:, 0].mean(), "component.base_rate": came[:, 1:].mean()}
    for part, columns in (("any", slice(0, 1)), ("component", slice(1, None))):
        for method, rows in forecast.items():
            brier, precision = scores(rows[:, columns], came[:, columns])
            found |= {f"{method}.{part}.brier": brier, f"{method}.{part}.average_precision": precision}
            found[f"{method}.{part}.mean_forecast"] = rows[:, columns].mean()
        apart = paired({name: rows[:, columns] for name, rows in forecast.items()}, came[:, columns], seed)
        found |= {key.replace(".", f".{part}."): interval for key, interval in apart.items()}
    brier, precision = scores(known_shares(split, forecast["ours"]), came[:, 1:])
    found |= {"known_shares.component.brier": brier, "known_shares.component.average_precision": precision}
    found["component.each"] = {
        name: {
            "days": int(came[:, at].sum()),
            **{method: scores(rows[:, at], came[:, at]) for method, rows in forecast.items()},
        }
        for at, name in enumerate(split.names, start=1)
        if came[:, at].any()
    }
    return found


def scores(forecast: FloatArray, happened: BoolArray) -> tuple[float, float]:
    """Brier score and average precision."""
    flat, came = forecast.ravel(), happened.ravel()
    return float(np.mean((flat - came) ** 2)), average_precision(flat, came)


def known_shares(split: Split, ours: FloatArray) -> FloatArray:
    """Ours of a component, had it known what share of the incidents will name it; shape (days, names)."""
    named = np.array([sum(name in each.components for each in split.came) for name in split.names])
    return np.asarray(-np.expm1(np.log1p(-ours[:, :1]) * named / len(split.came)))


def rolling(split: Split) -> dict[str, float]:
    """Mean scores over half-years of the training part, and in how many ours is better than what."""
    found: dict[str, list[tuple[float, float]]] = {}
    for number in range(HALF_YEARS, 0, -1):
        end = split.window.end - HALF_YEAR * (number - 1)
        if end - HALF_YEAR * 2 < split.window.start:
            continue  # too little before it
        half = split.cut(Window(start=end - HALF_YEAR, end=end))
        came, forecast = happened(half), forecasts(half, fitted(half, half.days.start))
        for part, columns in (("any", slice(0, 1)), ("component", slice(1, None))):
            for method in ROLLED:
                found.setdefault(f"{method}.{part}", []).append(scores(forecast[method][:, columns], came[:, columns]))
    told: dict[str, float] = {}
    for key, each in found.items():
        method, part = key.split(".")
        told |= dict(
            zip((f"rolling.{key}.brier", f"rolling.{key}.average_precision"), np.mean(each, axis=0), strict=True)
        )
        better = np.array(found[f"ours.{part}"])[:, 0] < np.array(each)[:, 0]
        told |= {} if method == "ours" else {f"rolling.ours_better_than_{method}.{part}.half_years": int(better.sum())}
    return {**told, "rolling.half_years": max((len(each) for each in found.values()), default=0)}


def paired(forecast: dict[str, FloatArray], came: BoolArray, seed: int) -> dict[str, tuple[float, float]]:
    """90 % intervals of the differences of PAIRS, weeks drawn with replacement; the same weeks for all."""
    rng, methods = np.random.default_rng(seed), sorted({method for pair in PAIRS for method in pair})
    weeks = [np.arange(first, min(first + 7, len(came))) for first in range(0, len(came), 7)]
    drawn = np.empty((RESAMPLES, len(methods), 2))
    for number in range(RESAMPLES):
        rows = np.concatenate([weeks[at] for at in rng.integers(len(weeks), size=len(weeks))])
        drawn[number] = [scores(forecast[method][rows], came[rows]) for method in methods]
    found = {}
    for ours, theirs in PAIRS:
        apart = drawn[:, methods.index(ours)] - drawn[:, methods.index(theirs)]
        (low, lower), (high, higher) = np.nanquantile(apart, [0.05, 0.95], axis=0)
        found[f"{ours}_minus_{theirs}.brier_90"] = (low, high)
        found[f"{ours}_minus_{theirs}.average_precision_90"] = (lower, higher)
    return found


def in_time(split: Split, model: IncidentModel) -> dict[str, Any]:
    """Likelihood and residuals of when incidents came."""
    whole, months = [split.days], split.months()
    told = {
        "ours": _process(split, whole, model),
        "ours_monthly": _process(split, months, None),
        "shrunk_clock": _rates(split, whole, clocked=True),
        "shrunk_clock_monthly": _rates(split, months, clocked=True),
        "poisson": _rates(split, whole, clocked=False),
    }
    found: dict[str, Any] = {}
    for method, (likelihood, residuals) in told.items():
        found[f"{method}.log_likelihood_per_event"] = likelihood / len(split.came)
        test = kstest(residuals, "uniform")
        found |= {f"{method}.residuals_ks": test.statistic, f"{method}.residuals_p": test.pvalue}
    return found


def _stretches(split: Split, refits: Sequence[Window]) -> Iterator[tuple[Window, list[Incident]]]:
    for window in refits:
        yield window, [each for each in split.came if window.start <= each.start < window.end]


def _process(split: Split, refits: Sequence[Window], model: IncidentModel | None) -> tuple[float, FloatArray]:
    """Nats and residuals of the model, fitted at each stretch's beginning where none is given."""
    likelihood, residuals = 0.0, []
    for window, came in _stretches(split, refits):
        told, past = model or fitted(split, window.start), split.known(window.start)
        likelihood += told.log_likelihood(came, window, past)
        residuals.append(told.residuals(came, window, past))
    return likelihood, np.concatenate(residuals)


def _rates(split: Split, refits: Sequence[Window], *, clocked: bool) -> tuple[float, FloatArray]:
    """The same of a rate fitted at each stretch's beginning, by the clock of hours and weekdays or even."""
    likelihood, residuals = 0.0, []
    for window, came in _stretches(split, refits):
        past, known = split.at(window.start)
        rate = len(past) / (known.duration / DAY)
        starts = [each.start for each in past]
        clock = WeekClock.of(*(multiples(starts, known) if clocked else ((1.0,) * 24, (1.0,) * 7)))
        times = seconds([each.start for each in came])
        told = clock.days(np.array([window.start.timestamp(), *times, window.end.timestamp()]))
        likelihood += len(came) * np.log(rate) + float(np.log(clock.speed(times)).sum()) - rate * (told[-1] - told[0])
        residuals.append(-np.expm1(-rate * np.diff(told[:-1])))
    return likelihood, np.concatenate(residuals)


def report(figures: dict[str, Any]) -> None:
    """The tables."""
    print({key: value for key, value in figures.items() if key.startswith(("fitted", "test", "model"))})
    keys: tuple[str, ...] = ("brier", "average_precision", "mean_forecast")
    for part, words in (("any", "an incident on a day"), ("component", "a component on a day")):
        print(f"\n{words}: base rate {figures[f'{part}.base_rate']:.3f}")
        print(_table(METHODS, keys, figures, f".{part}"))
        for ours, theirs in PAIRS:
            intervals = (figures[f"{ours}_minus_{theirs}.{part}.{key}_90"] for key in keys[:2])
            told = ", ".join(
                f"{key} {low:+.4f} to {high:+.4f}" for key, (low, high) in zip(keys, intervals, strict=False)
            )
            print(f"{ours} minus {theirs}, 90 % over weeks: {told}")
    shown = {key: round(value, 5) for key, value in figures.items() if key.startswith(("known", "rolling"))}
    print("\n" + "\n".join(f"{key}: {value}" for key, value in shown.items()))
    print("\nwhen")
    print(_table(TIMED, ("log_likelihood_per_event", "residuals_ks", "residuals_p"), figures))


def _table(methods: tuple[str, ...], keys: tuple[str, ...], figures: dict[str, Any], part: str = "") -> str:
    return table(["", *keys], [[method, *(figures[f"{method}{part}.{key}"] for key in keys)] for method in methods])


if __name__ == "__main__":
    main()
