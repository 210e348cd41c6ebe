"""Rolling sums, extremes and order statistics in one pass over a series, compiled; no window is ever materialised.

A window of w samples is the end of one block of w samples and the beginning of the next (van Herk, Pattern Recognition
Letters 13, 1992), so whatever adds up over the two parts needs two scans a block and one addition a window. Nothing is
subtracted from a running sum, and each part is measured from a sample of its own that every window with the part
holds: a level of 1e12, or a spike that has just left, costs no digits.
"""

import numpy as np
import numpy.typing as npt

from chaosprsa.compiled import compiled

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
MEAN, VARIANCE, SLOPE, LEAST, MOST, CHANGE, SQUARED_CHANGE, ENERGY, LIKENESS = range(9)
SUMS = 9
FLAT = 1e-8  # a variance that tsfresh takes for 0
SCANNED = 9  # of a part: sum and sum of squares from its own sample, tilt, least, most, changes, squared, energy, holes


@compiled
def rolling_sums(series: FloatArray, width: int, at: IntArray, found: FloatArray) -> None:
    """What adds up, for the windows that end with the samples `at` (rising, width - 1 or later).

    series: shape (k, n). found: shape (SUMS, k, len(at)), filled in the order of the names above: sums of absolute
    and squared changes, of squares, the autocorrelation of neighbours. NaN where a window holds what isn't finite.
    """
    left, right = np.zeros((SCANNED, width + 1)), np.zeros((SCANNED, width + 1))
    right[3, 0], right[4, 0] = np.inf, -np.inf
    centre = (width - 1) / 2
    steepness = 12.0 / (width * (width * width - 1.0)) if width > 1 else np.nan
    for row in range(series.shape[0]):
        x = series[row]
        i = 0
        while i < len(at):
            middle = ((at[i] - width + 1) // width + 1) * width  # where one block ends and the next begins
            _scan(x, middle - 1, -1, middle - (at[i] - width + 1), left)
            reach = min(at[-1], middle + width - 2) - middle + 1
            _scan(x, middle, 1, reach, right)
            while i < len(at) and at[i] - width + 1 < middle:
                a = middle - (at[i] - width + 1)  # samples in the first part, at least one
                b = width - a  # in the second
                if left[8, a] + right[8, b] > 0:
                    for kind in range(SUMS):
                        found[kind, row, i] = np.nan
                    i += 1
                    continue
                apart = x[middle] - x[middle - 1] if b > 0 else 0.0
                total = left[0, a] + right[0, b] + b * apart
                square = left[1, a] + right[1, b] + apart * (2 * right[0, b] + b * apart)
                tilt = left[2, a] + right[2, b] + a * right[0, b] - centre * (left[0, a] + right[0, b])
                found[0, row, i] = x[middle - 1] + total / width
                spread = square - total * total / width
                spread = np.inf if np.isnan(spread) else max(spread, 0.0)  # the squares overflowed
                found[1, row, i] = spread / width
                found[2, row, i] = (tilt + apart * a * b / 2) * steepness
                found[3, row, i] = min(left[3, a], right[3, b])
                found[4, row, i] = max(left[4, a], right[4, b])
                found[5, row, i] = left[5, a] + right[5, b] + abs(apart)
                squared = left[6, a] + right[6, b] + apart * apart
                found[6, row, i] = squared
                found[7, row, i] = left[7, a] + right[7, b]
                # neighbours: ab = (a^2 + b^2 - (a - b)^2) / 2, so that nothing large is subtracted
                first = x[at[i] - width + 1] - x[middle - 1] - total / width
                last = x[at[i]] - x[middle - 1] - total / width
                inner = spread - (first * first + last * last + squared) / 2
                flat = spread <= FLAT * width
                found[8, row, i] = np.nan if flat else inner / ((width - 1) * (spread / width))
                i += 1


@compiled
def _scan(x: FloatArray, start: int, step: int, count: int, found: FloatArray) -> None:
    """found[:, m]: what the m samples from `start` on (step 1) or back (step -1) add up to, m from 1 to count."""
    if count < 1:
        return
    own = x[start]
    total, square, tilt, change, squared, energy, holes = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    least, most, before = own, own, own
    for m in range(count):
        value = x[start + m * step]
        y, turn = value - own, value - before
        before = value
        tilt += total if step < 0 else m * y  # back: each sample is now one place later in its part
        total += y
        square += y * y
        least, most = min(least, value), max(most, value)
        change += abs(turn)
        squared += turn * turn
        energy += value * value
        holes += 0.0 if np.isfinite(value) else 1.0
        found[0, m + 1], found[1, m + 1], found[2, m + 1] = total, square, tilt
        found[3, m + 1], found[4, m + 1] = least, most
        found[5, m + 1], found[6, m + 1], found[7, m + 1], found[8, m + 1] = change, squared, energy, holes


@compiled
def rolling_quantiles(series: FloatArray, width: int, at: IntArray, shares: FloatArray, found: FloatArray) -> None:
    """Quantiles as numpy's "linear" takes them, from a window kept in order: found has shape (shares, k, len(at)).

    NaN where a window holds a value that isn't finite.
    """
    ordered = np.full((width + 15) // 16 * 16, np.inf)  # whole vectors; what is not there yet is infinite
    for row in range(series.shape[0]):
        x = series[row]
        size, seen = 0, -1  # samples in order; the last sample looked at
        for i in range(len(at)):
            if i == 0 or at[i] - width + 1 > seen:
                size, seen = 0, at[i] - width
                ordered[:] = np.inf
            for j in range(seen + 1, at[i] + 1):
                if np.isfinite(x[j]):
                    _replace(ordered, x[j - width] if size == width else np.inf, x[j])
                    size = min(size + 1, width)
                elif size > 0:
                    size = 0
                    ordered[:] = np.inf
            seen = at[i]
            for q in range(len(shares)):
                where = shares[q] * (width - 1)
                low = min(int(where), width - 1)
                high = min(low + 1, width - 1)
                value = ordered[low] + (ordered[high] - ordered[low]) * (where - low)
                found[q, row, i] = value if size == width else np.nan


@compiled
def _replace(ordered: FloatArray, old: float, new: float) -> None:
    """`new` in the place of `old`, in order again. In a short window both places are counted, without branches."""
    leaves, comes = 0, 0
    if len(ordered) <= 64:
        for j in range(len(ordered)):
            leaves += ordered[j] < old
            comes += ordered[j] < new
    else:
        leaves, comes = _rank(ordered, old), _rank(ordered, new)
    if old < new:
        comes -= 1
        moved = ordered[leaves:]  # a view that starts at 0 is moved many at a time
        for j in range(comes - leaves):
            moved[j] = moved[j + 1]
    else:
        moved = ordered[comes:]
        for j in range(leaves - comes, 0, -1):
            moved[j] = moved[j - 1]
    ordered[comes] = new


@compiled
def _rank(ordered: FloatArray, value: float) -> int:
    """How many are less, by halving."""
    less, left = 0, len(ordered)
    while left > 1:
        half = left >> 1
        less = less + half if ordered[less + half - 1] < value else less
        left -= half
    return less + 1 if ordered[less] < value else less


@compiled
def rolling_counts(series: FloatArray, width: int, at: IntArray, sigmas: FloatArray, found: FloatArray) -> None:
    """Samples above the mean, below it, and the shares further from it than so many standard deviations.

    found: shape (2 + len(sigmas), k, len(at)). One comparison decides a count, so mean and deviation are summed in
    numpy's own order (pairwise): a flat window of 0.1 has as many samples above its mean as numpy says.
    """
    squares = np.empty(width)
    for row in range(series.shape[0]):
        for i in range(len(at)):
            x = series[row, at[i] - width + 1 : at[i] + 1]
            mean = pairwise_sum(x, 0, width) / width
            above, below = 0, 0
            for j in range(width):
                squares[j] = (x[j] - mean) * (x[j] - mean)
                above += x[j] > mean
                below += x[j] < mean
            deviation = np.sqrt(pairwise_sum(squares, 0, width) / width)
            whole = True
            for j in range(width):
                whole &= np.isfinite(x[j])
            found[0, row, i] = above if whole else np.nan
            found[1, row, i] = below if whole else np.nan
            for k in range(len(sigmas)):
                far = 0
                for j in range(width):
                    far += abs(x[j] - mean) > sigmas[k] * deviation
                found[2 + k, row, i] = far / width if whole else np.nan


@compiled
def pairwise_sum(x: FloatArray, start: int, count: int) -> float:
    """The sum of x[start : start + count], to the last bit of np.sum: pairwise down to 128 samples (Higham 1993).

    Without recursion, which numba can't keep on disk: parts wait as (start, count); count 0 adds the two sums on top.
    """
    if count <= 128:
        return _eight_lanes(x, start, count)
    starts, counts, sums = np.zeros(128, np.int64), np.zeros(128, np.int64), np.zeros(64)
    starts[0], counts[0] = start, count
    waiting, done = 1, 0
    while waiting > 0:
        waiting -= 1
        first, many = starts[waiting], counts[waiting]
        if many == 0:
            sums[done - 2] += sums[done - 1]
            done -= 1
        elif many <= 128:
            sums[done] = _eight_lanes(x, first, many)
            done += 1
        else:
            half = many // 2 - (many // 2) % 8
            counts[waiting] = 0
            starts[waiting + 1], counts[waiting + 1] = first + half, many - half
            starts[waiting + 2], counts[waiting + 2] = first, half
            waiting += 3
    return float(sums[0])


@compiled
def _eight_lanes(x: FloatArray, start: int, count: int) -> float:
    """At most 128 samples, as numpy adds them: eight running sums, then their pairs."""
    total = 0.0
    if count < 8:
        for i in range(start, start + count):
            total += x[i]
        return total
    a, b, c, d = x[start], x[start + 1], x[start + 2], x[start + 3]
    e, f, g, h = x[start + 4], x[start + 5], x[start + 6], x[start + 7]
    end = start + count - count % 8
    for i in range(start + 8, end, 8):
        a, b, c, d = a + x[i], b + x[i + 1], c + x[i + 2], d + x[i + 3]
        e, f, g, h = e + x[i + 4], f + x[i + 5], g + x[i + 6], h + x[i + 7]
    total = ((a + b) + (c + d)) + ((e + f) + (g + h))
    for i in range(end, start + count):
        total += x[i]
    return float(total)
