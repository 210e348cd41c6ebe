"""Rates drawn towards their mean, as far as the data can't tell them apart."""

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

FloatArray = npt.NDArray[np.float64]
UNSEEN = 0.5  # what something never seen counts, in incidents (Jeffreys' prior)


def shrunk(counts: FloatArray, exposure: FloatArray | float) -> FloatArray:
    """Rates as multiples of their mean, which they keep: (n + a) / (expected + a), a by prior_weight.

    counts: shape (groups,). exposure: days for each; what counts is its share.
    """
    known, expected = _known(counts, exposure)
    a = prior_weight(counts, exposure)
    multiples = (known + a) / (expected + a)
    return np.asarray(multiples / float(np.sum(multiples * expected) / expected.sum()))


def prior_weight(counts: FloatArray, exposure: FloatArray | float) -> float:
    """How many incidents' worth each group's belief in the mean has: small where groups differ, large where not.

    The Gamma-Poisson law's, by maximum a posteriori under a log-normal prior (Robbins 1956; Gelman et al., Bayesian
    Data Analysis, 2.6).
    """
    known, expected = _known(counts, exposure)

    def surprise(log_a: float) -> float:
        a = float(np.exp(log_a))
        fit = (
            gammaln(known + a) - gammaln(a) + a * np.log(a / (a + expected)) + known * np.log(expected / (a + expected))
        )
        return log_a**2 / 8 - float(np.sum(fit[expected > 0]))

    from scipy.optimize import minimize_scalar  # late: only learning needs it

    return float(np.exp(minimize_scalar(surprise, bounds=(-5.0, 7.0), method="bounded").x))


def _known(counts: FloatArray, exposure: FloatArray | float) -> tuple[FloatArray, FloatArray]:
    """Counts, and what is expected of each group; nothing counted is taken as expected."""
    shares = np.broadcast_to(np.asarray(exposure, dtype=float), counts.shape)
    expected = shares / shares.sum() * max(float(counts.sum()), UNSEEN)
    return (counts if counts.sum() > 0 else expected), expected
