"""One pass over a series each, compiled: residuals by three views of the past, and how surprising a residual is.

Nothing looks ahead: what stands at a sample depends on it and on earlier ones alone.
"""

import math

import numpy as np
import numpy.typing as npt

from chaosprsa.compiled import compiled

FloatArray = npt.NDArray[np.float64]
BINS = 600  # of residual sizes, logarithmic, a fiftieth of a decade each
LEAST, MOST = -6.0, 6.0  # decades


@compiled
def off_level(values: FloatArray) -> FloatArray:
    """Each sample against the mean of all before it; NaN without any."""
    found = np.full(len(values), np.nan)
    count, mean = 0, 0.0
    for i in range(len(values)):
        if np.isfinite(values[i]):
            if count > 0:
                found[i] = values[i] - mean
            count += 1
            mean += (values[i] - mean) / count
    return found


@compiled
def off_median(values: FloatArray, span: int, gap: int, fewest: int) -> FloatArray:
    """Each sample against the median of the last `span` finite ones, the newest `gap` of them left out.

    NaN with fewer than `fewest` in the span.
    """
    found = np.full(len(values), np.nan)
    past = np.empty(len(values))
    count = 0
    for i in range(len(values)):
        if not np.isfinite(values[i]):
            continue
        last = count - gap
        first = max(0, last - span)
        if last - first >= fewest:
            found[i] = values[i] - np.median(past[first:last])
        past[count] = values[i]
        count += 1
    return found


@compiled
def off_season(values: FloatArray, period: int, cycles: int) -> FloatArray:
    """Each sample against the median of those about the same place in the last `cycles` periods; NaN in the first."""
    found = np.full(len(values), np.nan)
    near = np.empty(3 * cycles)
    for i in range(period + 1, len(values)):
        count = 0
        for cycle in range(1, cycles + 1):
            for shift in range(-1, 2):
                j = i - cycle * period + shift
                if j >= 0 and np.isfinite(values[j]):
                    near[count] = values[j]
                    count += 1
        if count > 0:
            found[i] = values[i] - np.median(near[:count])
    return found


@compiled
def off_pattern(values: FloatArray, width: int, memory: int) -> FloatArray:
    """How far the last `width` samples are from the most alike window before, root mean square; NaN until there is one.

    The left matrix profile (Yeh et al. 2016) without normalising, so that a level counts, over windows that ended at
    least `width` and at most `memory` samples ago. Squared distances roll along diagonals: a sample costs `memory`
    steps. `values` are finite and of order one.
    """
    found = np.full(len(values), np.nan)
    rolled = np.zeros(memory + 1)  # at lag: the squared distance of the window here and the one `lag` samples ago
    for i in range(len(values)):
        nearest = np.inf
        furthest = min(memory, i)
        for lag in range(1, furthest + 1):
            apart = values[i] - values[i - lag]
            total = rolled[lag] + apart * apart
            if i - width - lag >= 0:
                gone = values[i - width] - values[i - width - lag]
                total -= gone * gone
            rolled[lag] = total
            if lag >= width and i - lag >= width - 1 and total < nearest:
                nearest = total
        if nearest < np.inf:
            found[i] = math.sqrt(max(nearest, 0.0) / width)
    return found


@compiled
def tail_surprise(sizes: FloatArray, fewest: int, share: float, lightest: float, ceiling: float) -> FloatArray:
    """-log10 of the chance that a residual this large comes, given those before it; 0 until `fewest` are known.

    Below the largest `share` of the past the chance is counted; in that tail it is Pareto with Hill's (1975) index,
    at least `lightest` (a lighter tail than that is never believed), up to `ceiling`. Peaks over a threshold in a
    stream, as Siffer et al. (2017), on logarithmic bins: constant memory.
    """
    found = np.zeros(len(sizes))
    counts = np.zeros(BINS)
    known = 0
    wide = (MOST - LEAST) / BINS
    for i in range(len(sizes)):
        if not np.isfinite(sizes[i]):
            continue
        size = math.log10(sizes[i]) if sizes[i] > 0 else LEAST
        place = min(max(int((size - LEAST) / wide), 0), BINS - 1)
        if known >= fewest:
            found[i] = min(_surprise(counts, known, place, size, share, lightest), ceiling)
        counts[place] += 1.0
        known += 1
    return found


@compiled
def _surprise(counts: FloatArray, known: int, place: int, size: float, share: float, lightest: float) -> float:
    """One residual's, in the bin `place`, of decimal logarithm `size`."""
    wide = (MOST - LEAST) / BINS
    needed = max(share * known, 5.0)
    inside, excess = 0.0, 0.0
    edge = BINS
    while edge > 0 and inside < needed:
        edge -= 1
        inside += counts[edge]
    if place < edge:
        above = inside
        for bin_ in range(place + 1, edge):
            above += counts[bin_]
        return -math.log10((above + 1.0) / (known + 1.0))
    for bin_ in range(edge, BINS):
        excess += counts[bin_] * (bin_ - edge + 0.5) * wide
    decades = max(excess / inside, lightest / math.log(10.0))  # mean excess over the edge; Hill's index by ln 10
    over = max(size - (LEAST + edge * wide), 0.0)
    return -math.log10((inside + 1.0) / (known + 1.0)) + over / decades / math.log(10.0)


@compiled
def records(scores: FloatArray, span: int) -> FloatArray:
    """A score where it beats each of the last `span`, else 0: one alarm for one fault, whatever the threshold."""
    found = np.zeros(len(scores))
    falling = np.empty(len(scores), np.int64)  # places of scores that nothing later has reached, falling
    head, tail = 0, 0
    for i in range(len(scores)):
        while head < tail and falling[head] < i - span:
            head += 1
        if head == tail or scores[i] > scores[falling[head]]:
            found[i] = scores[i]
        while head < tail and scores[falling[tail - 1]] <= scores[i]:
            tail -= 1
        falling[tail] = i
        tail += 1
    return found
