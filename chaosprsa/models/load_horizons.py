"""How far a load strays from its usual course, by how far ahead one looks: direct forecasts with conformal bands.

For each of a row of horizons, what followed is regressed on what was known (direct multi-step forecasts; Marcellino,
Stock and Watson 2006), with Huber's weights. The errors of these forecasts over all origins, divided by a spread that
depends on the clock, the level and the recent unrest (locally weighted conformal prediction; Lei et al. 2018, Romano
et al. 2019; for time series Xu and Xie 2021), give the quantiles. Origins that overlap say the same thing again, so
both the regression and the quantiles count them by the number of spans that do not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import special

FloatArray = npt.NDArray[np.float64]
LEVELS = (0.0025, 0.01, 0.025, 0.05, 0.1, 0.175, 0.25, 0.375, 0.5, 0.625, 0.75, 0.825, 0.9, 0.95, 0.975, 0.99, 0.9975)
HOURS = 24
PRIOR_SPANS = 1.0  # a coefficient's prior is worth this many independent spans of its feature,
PRIOR_NOISE = 1.0  # and this many of the target: features that hardly vary stay out
SHORT_NOISE = 4.0  # the same where no day is known, and smoothing says most
MOST_SPANS = 16.0  # that count for the band: unrest comes in stretches, of which a history of weeks has seen few
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Tried:
    """The forecasts tried at one horizon. Shapes: (tries, features), (tries,) each; in the root's scale.

    spans: how many of the tries do not overlap. level: the usual course at the target. unrest: the recent spread at the
    origin. hour: of the day, at the target; 0 to 24.
    """

    horizon_s: float
    features: FloatArray
    target: FloatArray
    level: FloatArray
    unrest: FloatArray
    hour: FloatArray
    spans: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizons:
    """What was learned, by horizon (rows).

    coefficients: (horizons, features). spread: (horizons, 3): log of the scale at the middle, then how it follows the
    logs of level and of unrest. hours: log of the scale by hour of the day. middle: the logs of level and unrest that
    the spread counts from. scores: (horizons, LEVELS): quantiles of error / scale. moments: (horizons, 2): mean and
    mean square of it, without the farthest 1 %. growth: the power of the horizon with which the scale grows beyond the
    last one.
    """

    seconds: tuple[float, ...] = ()
    coefficients: tuple[tuple[float, ...], ...] = ()
    spread: tuple[tuple[float, ...], ...] = ()
    hours: tuple[float, ...] = ()
    middle: tuple[float, float] = (0.0, 0.0)
    scores: tuple[tuple[float, ...], ...] = ()
    moments: tuple[tuple[float, ...], ...] = ()
    growth: float = 0.0

    @classmethod
    def learn(cls, tried: Sequence[Tried], prior: FloatArray, noise: float) -> Self:
        """prior: shape (features,): what the coefficients are drawn to; noise: PRIOR_NOISE or SHORT_NOISE."""
        regressed = [_regress(each, prior, noise) for each in tried]
        coefficients = [found for found, _ in regressed]
        errors = [each.target - each.features @ found for each, found in zip(tried, coefficients, strict=True)]
        middle = (
            float(np.mean(np.concatenate([_log(each.level) for each in tried]))),
            float(np.mean(np.concatenate([_log(each.unrest) for each in tried]))),
        )
        hours = _hours(tried, errors)
        spread, scores, moments = [], [], []
        for each, error, (_, freedom) in zip(tried, errors, regressed, strict=True):
            slopes = _spread(each, error, middle, hours)
            scaled = error / np.exp(_log_scale(slopes, middle, hours, each.level, each.unrest, each.hour))
            spread.append(tuple(slopes.tolist()))
            scores.append(tuple((_widening(each.spans, freedom) * _quantiles(scaled)).tolist()))
            moments.append(_moments(scaled))
        seconds = tuple(each.horizon_s for each in tried)
        sizes = np.array([np.sqrt(np.mean(np.clip(error, *_inner(error)) ** 2)) for error in errors])
        return cls(
            seconds=seconds,
            coefficients=tuple(tuple(each.tolist()) for each in coefficients),
            spread=tuple(spread),
            hours=tuple(hours.tolist()),
            middle=middle,
            scores=tuple(scores),
            moments=tuple(moments),
            growth=_growth(np.array(seconds), sizes),
        )

    def course(self, ahead_s: FloatArray, features: FloatArray) -> FloatArray:
        """The regression's part, shape (times,). features: (times, features)."""
        return np.asarray(np.sum(self._at(ahead_s, self.coefficients) * features, axis=1))

    def scale(self, ahead_s: FloatArray, level: FloatArray, unrest: float, hour: FloatArray) -> FloatArray:
        """What the scores are to be multiplied with, shape (times,)."""
        slopes = self._at(ahead_s, self.spread)
        hours = np.array(self.hours)
        found = _log_scale(slopes.T, self.middle, hours, level, np.full(len(level), unrest), hour)
        beyond = np.maximum(ahead_s / self.seconds[-1], 1.0) ** self.growth
        return np.asarray(np.exp(found) * beyond)

    def quantiles(self, ahead_s: FloatArray, probabilities: FloatArray) -> FloatArray:
        """Of error / scale, shape (times, probabilities)."""
        rows = np.array([np.interp(probabilities, LEVELS, row) for row in self.scores])
        return self._at(ahead_s, rows)

    def mean_and_square(self, ahead_s: FloatArray) -> FloatArray:
        """Of error / scale, shape (times, 2)."""
        return self._at(ahead_s, self.moments)

    def _at(self, ahead_s: FloatArray, rows: Any) -> FloatArray:
        """Rows at these horizons, linear in the logarithm of the horizon, shape (times, columns)."""
        table = np.asarray(rows, dtype=float)
        place = np.interp(np.log(np.maximum(ahead_s, TINY)), np.log(self.seconds), np.arange(len(self.seconds)))
        at = np.minimum(place.astype(int), max(len(table) - 2, 0))
        share = (place - at)[:, None]
        return np.asarray((1 - share) * table[at] + share * table[np.minimum(at + 1, len(table) - 1)])


def _regress(tried: Tried, prior: FloatArray, worth: float) -> tuple[FloatArray, float]:
    """Ridge regression towards the prior with Huber's weights, four rounds, as if there were only the spans.

    Returns (coefficients, how many of them the data decided: the trace of the hat matrix).
    """
    features, target = tried.features, tried.target - tried.features @ prior
    own = PRIOR_SPANS * np.mean(features**2, axis=0)
    noise = worth * float(np.mean(np.clip(target, *_inner(target)) ** 2))
    ridge = np.diag((own + noise) / tried.spans * len(target) + TINY)
    robust: FloatArray = np.ones(len(target))
    found = np.zeros(features.shape[1])
    for _ in range(4):
        weighted = features * robust[:, None]
        found = np.asarray(np.linalg.solve(weighted.T @ features + ridge, weighted.T @ target), dtype=float)
        errors = np.abs(target - features @ found)
        robust = np.minimum(1.0, 2.0 * max(1.4826 * float(np.median(errors)), TINY) / np.maximum(errors, TINY))
    hat = np.linalg.solve(weighted.T @ features + ridge, weighted.T @ features)
    return prior + found, float(np.trace(hat))


def _log(values: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(values, 1e-4)))


def _hours(tried: Sequence[Tried], errors: Sequence[FloatArray]) -> FloatArray:
    """Log of the errors' size by hour of the day against all hours', drawn to 0 where few spans say it."""
    sums, counts = np.zeros(HOURS), np.zeros(HOURS)
    for each, error in zip(tried, errors, strict=True):
        at = each.hour.astype(int) % HOURS
        size = np.abs(error) / max(float(np.mean(np.abs(error))), TINY)
        sums += np.bincount(at, weights=np.minimum(size, 5.0), minlength=HOURS)
        counts += np.bincount(at, minlength=HOURS)
    days = max(each.spans * each.horizon_s for each in tried) / 86_400.0
    worth = np.where(counts > 0, days / (days + 3.0), 0.0)
    ratio = worth * sums / np.maximum(counts, 1.0) + (1 - worth)
    smooth = 0.5 * ratio + 0.25 * (np.roll(ratio, 1) + np.roll(ratio, -1))
    return np.asarray(np.log(np.clip(smooth, 0.2, 5.0)))


def _spread(tried: Tried, error: FloatArray, middle: tuple[float, float], hours: FloatArray) -> FloatArray:
    """(log of the scale at the middle, slope with the level's log, slope with the unrest's log)."""
    size = np.log(np.maximum(np.abs(error), 0.05 * max(float(np.mean(np.abs(error))), TINY)))
    size = size - _hour_of(hours, tried.hour)
    design = np.column_stack([np.ones(len(size)), _log(tried.level) - middle[0], _log(tried.unrest) - middle[1]])
    squares = np.mean(design**2, axis=0)
    worth = 10.0 / tried.spans * len(size)
    ridge = np.diag(worth * np.array([0.0, max(squares[1], 0.05), max(squares[2], 0.05)]) + TINY)
    found = np.linalg.solve(design.T @ design + ridge, design.T @ size)
    return np.array([found[0], np.clip(found[1], -0.5, 1.0), np.clip(found[2], 0.0, 1.0)])


def _log_scale(
    slopes: FloatArray,
    middle: tuple[float, float],
    hours: FloatArray,
    level: FloatArray,
    unrest: FloatArray,
    hour: FloatArray,
) -> FloatArray:
    """slopes: (3,) or (3, times)."""
    moved = slopes[1] * (_log(level) - middle[0]) + slopes[2] * (_log(unrest) - middle[1])
    return np.asarray(slopes[0] + np.clip(moved, -3.0, 3.0) + _hour_of(hours, hour))


def _hour_of(hours: FloatArray, hour: FloatArray) -> FloatArray:
    """Linear between the hours' middles, around the clock."""
    place = (hour - 0.5) % HOURS
    at = place.astype(int) % HOURS
    share = place - np.floor(place)
    return np.asarray((1 - share) * hours[at] + share * hours[(at + 1) % HOURS])


def _inner(values: FloatArray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.005, 0.995])
    return float(low), float(high)


def _quantiles(scaled: FloatArray) -> FloatArray:
    return np.asarray(np.quantile(scaled, LEVELS))


def _moments(scaled: FloatArray) -> tuple[float, float]:
    inner = np.clip(scaled, *_inner(scaled))
    return float(inner.mean()), float(np.mean(inner**2))


def _widening(spans: float, fitted: float) -> FloatArray:
    """What few independent spans leave open about the spread, at LEVELS: Student's quantiles over the normal's.

    And by how much errors outside the fit exceed those inside it, where `fitted` coefficients were decided by them.
    """
    levels = np.array(LEVELS)
    freedom = min(max(spans, 3.0), MOST_SPANS)
    outside = np.sqrt((spans + fitted) / spans)
    with np.errstate(invalid="ignore"):
        ratio = special.stdtrit(freedom, levels) / special.ndtri(levels)
    return np.asarray(np.where(levels == 0.5, 1.0, ratio * outside))


def _growth(seconds: FloatArray, sizes: FloatArray) -> float:
    """The slope of log size on log horizon over the last factor four, 0 (reverts) to 1/2 (a random walk)."""
    last = seconds >= seconds[-1] / 4.1
    if last.sum() < 2 or sizes[-1] <= TINY:
        return 0.0
    slope = np.polyfit(np.log(seconds[last]), np.log(np.maximum(sizes[last], TINY)), 1)[0]
    return float(np.clip(slope, 0.0, 0.5))
