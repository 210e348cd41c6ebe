"""What a load usually is at this time of the day or of the week, knowing only what was seen before.

A season's curve is a running average over whole periods, slot by slot (seasonal exponential smoothing, Winters 1960),
with each step bounded by Huber's function, so that an outage or a burst moves it little. Because the average at any
moment holds only earlier periods, a forecast that is tried out inside the history is tried out honestly.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
DAY_S = 86_400.0
WEEK_S = 7 * DAY_S
SLOT_S = 900.0
MARGIN_SLOTS = 2  # a slot is read only when it and the next one are over


def slot_width(step_s: float) -> float:
    """A quarter of an hour, or the step where it is longer: the smallest whole part of a day that holds a step."""
    return DAY_S / max(1, int(DAY_S / max(SLOT_S, step_s)))


def slot_means(times_s: FloatArray, values: FloatArray, width_s: float) -> tuple[float, FloatArray]:
    """(start of the first slot, means; NaN where a slot saw nothing), each smoothed with its neighbours.

    times_s: rising. A sample counts as no farther than four usual deviations from its slot's median: a burst is no
    usual course.
    """
    at = np.floor(times_s / width_s).astype(np.int64)
    first = int(at[0])
    middle = _slot_medians(at - first, values)
    apart = values - middle[at - first]
    bound = 4.0 * 1.4826 * float(np.median(np.abs(apart)))
    values = middle[at - first] + (np.clip(apart, -bound, bound) if bound > 0 else apart)
    counts = np.bincount(at - first).astype(float)
    sums = np.bincount(at - first, weights=values)
    padded = [np.concatenate([[0.0], column, [0.0]]) for column in (sums, counts)]
    sums, counts = (0.5 * column[1:-1] + 0.25 * (column[:-2] + column[2:]) for column in padded)
    means = np.where(counts > 0, sums / np.maximum(counts, 1e-9), np.nan)
    return first * width_s, means


def _slot_medians(at: npt.NDArray[np.int64], values: FloatArray) -> FloatArray:
    """By slot; at: rising slot numbers from 0."""
    order = np.lexsort((values, at))
    counts = np.bincount(at)
    ends = np.cumsum(counts)
    starts = ends - counts
    ranked = values[order]
    lower = ranked[np.minimum(starts + np.maximum(counts - 1, 0) // 2, len(values) - 1)]
    upper = ranked[np.minimum(starts + counts // 2, len(values) - 1)]
    return np.asarray(0.5 * (lower + upper))


def running_curve(means: FloatArray, slots: int, gain: float) -> FloatArray:
    """Shape (slots seen,): at each slot, the average of it and the same slot of earlier periods; NaN before any.

    slots: of one period. gain: the weight of the newest period; while fewer than 1 / gain were seen, all count alike.
    """
    periods = -(-len(means) // slots)
    padded = np.full(periods * slots, np.nan)
    padded[: len(means)] = means
    table = padded.reshape(periods, slots)
    found = np.empty_like(table)
    level, seen = np.full(slots, np.nan), np.zeros(slots)
    for row, values in enumerate(table):
        known = np.isfinite(values)
        seen += known
        fresh = known & (seen == 1)
        level = np.where(fresh, values, level)
        gap = values - level
        bound = 4.0 * 1.4826 * np.nanmedian(np.abs(gap)) if np.isfinite(gap).any() else 0.0
        moved = level + np.maximum(gain, 1.0 / np.maximum(seen, 1.0)) * np.clip(gap, -bound, bound)
        level = np.where(known & ~fresh, moved, level)
        found[row] = level
    return np.asarray(found.ravel()[: len(means)])


def before(
    curve: FloatArray, start_s: float, width_s: float, period_s: float, times_s: FloatArray, now_s: FloatArray
) -> FloatArray:
    """The curve at times_s as it was known at now_s, whole periods earlier; NaN where there was none yet.

    times_s, now_s: same shape. Linear between the slots' middles.
    """
    lag = np.maximum(np.ceil((times_s - now_s + MARGIN_SLOTS * width_s) / period_s), 1.0) * period_s
    return interpolated(curve, start_s, width_s, times_s - lag)


def interpolated(curve: FloatArray, start_s: float, width_s: float, times_s: FloatArray) -> FloatArray:
    """Linear between the slots' middles; NaN outside them and beside unknown ones."""
    place = (times_s - start_s) / width_s - 0.5
    at = np.floor(place)
    share = place - at
    inside = (at >= 0) & (at + 1 < len(curve))
    index = np.where(inside, at, 0).astype(np.int64)
    upper = np.minimum(index + 1, len(curve) - 1)
    return np.where(inside, (1.0 - share) * curve[index] + share * curve[upper], np.nan)


def last_period(curve: FloatArray, slots: int) -> tuple[int, FloatArray]:
    """(how many slots are left out before it, the last period and one slot more, unknown ones filled)."""
    kept = curve[-(slots + 1) :]
    known = np.flatnonzero(np.isfinite(kept))
    if not len(known):
        return len(curve) - len(kept), np.zeros(len(kept))
    return len(curve) - len(kept), np.interp(np.arange(len(kept)), known, kept[known])


def cyclic(curve: FloatArray, start_s: float, width_s: float, period_s: float, times_s: FloatArray) -> FloatArray:
    """A last period's curve at any time, before or after it."""
    first = start_s + 0.5 * width_s
    place = first + (times_s - first) % period_s
    return interpolated(np.append(curve, curve[-1]), start_s, width_s, place)
