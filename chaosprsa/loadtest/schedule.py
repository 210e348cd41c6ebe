"""A profile's arrivals: a Poisson process whose rate follows the profile (time rescaling; Cinlar 1975)."""

from collections.abc import Sequence

import numpy as np

from chaosprsa.types import LoadPoint, LoadProfile

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
IntArray = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def level_at(points: Sequence[LoadPoint], time_s: float) -> float:
    """The level at a time: linear between points, the last one's level afterwards."""
    return float(np.interp(time_s, [point.time_s for point in points], [point.level for point in points]))


def arrivals(profile: LoadProfile) -> tuple[FloatArray, IntArray]:
    """When each request arrives (seconds since the start, sorted) and which endpoint of the mix it asks for.

    Same profile, same arrivals: unit exponential steps in the integrated rate, mapped back to time.
    """
    rng = np.random.default_rng(profile.seed)
    times = np.array([point.time_s for point in profile.points])
    levels = np.array([point.level for point in profile.points])
    steps = np.diff(times)
    areas = np.concatenate([[0.0], np.cumsum(steps * (levels[:-1] + levels[1:]) / 2)])
    marks = _unit_arrivals(float(areas[-1]), rng)
    segment = np.clip(np.searchsorted(areas, marks, side="right") - 1, 0, max(len(steps) - 1, 0))
    found = (
        _invert(marks - areas[segment], levels[segment], levels[segment + 1], steps[segment]) if len(marks) else marks
    )
    weights = np.array([part.weight for part in profile.mix])
    return times[segment] + found if len(marks) else marks, rng.choice(
        len(weights), size=len(marks), p=weights / weights.sum()
    )


def _unit_arrivals(total: float, rng: np.random.Generator) -> FloatArray:
    """Arrivals of a Poisson process of rate 1 on [0, total)."""
    count = rng.poisson(total)
    return np.sort(rng.uniform(0.0, total, size=count))


def _invert(area: FloatArray, low: FloatArray, high: FloatArray, step: FloatArray) -> FloatArray:
    """The time within a segment at which the rate, going from low to high over step, has summed to area.

    Solves low*t + (high - low)/(2*step)*t^2 = area in the form that is stable for a flat segment.
    """
    curve = (high - low) / step
    root = np.sqrt(np.maximum(low * low + 2 * curve * area, 0.0))
    divisor = low + root
    return np.minimum(np.divide(2 * area, divisor, out=np.zeros_like(area), where=divisor > 0), step)
