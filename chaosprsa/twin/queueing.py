"""Formulas of one service: pods that share a CPU limit between the requests in them.

A pod with a limit of L cores and k requests works at min(k, L) cores: processor sharing with at most one core a
request. With Poisson arrivals its number of requests is a birth-death chain, and it depends on the work a request
brings only through the mean (symmetric queues are insensitive: Kelly 1979, Reversibility and Stochastic Networks).
L = 1 is M/G/1-PS, a whole L has the mean of M/M/L, a limit below one core is a slower M/G/1-PS.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]
MAX_WHOLE_CORES = 64


def jobs_split(utilisation: Floats, limit_cores: Floats) -> tuple[Floats, Floats]:
    """(kappa, beta) so that a pod holds kappa u + beta u / (1 - u) requests on average at utilisation u < 1.

    From the chain's weights w_k = a^k / k! up to n = floor(L), then w_n u^j, with a = L u. Same shapes in and out.
    """
    whole = np.floor(limit_cores)
    offered = limit_cores * utilisation
    weight = np.ones_like(offered)  # w_k, and from n on w_n
    total = np.ones_like(offered)  # sum of w_k up to n
    rise = np.zeros_like(offered)  # sum of k w_k, without its factor a
    for k in range(1, int(min(whole.max(initial=0.0), MAX_WHOLE_CORES)) + 1):
        inside = whole >= k
        rise += weight * inside
        weight = np.where(inside, weight * offered / k, weight)
        total += weight * inside
    spare = 1.0 - utilisation
    norm = spare * total + weight * utilisation
    return (spare * rise * limit_cores + weight * whole) / norm, weight / norm


def jobs(utilisation: Floats, limit_cores: Floats) -> Floats:
    """Mean number of requests in a pod at utilisation below 1, in a steady state."""
    kappa, beta = jobs_split(utilisation, limit_cores)
    return kappa * utilisation + beta * utilisation / (1.0 - utilisation)


def sojourn_s(utilisation: Floats, limit_cores: Floats, demand_s: Floats) -> Floats:
    """Mean time in a pod (work and sharing), by Little's law; demand_s core-seconds a request."""
    kappa, beta = jobs_split(utilisation, limit_cores)
    return (kappa + beta / (1.0 - utilisation)) * demand_s / limit_cores


def sharing_variance(sojourn: Floats, alone_s: Floats, work_cv2: Floats | float) -> Floats:
    """Variance of the time in a pod, seconds squared.

    alone_s: the time with nobody else there; work_cv2: squared coefficient of variation of the work. With r the share
    of the time that others cost, the squared coefficient of variation is work_cv2 + 2 r / (2 - r): exact for
    M/M/1-PS, where r is the utilisation (Coffman, Muntz and Trotter 1970), an approximation elsewhere.
    """
    shared = np.minimum(np.maximum(1.0 - alone_s / np.maximum(sojourn, 1e-12), 0.0), 1.0)
    return sojourn**2 * (work_cv2 + 2.0 * shared / (2.0 - shared))


def share_above(threshold_s: Floats | float, mean_s: Floats, variance_s2: Floats) -> Floats:
    """P(T > threshold) of a gamma-distributed time, by its cube root's normal law (Wilson and Hilferty 1931).

    A gamma law is exact for one exponential stage and for a row of equal ones; the cube root keeps it within 1 % of
    the gamma's own 99th percentile for squared coefficients of variation up to 1.
    """
    ninth = variance_s2 / (9.0 * np.maximum(mean_s, 1e-12) ** 2)
    ratio = np.cbrt(threshold_s / np.maximum(mean_s, 1e-12))
    above: Floats = ndtr((1.0 - ninth - ratio) / np.sqrt(np.maximum(ninth, 1e-12)))
    return above


def time_exceeded(share: float, mean_s: Floats, variance_s2: Floats) -> Floats:
    """The time that this share takes longer than: share_above the other way round."""
    ninth = variance_s2 / (9.0 * np.maximum(mean_s, 1e-12) ** 2)
    root = 1.0 - ninth - ndtri(share) * np.sqrt(ninth)
    return np.asarray(mean_s * np.maximum(root, 0.0) ** 3, dtype=np.float64)
