"""Random numbers inside the kernel: one word of state in the header (SplitMix64: Steele, Lea and Flood 2014)."""

import numpy as np

from chaosprsa.compiled import compiled
from chaosprsa.twin.exact.fields import RANDOM
from chaosprsa.twin.exact.memory import Ints

_GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@compiled
def uniform(I: Ints) -> float:
    """From 0 up to, without, 1: 53 bits."""
    state = I[RANDOM] + _GAMMA
    I[RANDOM] = state
    mixed = np.uint64(state)
    mixed = (mixed ^ (mixed >> _30)) * _FIRST
    mixed = (mixed ^ (mixed >> _27)) * _SECOND
    return np.float64((mixed ^ (mixed >> _31)) >> _11) * 2.0**-53


@compiled
def drawn(I: Ints, mean: float, cv2: float) -> float:
    """A time with this mean and squared coefficient of variation.

    0: always the mean; 1: exponential; between and above: log-normal, as measured service times mostly are.
    """
    if mean <= 0.0 or cv2 <= 0.0:
        return mean
    size = -np.log(1.0 - uniform(I))
    if cv2 == 1.0:
        return mean * size
    spread = np.log1p(cv2)
    normal = np.sqrt(2.0 * size) * np.cos(2.0 * np.pi * uniform(I))  # Box and Muller 1958
    return mean * np.exp(np.sqrt(spread) * normal - spread / 2)
