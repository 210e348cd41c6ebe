"""How a precursor model is trained: which rows, in which order, by which trees, and how it is judged.

Time is never shuffled: a first part to learn from, a later one to calibrate on, the end to be judged on; no row's
horizon reaches into the next part.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.models.calibration import Calibration, Judged, Quality
from chaosprsa.models.threads import one_thread
from chaosprsa.models.windows import HORIZON_STEPS, WINDOW_STEPS, Layout, Samples, label, onset, rows_at

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
MIN_INCIDENTS = 15
SHARES = (0.6, 0.8)  # of the incidents: the model learns up to the first, is calibrated up to the second
THIN_STEPS = 5  # windows that start so close look alike: more rows cost time and teach no more
MAX_ROWS = 40_000  # beyond that they are thinned further, evenly in time


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """coming: for each row, whether an onset comes within the horizon; learned: the rows learned from."""

    samples: Samples
    coming: BoolArray
    learned: BoolArray
    classifier: Any
    calibration: Calibration
    quality: Quality


def train(history: History, layout: Layout, seed: int) -> Trained:
    """Raises NotEnoughHistory where there are too few incidents or nothing to be judged on."""
    samples, coming, cuts = _labelled(history, layout)
    learn, tune, end = _parts(samples.at, cuts)
    classifier = _classifier(seed, samples.rows[learn], coming[learn])
    raw = log_odds(classifier, samples.rows)
    if not coming[tune].any() or coming[tune].all():
        raise NotEnoughHistory(
            "precursors can't be calibrated: their part of the history lacks normal minutes or others"
        )
    counts = _incidents_between(history, cuts)
    calibration = Calibration.fit(raw[tune], coming[tune], counts[1])
    known_rate = float(coming[learn | tune].mean())
    judged, apart = _judged(samples, coming, calibration(raw), end)
    quality = Quality(
        incidents_learned=counts[0],
        incidents_judged=counts[2],
        rows_judged=int(judged.known.sum()),
        base_rate=float(judged.happened[judged.known].mean()),
        brier=judged.brier(),
        brier_of_base_rate=judged.brier(known_rate),
        average_precision=judged.average_precision(),
        chance=judged.chance(apart, np.random.default_rng(seed)),
        calibration=calibration.method,
    )
    return Trained(
        samples=samples,
        coming=coming,
        learned=learn,
        classifier=classifier,
        calibration=calibration,
        quality=quality,
    )


def log_odds(classifier: Any, rows: FloatArray) -> FloatArray:
    """The classifier's score of each row."""
    with one_thread():
        return np.asarray(classifier.decision_function(rows), dtype=float)


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
    stride = max(THIN_STEPS, -(-steps * len(history.components) // MAX_ROWS))
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
    from sklearn.ensemble import HistGradientBoostingClassifier  # late: only learning needs it

    model = HistGradientBoostingClassifier(
        max_iter=60,  # small trees: the rows are many, the incidents few
        learning_rate=0.06,
        max_leaf_nodes=4,
        min_samples_leaf=40,
        l2_regularization=1.0,
        early_stopping=False,  # it would split at random
        random_state=seed,
    )
    empty = ~np.isfinite(rows).any(axis=0)
    with one_thread():
        return model.fit(np.where(empty, 0.0, rows), coming)  # no split can be made on a constant


def _judged(samples: Samples, coming: BoolArray, probabilities: FloatArray, end: BoolArray) -> tuple[Judged, int]:
    """The end as a table, and how many of its columns make a horizon."""
    times, place = np.unique(samples.at[end], return_inverse=True)
    if not len(times):
        raise NotEnoughHistory("precursors can't be judged: no normal minute is left at the end of the history")
    shape = (len(samples.components), len(times))
    table, happened = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    table[samples.component[end], place] = probabilities[end]
    happened[samples.component[end], place] = coming[end]
    apart = max(1, HORIZON_STEPS * len(times) // max(1, int(times[-1] - times[0])))
    return Judged(probabilities=table, happened=happened), apart


def usual(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Median and robust spread of each feature, shape (features,); 0 and 1 where no row has it."""
    seen = np.isfinite(rows).any(axis=0)
    middle, spread = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    middle[seen] = np.nanmedian(rows[:, seen], axis=0)
    spread[seen] = 1.4826 * np.nanmedian(np.abs(rows[:, seen] - middle[seen]), axis=0)
    return middle, np.maximum(spread, 0.05)


def gains(classifier: Any, features: int) -> FloatArray:
    """Each feature's share of what the trees' splits gained."""
    total = np.zeros(features)
    for tree in classifier._predictors:  # noqa: SLF001  # scikit-learn offers no other way to the splits
        for predictor in tree:
            splits = predictor.nodes[predictor.nodes["is_leaf"] == 0]
            np.add.at(total, splits["feature_idx"], splits["gain"])
    return total / total.sum() if total.sum() > 0 else total
