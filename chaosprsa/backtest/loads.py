"""The load models at rolling origins, beside the last day, the last week and the last value.

A naive forecast repeats an earlier value; its quantiles are those of its own errors before the origin, so that it is as
honest about its spread as the model is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from chaosprsa.backtest.scores import pinball
from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.history.queries import RATE
from chaosprsa.models.load import LoadModel
from chaosprsa.types import LoadBacktest, LoadScore

FloatArray = npt.NDArray[np.float64]
PROBABILITIES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_COMPONENTS = 20  # those with most requests: a page shows no more
MOST_SAMPLES = 600  # of one origin's horizon, evenly: neighbours say the same
SHOWN = 240
DAY_S = 86_400.0
MODEL = "chaosprsa"
NAIVE = (("last day", DAY_S), ("last week", 7 * DAY_S))


@dataclass(frozen=True, slots=True)
class _Followed:
    """One origin's forecasts. quantiles: by method, shape (times, PROBABILITIES)."""

    times_s: FloatArray
    observed: FloatArray
    mean: FloatArray
    quantiles: dict[str, FloatArray]


def load_backtests(history: History, origins: Sequence[datetime], horizon_s: float) -> tuple[LoadBacktest, ...]:
    """One for each component with enough samples of its request rate, most requests first; empty without metrics."""
    if not len(history.metrics):
        return ()
    rates = history.table(RATE)
    rates = rates[[name for name in rates.columns if "->" not in str(name)]]
    order = rates.mean().sort_values(ascending=False, kind="stable").index[:MOST_COMPONENTS]
    times = history.grid_ms / 1000
    starts = [origin.timestamp() for origin in origins]
    found = (_backtest(str(name), times, rates[name].to_numpy(dtype=float), starts, horizon_s) for name in order)
    return tuple(each for each in found if each is not None)


def _backtest(
    component: str, times: FloatArray, values: FloatArray, starts: Sequence[float], horizon_s: float
) -> LoadBacktest | None:
    known = np.isfinite(values)
    followed = list(_followed(times[known], values[known], starts, horizon_s))
    if not followed:
        return None
    methods = [name for name in followed[0].quantiles if all(name in each.quantiles for each in followed)]
    observed = np.concatenate([each.observed for each in followed])
    scale = max(float(np.abs(observed).mean()), 1e-9)
    scores = [
        _score(name, observed, np.concatenate([each.quantiles[name] for each in followed]), scale) for name in methods
    ]
    every = max(1, -(-len(observed) // SHOWN))
    columns = [np.concatenate([each.times_s for each in followed])[::every], observed[::every]]
    columns += [np.concatenate([each.mean for each in followed])[::every]]
    columns += [np.concatenate([each.quantiles[MODEL][:, at] for each in followed])[::every] for at in (0, -1)]
    times_s, shown, mean, low, high = (tuple(np.round(column, 6).tolist()) for column in columns)
    return LoadBacktest(
        component=component,
        origins=len(followed),
        samples=len(observed),
        scores=tuple(scores),
        times_s=times_s,
        observed=shown,
        mean=mean,
        low=low,
        high=high,
    )


def _score(method: str, observed: FloatArray, quantiles: FloatArray, scale: float) -> LoadScore:
    inside = (observed >= quantiles[:, 0]) & (observed <= quantiles[:, -1])
    return LoadScore(
        method=method, pinball=pinball(observed, quantiles, PROBABILITIES) / scale, coverage=float(inside.mean())
    )


def _followed(times: FloatArray, values: FloatArray, starts: Sequence[float], horizon_s: float) -> Iterator[_Followed]:
    """Origins with too short a past, or with nothing after them, are left out."""
    for start in starts:
        past = times < start
        ahead = np.flatnonzero((times >= start) & (times < start + horizon_s))
        ahead = ahead[:: max(1, -(-len(ahead) // MOST_SAMPLES))]
        try:
            model = LoadModel().fit(times[past], values[past])
        except NotEnoughHistory:
            continue
        if len(ahead):
            at = times[ahead]
            quantiles = {MODEL: model.quantiles(at, PROBABILITIES)}
            quantiles |= dict(_naive(times[past], values[past], at))
            yield _Followed(at, values[ahead], model.forecast(at).mean, quantiles)


def _naive(times: FloatArray, values: FloatArray, at: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    """The last value; and the value a day and a week ago where the past is twice as long (whole periods back)."""
    step = float(np.median(np.diff(times)))
    span = max(1, round(float(at[-1] - at[0]) / step / 2))
    yield "last value", _around(np.full(len(at), values[-1]), values[span:] - values[:-span])
    for name, period in NAIVE:
        if times[-1] - times[0] >= 2 * period:
            back = np.ceil((at - times[-1]) / period) * period
            yield name, _around(np.interp(at - back, times, values), _errors(times, values, period))


def _errors(times: FloatArray, values: FloatArray, period: float) -> FloatArray:
    later = times >= times[0] + period
    return np.asarray(values[later] - np.interp(times[later] - period, times, values))


def _around(middle: FloatArray, errors: FloatArray) -> FloatArray:
    spread = np.quantile(errors, PROBABILITIES) if len(errors) else np.zeros(len(PROBABILITIES))
    return np.maximum(middle[:, None] + spread, 0.0)
