"""When a load's level changed for good: days' means cut where two levels say more than one.

Optimal partitioning of a row into levels by least squares with a price on each cut (Jackson et al. 2005, the price
after Yao 1988), on logarithms, so that a change is a factor, and without the usual differences of weekdays. The noise
is taken from day-to-day differences, which a few changes of level don't touch.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

DAY_S = 86_400.0
LEAST_DAYS = 3  # of a level
WEEKS = 3  # from which on weekdays are told apart
WHOLE = 0.75  # of a usual day's samples: fewer make no mean
PRICE = 4.0  # of a cut, in variances times the logarithm of the days
LEAST_NOISE, LEAST_CHANGE = 0.02, 0.1  # of a logarithm: smaller changes are nothing to act on
_CONSISTENT = 1.4826  # from a median absolute deviation to a normal law's standard deviation


@dataclass(frozen=True, slots=True)
class LevelChange:
    """at_s: seconds since 1970, the first day of the new level. factor: the new level over the one before."""

    at_s: float
    factor: float


def level_changes(times_s: FloatArray, values: FloatArray) -> tuple[LevelChange, ...]:
    """times_s: in order; values: 0 or more. None in fewer than 6 whole days, or where nothing lasts."""
    days, logs = _days(times_s, values)
    if len(days) < 2 * LEAST_DAYS:
        return ()
    logs = _without_single_days(logs - _weekdays(days, logs))
    noise = max(_CONSISTENT * float(np.median(np.abs(np.diff(logs)))) / np.sqrt(2.0), LEAST_NOISE)
    cuts = _lasting(logs, _cuts(logs, PRICE * noise**2 * np.log(len(logs))), max(LEAST_CHANGE, 2.0 * noise))
    means = [float(part.mean()) for part in np.split(logs, cuts)]
    return tuple(
        LevelChange(float(days[cut] * DAY_S), float(np.exp(after - before)))
        for cut, before, after in zip(cuts, means, means[1:], strict=False)
    )


def _days(times_s: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(days since 1970, logarithm of their mean), those that are whole and not without load."""
    days, at, counts = np.unique(np.floor(times_s / DAY_S), return_inverse=True, return_counts=True)
    means = np.bincount(at, weights=values) / counts
    kept = (counts >= WHOLE * np.median(counts)) & (means > 0)
    return days[kept], np.log(means[kept])


def _weekdays(days: FloatArray, logs: FloatArray) -> FloatArray:
    """What each day's weekday usually is above the week around it, which a change of level does not tilt."""
    weekday = (days % 7).astype(int)
    if np.bincount(weekday, minlength=7).min() < WEEKS:
        return np.zeros(len(logs))
    beside = (logs - np.convolve(logs, np.ones(7) / 7, mode="same"))[3:-3]
    usual = np.array([np.median(beside[weekday[3:-3] == each]) for each in range(7)])
    return np.asarray((usual - usual.mean())[weekday])


def _without_single_days(logs: FloatArray) -> FloatArray:
    """The median of each day and its neighbours: one day apart is no level, and an edge stays where it is."""
    wide = np.concatenate([logs[:1], logs, logs[-1:]])
    return np.asarray(np.median(np.stack([wide[:-2], wide[1:-1], wide[2:]]), axis=0))


def _cuts(row: FloatArray, price: float) -> list[int]:
    """Where the best partition's levels begin, the first left out."""
    count = len(row)
    sums, squares = (np.concatenate([[0.0], np.cumsum(each)]) for each in (row, row**2))
    best, came = np.full(count + 1, np.inf), np.zeros(count + 1, dtype=np.int64)
    best[0] = -price
    for end in range(LEAST_DAYS, count + 1):
        begin = np.arange(end - LEAST_DAYS + 1)
        total = sums[end] - sums[begin]
        costs = best[begin] + squares[end] - squares[begin] - total**2 / (end - begin) + price
        came[end] = int(costs.argmin())
        best[end] = costs[came[end]]
    cuts, at = [], int(came[count])
    while at > 0:
        cuts.append(at)
        at = int(came[at])
    return cuts[::-1]


def _lasting(row: FloatArray, cuts: list[int], least: float) -> list[int]:
    """Without changes smaller than that: the smallest goes first, since its neighbours' levels change with it."""
    while cuts:
        means = np.array([part.mean() for part in np.split(row, cuts)])
        jumps = np.abs(np.diff(means))
        if jumps.min() >= least:
            break
        cuts = [cut for at, cut in enumerate(cuts) if at != int(jumps.argmin())]
    return cuts
