"""What the minutes before an incident look like: a window's features -> probability of an onset within the horizon.

One model for all components, on their metrics as robust z-scores, so that few incidents of many components add up. Time
is never shuffled: it learns from the first part, is calibrated on the next and judged on the end. The clock is no
feature: incidents on a timetable say nothing about what precedes them. Where it does no better than chance on the end,
or there are too few incidents to tell, there is no model, and the reason is said.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.models.calibration import Calibration, Quality
from chaosprsa.models.training import gains, log_odds, train, usual
from chaosprsa.models.windows import HORIZON_STEPS, WINDOW_STEPS, Layout, Normals, layout_of, rows_at

FloatArray = npt.NDArray[np.float64]
SHOWN = 3  # features in an evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Precursor:
    """One component's probability of an onset within the horizon, and which features drove it, in words."""

    component: str
    probability: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecursorModel:
    """Fit it with `fit`; it raises NotEnoughHistory with the reason where there is nothing to be learned.

    usual: median and spread of each feature over normal rows. weight: each feature's share of the model's gain.
    """

    seed: int = 0
    step_s: float = 60.0
    layout: Layout = field(default_factory=lambda: Layout(metrics=(), normals={}))
    classifier: Any = None
    calibration: Calibration | None = None
    quality: Quality | None = None
    usual: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    weight: tuple[float, ...] = ()

    @property
    def horizon(self) -> timedelta:
        """How far ahead a probability looks."""
        return timedelta(seconds=HORIZON_STEPS * self.step_s)

    def fit(self, history: History, normals: Normals) -> Self:
        """normals: (median, spread) for each component and metric.

        Raises NotEnoughHistory: too few incidents, or no better than chance on the end of the history.
        """
        layout = layout_of(history, normals)
        trained = train(history, layout, self.seed)
        if not trained.quality.better_than_chance:
            raise NotEnoughHistory(f"precursors tell no more than chance {trained.quality.in_words()}")
        middle, spread = usual(trained.samples.rows[trained.learned & ~trained.coming])
        return type(self)(
            seed=self.seed,
            step_s=history.step_s,
            layout=layout,
            classifier=trained.classifier,
            calibration=trained.calibration,
            quality=trained.quality,
            usual=(tuple(middle.tolist()), tuple(spread.tolist())),
            weight=tuple(gains(trained.classifier, len(layout.columns)).tolist()),
        )

    def probability(self, recent: History) -> dict[str, float]:
        """Each component's probability of an onset within the horizon after the last sample of `recent`.

        Components without a whole window of any metric are left out.
        """
        return {each.component: each.probability for each in self.predict(recent)}

    def predict(self, recent: History) -> tuple[Precursor, ...]:
        """The same with evidence, most likely first."""
        if self.calibration is None or len(recent.grid) < WINDOW_STEPS:
            return ()
        samples = rows_at(recent, self.layout, np.array([len(recent.grid) - 1]))
        if not len(samples.rows):
            return ()
        found = self.calibration(log_odds(self.classifier, samples.rows))
        names = [samples.components[i] for i in samples.component]
        precursors = [
            Precursor(component=name, probability=float(probability), evidence=self.evidence(name, row))
            for name, probability, row in zip(names, found, samples.rows, strict=True)
        ]
        return tuple(sorted(precursors, key=lambda each: (-each.probability, each.component)))

    def evidence(self, component: str, row: FloatArray) -> tuple[str, ...]:
        """The features furthest from normal among those that the model goes by, in words; row: shape (features,)."""
        middle, spread = np.array(self.usual)
        far = (row - middle) / spread
        order = np.argsort(-np.nan_to_num(np.abs(far) * np.sqrt(self.weight)), kind="stable")[:SHOWN]
        return tuple(self._words(component, int(i), row[i], far[i]) for i in order if abs(far[i]) >= 2)

    def _words(self, component: str, column: int, value: float, far: float) -> str:
        kind, feature = self.layout.columns[column].split("__", maxsplit=1)
        metric, _, recent = kind.partition(".last")
        steps = int(recent or WINDOW_STEPS)
        span = f"last {steps * self.step_s / 60:g} min"
        middle, spread = self.layout.normals[component][metric]
        usual = self.usual[0][column]
        if feature in _LEVELS:
            return (
                f"{metric}: {_LEVELS[feature]} of the {span} is {_short(value * spread + middle)}, "
                f"usual is {_short(usual * spread + middle)} ({far:+.1f} spreads)"
            )
        name = _OTHERS.get(feature, feature)
        return f"{metric}: {name} over the {span} is {far:+.1f} spreads from usual"

    def as_json(self) -> dict[str, Any]:
        """All but the classifier."""
        assert self.calibration is not None
        assert self.quality is not None
        return {
            "seed": self.seed,
            "step_s": self.step_s,
            "metrics": list(self.layout.metrics),
            "normals": {name: dict(own) for name, own in self.layout.normals.items()},
            "calibration": self.calibration.as_json(),
            "quality": asdict(self.quality),
            "usual": self.usual,
            "weight": self.weight,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], classifier: Any) -> Self:
        """From as_json's values and the classifier. Raises KeyError or TypeError where a field is missing."""
        normals = {
            name: {metric: (float(pair[0]), float(pair[1])) for metric, pair in own.items()}
            for name, own in values["normals"].items()
        }
        return cls(
            seed=values["seed"],
            step_s=values["step_s"],
            layout=Layout(metrics=tuple(values["metrics"]), normals=normals),
            classifier=classifier,
            calibration=Calibration.from_json(values["calibration"]),
            quality=Quality(**values["quality"]),
            usual=(tuple(values["usual"][0]), tuple(values["usual"][1])),
            weight=tuple(values["weight"]),
        )


_LEVELS = {"mean": "the mean", "minimum": "the least", "maximum": "the most", "quantile__q_0.9": "the 90 % quantile"}
_OTHERS = {
    "standard_deviation": "the spread",
    "mean_abs_change": "the change from sample to sample",
    'linear_trend__attr_"slope"': "the slope",
    "autocorrelation__lag_1": "the likeness of neighbours",
}


def _short(value: float) -> str:
    return f"{value:.3g}"
