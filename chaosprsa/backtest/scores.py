"""How forecasts are scored: proper scores, ranking, reliability, and distances of distributions."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from chaosprsa.models.calibration import average_precision
from chaosprsa.types import Agreement, IncidentScore, ReliabilityBin

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
LEAST = 1e-6  # a probability of 0 or 1 would make one surprise cost everything
BINS = 10


def pinball(observed: FloatArray, quantiles: FloatArray, probabilities: Sequence[float]) -> float:
    """Mean quantile loss (Koenker & Bassett 1978); observed: shape (times,), quantiles: (times, probabilities)."""
    over = observed[:, None] - quantiles
    levels = np.asarray(probabilities)
    return float(np.mean(np.maximum(levels * over, (levels - 1) * over)))


def incident_score(method: str, forecast: FloatArray, happened: BoolArray) -> IncidentScore:
    """forecast, happened: equal shapes, at least one cell."""
    flat, came = forecast.ravel(), happened.ravel()
    safe = np.clip(flat, LEAST, 1 - LEAST)
    loss = -np.where(came, np.log(safe), np.log1p(-safe)).mean()
    return IncidentScore(
        method=method,
        brier=float(np.mean((flat - came) ** 2)),
        average_precision=average_precision(flat, came),
        log_loss=float(loss),
    )


def reliability(forecast: FloatArray, happened: BoolArray) -> tuple[ReliabilityBin, ...]:
    """Up to ten bins with about equally many cells each, by rising forecast; equal forecasts share a bin."""
    flat, came = forecast.ravel(), happened.ravel()
    edges = np.unique(np.quantile(flat, np.linspace(0, 1, BINS + 1)))
    place = np.clip(np.searchsorted(edges, flat, side="right") - 1, 0, max(0, len(edges) - 2))
    return tuple(
        ReliabilityBin(
            predicted=float(flat[place == each].mean()),
            happened=float(came[place == each].mean()),
            cells=int(np.sum(place == each)),
        )
        for each in np.unique(place)
    )


def uniform(residuals: FloatArray) -> Agreement:
    """Of residuals on 0..1 with the uniform distribution; at least one."""
    from scipy.stats import kstest

    found = kstest(residuals, "uniform")
    return Agreement(distance=float(found.statistic), p=float(found.pvalue), samples=len(residuals))


def same(simulated: FloatArray, observed: FloatArray) -> Agreement | None:
    """Of two samples; None where one has fewer than two values."""
    if min(len(simulated), len(observed)) < 2:
        return None
    from scipy.stats import ks_2samp

    found = ks_2samp(simulated, observed)
    return Agreement(distance=float(found.statistic), p=float(found.pvalue), samples=len(observed))
