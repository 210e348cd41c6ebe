"""From values to pixels, and where the marks go."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_HOURS = (1 / 12, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168, 336)
_MANTISSAS = ((1, 2, 5), (1, 3), (1,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """low..high goes to start..end (pixels), linearly or by logarithm; what lies outside is drawn at the edge."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        inside = min(max(value, self.low), self.high)
        if self.high <= self.low:
            return (self.start + self.end) / 2
        if self.log:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int) -> list[float]:
        """About `count` round values between low and high."""
        return _log_ticks(self.low, self.high, count) if self.log else _linear_ticks(self.low, self.high, count)


def _linear_ticks(low: float, high: float, count: int) -> list[float]:
    if high <= low:
        return [low]
    rough = (high - low) / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(mantissa * power for mantissa in (1, 2, 5, 10) if mantissa * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _log_ticks(low: float, high: float, count: int) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for mantissas in _MANTISSAS:
        found = [m * 10.0**power for power in powers for m in mantissas if low <= m * 10.0**power <= high]
        if len(found) <= count + 1:
            break
    return found[:: math.ceil(len(found) / (count + 1))] if found else [low]


def from_zero(values: Iterable[float], least: float = 1.0) -> float:
    """The upper end of a scale that begins at zero: the largest value and a little room."""
    return max([value for value in values if math.isfinite(value)], default=least) * 1.08 or least


def log_bounds(values: Iterable[float]) -> tuple[float, float]:
    """A logarithmic scale's ends, whole thirds of a decade apart from the values; 1 to 10 with no positive value."""
    positive = [value for value in values if math.isfinite(value) and value > 0]
    if not positive:
        return 1.0, 10.0
    return 10 ** (math.floor(math.log10(min(positive)) * 3) / 3), 10 ** (
        math.ceil(math.log10(max(positive)) * 3 + 0.2) / 3
    )


def clock_ticks(start: datetime, end: datetime, count: int) -> list[tuple[float, str]]:
    """(POSIX seconds, label) at round hours of UTC; midnight shows its date."""
    hours = (end - start) / timedelta(hours=1)
    step_s = 3600 * next((step for step in _HOURS if hours / step <= count), max(_HOURS[-1], hours / count))
    first = math.ceil(start.timestamp() / step_s)
    last = math.floor(end.timestamp() / step_s)
    return [(index * step_s, _clock(index * step_s)) for index in range(first, last + 1)]


def _clock(seconds: float) -> str:
    time = datetime.fromtimestamp(seconds, UTC)
    return f"{time:%b} {time.day}" if time.hour == time.minute == 0 else f"{time:%H:%M}"


def elapsed_ticks(duration_s: float, count: int) -> list[tuple[float, str]]:
    """(seconds, label) from zero; labels in seconds."""
    return [(tick, f"{tick:g}") for tick in Scale(low=0, high=duration_s, start=0, end=1).ticks(count)]


def thinned(values: Sequence[float | None], most: int, worst: bool) -> list[float | None]:
    """At most `most` values: the mean of each bin, or its worst (largest); None where a bin is empty."""
    size = math.ceil(len(values) / most) or 1
    bins = (values[begin : begin + size] for begin in range(0, len(values), size))
    return [_of_bin([value for value in part if value is not None], worst) for part in bins]


def _of_bin(values: Sequence[float], worst: bool) -> float | None:
    if not values:
        return None
    return max(values) if worst else math.fsum(values) / len(values)
