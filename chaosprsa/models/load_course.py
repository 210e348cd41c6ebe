"""A load's past, laid out so that forecasts can be tried at many origins, each knowing only what came before it."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chaosprsa.models.load_seasons import (
    DAY_S,
    WEEK_S,
    before,
    cyclic,
    last_period,
    running_curve,
    slot_means,
    slot_width,
)
from chaosprsa.models.load_smoothing import Smoothing
from chaosprsa.models.load_state import averages, gridded

FloatArray = npt.NDArray[np.float64]
HOUR_S = 3600.0
GAINS = (0.12, 0.4, 1.0, 0.35)  # of a new day in the slow, fast and last day's curve; of a new week in the week's
HALF_LIVES_S = (0.0, 300.0, 1800.0, 3 * HOUR_S, DAY_S, 6 * DAY_S)  # of the averages; the first: the last value itself
HALF_LIVES_STEPS = (0.0, 6.0, 36.0)  # the same in steps, where no day is known
WEEK_HALF_LIVES_S = (1800.0, 12 * HOUR_S)  # of those that count from the week's curve
UNREST_HALF_LIFE_S = HOUR_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """The usual curves as they were last known, and where the load stands beside them.

    In the scale of the fit. now_s: the last sample's time. minutes: by minute of the hour, what regular jobs add;
    empty: nothing. start_s, width_s: of the curves' first slot. slow, fast, last: one day and a slot; week: one week
    and a slot, from week_start_s; empty: not seen often enough. levels: how far the load is from the usual, on average
    over half_lives_s, then from the week's curve over week_half_lives_s. unrest: how much neighbours differ of late.
    base: the usual level where there is no day; there, smoothing, level and trend say where the load goes by itself.
    """

    step_s: float
    now_s: float
    minutes: tuple[float, ...] = ()
    width_s: float = 0.0
    start_s: float = 0.0
    week_start_s: float = 0.0
    slow: tuple[float, ...] = ()
    fast: tuple[float, ...] = ()
    last: tuple[float, ...] = ()
    week: tuple[float, ...] = ()
    half_lives_s: tuple[float, ...] = ()
    week_half_lives_s: tuple[float, ...] = ()
    levels: tuple[float, ...] = ()
    base: float = 0.0
    unrest: float = 0.0
    smoothing: Smoothing | None = None
    level: float = 0.0
    trend: float = 0.0

    def minute(self, times_s: FloatArray) -> FloatArray:
        """What the minute of the hour adds, shape (times,)."""
        return minute_of(self.minutes, times_s)

    def features(self, times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(usual course without minutes, features), shapes (times,), (times, features). Times up to now: no level."""
        ahead = times_s > self.now_s
        levels = np.where(ahead[:, None], np.array(self.levels), 0.0)
        if self.smoothing is not None:
            steps = np.maximum(times_s - self.now_s, 0.0) / self.step_s
            onward = self.level + self.trend * self.smoothing.grown(steps) - self.base
            levels = np.column_stack([levels, np.where(ahead, onward, 0.0)])
        if not self.slow:
            return np.full(len(times_s), self.base), np.column_stack([levels, np.ones(len(times_s))])
        curves = [
            cyclic(np.array(curve), self.start_s, self.width_s, DAY_S, times_s)
            for curve in (self.slow, self.fast, self.last)
        ]
        if self.week:
            curves.append(cyclic(np.array(self.week), self.week_start_s, self.width_s, WEEK_S, times_s))
        beside = [curve - curves[0] for curve in curves[1:]]
        return curves[0], np.column_stack([*beside, levels, np.ones(len(times_s))])

    def given(self, times_s: FloatArray, values: FloatArray) -> Self:
        """The same, moved on to later samples (rising times, all after now_s; in the scale of the fit)."""
        if not len(times_s):
            return self
        plain = values - self.minute(times_s)
        base, week = self._bases(times_s)
        lives = np.maximum(np.array(self.half_lives_s) / self.step_s, 0.05)
        week_lives = np.maximum(np.array(self.week_half_lives_s) / self.step_s, 0.05)
        apart = [(plain - base, lives)] + ([(plain - week, week_lives)] if self.week else [])
        fresh = np.concatenate([averages(each, half)[-1] for each, half in apart])
        kept = np.concatenate([0.5 ** (len(times_s) / half) for _, half in apart])
        levels = kept * np.array(self.levels) + (1 - kept) * fresh
        unrest_life = max(UNREST_HALF_LIFE_S / self.step_s, 5.0)
        stay = 0.5 ** (len(times_s) / unrest_life)
        unrest = stay * self.unrest + (1 - stay) * unrest_of(plain, unrest_life)[-1]
        moved = self._moved_curves(times_s, plain) if self.slow else {}
        if self.smoothing is not None:
            level, trend = self.smoothing.states(plain, self.level, self.trend)[-1].tolist()
            moved |= {"level": level, "trend": trend}
        return replace(self, levels=tuple(levels.tolist()), unrest=float(unrest), now_s=float(times_s[-1]), **moved)

    def _bases(self, times_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        if not self.slow:
            return np.full(len(times_s), self.base), np.zeros(0)
        base = cyclic(np.array(self.slow), self.start_s, self.width_s, DAY_S, times_s)
        if not self.week:
            return base, np.zeros(0)
        return base, cyclic(np.array(self.week), self.week_start_s, self.width_s, WEEK_S, times_s)

    def _moved_curves(self, times_s: FloatArray, plain: FloatArray) -> dict[str, Any]:
        """Each curve continued by the new slots that are over."""
        start, means = slot_means(times_s, plain, self.width_s)
        over = int((times_s[-1] + self.step_s - start) / self.width_s + 1e-6)
        middles = start + (np.arange(over) + 0.5) * self.width_s
        found: dict[str, Any] = {}
        for name, first, period, gain in (
            ("slow", self.start_s, DAY_S, GAINS[0]),
            ("fast", self.start_s, DAY_S, GAINS[1]),
            ("last", self.start_s, DAY_S, GAINS[2]),
            ("week", self.week_start_s, WEEK_S, GAINS[3]),
        ):
            curve = np.array(getattr(self, name))
            for at in range(over) if len(curve) else ():
                slot = round((middles[at] - first) / self.width_s - 0.5) % round(period / self.width_s)
                if np.isfinite(means[at]):
                    curve[slot] += gain * (means[at] - curve[slot])
            found[name] = tuple(curve.tolist())
        return found


@dataclass(frozen=True, slots=True)
class Grid:
    """Bins of one width with what was known at each bin's end. Shapes: (bins,), levels (bins, levels)."""

    start_s: float
    width_s: float
    now_s: FloatArray
    levels: FloatArray
    base: FloatArray
    unrest: FloatArray


def minute_of(minutes: tuple[float, ...], times_s: FloatArray) -> FloatArray:
    """The minute's entry of the 60, shape (times,); 0 without any."""
    if not minutes:
        return np.zeros(len(times_s))
    return np.asarray(np.array(minutes)[np.floor(times_s % HOUR_S / 60.0).astype(int) % 60])


def minutes_of(times_s: FloatArray, values: FloatArray, step_s: float) -> tuple[float, ...]:
    """What each minute of the hour adds to its hour's mean, drawn to 0 as far as chance explains it (James and Stein).

    Empty where the step is longer than five minutes or there are fewer than six hours.
    """
    span = times_s[-1] - times_s[0]
    if step_s > 300.0 or span < 6 * HOUR_S:
        return ()
    _, bins = gridded(times_s - times_s % 60.0, values, max(60.0, step_s))
    first = float(times_s[0] - times_s[0] % 60.0)
    width = max(60.0, step_s)
    reach = max(1, round(HOUR_S / width))
    known = np.isfinite(bins)
    sums, counts = (np.cumsum(np.concatenate([[0.0], each])) for each in (np.where(known, bins, 0.0), known * 1.0))
    at = np.arange(len(bins))
    low, high = np.maximum(at - reach // 2, 0), np.minimum(at + reach - reach // 2, len(bins))
    apart = bins - (sums[high] - sums[low]) / np.maximum(counts[high] - counts[low], 1.0)
    inner = np.nanquantile(apart, [0.005, 0.995])
    apart = np.clip(apart, *inner)
    slot = np.floor((first + at * width) % HOUR_S / 60.0).astype(int) % 60
    seen = np.bincount(slot[known], minlength=60).astype(float)
    if np.sum(seen > 2) < HOUR_S / width - 0.5:
        return ()
    mean = np.bincount(slot[known], weights=apart[known], minlength=60) / np.maximum(seen, 1.0)
    error = np.nanvar(apart) / np.maximum(seen, 1.0)
    used = seen > 2
    power = float(np.mean(mean[used] ** 2))
    kept = max(0.0, 1.0 - float(np.mean(error[used])) / power) if power > 0 else 0.0
    if kept < 0.3:
        return ()
    return tuple((kept * np.interp(np.arange(60), np.flatnonzero(used), (mean - mean[used].mean())[used])).tolist())


def unrest_of(values: FloatArray, half_life: float) -> FloatArray:
    """How much neighbours differ of late: the running mean of their absolute differences, bounded."""
    moves = np.abs(np.diff(values, prepend=values[:1]))
    known = moves[np.isfinite(moves)]
    bound = 8.0 * float(np.mean(known)) if len(known) else 0.0
    return averages(np.minimum(moves, bound), np.array([half_life]))[:, 0]


class Past:
    """What the tries are made from: curves over all slots, and a fine and a coarse grid of levels."""

    def __init__(
        self, times_s: FloatArray, values: FloatArray, step_s: float, terms: tuple[str, ...], bins: int
    ) -> None:
        """values: the fit's scale. bins: of a grid, at most."""
        self.times_s, self.values, self.step_s, self.terms = times_s, values, step_s, terms
        self.minutes = minutes_of(times_s, values, step_s)
        self.plain = values - minute_of(self.minutes, times_s)
        self.span_s = float(times_s[-1] - times_s[0]) + step_s
        self.curves = self._curves() if "day" in terms else None
        self.smoothing = Smoothing.chosen(self.plain[-bins:]) if self.curves is None else None
        self.states = self.smoothing.states(self.plain) if self.smoothing else np.zeros((1, 2))
        wanted = HALF_LIVES_S if self.curves is not None else tuple(step_s * each for each in HALF_LIVES_STEPS)
        lives = [each for each in wanted if each == 0.0 or 2 * step_s <= each <= self.span_s / 5]
        self.half_lives = np.array(lives)
        self.week_half_lives = np.array([each for each in WEEK_HALF_LIVES_S if each >= step_s])
        width = max(step_s, self.span_s / bins)
        self.coarse = self._grid(times_s, self.plain, width)
        recent = times_s > times_s[-1] - bins * step_s
        self.fine = self.coarse if width < 1.5 * step_s else self._fine(recent)

    def course(self) -> Course:
        """Where it ends."""
        grid = self.fine
        found = Course(
            step_s=self.step_s,
            now_s=float(self.times_s[-1]),
            minutes=self.minutes,
            half_lives_s=tuple(self.half_lives.tolist()),
            week_half_lives_s=tuple(self.week_half_lives.tolist()) if "week" in self.terms else (),
            levels=tuple(grid.levels[-1].tolist()),
            base=float(grid.base[-1]),
            unrest=float(grid.unrest[-1]),
        )
        if self.curves is None:
            level, trend = self.states[-1].tolist()
            return replace(found, smoothing=self.smoothing, level=level, trend=trend)
        start, width, tables = self.curves
        day, week = round(DAY_S / width), round(WEEK_S / width)
        cut, slow = last_period(tables[0], day)
        fast, last = (last_period(each, day)[1] for each in tables[1:3])
        week_cut, weekly = last_period(tables[3], week) if len(tables) > 3 else (0, np.zeros(0))
        slow_, fast_, last_, week_ = (tuple(np.round(each, 6).tolist()) for each in (slow, fast, last, weekly))
        return replace(
            found,
            width_s=width,
            start_s=start + cut * width,
            week_start_s=start + week_cut * width,
            slow=slow_,
            fast=fast_,
            last=last_,
            week=week_,
        )

    def tries(self, grid: Grid, origins: npt.NDArray[np.intp], horizon_s: float) -> tuple[FloatArray, ...]:
        """(target times, target minus usual course, usual course, features, unrest) of those with everything known."""
        now = grid.now_s[origins]
        wanted = now + horizon_s
        at = np.clip(np.searchsorted(self.times_s, wanted - 0.5 * self.step_s), 0, len(self.times_s) - 1)
        times, values = self.times_s[at], self.plain[at]
        base, beside = self._known(times, now, grid.base[origins])
        onward = self._onward(now, horizon_s, base)
        features = np.column_stack([*beside, grid.levels[origins], *onward, np.ones(len(origins))])
        kept = (np.abs(times - wanted) <= 0.75 * self.step_s) & np.isfinite(features).all(axis=1) & np.isfinite(base)
        return times[kept], (values - base)[kept], base[kept], features[kept], grid.unrest[origins][kept]

    def _onward(self, now: FloatArray, horizon_s: float, base: FloatArray) -> list[FloatArray]:
        """Where level and trend lead, beside the base; nothing where a day is known."""
        if self.smoothing is None:
            return []
        at = np.searchsorted(self.times_s, now + 0.5 * self.step_s) - 1
        level, trend = self.states[np.maximum(at, 0)].T
        return [level + trend * self.smoothing.grown(np.array(horizon_s / self.step_s)) - base]

    def _known(self, times: FloatArray, now: FloatArray, level: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """(usual course at these times, the other curves beside it) as they were known then."""
        if self.curves is None:
            return level, []
        start, width, tables = self.curves
        slow, fast, last = (before(each, start, width, DAY_S, times, now) for each in tables[:3])
        beside = [fast - slow, last - slow]
        if len(tables) > 3:
            week = before(tables[3], start, width, WEEK_S, times, now)
            beside.append(week - slow)
        return slow, beside

    def _curves(self) -> tuple[float, float, list[FloatArray]]:
        width = slot_width(self.step_s)
        start, means = slot_means(self.times_s, self.plain, width)
        over = int((self.times_s[-1] + self.step_s - start) / width + 1e-6)
        periods = [(DAY_S, gain) for gain in GAINS[:3]] + ([(WEEK_S, GAINS[3])] if "week" in self.terms else [])
        tables = [running_curve(means[:over], round(period / width), gain) for period, gain in periods]
        return start, width, tables

    def _grid(self, times: FloatArray, values: FloatArray, width: float) -> Grid:
        start, bins = gridded(times, values, width)
        middles: FloatArray = start + (np.arange(len(bins), dtype=float) + 0.5) * width - 0.5 * self.step_s
        lives = np.maximum(self.half_lives / width, 0.05)
        if self.curves is None:
            base = averages(bins, np.array([max(self.span_s / 2 / width, 2.0)]))[:, 0]
            levels = averages(bins, lives) - base[:, None]
        else:
            origin, slot, tables = self.curves
            base = before(tables[0], origin, slot, DAY_S, middles, middles)
            levels = averages(bins - base, lives)
            if len(tables) > 3:
                week = before(tables[3], origin, slot, WEEK_S, middles, middles)
                levels = np.hstack([levels, averages(bins - week, np.maximum(self.week_half_lives / width, 0.05))])
        unrest = unrest_of(bins, max(UNREST_HALF_LIFE_S / width, 5.0))
        now: FloatArray = start + np.arange(1, len(bins) + 1, dtype=float) * width - self.step_s
        return Grid(start_s=start, width_s=width, now_s=now, levels=levels, base=base, unrest=unrest)

    def _fine(self, recent: npt.NDArray[np.bool_]) -> Grid:
        """The last bins at the data's own step; what remembers longer than they reach comes from the coarse grid."""
        grid = self._grid(self.times_s[recent], self.plain[recent], self.step_s)
        reach = (grid.now_s[-1] - grid.now_s[0]) / 8
        lives = np.concatenate([self.half_lives, self.week_half_lives if "week" in self.terms else np.zeros(0)])
        at = np.clip(np.searchsorted(self.coarse.now_s, grid.now_s + 1e-6, side="right") - 1, 0, None)
        levels = np.where(lives > reach, self.coarse.levels[at], grid.levels[:, : len(lives)])
        base = self.coarse.base[at] if self.curves is None else grid.base
        if self.curves is None:
            levels = np.where(lives > reach, levels, grid.levels + grid.base[:, None] - base[:, None])
        return replace(grid, levels=levels, base=base)
