"""Random times inside the kernel."""

import numpy as np

from chaosprsa.compiled import compiled


@compiled
def drawn(mean: float, cv2: float, rng: np.random.Generator) -> float:
    """A time with this mean and squared coefficient of variation.

    0: always the mean; 1: exponential; between and above: log-normal, as measured service times mostly are.
    """
    if mean <= 0.0 or cv2 <= 0.0:
        return mean
    if cv2 == 1.0:
        return mean * rng.standard_exponential()
    spread = np.log1p(cv2)
    return mean * np.exp(np.sqrt(spread) * rng.standard_normal() - spread / 2)
