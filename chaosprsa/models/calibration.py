"""From a score to a probability that keeps its word, and how well it kept it.

Calibrated on a later part than the model learned from: isotonic where many incidents tell the curve (Zadrozny & Elkan
2002), else Platt's sigmoid, drawn towards what the score itself says: rows of one incident count as one, and few
incidents move it little. Judged on a still later part, against what one would have said without a model, and
against the same probabilities at the wrong times: rows of one incident are alike, so counting rows would flatter.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
MIN_FOR_ISOTONIC = 200
SHIFTS = 199
LEVEL = 0.02  # the share of wrong times that may do as well: a false precursor costs trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A rising curve through (scores, probabilities), scores as log-odds; straight in between, flat outside."""

    method: str
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    @classmethod
    def fit(cls, scores: FloatArray, happened: BoolArray, incidents: int, rate: float | None = None) -> Self:
        """scores: log-odds, shape (rows,). incidents: how many separate ones the rows tell of.

        rate: how often it happens over a longer time than the rows', which the sigmoid's mean is set to: incidents come
        in bursts, and a few days of them tell the slope better than the level.
        """
        from sklearn.isotonic import IsotonicRegression  # late: only learning needs it

        if incidents >= MIN_FOR_ISOTONIC:
            curve = IsotonicRegression(out_of_bounds="clip").fit(scores, happened.astype(float))
            found, method = (curve.X_thresholds_, curve.y_thresholds_), "isotonic"
        else:
            intercept, slope = _line(scores, happened, min(1.0, incidents / max(1, int(happened.sum()))))
            if rate is not None:
                intercept = _level(slope * scores, rate)
            at = np.linspace(scores.min(), scores.max(), 101)
            found, method = (at, 1 / (1 + np.exp(-(slope * at + intercept)))), "sigmoid"
        return cls(method=method, scores=tuple(found[0].tolist()), probabilities=tuple(found[1].tolist()))

    def __call__(self, scores: FloatArray) -> FloatArray:
        """Probabilities, shape (rows,)."""
        return np.interp(scores, self.scores, self.probabilities)

    def as_json(self) -> dict[str, Any]:
        """What from_json takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From as_json's values."""
        return cls(
            method=values["method"], scores=tuple(values["scores"]), probabilities=tuple(values["probabilities"])
        )


def _line(scores: FloatArray, happened: BoolArray, weight: float) -> tuple[float, float]:
    """Intercept and slope of the log-odds, by Newton's method; before anything is seen 0 and 1, give or take 1.

    weight: how much a row counts. The slope is never below 0: that would say the ranking is wrong.
    """
    design = np.column_stack([np.ones(len(scores)), scores])
    prior = line = np.array([0.0, 1.0])
    for _ in range(50):
        told = 1 / (1 + np.exp(-np.clip(design @ line, -30, 30)))
        slope = weight * design.T @ (happened - told) - (line - prior)
        curve = weight * (design * (told * (1 - told))[:, None]).T @ design + np.eye(2)
        step = np.linalg.solve(curve, slope)
        line = line + step
        if np.abs(step).max() < 1e-9:
            break
    return float(line[0]), max(0.0, float(line[1]))


def _level(odds: FloatArray, rate: float) -> float:
    """What to add to log-odds so that their mean probability is the rate, by bisection."""
    low, high = -30.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        too_high = np.mean(1 / (1 + np.exp(-np.clip(odds + middle, -30, 30)))) > rate
        low, high = (low, middle) if too_high else (middle, high)
    return (low + high) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How the probabilities did on the end of the history, which nothing was learned from.

    brier: mean squared error, less is better; brier_of_base_rate: of always saying the rate known before.
    average_precision: of the ranking; its chance level is base_rate. chance: the share of wrong times (probabilities
    shifted along the clock) whose ranking did as well: small is good. by_part: average precision by each part of the
    rows alone (experts.PARTS).
    """

    incidents_learned: int
    incidents_judged: int
    rows_judged: int
    base_rate: float
    brier: float
    brier_of_base_rate: float
    average_precision: float
    chance: float
    calibration: str
    by_part: dict[str, float] = field(default_factory=dict)

    @property
    def better_than_chance(self) -> bool:
        """Ranks better than at wrong times, and its probabilities err less than always saying the known rate."""
        return self.chance <= LEVEL and self.average_precision > self.base_rate and self.brier < self.brier_of_base_rate

    def in_words(self) -> str:
        """One honest sentence."""
        return (
            f"on the last {self.incidents_judged} incidents: average precision {self.average_precision:.2f} (by chance "
            f"{self.base_rate:.2f}), Brier score {self.brier:.4f} (without a model {self.brier_of_base_rate:.4f}), "
            f"{self.chance:.0%} of shifted times did as well{self._parts_in_words()}"
        )

    def _parts_in_words(self) -> str:
        alone = (f"{value:.2f} by {name} alone" for name, value in self.by_part.items())
        return f"; average precision {', '.join(alone)}" if self.by_part else ""


def average_precision(probabilities: FloatArray, happened: BoolArray) -> float:
    """Of the ranking, equal shapes (rows,); 0 where nothing happened: there was nothing to rank first."""
    if not happened.any():
        return 0.0
    from sklearn.metrics import average_precision_score  # late: only learning and judging need it

    return float(average_precision_score(happened, probabilities))


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Probabilities and what happened, shape (components, times); NaN and any value where there is no row."""

    probabilities: FloatArray
    happened: BoolArray

    @property
    def known(self) -> BoolArray:
        return np.isfinite(self.probabilities)

    def average_precision(self) -> float:
        """Of the cells that are known."""
        return average_precision(self.probabilities[self.known], self.happened[self.known])

    def brier(self, always: float | None = None) -> float:
        """Of the probabilities, or of always saying the same."""
        guess = self.probabilities if always is None else np.full(self.happened.shape, always)
        return float(np.mean((guess - self.happened)[self.known] ** 2))

    def chance(self, apart: int, rng: np.random.Generator) -> float:
        """The share of shifts along the clock, by `apart` or more, that rank as well; 1 where there is no room for any.

        The true times count as one of them, so the least is 1 / 200.
        """
        times = self.happened.shape[1]
        if times <= 2 * apart:
            return 1.0
        found = self.average_precision()
        shifts = rng.integers(apart, times - apart + 1, SHIFTS)
        shifted = (replace(self, probabilities=np.roll(self.probabilities, int(by), axis=1)) for by in shifts)
        return (1 + sum(each.average_precision() >= found for each in shifted)) / (1 + SHIFTS)


def expected_calibration_error(probabilities: FloatArray, happened: BoolArray, bins: int = 10) -> float:
    """How far the said is from what came: mean over equally wide bins, by their rows (Naeini et al., AAAI 2015)."""
    place = np.clip((probabilities * bins).astype(int), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    said = np.bincount(place, weights=probabilities, minlength=bins)
    came = np.bincount(place, weights=happened, minlength=bins)
    return float(np.abs(said - came).sum() / max(1, count.sum()))
