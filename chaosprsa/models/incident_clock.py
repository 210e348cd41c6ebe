"""The clock of incidents: how many times the mean rate holds at each hour of the week, and time told by that clock.

Hours are smoothed around the day, as far as hours left out ask for it, and like weekdays drawn towards the mean. On
this clock, which runs fast in busy hours and slow at night, a process is even (time rescaling: Papangelou 1972).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from chaosprsa.models.shrinking import shrunk
from chaosprsa.types import Window

FloatArray = npt.NDArray[np.float64]
HOUR_S, DAY_S = 3600.0, 86_400.0
WEEK_S = 7 * DAY_S
MONDAY_S = 4 * DAY_S  # 1970-01-05 was a Monday
MIN_FOR_CLOCK = 20  # fewer incidents say nothing about hours or weekdays
WIDTHS_H = (0.3, 0.75, 1.5, 3.0)  # standard deviation of the smoothing; the first leaves hours as they are

DOUBT = 1 / 24  # one incident at any hour


@dataclass(frozen=True, slots=True)
class WeekClock:
    """speeds: multiples of the mean rate, for each hour of the week from Monday 0:00 UTC on, with mean 1."""

    speeds: FloatArray

    @classmethod
    def of(cls, hours: Sequence[float], weekdays: Sequence[float]) -> "WeekClock":
        """From 24 and 7 multiples, each above 0."""
        return cls(np.outer(weekdays, hours).ravel() / (np.mean(weekdays) * np.mean(hours)))

    def speed(self, times_s: FloatArray) -> FloatArray:
        """At seconds since 1970; shape of times_s."""
        hour = np.floor((times_s - MONDAY_S) % WEEK_S / HOUR_S).astype(np.int64)
        return np.asarray(self.speeds[np.minimum(hour, 167)])

    def days(self, times_s: FloatArray) -> FloatArray:
        """Days by this clock since 1970's first Monday; rising, and seven of them a week."""
        weeks, rest = np.divmod(times_s - MONDAY_S, WEEK_S)
        return np.asarray(7 * weeks + np.interp(rest, self._marks, self._told))

    def times_s(self, days: FloatArray) -> FloatArray:
        """The inverse of days."""
        weeks, rest = np.divmod(days, 7.0)
        return np.asarray(MONDAY_S + WEEK_S * weeks + np.interp(rest, self._told, self._marks))

    @property
    def _marks(self) -> FloatArray:
        return np.arange(169, dtype=float) * HOUR_S

    @property
    def _told(self) -> FloatArray:
        told = np.concatenate([[0.0], np.cumsum(self.speeds)])
        return np.asarray(told * 7 / told[-1])


def seconds(times: Sequence[datetime]) -> FloatArray:
    """Since 1970."""
    return np.array([each.timestamp() for each in times], dtype=np.float64)


def multiples(starts: Sequence[datetime], window: Window) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """For 24 hours and 7 weekdays (UTC), of mean 1; all 1 where incidents or weeks are too few to tell."""
    hours: tuple[float, ...] = (1.0,) * 24
    weekdays: tuple[float, ...] = (1.0,) * 7
    whole_days = window.duration // timedelta(days=1)
    if len(starts) < MIN_FOR_CLOCK or whole_days < 7:
        return hours, weekdays
    utc = [start.astimezone(UTC) for start in starts]
    watched = _hours_watched(window)
    by_hour = np.bincount([start.hour for start in utc], minlength=24).astype(float)
    hours = _mean_one(shrunk(_smoothed(by_hour), watched.sum(axis=0)))
    if whole_days >= 28:
        by_day = np.bincount([start.weekday() for start in utc], minlength=7).astype(float)
        weekdays = _mean_one(shrunk(by_day, watched.sum(axis=1)))
    return hours, weekdays


def _smoothed(by_hour: FloatArray) -> FloatArray:
    """Counts by hour through the kernel that tells an incident best from the others (likelihood, one left out)."""
    apart = np.abs(np.arange(24)[:, None] - np.arange(24))
    around = np.minimum(apart, 24 - apart)
    best, found = -np.inf, by_hour
    for width in WIDTHS_H:
        kernel = np.exp(-0.5 * (around / width) ** 2)
        kernel /= kernel.sum(axis=1, keepdims=True)
        smooth = kernel @ by_hour
        told = float(by_hour @ np.log(np.maximum(smooth - kernel[0, 0], 0.0) + DOUBT))
        if told > best:
            best, found = told, smooth
    return found


def _hours_watched(window: Window) -> FloatArray:
    """Shape (7, 24): how often each hour of the week lies in the window."""
    first = int(window.start.timestamp() // HOUR_S)
    last = max(first + 1, int(window.end.timestamp() // HOUR_S))
    of_week = (np.arange(first, last) + 3 * 24) % (7 * 24)  # 1970 began on a Thursday
    return np.bincount(of_week, minlength=7 * 24).reshape(7, 24).astype(float)


def _mean_one(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(value) for value in values / values.mean())
