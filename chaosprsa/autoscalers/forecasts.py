"""Short forecasts of rows of numbers: a line through the last points; smoothing with trend and season."""

import numpy as np

from chaosprsa.autoscalers.contract import Floats


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
