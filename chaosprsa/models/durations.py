"""How long incidents last: where each kind lies, one shape around it, and a tail for what is beyond experience.

The middle of each kind (in logarithms) is drawn towards that of all. The shape around the middles is shared: measured
quantiles, drawn towards the normal's. Above the ninth tenth of it the excess follows the generalised Pareto law
(Balkema & de Haan 1974; Pickands 1975), whose shape is drawn towards a moderately heavy one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

FloatArray = npt.NDArray[np.float64]
USUAL_S = 1800.0  # where no incident has an end: half an hour, give or take a factor of e
USUAL_SPREAD = 1.0
KNOTS = np.linspace(-2.6, 2.6, 53)  # of the shape, as the normal's quantiles
NORMAL_WEIGHT = 20.0  # durations' worth of belief that the shape is the normal's
TAIL_FROM = 0.9
MIN_IN_TAIL = 8
USUAL_TAIL, TAIL_SPREAD = 0.3, 0.2  # prior of the Pareto shape: moderately heavy
RESOLUTIONS_S = (60.0, 1.0)  # what a source rounds to


@dataclass(frozen=True, slots=True, kw_only=True)
class Durations:
    """middles: for each kind (count, mean of log seconds). middle, spread: of all, and within kinds. prior: weight.

    shape: at each of KNOTS, in logarithms from the kind's middle. tail: (scale, shape) of the excess over the
    TAIL_FROM quantile, in multiples of the kind's middle; None: too few to tell. resolution_s: what the source rounds
    to.
    """

    middles: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    middle: float = float(np.log(USUAL_S))
    spread: float = USUAL_SPREAD
    prior: float = 4.0
    shape: tuple[float, ...] = ()
    tail: tuple[float, float] | None = None
    resolution_s: float = 1.0

    @classmethod
    def fit(cls, kinds: Sequence[str], seconds: FloatArray) -> Self:
        """One kind and one duration an incident. None at all leaves half an hour."""
        if not len(seconds):
            return cls()
        resolution = next((each for each in RESOLUTIONS_S if np.mean(seconds % each == 0) > 0.95), 1e-3)
        logs = np.log(np.maximum(seconds, resolution / 2))
        names = list(dict.fromkeys(kinds))
        numbers = {name: number for number, name in enumerate(names)}
        codes = np.array([numbers[kind] for kind in kinds])
        counts = np.bincount(codes)
        means = np.bincount(codes, weights=logs) / counts
        overall = float(logs.mean())
        freedom = max(1, len(logs) - len(names))
        within = (float(np.sum((logs - means[codes]) ** 2)) + USUAL_SPREAD**2 * 0.5) / (freedom + 2)
        between = max(float(np.average((means - overall) ** 2, weights=counts)), 1e-6)
        prior = float(np.clip(within / between, 1.0, 20.0))
        middles = (counts * means + prior * overall) / (counts + prior)
        shape = _shape(logs - middles[codes], float(np.sqrt(within)))
        return cls(
            middles={name: (int(n), float(mean)) for name, n, mean in zip(names, counts, means, strict=True)},
            middle=overall,
            spread=float(np.sqrt(within)),
            prior=prior,
            shape=tuple(shape.tolist()),
            tail=_tail(np.exp(logs - middles[codes]), _threshold(shape)),
            resolution_s=resolution,
        )

    def quantiles(self, kind: str, levels: Sequence[float] | FloatArray) -> FloatArray:
        """Seconds at levels within (0, 1); a kind never seen lasts as long as the others."""
        count, mean = self.middles.get(kind, (0, self.middle))
        weight = count + self.prior
        middle = (count * mean + self.prior * self.middle) / weight
        at = np.asarray(levels, dtype=np.float64)
        multiples = np.exp(self._around(ndtri(at)))
        if self.tail is not None:
            scale, heavy = self.tail
            beyond = at > TAIL_FROM
            left = (1 - at[beyond]) / (1 - TAIL_FROM)
            multiples[beyond] = _threshold(np.asarray(self.shape)) + scale * np.expm1(-heavy * np.log(left)) / heavy
        return np.asarray(np.exp(middle) * multiples ** np.sqrt(1 + 1 / weight))  # the middle isn't known exactly

    def _around(self, normal: FloatArray) -> FloatArray:
        """The shape at the normal's quantiles; beyond the knots it goes on with the spread."""
        if not self.shape:
            return normal * self.spread
        inside = np.interp(normal, KNOTS, self.shape)
        return np.asarray(inside + self.spread * (normal - np.clip(normal, KNOTS[0], KNOTS[-1])))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From asdict's values, through JSON or not."""
        middles = {kind: (int(count), float(mean)) for kind, (count, mean) in values["middles"].items()}
        tail = None if values["tail"] is None else tuple(values["tail"])
        return cls(**{**values, "middles": middles, "shape": tuple(values["shape"]), "tail": tail})


def _shape(around: FloatArray, spread: float) -> FloatArray:
    """Quantiles at KNOTS of what lies around the middles, drawn towards the normal's."""
    measured = np.quantile(around, ndtr(KNOTS), method="hazen")
    weight = len(around) / (len(around) + NORMAL_WEIGHT)
    return np.maximum.accumulate(weight * measured + (1 - weight) * spread * KNOTS)


def _threshold(shape: FloatArray) -> float:
    return float(np.exp(np.interp(ndtri(TAIL_FROM), KNOTS, shape)))


def _tail(multiples: FloatArray, threshold: float) -> tuple[float, float] | None:
    """Scale and shape of the excess over the threshold, the most probable a posteriori."""
    excess = multiples[multiples > threshold] - threshold
    if len(excess) < MIN_IN_TAIL:
        return None

    def surprise(logs: FloatArray) -> float:
        scale, heavy = np.exp(logs)
        fit = len(excess) * np.log(scale) + (1 + 1 / heavy) * float(np.sum(np.log1p(heavy * excess / scale)))
        return float(fit + 0.5 * ((heavy - USUAL_TAIL) / TAIL_SPREAD) ** 2)

    from scipy.optimize import minimize  # late: only learning needs it

    bounds = [(np.log(excess.mean()) - 6, np.log(excess.mean()) + 3), (np.log(0.01), np.log(0.9))]
    found = minimize(surprise, np.log([excess.mean(), USUAL_TAIL]), method="L-BFGS-B", bounds=bounds)
    scale, heavy = np.exp(found.x)
    return float(scale), float(heavy)
