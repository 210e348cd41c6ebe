"""Why a component is expected to fail, in words: what its windows look like, and what grows and until when."""

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from chaosprsa.history.frame import History
from chaosprsa.models.counters import measured
from chaosprsa.models.exhaustion import FULL_AT_ONE, LIMITS, Exhaustion, exhaustion
from chaosprsa.models.growth import ALARM, GrowthModel, Track

FloatArray = npt.NDArray[np.float64]
NOTABLE = 0.8  # of strength: less isn't worth a word
AS_LIKELY_AS_NOT = 0.5  # that a growth goes on until its limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """What the growth of one component says. lead_time_s: until its limit, None where it has none that is known."""

    component: str
    probability: float
    lead_time_s: float | None
    evidence: tuple[str, ...]


def growing(model: GrowthModel, recent: History, horizon: timedelta) -> tuple[Growing, ...]:
    """Of the components that moved notably up to the last sample of `recent`."""
    end = np.array([len(recent.grid) - 1])
    track = model.track(recent, at=end)
    notable = np.flatnonzero(np.nan_to_num(track.strength[:, 0]) >= NOTABLE)
    tables = {model.metrics[i]: _table(model, recent, model.metrics[i]) for i in np.unique(track.metric[notable, 0])}
    return tuple(_growing(model, recent, horizon, track, int(i), tables) for i in notable)


def _growing(
    model: GrowthModel,
    recent: History,
    horizon: timedelta,
    track: Track,
    i: int,
    tables: dict[str, tuple[FloatArray, tuple[str, ...]]],
) -> Growing:
    name, metric = track.components[i], model.metrics[int(track.metric[i, 0])]
    table, names = tables[metric]
    values = table[:, names.index(name)]
    lag = model.spans.lags[int(track.span[i, 0])]
    until = _until(recent, name, metric, values[-(lag + 2 * model.spans.width) :], model.step_s)
    strength = track.strength[i]
    prior = model.prior
    if until is not None:
        prior = max(prior, AS_LIKELY_AS_NOT * until.within(horizon.total_seconds()))
    words = [_moved(model, name, metric, values, lag, float(strength[0]))]
    if until is not None:
        words.append(
            f"at this rate {metric} of {name} reaches its limit of {until.limit:.4g} in {until.seconds / 60:.0f} min"
        )
    if track.together[i, 0]:
        words.append(f"a neighbour of {name} in the call graph moves the same way")
    return Growing(
        component=name,
        probability=float(model.probability(strength, prior)[0]),
        lead_time_s=None if until is None else until.seconds,
        evidence=tuple(words),
    )


def _moved(model: GrowthModel, name: str, metric: str, values: FloatArray, lag: int, strength: float) -> str:
    width = model.spans.width
    now, then = (float(np.nanmean(each)) for each in (values[-width:], values[-width - lag : -lag or None][:width]))
    way = "grown" if now >= then else "fallen"
    minutes = (lag + width) * model.step_s / 60
    said = "beyond what is usual" if strength >= ALARM else "as far as it rarely does"
    return f"{metric} of {name} has {way} for {minutes:.0f} min, from {then:.4g} to {now:.4g}, {said}"


def _table(model: GrowthModel, recent: History, metric: str) -> tuple[FloatArray, tuple[str, ...]]:
    table = measured(recent, metric, model.counters)
    return table.to_numpy(dtype=float), tuple(str(name) for name in table.columns)


def _until(recent: History, name: str, metric: str, values: FloatArray, step_s: float) -> Exhaustion | None:
    """When the use reaches its limit, where it has one that is known and it surely grows."""
    limit = 1.0 if metric.endswith(FULL_AT_ONE) else np.nan
    if metric in LIMITS:
        rows = recent.metrics[((recent.metrics["metric"] == LIMITS[metric]) & (recent.metrics["component"] == name))]
        limit = float(rows["value"].iloc[-1]) if len(rows) else np.nan
    times_s = np.arange(len(values), dtype=np.float64) * step_s
    return exhaustion(times_s, values, limit) if np.isfinite(limit) else None
