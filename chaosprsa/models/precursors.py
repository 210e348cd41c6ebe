"""What the minutes before an incident look like: a window's features -> probability of an onset within the horizon.

Two parts. The learned one, from labelled onsets: two classifiers for all components, so that few incidents of many
components add up; one on their metrics as robust z-scores, one on what went wrong lately (models/recency.py), with an
equal say. Time is never shuffled: it learns from the first part, is calibrated on the next and judged on the end. The
clock is no feature: incidents on a timetable say nothing about what precedes them. Where it does no better than chance
on the end, or there are too few incidents to tell, there is none, and `refusal` says why. The other part needs no
incident: what grows beyond the usual (models/growth.py). `predict` gives the higher of the two, and its evidence says
which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.models.calibration import Calibration, Quality
from chaosprsa.models.evidence import NOTABLE, Growing, growing
from chaosprsa.models.experts import Experts
from chaosprsa.models.growth import GrowthModel
from chaosprsa.models.recency import RECENCY, in_words
from chaosprsa.models.training import train, usual
from chaosprsa.models.windows import WINDOW_STEPS, Layout, Normals, horizon_steps, layout_of, rows_at
from chaosprsa.types import Incident

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
SHOWN = 3  # features in an evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Precursor:
    """One component's probability of an onset within the horizon, and what it rests on, in words.

    lead_time_s: until the limit of what grows, None where none is known.
    """

    component: str
    probability: float
    evidence: tuple[str, ...]
    lead_time_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """probability: of an onset within the horizon, shape (components, times); NaN where nothing is said.

    at: the grid times, rising.
    """

    components: tuple[str, ...]
    at: IntArray
    probability: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PrecursorModel:
    """Fit it with `fit`; it raises NotEnoughHistory with the reason where there is nothing to be learned.

    horizon: how far ahead a probability looks. usual: median and spread of each feature over normal rows. weight: each
    feature's share of the model's gain. growth: None where there was too little quiet time. refusal: why there is no
    learned part, "" where there is one; then quality says how good it is.
    """

    seed: int = 0
    horizon: timedelta = timedelta(minutes=30)
    step_s: float = 60.0
    layout: Layout = field(default_factory=lambda: Layout(metrics=(), normals={}))
    experts: Experts | None = None
    calibration: Calibration | None = None
    quality: Quality | None = None
    usual: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())
    weight: tuple[float, ...] = ()

    growth: GrowthModel | None = None
    refusal: str = ""

    def fit(self, history: History, normals: Normals, foretold: Sequence[Incident] | None = None) -> Self:
        """normals: (median, spread) for each component and metric. foretold: the incidents to be told, where that isn't
        all of the history's (all of which are seen, once they are past).

        Raises NotEnoughHistory where neither part can be had: too few incidents, or no better than chance on the end of
        the history, and too little quiet time besides.
        """
        growth, missing = self._growth(history)
        try:
            return self._learned(history, normals, growth, foretold)
        except NotEnoughHistory as reason:
            if growth is None:
                raise NotEnoughHistory(f"{reason}; {missing}") from None
            return replace(self, step_s=history.step_s, growth=growth, refusal=str(reason))

    def _growth(self, history: History) -> tuple[GrowthModel | None, str]:
        try:
            return GrowthModel().fit(history, self.horizon), ""
        except NotEnoughHistory as reason:
            return None, str(reason)

    def _learned(
        self, history: History, normals: Normals, growth: GrowthModel | None, foretold: Sequence[Incident] | None
    ) -> Self:
        layout = layout_of(history, normals)
        trained = train(history, layout, horizon_steps(self.horizon, history.step_s), self.seed, foretold)
        if not trained.quality.better_than_chance:
            raise NotEnoughHistory(f"they tell no more than chance {trained.quality.in_words()}")
        middle, spread = usual(trained.samples.rows[~trained.coming])
        return replace(
            self,
            step_s=history.step_s,
            layout=layout,
            experts=trained.experts,
            calibration=trained.calibration,
            quality=trained.quality,
            usual=(tuple(middle.tolist()), tuple(spread.tolist())),
            weight=tuple(trained.experts.gains().tolist()),
            growth=growth,
        )

    def in_words(self) -> str:
        """What the model goes by, and how good that is, in a sentence."""
        grows = self.growth.in_words() if self.growth else "what grows isn't looked at: the quiet time is too short"
        if self.quality is None:
            return f"{self.refusal}; {grows}"
        return f"{self.quality.in_words()}; {grows}"

    def probability(self, recent: History) -> dict[str, float]:
        """Each component's probability of an onset within the horizon after the last sample of `recent`.

        Components of which nothing can be said are left out. Its incidents are those known to have happened within
        recency.REACH; with none, it was calm.
        """
        return {each.component: each.probability for each in self.predict(recent)}

    def predict(self, recent: History) -> tuple[Precursor, ...]:
        """The same with evidence, most likely first. Without a learned part: only the components that grow."""
        if not len(recent.metrics):
            return ()
        found = self._from_windows(recent)
        for each in growing(self.growth, recent, self.horizon) if self.growth else ():
            found[each.component] = _joined(found.get(each.component), each)
        return tuple(sorted(found.values(), key=lambda each: (-each.probability, each.component)))

    def course(self, history: History, at: IntArray | None = None) -> Course:
        """The same along a history: at each grid time (of `at`), only what came before it is seen, incidents too."""
        times = np.arange(len(history.grid)) if at is None else at
        probability = np.full((len(history.components), len(times)), np.nan)
        if self.experts is not None and self.calibration is not None:
            whole = np.flatnonzero(times >= WINDOW_STEPS - 1)
            samples = rows_at(history, self.layout, times[whole])
            place = whole[np.searchsorted(times[whole], samples.at)]
            probability[samples.component, place] = self.calibration(self.experts.log_odds(samples.rows))
        if self.growth is not None:
            strength = self.growth.track(history, at=times).strength
            grows = np.where(strength >= NOTABLE, self.growth.probability(strength), np.nan)
            probability = np.fmax(probability, grows)
        return Course(components=history.components, at=times, probability=probability)

    def _from_windows(self, recent: History) -> dict[str, Precursor]:
        """What the learned part says; nothing without a whole window."""
        if self.experts is None or self.calibration is None or len(recent.grid) < WINDOW_STEPS:
            return {}
        samples = rows_at(recent, self.layout, np.array([len(recent.grid) - 1]))
        if not len(samples.rows):
            return {}
        told = self.calibration(self.experts.log_odds(samples.rows))
        names = [samples.components[i] for i in samples.component]
        return {
            name: Precursor(component=name, probability=float(probability), evidence=self.evidence(name, row))
            for name, probability, row in zip(names, told, samples.rows, strict=True)
        }

    def evidence(self, component: str, row: FloatArray) -> tuple[str, ...]:
        """The features furthest from normal among those that the model goes by, in words; row: shape (features,)."""
        middle, spread = np.array(self.usual)
        far = (row - middle) / spread
        order = np.argsort(-np.nan_to_num(np.abs(far) * np.sqrt(self.weight)), kind="stable")[:SHOWN]
        return tuple(self._words(component, int(i), row[i], far[i]) for i in order if abs(far[i]) >= 2)

    def _words(self, component: str, column: int, value: float, far: float) -> str:
        if column >= len(self.layout.window_columns):
            return in_words(component, RECENCY[column - len(self.layout.window_columns)], value, self.usual[0][column])
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
        """All but the classifiers. recency: the features of recent incidents that they know."""
        return {
            "seed": self.seed,
            "horizon_s": self.horizon.total_seconds(),
            "step_s": self.step_s,
            "metrics": list(self.layout.metrics),
            "normals": {name: dict(own) for name, own in self.layout.normals.items()},
            "counters": list(self.layout.counters),
            "recency": list(RECENCY),
            "calibration": None if self.calibration is None else self.calibration.as_json(),
            "quality": None if self.quality is None else asdict(self.quality),
            "usual": self.usual,
            "weight": self.weight,
            "growth": None if self.growth is None else self.growth.as_json(),
            "refusal": self.refusal,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any], classifiers: Sequence[Any] | None) -> Self:
        """From as_json's values and the experts' classifiers. Raises KeyError or TypeError where a field is missing,
        ValueError where it was learned from other features than this version has.
        """
        if tuple(values["recency"]) != RECENCY:
            raise ValueError(f"precursors know recent incidents by {values['recency']}, this version by {RECENCY}")
        normals = {
            name: {metric: (float(pair[0]), float(pair[1])) for metric, pair in own.items()}
            for name, own in values["normals"].items()
        }
        told, growth = values["calibration"], values["growth"]
        return cls(
            seed=values["seed"],
            horizon=timedelta(seconds=values["horizon_s"]),
            step_s=values["step_s"],
            layout=Layout(metrics=tuple(values["metrics"]), normals=normals, counters=tuple(values["counters"])),
            experts=None if classifiers is None else Experts(tuple(classifiers)),
            calibration=None if told is None else Calibration.from_json(told),
            quality=None if values["quality"] is None else Quality(**values["quality"]),
            usual=(tuple(values["usual"][0]), tuple(values["usual"][1])),
            weight=tuple(values["weight"]),
            growth=None if growth is None else GrowthModel.from_json(growth),
            refusal=values["refusal"],
        )


def _joined(told: Precursor | None, grows: Growing) -> Precursor:
    """The higher of the two, with what both rest on, its own first."""
    if told is None or grows.probability >= told.probability:
        more = told.evidence if told is not None else ()
        evidence = (*grows.evidence, *more)
    else:
        evidence = (*told.evidence, *grows.evidence)
    probability = max(grows.probability, told.probability if told is not None else 0.0)
    return Precursor(
        component=grows.component, probability=probability, evidence=evidence, lead_time_s=grows.lead_time_s
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
