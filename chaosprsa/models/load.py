"""A load's usual course, where it stands now, and how far it may stray: forecasts as quantiles, at any time ahead.

On the square root of the load, which makes the spread of counts alike at every level (Anscombe 1948): curves of the
day and the week that follow drift (load_seasons), what regular jobs add at their minute of the hour, and running
averages of how far the load is from them now (load_course). How these predict what follows, and how wrong they are, is
learned at each horizon by forecasts that are tried inside the history, each knowing only what came before it
(load_horizons): so the present level fades as fast as it did, and the band grows with the horizon as much as days
differ from each other.

Day and week enter only where the data saw each of their hours or days at least twice. Two hours give a level and a
fading trend (load_smoothing), from which the regression strays only where the history says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.models.load_changes import LevelChange, level_changes
from chaosprsa.models.load_course import Course, Past
from chaosprsa.models.load_horizons import LEVELS, PRIOR_NOISE, SHORT_NOISE, Horizons, Tried
from chaosprsa.models.load_seasons import DAY_S, WEEK_S
from chaosprsa.models.load_smoothing import Smoothing
from chaosprsa.models.threads import one_thread

FloatArray = npt.NDArray[np.float64]
MIN_SAMPLES = 12
BINS = 12_000  # of a grid: longer series are tried finely at their end and coarsely as a whole
TRIES = 797  # at each horizon; a prime, so that origins fall on every minute of the hour
LONGEST_S = 2 * WEEK_S  # the last horizon that is tried
EVENT_PRIOR = 1.0  # an event's effect is drawn to none as if one more had had none


@dataclass(frozen=True, slots=True)
class LoadForecast:
    """Shape (times,) each, in the unit of the load. low and high: the central 90 % of single samples."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadEvent:
    """A known time when the load is not as usual: a sale, a deployment. Events of one name have one effect."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadModel:
    """Fit it, then ask for forecasts at any time.

    terms: what the data was enough for, of level, day, week. unit: what the roots were divided by. events: by name,
    what the event multiplies the root with. course, horizons: see there. samples: how many it was fitted on.
    changes: of its level, that last; the course's averages have followed them, so they are for people to read.
    """

    terms: tuple[str, ...] = ()
    unit: float = 1.0
    course: Course | None = None
    horizons: Horizons | None = None
    events: Mapping[str, float] = field(default_factory=dict)
    samples: int = 0
    changes: tuple[LevelChange, ...] = ()

    def fit(self, times_s: FloatArray, values: FloatArray, events: Sequence[LoadEvent] = ()) -> Self:
        """times_s: seconds since 1970, any order; values: the load, 0 or more (less counts as 0, NaN is left out).

        events: those in the history, whose samples say nothing about the usual course. Raises NotEnoughHistory with
        fewer than 12 samples.
        """
        times, roots = _sorted_roots(np.asarray(times_s, dtype=float), np.asarray(values, dtype=float))
        usual = _outside(times, events)
        if usual.sum() < MIN_SAMPLES:
            raise NotEnoughHistory(f"a load model needs at least {MIN_SAMPLES} samples, there are {usual.sum()}")
        unit = float(np.mean(roots[usual])) or 1.0
        terms = _terms(times[usual])
        step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
        with one_thread():
            past = Past(times[usual], roots[usual] / unit, step, terms, BINS)
            horizons = Horizons.learn(*_tried(past))
        fitted = replace(
            self,
            terms=terms,
            unit=unit,
            course=past.course(),
            horizons=horizons,
            samples=int(usual.sum()),
            events={},
            changes=level_changes(times[usual], roots[usual] ** 2),
        )
        return replace(fitted, events=_effects(fitted, times, roots, events)) if events else fitted

    def given(self, times_s: FloatArray, values: FloatArray) -> Self:
        """The same model, standing at the last of these samples; those it has seen already are left out."""
        course, _ = self._fitted()
        times, roots = _sorted_roots(np.asarray(times_s, dtype=float), np.asarray(values, dtype=float))
        later = times > course.now_s
        return replace(self, course=course.given(times[later], roots[later] / self.unit))

    def forecast(self, times_s: FloatArray, events: Sequence[LoadEvent] = ()) -> LoadForecast:
        """Mean and central 90 % at these times (seconds since 1970). 0 <= low <= mean <= high, all finite.

        Up to the last sample seen: the usual course; after it: from the present level. Raises NotEnoughHistory before a
        fit.
        """
        times = np.asarray(times_s, dtype=float)
        middle, scale, ahead = self._middle(times, events)
        _, horizons = self._fitted()
        scores = horizons.quantiles(ahead, np.array([0.05, 0.95]))
        low, high = (self._loads(middle + scale * scores[:, at]) for at in (0, 1))
        first, second = horizons.mean_and_square(ahead).T
        root = np.maximum(middle, 0.0)
        mean = (root**2 + 2 * root * scale * first + scale**2 * second) * self.unit**2
        return LoadForecast(mean=np.clip(mean, low, high), low=low, high=high)

    def quantiles(
        self, times_s: FloatArray, probabilities: Sequence[float] | FloatArray, events: Sequence[LoadEvent] = ()
    ) -> FloatArray:
        """Shape (times, probabilities): what the load stays below with these probabilities, of single samples.

        Probabilities beyond 0.25 % and 99.75 % count as these.
        """
        times = np.asarray(times_s, dtype=float)
        middle, scale, ahead = self._middle(times, events)
        _, horizons = self._fitted()
        wanted = np.clip(np.asarray(probabilities, dtype=float), LEVELS[0], LEVELS[-1])
        return self._loads(middle[:, None] + scale[:, None] * horizons.quantiles(ahead, wanted))

    def as_json(self) -> dict[str, Any]:
        """What from_json takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From as_json's values; lists become tuples. Raises TypeError where fields are missing or unknown."""
        found = dict(values)
        for name, kind in (("course", Course), ("horizons", Horizons)):
            if found.get(name) is not None:
                found[name] = kind(**{key: _tuples(each) for key, each in found[name].items()})
        if found.get("course") is not None and found["course"].smoothing is not None:
            found["course"] = replace(found["course"], smoothing=Smoothing(**found["course"].smoothing))
        found["changes"] = tuple(LevelChange(**each) for each in found.get("changes", ()))
        return cls(**{key: _tuples(each) for key, each in found.items()})

    def _fitted(self) -> tuple[Course, Horizons]:
        if self.course is None or self.horizons is None:
            raise NotEnoughHistory("this load model was never fitted")
        return self.course, self.horizons

    def _middle(self, times: FloatArray, events: Sequence[LoadEvent]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """(the root's regression, its scale, how far ahead), shape (times,) each."""
        course, horizons = self._fitted()
        ahead = np.where(times > course.now_s, times - course.now_s, horizons.seconds[-1])
        base, features = course.features(times)
        level = np.maximum(base, 0.0)
        scale = horizons.scale(ahead, level, course.unrest, times % DAY_S / 3600.0)
        factor = _factor(times, events, self.events)
        middle = (base + horizons.course(ahead, features) + course.minute(times)) * factor
        return middle, scale * np.maximum(factor, 1.0), ahead

    def _loads(self, roots: FloatArray) -> FloatArray:
        return np.asarray((np.maximum(roots, 0.0) * self.unit) ** 2)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value


def _sorted_roots(times: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """In order, one sample a moment (the mean where there are several), roots of what is 0 or more."""
    known = np.isfinite(times) & np.isfinite(values)
    moments, at, counts = np.unique(times[known], return_inverse=True, return_counts=True)
    roots = np.sqrt(np.maximum(values[known], 0.0))
    return moments, np.bincount(at, weights=roots, minlength=len(moments)) / np.maximum(counts, 1)


def _terms(times: FloatArray) -> tuple[str, ...]:
    """Day where at least 22 of its 24 hours were seen on two days; week where each weekday was seen in two weeks."""
    days = np.unique(np.floor(times / 3600.0))
    hours_seen = np.bincount((days % 24).astype(int), minlength=24)
    if np.sum(hours_seen >= 2) < 22:
        return ("level",)
    full_days, hours = np.unique(days // 24, return_counts=True)
    weekdays_seen = np.bincount((full_days[hours >= 18] % 7).astype(int), minlength=7)
    return ("level", "day", "week") if weekdays_seen.min() >= 2 else ("level", "day")


def _tried(past: Past) -> tuple[list[Tried], FloatArray, float]:
    """(the tries at each horizon, the coefficients' prior, its worth in noise). Without a day: smoothing's own way."""
    reach = past.span_s - (DAY_S if "day" in past.terms else 0.0)
    longest = max(min(reach / 3, LONGEST_S), past.step_s)
    number = 1 + max(0, int(np.floor(np.log2(longest / past.step_s))))
    found = []
    for horizon in past.step_s * 2.0 ** np.arange(number):
        grid = past.fine if horizon <= past.step_s * BINS / 6 else past.coarse
        each = _try(past, grid, float(horizon))
        if each is not None:
            found.append(each)
    features = found[0].features.shape[1] if found else 0
    prior = np.zeros(features)
    if "week" in past.terms:
        prior[2] = 0.7
    elif "day" not in past.terms and features:
        prior[-2] = 1.0
    return found, prior, PRIOR_NOISE if "day" in past.terms else SHORT_NOISE


def _try(past: Past, grid: Any, horizon_s: float) -> Tried | None:
    last = int(np.searchsorted(grid.now_s, past.times_s[-1] - horizon_s, side="right"))
    if last < 2:
        return None
    origins = np.unique(np.linspace(0, last - 1, min(TRIES, last)).astype(np.intp))
    times, target, level, features, unrest = past.tries(grid, origins, horizon_s)
    if len(times) < 4:
        return None
    spans = (times[-1] - times[0]) / horizon_s + 1.0
    return Tried(
        horizon_s=horizon_s,
        features=features,
        target=target,
        level=np.maximum(level, 0.0),
        unrest=unrest,
        hour=times % DAY_S / 3600.0,
        spans=float(min(spans, len(times))),
    )


def _outside(times: FloatArray, events: Sequence[LoadEvent]) -> npt.NDArray[np.bool_]:
    found = np.ones(len(times), dtype=bool)
    for event in events:
        found &= (times < event.start_s) | (times >= event.end_s)
    return found


def _effects(model: LoadModel, times: FloatArray, roots: FloatArray, events: Sequence[LoadEvent]) -> dict[str, float]:
    """By name: the median ratio of the root in an event to its usual course, drawn to 1 where few were seen."""
    ratios: dict[str, list[float]] = {}
    for event in events:
        inside = (times >= event.start_s) & (times < event.end_s)
        if inside.any():
            usual = np.sqrt(model.forecast(times[inside]).mean)
            ratios.setdefault(event.name, []).append(float(np.sum(roots[inside]) / max(float(np.sum(usual)), 1e-12)))
    return {name: (sum(each) + EVENT_PRIOR) / (len(each) + EVENT_PRIOR) for name, each in sorted(ratios.items())}


def _factor(times: FloatArray, events: Sequence[LoadEvent], effects: Mapping[str, float]) -> FloatArray:
    found = np.ones(len(times))
    for event in events:
        inside = (times >= event.start_s) & (times < event.end_s)
        found[inside] *= effects.get(event.name, 1.0)
    return found
