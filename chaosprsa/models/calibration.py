"""From a score to a probability that keeps its word, and how well it kept it.

Calibrated on a later part than the model learned from: isotonic where many incidents tell the curve (Zadrozny & Elkan
2002), else Platt's sigmoid. Judged on a still later part, against what one would have said without a model, and
against the same probabilities at the wrong times: rows of one incident are alike, so counting rows would flatter.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
MIN_FOR_ISOTONIC = 30
SHIFTS = 199
LEVEL = 0.02  # the share of wrong times that may do as well: a false precursor costs trust


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A rising curve through (scores, probabilities), scores as log-odds; straight in between, flat outside."""

    method: str
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    @classmethod
    def fit(cls, scores: FloatArray, happened: BoolArray, incidents: int) -> Self:
        """scores: log-odds, shape (rows,). incidents: how many separate ones the rows tell of."""
        from sklearn.isotonic import IsotonicRegression  # late: only learning needs it
        from sklearn.linear_model import LogisticRegression

        if incidents >= MIN_FOR_ISOTONIC:
            curve = IsotonicRegression(out_of_bounds="clip").fit(scores, happened.astype(float))
            found, method = (curve.X_thresholds_, curve.y_thresholds_), "isotonic"
        else:
            line = LogisticRegression(C=1.0).fit(scores[:, None], happened)
            slope = max(0.0, float(line.coef_[0, 0]))
            at = np.linspace(scores.min(), scores.max(), 101)
            found, method = (at, 1 / (1 + np.exp(-(slope * at + float(line.intercept_[0]))))), "sigmoid"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How the probabilities did on the end of the history, which nothing was learned from.

    brier: mean squared error, less is better; brier_of_base_rate: of always saying the rate known before.
    average_precision: of the ranking; its chance level is base_rate. chance: the share of wrong times (probabilities
    shifted along the clock) whose ranking did as well: small is good.
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

    @property
    def better_than_chance(self) -> bool:
        """Ranks better than at wrong times, and its probabilities err less than always saying the known rate."""
        return self.chance <= LEVEL and self.average_precision > self.base_rate and self.brier < self.brier_of_base_rate

    def in_words(self) -> str:
        """One honest sentence."""
        return (
            f"on the last {self.incidents_judged} incidents: average precision {self.average_precision:.2f} (by chance "
            f"{self.base_rate:.2f}), Brier score {self.brier:.4f} (without a model {self.brier_of_base_rate:.4f}), "
            f"{self.chance:.0%} of shifted times did as well"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Probabilities and what happened, shape (components, times); NaN and any value where there is no row."""

    probabilities: FloatArray
    happened: BoolArray

    @property
    def known(self) -> BoolArray:
        return np.isfinite(self.probabilities)

    def average_precision(self) -> float:
        """0 where nothing happened: there was nothing to rank first."""
        known = self.known
        if not self.happened[known].any():
            return 0.0
        from sklearn.metrics import average_precision_score  # late: only learning needs it

        return float(average_precision_score(self.happened[known], self.probabilities[known]))

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
