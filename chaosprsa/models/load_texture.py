"""What a load looks like close up: a generator of new days that have the real ones' unrest at every scale.

Arrivals are a Cox process (Cox 1955): Poisson with a rate that is itself random. The rate is the usual day and week
times a stationary lognormal factor, the sum of Ornstein-Uhlenbeck processes from a second to days (superposed, as
Barndorff-Nielsen and Shephard 2001 do for volatility); their variances are fitted to the covariance of the counts at
lags of a second to a day, in which Poisson's own noise is at lag 0 only (method of moments). Where most minutes are
calm and few restless, the short scales' variance is itself lognormal, as wide as it must be for drawn blocks to be as
lopsided as real ones (indirect inference; Gourieroux, Monfort and Renault 1993). Bulk bursts, which add to
the load and keep to minutes of the hour, are taken out before and drawn anew from those that were seen, in other sizes
and lengths.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import fft, optimize, signal

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.models.load_bursts import Bursts
from chaosprsa.models.load_seasons import DAY_S, SLOT_S

FloatArray = npt.NDArray[np.float64]
MIN_SAMPLES = 60
SCALES_S = (2.0, 6.0, 20.0, 60.0, 200.0, 600.0, 1800.0, 5400.0, 16_200.0, 43_200.0, 172_800.0)
SLOTS = int(DAY_S / SLOT_S)
CLUSTER_S = 600.0  # up to this scale requests may come in clusters of their own
QUIET = 0.8  # a weekday below this share of the median's has a course of its own
SWING_S = 1800.0  # how long calm and unrest last
LEAST_SWING = 1.0  # less is hardly told from chance
MOST_SWING = 2.5  # more would make rare blocks that nobody saw
LAGS = 60  # at which the covariance is looked at, evenly in their logarithm


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTexture:
    """Fit it on counts or rates, then draw.

    step_s: the history's; what lies below it is an assumption (the fitted processes, and Poisson). day: the usual rate
    by quarter of an hour; quiet: the same on quiet weekdays. weekdays: what each weekday multiplies it with, from
    1970-01-01's (Thursday) on; all 1: unknown. variances: of the log rate, by SCALES_S. white: the squared variation of
    the rate within a step that no scale explains. thinning, usual_rate: up to CLUSTER_S these are as given at
    usual_rate and fall with the power -thinning of the rate: 0 where all requests move together, 1 where they come in
    clusters of their own, whose number only grows. swing: the log variance, over CLUSTER_S, of these scales' variance;
    0: always alike. bursts: see there.
    """

    step_s: float = 0.0
    day: tuple[float, ...] = ()
    quiet: tuple[float, ...] = ()
    weekdays: tuple[float, ...] = (1.0,) * 7
    variances: tuple[float, ...] = ()
    white: float = 0.0
    thinning: float = 0.0
    usual_rate: float = 1.0
    swing: float = 0.0
    bursts: Bursts = field(default_factory=Bursts)

    def fit(self, times_s: FloatArray, values: FloatArray) -> Self:
        """times_s: seconds since 1970; values: requests a second, each the mean of its step. NaN: not known.

        Raises NotEnoughHistory with fewer than 60 samples.
        """
        start, step, rates = _on_grid(np.asarray(times_s, dtype=float), np.asarray(values, dtype=float))
        times: FloatArray = start + np.arange(len(rates), dtype=float) * step
        bursts, calm = Bursts.found(times, rates, step)
        day, quiet, weekdays = _usual(times, calm)
        usual = _usual_at(day, quiet, weekdays, times)
        lags, covariance, white = _covariance(calm * step, usual * step, step)
        variances, left = _scales(lags, covariance)
        thinning, usual_rate = _thinning(calm, usual, step)
        steady = type(self)(
            step_s=step,
            day=tuple(day.tolist()),
            quiet=tuple(quiet.tolist()),
            weekdays=tuple(weekdays.tolist()),
            variances=tuple(variances.tolist()),
            white=float(max(white - covariance[0] + left, 0.0)),
            thinning=thinning,
            usual_rate=usual_rate,
            bursts=bursts,
        )
        return replace(steady, swing=_swing(steady, calm, usual))

    def unsettled(
        self, usual: FloatArray, step_s: float, rng: np.random.Generator, slowest_s: float = np.inf
    ) -> FloatArray:
        """The usual rate (requests a second, one value a step) times the random factor, whose mean is 1; same shape.

        slowest_s: slower scales stand still.
        """
        rate, restless = usual, 1.0
        if self.swing > 0:
            walk = _ornstein_uhlenbeck(len(usual), step_s / SWING_S, rng)
            restless = np.exp(np.sqrt(self.swing) * walk - self.swing / 2)
        for scale, variance in reversed(list(zip(SCALES_S, self.variances, strict=True))):
            if variance > 0 and scale <= slowest_s:
                own = variance * (restless * self._thinned(rate) if scale <= CLUSTER_S else 1.0)
                rate = rate * np.exp(_ornstein_uhlenbeck(len(usual), step_s / scale, rng) * np.sqrt(own) - own / 2)
        return rate

    def _thinned(self, rate: FloatArray) -> FloatArray:
        return np.asarray(np.clip(np.maximum(rate, 1e-9) / self.usual_rate, 0.1, 10.0) ** -self.thinning)

    def usual(self, times_s: FloatArray) -> FloatArray:
        """The usual rate without bursts, requests a second, shape (times,)."""
        return _usual_at(np.array(self.day), np.array(self.quiet), np.array(self.weekdays), times_s)

    def rate(
        self, start_s: float, samples: int, step_s: float, rng: np.random.Generator, levels: Sequence[float] = ()
    ) -> FloatArray:
        """A new course of the rate, requests a second, shape (samples,); start_s: seconds since 1970.

        levels: the mean wanted of each 24 hours from the start on, say a load model's forecast; where there are none or
        too few, the texture's own.
        """
        usual = self.usual(start_s + np.arange(samples, dtype=float) * step_s)
        day = max(1, round(DAY_S / step_s))
        for at, level in enumerate(levels):
            part = usual[at * day : (at + 1) * day]
            part *= max(level - self.bursts.mean, 0.0) / max(float(part.mean()), 1e-12) if len(part) else 1.0
        slowest = SCALES_S[-1] if not levels else DAY_S / 2
        return self.unsettled(usual, step_s, rng, slowest) + self.bursts.draw(start_s, samples, step_s, rng)

    def draw(
        self, start_s: float, samples: int, step_s: float, rng: np.random.Generator, levels: Sequence[float] = ()
    ) -> npt.NDArray[np.int64]:
        """Requests in each step, shape (samples,): Poisson, or negative binomial where steps differ more than that.

        levels: as in rate.
        """
        rate = self.rate(start_s, samples, step_s, rng, levels)
        spread = self.white * min(self.step_s / step_s, 1.0) * self._thinned(rate)
        if self.white > 1e-6:
            rate = rate * rng.gamma(1.0 / spread) * spread
        return rng.poisson(rate * step_s)

    def as_json(self) -> dict[str, Any]:
        """What from_json takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From as_json's values. Raises TypeError where fields are missing or unknown."""
        found: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in values.items()}
        return cls(**{**found, "bursts": Bursts.from_json(values["bursts"])})


def _on_grid(times: FloatArray, values: FloatArray) -> tuple[float, float, FloatArray]:
    """(start, step, rates on an even grid; NaN where nothing is known)."""
    known = np.isfinite(times) & np.isfinite(values)
    order = np.argsort(times[known], kind="stable")
    times, values = times[known][order], np.maximum(values[known][order], 0.0)
    if len(times) < MIN_SAMPLES:
        raise NotEnoughHistory(f"a load's texture needs at least {MIN_SAMPLES} samples, there are {len(times)}")
    gaps = np.diff(times)
    step = float(np.median(gaps[gaps > 0])) if (gaps > 0).any() else 1.0
    at = np.round((times - times[0]) / step).astype(np.int64)
    counts = np.bincount(at)
    sums = np.bincount(at, weights=values)
    return float(times[0]), step, np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _usual(times: FloatArray, rates: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(by quarter of an hour, the same on quiet weekdays, by weekday): the mean course times the days' median level."""
    slot = np.floor(times % DAY_S / SLOT_S).astype(int)
    day = np.floor(times / DAY_S).astype(int)
    day -= day[0]
    known = np.isfinite(rates)
    index = day[known] * SLOTS + slot[known]
    sums = np.bincount(index, weights=rates[known], minlength=(day[-1] + 1) * SLOTS).reshape(-1, SLOTS)
    counts = np.bincount(index, minlength=(day[-1] + 1) * SLOTS).reshape(-1, SLOTS)
    table = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    full = np.isfinite(table).sum(axis=1) >= 0.8 * SLOTS
    if full.sum() < 2:
        flat = np.full(SLOTS, float(np.mean(rates[known])))
        return flat, flat, np.ones(7)
    table = table[full]
    levels = np.nanmean(table, axis=1)
    first = int(times[0] // DAY_S)
    weekday = (first + np.flatnonzero(full)) % 7
    weekdays = _weekdays(weekday, levels)
    level = _recent_median(levels / weekdays[weekday], np.flatnonzero(full))
    busy = weekdays[weekday] >= QUIET
    day = level * _shape(table[busy], levels[busy])
    quiet = level * _shape(table[~busy], levels[~busy]) if (~busy).sum() >= 2 else day
    return day, quiet, weekdays


def _recent_median(levels: FloatArray, days: npt.NDArray[np.intp]) -> float:
    """The median, a day a week older counting half."""
    order = np.argsort(levels, kind="stable")
    weight = np.cumsum((0.5 ** ((days[-1] - days) / 7.0))[order])
    return float(np.interp(0.5 * weight[-1], weight - 0.5 * np.diff(weight, prepend=0.0), levels[order]))


def _shape(table: FloatArray, levels: FloatArray) -> FloatArray:
    """A day's course with mean 1, shape (slots,); table: (days, slots), NaN where nothing was seen."""
    known = np.isfinite(table)
    sums = np.where(known, table / np.maximum(levels, 1e-12)[:, None], 0.0).sum(axis=0)
    seen = np.flatnonzero(known.any(axis=0))
    shape = np.interp(np.arange(SLOTS), seen, sums[seen] / known.sum(axis=0)[seen])
    return np.asarray(shape / max(float(shape.mean()), 1e-12))


def _weekdays(weekday: npt.NDArray[np.intp], levels: FloatArray) -> FloatArray:
    """Each weekday's median level over all days', drawn to 1 where it was seen once; all 1 before a full week was."""
    if len(np.unique(weekday)) < 7:
        return np.ones(7)
    middle = float(np.median(levels))
    logs = np.array(
        [np.log(max(float(np.median(levels[weekday == each])), 1e-12) / max(middle, 1e-12)) for each in range(7)]
    )
    worth = np.bincount(weekday, minlength=7) / (np.bincount(weekday, minlength=7) + 0.5)
    return np.asarray(np.exp(logs * worth))


def _usual_at(day: FloatArray, quiet: FloatArray, weekdays: FloatArray, times: FloatArray) -> FloatArray:
    """The usual rate, linear between the quarters' middles, steps between weekdays."""
    place = times % DAY_S / SLOT_S - 0.5
    at = np.floor(place).astype(int)
    share = place - at
    factor = weekdays[np.floor(times / DAY_S).astype(int) % 7]
    curves = ((1 - share) * curve[at % SLOTS] + share * curve[(at + 1) % SLOTS] for curve in (day, quiet))
    return np.asarray(np.where(factor >= QUIET, *curves) * factor)


def _covariance(counts: FloatArray, usual: FloatArray, step: float) -> tuple[FloatArray, FloatArray, float]:
    """(lags in seconds, covariance of rate over usual rate at them, the same within a step without Poisson's noise)."""
    known = np.isfinite(counts)
    apart = np.where(known, counts - usual, 0.0)
    weight = np.where(known, usual, 0.0)
    size = fft.next_fast_len(2 * len(counts), real=True)
    products = fft.irfft(np.abs(fft.rfft(apart, size)) ** 2, size)[: len(counts)]
    weights = fft.irfft(np.abs(fft.rfft(weight, size)) ** 2, size)[: len(counts)]
    longest = max(2, min(len(counts) // 3, int(2 * DAY_S / step)))
    edges = np.unique(np.round(np.geomspace(1, longest, LAGS)).astype(int))
    halves = np.unique(np.concatenate([[1], (edges[1:] + edges[:-1] + 1) // 2, [longest + 1]]))
    sums = np.add.reduceat(products[: longest + 1], halves[:-1])
    norms = np.add.reduceat(weights[: longest + 1], halves[:-1])
    lags = 0.5 * (halves[:-1] + halves[1:] - 1) * step
    within = (np.sum(apart[known] ** 2) - np.sum(counts[known])) / max(float(np.sum(weight[known] ** 2)), 1e-300)
    return lags, sums / np.maximum(norms, 1e-300), float(max(within, 0.0))


def _scales(lags: FloatArray, covariance: FloatArray) -> tuple[FloatArray, float]:
    """(the log rate's variance by scale, none negative; the covariance that the fit leaves at the first lag)."""
    wanted = np.log1p(np.maximum(covariance, -0.5))
    design = np.exp(-lags[:, None] / np.array(SCALES_S))
    found, _ = optimize.nnls(design, wanted)
    return found, float(covariance[0] - np.expm1(design[0] @ found))


def _thinning(rates: FloatArray, usual: FloatArray, step: float) -> tuple[float, float]:
    """(how the short scales' variance falls with the rate, the rate at which it is as pooled).

    From blocks of ten minutes, the busier half against the other: covariance at lags up to a minute over the squared
    mean. 0 where steps are longer than ten seconds.
    """
    weight = usual[np.isfinite(rates)]
    pooled = float(np.sum(weight**2) / max(float(np.sum(weight)), 1e-12))
    mean, near = _blocks(rates, step)
    if not len(mean):
        return 0.0, max(pooled, 1e-12)
    busy = mean > np.median(mean)
    parts = [near[part].sum() / max(float(np.sum(mean[part] ** 2)), 1e-12) for part in (busy, ~busy)]
    levels = [float(np.sum(mean[part] ** 2) / max(float(np.sum(mean[part])), 1e-12)) for part in (busy, ~busy)]
    if min(parts) <= 0 or levels[0] < 1.2 * levels[1]:
        return 0.0, max(pooled, 1e-12)
    power = float(np.clip(-np.log(parts[0] / parts[1]) / np.log(levels[0] / levels[1]), 0.0, 1.0))
    return power, max(
        float(np.sum(weight**2) / np.sum(weight ** (2 - power))) ** (1 / power) if power else pooled, 1e-12
    )


def _blocks(rates: FloatArray, step: float) -> tuple[FloatArray, FloatArray]:
    """(mean, covariance at lags up to a minute) of each ten minutes without a gap; empty where they are too few."""
    size, lags = int(CLUSTER_S / step), max(1, int(60.0 / step))
    table = rates[: len(rates) // max(size, 1) * size].reshape(-1, max(size, 1))
    table = table[np.isfinite(table).all(axis=1)]
    if step > 10.0 or len(table) < 50:
        return np.zeros(0), np.zeros(0)
    mean = table.mean(axis=1)
    apart = table - mean[:, None]
    near = np.mean([(apart[:, lag:] * apart[:, :-lag]).mean(axis=1) for lag in range(1, lags + 1)], axis=0)
    return mean, near


def _swing(steady: LoadTexture, calm: FloatArray, usual: FloatArray) -> float:
    """How much more lopsided the real blocks' unrest is than that of a course drawn without any swing.

    The course is drawn from a seed of its own, so that a fit needs none.
    """
    rng = np.random.default_rng(len(calm))
    drawn = rng.poisson(steady.unsettled(usual, steady.step_s, rng) * steady.step_s) / steady.step_s
    drawn[~np.isfinite(calm)] = np.nan
    found = 2.0 * (_lopsided(calm, steady.step_s) - _lopsided(drawn, steady.step_s))
    return float(min(found, MOST_SWING)) if found >= LEAST_SWING else 0.0


def _lopsided(rates: FloatArray, step: float) -> float:
    """Log of the mean over the median of the blocks' covariance over their squared mean; 0: not told from chance."""
    mean, near = _blocks(rates, step)
    if not (mean > 0).any():
        return 0.0
    apart = near[mean > 0] / mean[mean > 0] ** 2
    average, chance = float(np.mean(apart)), 3.0 * float(np.std(apart)) / np.sqrt(len(apart))
    if average <= chance:
        return 0.0
    middle = max(float(np.median(apart)), average * np.exp(-MOST_SWING / 2))  # may be 0: as calm as Poisson
    return float(np.log(max(average / middle, 1.0)))


def _ornstein_uhlenbeck(samples: int, pace: float, rng: np.random.Generator) -> FloatArray:
    """Stationary, of variance 1, shape (samples,); pace: the step over the process' own time."""
    keep = float(np.exp(-pace))
    noise = rng.standard_normal(samples) * np.sqrt(1 - keep * keep)
    first = rng.standard_normal()
    return np.asarray(signal.lfilter([1.0], [1.0, -keep], noise, zi=np.array([keep * first]))[0])
