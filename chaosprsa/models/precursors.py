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
from sklearn.ensemble import HistGradientBoostingClassifier

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.models.calibration import Calibration, Judged, Quality
from chaosprsa.models.threads import one_thread
from chaosprsa.models.windows import (
    HORIZON_STEPS,
    WINDOW_STEPS,
    Layout,
    Normals,
    Samples,
    label,
    layout_of,
    onset,
    rows_at,
)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
MIN_INCIDENTS = 15
SHARES = (0.6, 0.8)  # of the incidents: the model learns up to the first, is calibrated up to the second
MAX_ROWS = 40_000  # more rows are thinned evenly in time
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
        samples, coming, cuts = _labelled(history, layout)
        learn, tune, end = _parts(samples.at, cuts)
        classifier = _classifier(self.seed, samples.rows[learn], coming[learn])
        raw = _log_odds(classifier, samples.rows)
        counts = _incidents_between(history, cuts)
        calibration = Calibration.fit(raw[tune], coming[tune], counts[1])
        known_rate = float(coming[learn | tune].mean())
        quality = _judged(samples, coming, calibration(raw), end, counts, known_rate, self.seed, calibration.method)
        if not quality.better_than_chance:
            raise NotEnoughHistory(f"precursors tell no more than chance {quality.in_words()}")
        middle, spread = _usual(samples.rows[learn & ~coming])
        return type(self)(
            seed=self.seed,
            step_s=history.step_s,
            layout=layout,
            classifier=classifier,
            calibration=calibration,
            quality=quality,
            usual=(tuple(middle.tolist()), tuple(spread.tolist())),
            weight=tuple(_gains(classifier, len(layout.columns)).tolist()),
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
        found = self.calibration(_log_odds(self.classifier, samples.rows))
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


def _labelled(history: History, layout: Layout) -> tuple[Samples, BoolArray, tuple[int, int]]:
    """The usable rows, whether an onset is coming, and the grid times where the parts end."""
    onsets = _onsets(history)
    if len(onsets) < MIN_INCIDENTS:
        raise NotEnoughHistory(
            f"precursors need at least {MIN_INCIDENTS} incidents of components with metrics while there are "
            f"metrics; there are {len(onsets)}"
        )
    steps = len(history.grid)
    if steps < 4 * WINDOW_STEPS:
        raise NotEnoughHistory(f"precursors need at least {4 * WINDOW_STEPS} samples in a row; there are {steps}")
    stride = max(1, -(-steps * len(history.components) // MAX_ROWS))
    samples = rows_at(history, layout, np.arange(WINDOW_STEPS - 1, steps, stride))
    coming, usable = label(samples, history.incidents, history.grid)
    cuts = tuple(int(onsets[int(share * len(onsets))]) - HORIZON_STEPS for share in SHARES)
    return samples.only(usable), coming[usable], (cuts[0], cuts[1])


def _onsets(history: History) -> IntArray:
    """Grid times of the onsets that rows can tell of, sorted."""
    components = set(history.components)
    times = [onset(each) for each in history.incidents if components & set(each.components)]
    at = np.searchsorted(history.grid.as_unit("ms").asi8, [round(time.timestamp() * 1000) for time in times])
    return np.sort(at[(at >= WINDOW_STEPS) & (at < len(history.grid))])


def _incidents_between(history: History, cuts: tuple[int, int]) -> tuple[int, int, int]:
    counts = np.bincount(np.searchsorted(np.array(cuts), _onsets(history), side="right"), minlength=3)
    return int(counts[0]), int(counts[1]), int(counts[2])


def _parts(at: IntArray, cuts: tuple[int, int]) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Learn, tune, end: no row's horizon reaches into the next part."""
    return (
        at < cuts[0] - HORIZON_STEPS,
        (at >= cuts[0]) & (at < cuts[1] - HORIZON_STEPS),
        at >= cuts[1],
    )


def _classifier(seed: int, rows: FloatArray, coming: BoolArray) -> Any:
    if coming.all() or not coming.any():
        raise NotEnoughHistory(
            "precursors need minutes before incidents and others; the first part of the history lacks one"
        )
    model = HistGradientBoostingClassifier(
        max_iter=120,
        learning_rate=0.06,
        max_leaf_nodes=8,
        min_samples_leaf=40,
        l2_regularization=1.0,
        early_stopping=False,  # it would split at random
        random_state=seed,
    )
    empty = ~np.isfinite(rows).any(axis=0)
    with one_thread():
        return model.fit(np.where(empty, 0.0, rows), coming)  # no split can be made on a constant


def _log_odds(classifier: Any, rows: FloatArray) -> FloatArray:
    with one_thread():
        return np.asarray(classifier.decision_function(rows), dtype=float)


def _judged(
    samples: Samples,
    coming: BoolArray,
    probabilities: FloatArray,
    end: BoolArray,
    counts: tuple[int, int, int],
    known_rate: float,
    seed: int,
    method: str,
) -> Quality:
    times, place = np.unique(samples.at[end], return_inverse=True)
    shape = (len(samples.components), len(times))
    table, happened = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    table[samples.component[end], place] = probabilities[end]
    happened[samples.component[end], place] = coming[end]
    judged = Judged(probabilities=table, happened=happened)
    if not judged.known.any():
        raise NotEnoughHistory("precursors can't be judged: no normal minute is left at the end of the history")
    apart = max(1, HORIZON_STEPS * len(times) // max(1, int(times[-1] - times[0])))
    return Quality(
        incidents_learned=counts[0],
        incidents_judged=counts[2],
        rows_judged=int(judged.known.sum()),
        base_rate=float(happened[judged.known].mean()),
        brier=judged.brier(),
        brier_of_base_rate=judged.brier(known_rate),
        average_precision=judged.average_precision(),
        chance=judged.chance(apart, np.random.default_rng(seed)),
        calibration=method,
    )


def _usual(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Median and robust spread of each feature, shape (features,); 0 and 1 where no row has it."""
    seen = np.isfinite(rows).any(axis=0)
    middle, spread = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    middle[seen] = np.nanmedian(rows[:, seen], axis=0)
    spread[seen] = 1.4826 * np.nanmedian(np.abs(rows[:, seen] - middle[seen]), axis=0)
    return middle, np.maximum(spread, 0.05)


def _gains(classifier: Any, features: int) -> FloatArray:
    """Each feature's share of what the trees' splits gained."""
    total = np.zeros(features)
    for tree in classifier._predictors:  # noqa: SLF001  # scikit-learn offers no other way to the splits
        for predictor in tree:
            splits = predictor.nodes[predictor.nodes["is_leaf"] == 0]
            np.add.at(total, splits["feature_idx"], splits["gain"])
    return total / total.sum() if total.sum() > 0 else total
