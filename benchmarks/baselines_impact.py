"""Predicted impact as it was before: one formula, and a normal interval in logarithms around it."""

import math

from chaosprsa.impacts import sketch, surroundings
from chaosprsa.models.bundle import Bundle
from chaosprsa.types import Fault, Impact, Interval

Z90 = 1.6449
SKETCH_SIGMA, LEAST_DOUBT, ERROR_SIGMA = 0.5, 0.2, 0.6


def impact_before(bundle: Bundle, fault: Fault, component: str, strength: float, duration_s: float) -> Impact:
    """The formula's middle with its 90 % interval; what past incidents did is left out (six hours rarely had any)."""
    around = surroundings(bundle)[component]
    middle = sketch(fault, strength, duration_s, around)
    log_ratio = math.log(middle.latency_ratio)
    sigma = math.hypot(SKETCH_SIGMA * min(1.0, LEAST_DOUBT + abs(log_ratio)), around.entry_spread)
    ratio = Interval(
        low=math.exp(log_ratio - Z90 * sigma), mid=math.exp(log_ratio), high=math.exp(log_ratio + Z90 * sigma)
    )
    share = middle.error_share
    inner = min(max(share, 0.002), 0.98)
    logit = math.log(inner / (1 - inner))
    low, high = (1 / (1 + math.exp(-(logit + side * Z90 * ERROR_SIGMA))) for side in (-1, 1))
    return Impact(
        latency_ratio=ratio,
        error_share=Interval(low=min(low if share > 0.002 else 0.0, share), mid=share, high=max(high, share)),
    )
