"""Claim: the incident process says better than a shrunk rate x weekday whether tomorrow has an incident, and of what.

Fitted on the incidents of --train; the time of --test is then forecast day by day (UTC), each at the end of the day
before, given everything that began until then; parameters stay as fitted. One folder for both is cut in time: up to
--until is fitted, the rest scored. With another test folder everything of --train is fitted.

Scored: an incident on a day (any), and one that names a component on a day (each component named in the training part).
Brier score and average precision; log-likelihood per incident of when incidents came; residuals of rescaled time
(uniform where a model is right; Kolmogorov-Smirnov distance and p).

Baselines:
- poisson: one rate, incidents over days; for components n / days each.
- shrunk_weekday: Gamma-Poisson rate x weekday. Any: n / days times the weekday's multiple; the multiple is
  (n_w + a) / (e_w + a), n_w incidents on the weekday, e_w expected of a mean day, a by maximum a posteriori. A
  component's rate is its n of days times (n + a) / (e + a), drawn towards the mean of all in the same way, times the
  weekday's multiple. P = 1 - exp(-rate).
- shrunk_clock: the same for the likelihood and residuals, with hours as well (as the process has them).
The paired differences have a bootstrap interval (90 %) over weeks.

    python benchmarks/incident_forecast.py --train github_status --test github_status --until 2024-12-31 --json out.json
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from claims import parser, table, write
from scipy.stats import kstest
from sklearn.metrics import average_precision_score

from chaosprsa.history.incidents import read_incidents
from chaosprsa.models.incident_clock import DAY_S, WeekClock, multiples, seconds
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.models.shrinking import shrunk
from chaosprsa.types import Incident, Window

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
DAY = timedelta(days=1)
RESAMPLES = 2000
METHODS = ("ours", "shrunk_weekday", "poisson")


@dataclass(frozen=True)
class Split:
    """fitted: before the cut; came: within `days`, whole ones of UTC; `before`: known at its start."""

    fitted: tuple[Incident, ...]
    window: Window
    before: tuple[Incident, ...]
    came: tuple[Incident, ...]
    days: Window


def main() -> None:
    """Fits, forecasts, prints and writes."""
    options = parser(__doc__)
    options.add_argument(
        "--until", default="2024-12-31", help="last day fitted, where train is test (default: %(default)s)"
    )
    chosen = options.parse_args()
    split = splits(chosen)
    model = IncidentModel().fit(split.fitted, split.window, ())
    figures = {**_facts(split, model), **daily(split, model, chosen.seed), **in_time(split, model)}
    report(figures)
    write(chosen.json, __file__, chosen, figures)


def splits(options: argparse.Namespace) -> Split:
    """Of two folders, or of one in time."""
    train, test = _incidents(options.train), _incidents(options.test)
    if {each.resolve() for each in options.train} == {each.resolve() for each in options.test}:
        cut = datetime.fromisoformat(options.until).replace(tzinfo=UTC) + DAY
        fitted = tuple(each for each in train if each.start < cut)
        return _split(fitted, cut, fitted, [each for each in train if each.start >= cut])
    first = min(each.start for each in test)
    fitted = tuple(each for each in train if each.start < first)
    if not fitted:
        raise SystemExit(f"--train has no incident before --test's first ({first:%Y-%m-%d}): nothing could be learned")
    return _split(fitted, _midnight(max(each.start for each in fitted)) + DAY, fitted, test)


def _split(fitted: Sequence[Incident], cut: datetime, known: Sequence[Incident], later: Sequence[Incident]) -> Split:
    """Days from the first midnight after what was fitted, or before the first incident to be scored."""
    start = cut if (later[0].start - cut) < 31 * DAY else _midnight(later[0].start)
    end = _midnight(later[-1].start) + DAY
    came = tuple(each for each in later if each.start >= start)
    return Split(
        tuple(fitted), Window(start=fitted[0].start, end=cut), tuple(known), came, Window(start=start, end=end)
    )


def _incidents(folders: Sequence[Path]) -> tuple[Incident, ...]:
    found = [each for folder in folders for each in read_incidents(folder / "incidents.jsonl")]
    return tuple(sorted(found, key=lambda each: each.start))


def _midnight(time: datetime) -> datetime:
    return time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


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
    names = sorted({name for each in split.fitted for name in each.components})
    days = [split.days.start + DAY * n for n in range(round(split.days.duration / DAY))]
    happened = np.array([_happened(split.came, day, names) for day in days])
    forecast = {
        "ours": np.array([_ours(model, split, day, names) for day in days]),
        "shrunk_weekday": shrunk_weekday(split, days, names),
        "poisson": poisson(split, days, names),
    }
    found: dict[str, Any] = {"any.base_rate": happened[:, 0].mean(), "component.base_rate": happened[:, 1:].mean()}
    for part, columns in (("any", slice(0, 1)), ("component", slice(1, None))):
        for method, rows in forecast.items():
            brier, precision = scores(rows[:, columns], happened[:, columns])
            found |= {f"{method}.{part}.brier": brier, f"{method}.{part}.average_precision": precision}
            found[f"{method}.{part}.mean_forecast"] = rows[:, columns].mean()
            found[f"{method}.{part}.mean_forecast"] = rows[:, columns].mean()
        ours, theirs = forecast["ours"][:, columns], forecast["shrunk_weekday"][:, columns]
        for score, interval in paired(ours, theirs, happened[:, columns], seed).items():
            found[f"ours_minus_shrunk_weekday.{part}.{score}_90"] = interval
    found["component.each"] = {
        name: {
            "days": int(happened[:, at].sum()),
            **{method: scores(rows[:, at], happened[:, at]) for method, rows in forecast.items()},
        }
        for at, name in enumerate(names, start=1)
        if happened[:, at].any()
    }
    return found


def _happened(came: Sequence[Incident], day: datetime, names: Sequence[str]) -> list[bool]:
    today = [each for each in came if day <= each.start < day + DAY]
    named = {name for each in today for name in each.components}
    return [bool(today), *(name in named for name in names)]


def _ours(model: IncidentModel, split: Split, day: datetime, names: Sequence[str]) -> list[float]:
    tomorrow = Window(start=day, end=day + DAY)
    past = (*split.before, *(each for each in split.came if each.start < day))
    each_one = model.probability(tomorrow, past)
    return [model.probability_of_any(tomorrow, past), *(each_one[name] for name in names)]


def shrunk_weekday(split: Split, days: Sequence[datetime], names: Sequence[str]) -> FloatArray:
    """The docstring's rule; shape (days, 1 + names)."""
    length = split.window.duration / DAY
    counts = np.array([sum(name in each.components for each in split.fitted) for name in names], dtype=float)
    rates = np.array([len(split.fitted) / length, *(shrunk(counts, 1.0) * counts.mean() / length)])
    by_weekday = np.bincount([each.start.astimezone(UTC).weekday() for each in split.fitted], minlength=7)
    weekdays = shrunk(by_weekday.astype(float), 1.0)
    return -np.expm1(-np.outer(weekdays[[day.weekday() for day in days]], rates))


def poisson(split: Split, days: Sequence[datetime], names: Sequence[str]) -> FloatArray:
    """Constant rates; shape (days, 1 + names)."""
    counts = [len(split.fitted), *(sum(name in each.components for each in split.fitted) for name in names)]
    return np.tile(-np.expm1(-np.array(counts) / (split.window.duration / DAY)), (len(days), 1))


def scores(forecast: FloatArray, happened: BoolArray) -> tuple[float, float]:
    """Brier score and average precision."""
    flat, came = forecast.ravel(), happened.ravel()
    return float(np.mean((flat - came) ** 2)), float(average_precision_score(came, flat)) if came.any() else np.nan


def paired(ours: FloatArray, theirs: FloatArray, happened: BoolArray, seed: int) -> dict[str, tuple[float, float]]:
    """90 % intervals of ours minus theirs, weeks drawn with replacement."""
    rng = np.random.default_rng(seed)
    weeks = [np.arange(first, min(first + 7, len(ours))) for first in range(0, len(ours), 7)]
    found = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([weeks[at] for at in rng.integers(len(weeks), size=len(weeks))])
        found.append(np.subtract(scores(ours[rows], happened[rows]), scores(theirs[rows], happened[rows])))
    low, high = np.nanquantile(found, [0.05, 0.95], axis=0)
    return {"brier": (low[0], high[0]), "average_precision": (low[1], high[1])}


def in_time(split: Split, model: IncidentModel) -> dict[str, Any]:
    """Likelihood and residuals of when incidents came."""
    rate = len(split.fitted) / (split.window.duration / DAY)
    starts = seconds([each.start for each in split.came])
    marks = np.concatenate([[split.days.start.timestamp()], starts])
    clock = WeekClock.of(*multiples([each.start for each in split.fitted], split.window))
    span = clock.days(np.array([split.days.start.timestamp(), split.days.end.timestamp()]))
    count = len(split.came)
    even = -np.expm1(-rate * np.diff(marks) / DAY_S)
    clocked = -np.expm1(-rate * np.diff(clock.days(marks)))
    found: dict[str, Any] = {
        "ours.log_likelihood_per_event": model.log_likelihood(split.came, split.days, split.before) / count,
        "shrunk_clock.log_likelihood_per_event": np.log(rate)
        + np.log(clock.speed(starts)).mean()
        - rate * np.diff(span)[0] / count,
        "poisson.log_likelihood_per_event": np.log(rate) - rate * (split.days.duration / DAY) / count,
    }
    residuals = {
        "ours": model.residuals(split.came, split.days, split.before),
        "shrunk_clock": clocked,
        "poisson": even,
    }
    for method, values in residuals.items():
        test = kstest(values, "uniform")
        found |= {f"{method}.residuals_ks": test.statistic, f"{method}.residuals_p": test.pvalue}
    return found


def report(figures: dict[str, Any]) -> None:
    """The tables."""
    print({key: value for key, value in figures.items() if key.startswith(("fitted", "test", "model"))})
    for part, words in (("any", "an incident on a day"), ("component", "a component on a day")):
        print(f"\n{words}: base rate {figures[f'{part}.base_rate']:.3f}")
        keys = ("brier", "average_precision", "mean_forecast")
        print(
            table(["", *keys], [[method, *(figures[f"{method}.{part}.{key}"] for key in keys)] for method in METHODS])
        )
        for key in keys[:2]:
            low, high = figures[f"ours_minus_shrunk_weekday.{part}.{key}_90"]
            print(f"{key}: ours minus shrunk_weekday, 90 % over weeks: {low:+.4f} to {high:+.4f}")
    keys = ("log_likelihood_per_event", "residuals_ks", "residuals_p")
    methods = ("ours", "shrunk_clock", "poisson")
    print("\nwhen")
    print(table(["", *keys], [[method, *(figures[f"{method}.{key}"] for key in keys)] for method in methods]))


if __name__ == "__main__":
    main()
