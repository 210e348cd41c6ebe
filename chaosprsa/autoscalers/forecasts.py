"""Short forecasts of rows of numbers: a line through the last points; smoothing with trend, season or fading trend."""

from collections import deque

import numpy as np

from chaosprsa.autoscalers.contract import Floats

REMEMBERED = 240  # errors of a look-ahead


def line_ahead(values: Floats, steps: float) -> Floats:
    """values: shape (points, series), evenly spaced. The least-squares line, `steps` after the last point."""
    points = len(values)
    if points < 2:
        return np.asarray(values[-1])
    at = np.arange(points, dtype=np.float64) - (points - 1) / 2
    slope = at @ values / float(at @ at)
    return np.asarray(values.mean(axis=0) + slope * ((points - 1) / 2 + steps))


class HoltWinters:
    """Additive level, trend and season (Holt 1957, Winters 1960), fed one row at a time.

    season: steps of a season, 0 for none (Holt's method). Forecasts exist after two seasons, whose means begin level
    and trend, or after two points without one.
    """

    def __init__(self, alpha: float, beta: float, gamma: float = 0.0, season: int = 0) -> None:
        self._alpha, self._beta, self._gamma, self._season = alpha, beta, gamma, season
        self._begun: list[Floats] = []
        self._level = self._trend = np.zeros(0)
        self._seasons: list[Floats] = []

    @property
    def ready(self) -> bool:
        """Whether forecasts exist."""
        return len(self._level) > 0

    def see(self, values: Floats) -> None:
        """The next row, shape (series,)."""
        if not self.ready:
            self._begun.append(values)
            if len(self._begun) == max(2 * self._season, 2):
                self._begin(np.array(self._begun))
            return
        seasonal = self._seasons.pop(0) if self._seasons else np.zeros_like(values)
        before = self._level
        self._level = self._alpha * (values - seasonal) + (1 - self._alpha) * (before + self._trend)
        self._trend = self._beta * (self._level - before) + (1 - self._beta) * self._trend
        if self._season:
            self._seasons.append(self._gamma * (values - self._level) + (1 - self._gamma) * seasonal)

    def ahead(self, steps: int) -> Floats:
        """After so many steps, 1 or more. Needs `ready`."""
        seasonal = self._seasons[(steps - 1) % self._season] if self._season else 0.0
        return np.asarray(self._level + steps * self._trend + seasonal)

    def _begin(self, rows: Floats) -> None:
        if not self._season:
            self._level, self._trend = rows[-1], rows[-1] - rows[-2]
            return
        first, second = rows[: self._season].mean(axis=0), rows[self._season :].mean(axis=0)
        self._trend = (second - first) / self._season
        middle = (len(rows) - 1) / 2
        lines = (first + second) / 2 + (np.arange(len(rows))[:, None] - middle) * self._trend
        self._level = lines[-1]
        off = rows - lines
        self._seasons = list((off[: self._season] + off[self._season :]) / 2)


class DampedTrend:
    """Level and a trend that fades (Gardner and McKenzie 1985), with the errors it made at each look-ahead."""

    def __init__(self, alpha: float, beta: float, damping: float, horizon: int) -> None:
        self._alpha, self._beta, self._damping = alpha, beta, damping
        self._fades = np.cumsum(damping ** np.arange(1, horizon + 1))
        self._level, self._trend = np.zeros(0), np.zeros(0)
        self._said: deque[Floats] = deque(maxlen=horizon)
        self._errors: list[deque[Floats]] = [deque(maxlen=REMEMBERED) for _ in range(horizon)]

    def see(self, values: Floats) -> None:
        """The next row, shape (series,)."""
        for ago, said in enumerate(reversed(self._said)):
            self._errors[ago].append(values - said[:, ago])
        if not self._said:
            self._level, self._trend = values, np.zeros(len(values))
        else:
            level = self._alpha * values + (1 - self._alpha) * (self._level + self._damping * self._trend)
            self._trend = self._beta * (level - self._level) + (1 - self._beta) * self._damping * self._trend
            self._level = level
        self._said.append(self._level[:, None] + self._trend[:, None] * self._fades)

    def middle(self) -> Floats:
        """What the next rows are expected to be, shape (series, horizon), 0 or more. Needs a row."""
        return np.asarray(np.maximum(self._said[-1], 0.0))

    def ahead(self, quantile: float) -> Floats:
        """What they stay below with this probability, as far as errors were seen; likewise."""
        none = np.zeros(len(self._level))
        off = [np.quantile(errors, quantile, axis=0) if errors else none for errors in self._errors]
        return np.asarray(np.maximum(self._said[-1] + np.stack(off, axis=1), 0.0))
