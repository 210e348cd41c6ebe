"""What benchmarks of incidents share: the cut in time, and forecasts day by day of the model and of its rivals.

A forecast of a day knows all that began before it, whoever makes it. What differs is when parameters are fitted: once,
at the end of the training part, or again as time goes by, of all that began until then.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from chaosprsa.backtest.baselines import Poisson, ShrunkWeekday
from chaosprsa.history.incidents import read_incidents
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.types import Incident, Window

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Day = Callable[[datetime], FloatArray]  # the probability of any incident on a day, then of one of each component
DAY = timedelta(days=1)
YEAR = 365 * DAY


@dataclass(frozen=True)
class Split:
    """fitted: before the cut; came: within `days`, whole ones of UTC; `before`: known at its start."""

    fitted: tuple[Incident, ...]
    window: Window
    before: tuple[Incident, ...]
    came: tuple[Incident, ...]
    days: Window

    @property
    def names(self) -> list[str]:
        """Components that the training part names."""
        return sorted({name for each in self.fitted for name in each.components})

    @property
    def each_day(self) -> list[datetime]:
        """Midnights of the days to be scored."""
        return [self.days.start + DAY * number for number in range(round(self.days.duration / DAY))]

    def months(self) -> list[Window]:
        """The time to be scored, in calendar months of UTC."""
        firsts = [day for day in self.each_day if day.day == 1 or day == self.days.start]
        ends = [*firsts[1:], self.days.end]
        return [Window(start=start, end=end) for start, end in zip(firsts, ends, strict=True)]

    def known(self, at: datetime) -> tuple[Incident, ...]:
        """All that began before."""
        return (*self.before, *(each for each in self.came if each.start < at))

    def cut(self, window: Window) -> "Split":
        """The same question within the training part: a window of it is scored, what came before it is fitted."""
        before = tuple(each for each in self.fitted if each.start < window.start)
        came = tuple(each for each in self.fitted if window.start <= each.start < window.end)
        return Split(before, Window(start=self.window.start, end=window.start), before, came, window)

    def at(self, when: datetime) -> tuple[tuple[Incident, ...], Window]:
        """What may be fitted then, and its span; at the start of `days` what the training part has."""
        if when <= self.days.start:
            return self.fitted, self.window
        return self.known(when), Window(start=self.window.start, end=when)


def until(options: argparse.ArgumentParser) -> None:
    """The option that cuts one folder in time."""
    options.add_argument(
        "--until", default="2024-12-31", help="last day fitted, where train is test (default: %(default)s)"
    )


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


def happened(split: Split) -> BoolArray:
    """Shape (days, 1 + names): any incident, and one that names each component."""
    rows = []
    for day in split.each_day:
        today = [each for each in split.came if day <= each.start < day + DAY]
        named = {name for each in today for name in each.components}
        rows.append([bool(today), *(name in named for name in split.names)])
    return np.array(rows)


def forecasts(split: Split, model: IncidentModel) -> dict[str, FloatArray]:
    """By method, shape (days, 1 + names); `model` is the one fitted at the end of the training part."""
    first, firsts = [split.days.start], [month.start for month in split.months()]
    monthly = {start: fitted(split, start) if start != split.days.start else model for start in firsts}
    return {
        "ours": _rows(split, first, lambda _: _ours(split, model)),
        "shrunk_weekday": _rows(split, first, lambda at: _weekday(split, at)),
        "poisson": _rows(split, first, lambda at: _poisson(split, at)),
        "ours_monthly": _rows(split, firsts, lambda at: _ours(split, monthly[at])),
        "shrunk_weekday_monthly": _rows(split, firsts, lambda at: _weekday(split, at)),
        "shrunk_weekday_daily": _rows(split, split.each_day, lambda at: _weekday(split, at)),
        "shrunk_weekday_year": _rows(split, split.each_day, lambda at: _weekday(split, at, YEAR)),
        "poisson_daily": _rows(split, split.each_day, lambda at: _poisson(split, at)),
    }


def fitted(split: Split, at: datetime) -> IncidentModel:
    """The model, learned again at a time."""
    return IncidentModel().fit(*split.at(at), ())


def _rows(split: Split, refits: Sequence[datetime], fit: Callable[[datetime], Day]) -> FloatArray:
    """Every day by what was fitted last."""
    found, ahead = [], list(refits)
    day_of = fit(ahead.pop(0))
    for day in split.each_day:
        while ahead and ahead[0] <= day:
            day_of = fit(ahead.pop(0))
        found.append(day_of(day))
    return np.array(found)


def _ours(split: Split, model: IncidentModel) -> Day:
    def of(day: datetime) -> FloatArray:
        tomorrow, past = Window(start=day, end=day + DAY), split.known(day)
        each_one = model.probability(tomorrow, past)
        return np.array([model.probability_of_any(tomorrow, past), *(each_one[name] for name in split.names)])

    return of


def _weekday(split: Split, at: datetime, reach: timedelta | None = None) -> Day:
    """Of all that is known then, or of the last `reach` of it."""
    incidents, window = split.at(at)
    if reach is not None and window.end - window.start > reach:
        window = Window(start=window.end - reach, end=window.end)
        incidents = tuple(each for each in incidents if each.start >= window.start)
    rates = ShrunkWeekday.fit(incidents, window, split.names)
    return lambda day: np.concatenate([np.atleast_1d(part) for part in rates.probability(day, DAY.total_seconds())])


def _poisson(split: Split, at: datetime) -> Day:
    rates = Poisson.fit(*split.at(at), split.names)
    return lambda _: np.concatenate([np.atleast_1d(part) for part in rates.probability(DAY.total_seconds())])
