"""Where a load stands: running averages of how far it is from its usual course, over several memories."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def gridded(times_s: FloatArray, values: FloatArray, width_s: float) -> tuple[float, FloatArray]:
    """(start of the first bin, the bins' means); NaN where a bin saw nothing."""
    at = np.floor((times_s - times_s[0]) / width_s + 1e-6).astype(np.int64)
    counts = np.bincount(at)
    means = np.bincount(at, weights=values) / np.maximum(counts, 1)
    return float(times_s[0]), np.where(counts > 0, means, np.nan)


def averages(values: FloatArray, half_lives: FloatArray) -> FloatArray:
    """Shape (steps, half lives): exponentially weighted means of what was seen so far; 0 before anything was.

    half_lives: in steps. NaN is left out, and does not age the rest.
    """
    from scipy import signal  # two seconds of import

    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)
    found = np.empty((len(values), len(half_lives)))
    for column, half_life in enumerate(half_lives):
        keep = 0.5 ** (1.0 / half_life)
        taps = [1.0 - keep], [1.0, -keep]
        weight = signal.lfilter(*taps, known.astype(float))
        found[:, column] = signal.lfilter(*taps, filled) / np.maximum(weight, 1e-300) * (weight > 1e-12)
    return found
