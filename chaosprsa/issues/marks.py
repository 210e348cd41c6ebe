"""What an issue is like: strength, duration, ramp and severity at a quantile, and how likely that is.

Strengths follow the catalogue's PERT distribution, durations what the incident process says of the kind, ramps a
log-uniform share of the duration. Likeness is a density as a multiple of the one at the median.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
from scipy.special import betaincinv, ndtri

from chaosprsa.faults import CATALOGUE
from chaosprsa.hazards import FloatArray, Hazard
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.types import Fault, Impact, Severity

MIN_DURATION_S, MAX_DURATION_S = 30.0, 7 * 86_400.0
WIDE = 20.0  # a fault whose bounds are this far apart is drawn on a logarithmic scale
PRIOR_SIGMA = 0.7
RAMP = (0.02, 0.4)  # of the duration: from almost a step to a slow rise
SUDDEN = frozenset({Fault.POD_KILL, Fault.REPLICA_LOSS})  # there is no such thing as half of it
NEARBY = 0.01  # in quantiles: over which a density is taken
BY_WEIGHT = (Severity.WARNING, Severity.MINOR, Severity.MAJOR, Severity.CRITICAL)


def strength_at(fault: Fault, u: float) -> float:
    """The quantile of a fault's strength."""
    return float(strengths_at(fault, np.array([u]))[0])


def strengths_at(fault: Fault, u: FloatArray) -> FloatArray:
    """The same for many; shape of u. PERT over the catalogue's bounds, in logarithms where they are wide."""
    low, high, a, b, wide = _pert(fault)
    drawn = low + (high - low) * betaincinv(a, b, u)
    return np.asarray(np.exp(drawn) if wide else drawn, dtype=np.float64)


def quantile_of(fault: Fault, strength: float) -> float:
    """strength_at's inverse."""
    from scipy.special import betainc

    low, high, a, b, wide = _pert(fault)
    at = (np.log(strength) if wide else strength) - low
    return float(betainc(a, b, np.clip(at / (high - low), 0.0, 1.0)))


def _pert(fault: Fault) -> tuple[float, float, float, float, bool]:
    """Bounds, the beta distribution's two shapes, and whether on a logarithmic scale (Malcolm et al. 1959)."""
    entry = CATALOGUE[fault]
    wide = entry.high / entry.low >= WIDE
    low, mid, high = ((float(np.log(value)) if wide else value) for value in (entry.low, entry.typical, entry.high))
    return low, high, 1 + 4 * (mid - low) / (high - low), 1 + 4 * (high - mid) / (high - low), wide


def strength_likeness(fault: Fault, u: FloatArray) -> FloatArray:
    """Density of the strength at a quantile, over that at the median; shape of u."""
    _, _, a, b, _ = _pert(fault)
    return _likeness(lambda level: np.asarray(betaincinv(a, b, level), dtype=np.float64), u)


def durations_at(model: IncidentModel, hazard: Hazard, u: FloatArray) -> FloatArray:
    """Seconds at each quantile; shape of u. The catalogue's typical one where the history has no incident."""
    if model.total:
        drawn = np.asarray(model.duration_quantiles(hazard.kind, u.tolist()), dtype=np.float64)
    else:
        drawn = CATALOGUE[hazard.fault].typical_s * np.exp(PRIOR_SIGMA * ndtri(u))
    return np.asarray(np.clip(drawn, MIN_DURATION_S, MAX_DURATION_S))


def duration_likeness(model: IncidentModel, hazard: Hazard, u: FloatArray) -> FloatArray:
    """Density of the duration's logarithm at a quantile, over that at the median; shape of u."""
    return _likeness(lambda level: np.log(durations_at(model, hazard, level)), u)


def _likeness(quantile: Callable[[FloatArray], FloatArray], u: FloatArray) -> FloatArray:
    """The density is the inverse of the quantile function's slope, whatever the law."""
    near = np.minimum(np.minimum(u, 1.0 - u) / 2, NEARBY)
    width = np.maximum(quantile(u + near) - quantile(u - near), 1e-12)
    middle = np.array([0.5 - NEARBY, 0.5 + NEARBY])
    usual = 2 * NEARBY / max(float(np.diff(quantile(middle))[0]), 1e-12)
    return np.asarray(2 * near / width / usual)


def ramps_at(fault: Fault, u: FloatArray, duration_s: FloatArray) -> FloatArray:
    """Seconds until it is there in full; shape of u."""
    if fault in SUDDEN:
        return np.zeros_like(u)
    low, high = np.log(RAMP)
    return np.asarray(duration_s * np.exp(low + u * (high - low)))


def severity_marks(shares: dict[Severity, float]) -> tuple[float, ...]:
    """The severities from the lightest on, summed up."""
    return tuple(accumulate(shares[each] for each in BY_WEIGHT))


def severity_at(marks: Sequence[float], strength_u: float, severity_u: float) -> Severity:
    """The kind's own shares, the stronger the worse."""
    u = (strength_u + severity_u) / 2  # a mean of two uniforms is triangular: back to uniform
    spread_u = 2 * u * u if u < 0.5 else 1 - 2 * (1 - u) ** 2
    return BY_WEIGHT[min(bisect_right(marks, spread_u * marks[-1]), 3)]


def severity_of(felt: Impact) -> Severity:
    """By the predicted impact, where no severity was ever recorded."""
    errors, ratio = felt.error_share.mid, felt.latency_ratio.mid
    if errors >= 0.25 or ratio >= 10:
        return Severity.CRITICAL
    if errors >= 0.02 or ratio >= 3:
        return Severity.MAJOR
    return Severity.MINOR if errors >= 0.005 or ratio >= 1.5 else Severity.WARNING
