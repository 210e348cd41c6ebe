"""How a precursor model is trained: which rows, in which order, by which trees, and how it is judged.

Time is never shuffled, and no row's horizon reaches into the next part. Each later part is scored by a classifier of
all parts before it; on these scores the probabilities are calibrated; the last part, which neither saw, judges both.
What is kept is then learned from everything, and calibrated on all the scores that looked ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.models.calibration import Calibration, Judged, Quality
from chaosprsa.models.threads import one_thread
from chaosprsa.models.windows import WINDOW_STEPS, Layout, Samples, label, onset, rows_at

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
MIN_INCIDENTS = 15
SHARES = (0.4, 0.6, 0.8)  # where a part ends; the first is only learned from, the last only judges
THIN_STEPS = 5  # windows that start so close look alike: more rows cost time and teach no more
MAX_ROWS = 40_000  # beyond that they are thinned further, evenly in time


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """coming: for each row, whether an onset comes within the horizon."""

    samples: Samples
    coming: BoolArray
    classifier: Any
    calibration: Calibration
    quality: Quality


def train(history: History, layout: Layout, horizon: int, seed: int) -> Trained:
    """horizon: in steps. Raises NotEnoughHistory where there are too few incidents or nothing to be judged on."""
    samples, coming, cuts = _labelled(history, layout, horizon)
    ahead = _looking_ahead(samples, coming, cuts, horizon, seed)
    tune, end = np.isfinite(ahead) & (samples.at < cuts[-1] - horizon), samples.at >= cuts[-1]
    quality = _quality(history, samples, coming, ahead, (tune, end), cuts, horizon, seed)
    known = np.isfinite(ahead)
    counts = _incidents_between(history, cuts)
    return Trained(
        samples=samples,
        coming=coming,
        classifier=_classifier(seed, samples.rows, coming),
        calibration=Calibration.fit(ahead[known], coming[known], sum(counts[1:]), float(coming.mean())),
        quality=quality,
    )


def _looking_ahead(samples: Samples, coming: BoolArray, cuts: Sequence[int], horizon: int, seed: int) -> FloatArray:
    """Each row's score by a classifier of the parts before its own, shape (rows,); NaN in the first part."""
    found = np.full(len(samples.at), np.nan)
    for cut, past in zip(cuts, (*cuts[1:], np.inf), strict=True):
        before, part = samples.at < cut - horizon, (samples.at >= cut) & (samples.at < past)
        if part.any():
            found[part] = log_odds(_classifier(seed, samples.rows[before], coming[before]), samples.rows[part])
    return found


def _quality(
    history: History,
    samples: Samples,
    coming: BoolArray,
    ahead: FloatArray,
    parts: tuple[BoolArray, BoolArray],
    cuts: Sequence[int],
    horizon: int,
    seed: int,
) -> Quality:
    """How the scores, calibrated on the parts in the middle, did on the last."""
    tune, end = parts
    if not coming[tune].any() or coming[tune].all():
        raise NotEnoughHistory(
            "precursors can't be calibrated: their part of the history lacks normal minutes or others"
        )
    counts = _incidents_between(history, cuts)
    known_rate = float(coming[samples.at < cuts[-1] - horizon].mean())
    calibration = Calibration.fit(ahead[tune], coming[tune], sum(counts[1:-1]), known_rate)
    judged, apart = _judged(samples, coming, calibration(ahead), end, horizon)
    return Quality(
        incidents_learned=sum(counts[:-1]),
        incidents_judged=counts[-1],
        rows_judged=int(judged.known.sum()),
        base_rate=float(judged.happened[judged.known].mean()),
        brier=judged.brier(),
        brier_of_base_rate=judged.brier(known_rate),
        average_precision=judged.average_precision(),
        chance=judged.chance(apart, np.random.default_rng(seed)),
        calibration=calibration.method,
    )


def log_odds(classifier: Any, rows: FloatArray) -> FloatArray:
    """The classifier's score of each row."""
    with one_thread():
        return np.asarray(classifier.decision_function(rows), dtype=float)


def _labelled(history: History, layout: Layout, horizon: int) -> tuple[Samples, BoolArray, tuple[int, ...]]:
    """The usable rows, whether an onset is coming, and the grid times where parts end."""
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
    coming, usable = label(samples, history.incidents, history.grid, horizon)
    cuts = _cuts(onsets, steps, horizon)
    return samples.only(usable), coming[usable], cuts


def _cuts(onsets: IntArray, steps: int, horizon: int) -> tuple[int, ...]:
    """Midway between the shares of the incidents and of the time, as they come in bursts and both must be there; no
    part has more than a tenth of the incidents beyond its share.
    """
    found = []
    for share in SHARES:
        least, middle, most = (
            int(onsets[int(part * len(onsets))]) - horizon for part in (share - 0.1, share, share + 0.1)
        )
        found.append(int(np.clip((middle + int(share * steps)) // 2, least, most)))
    return tuple(found)


def _onsets(history: History) -> IntArray:
    """Grid times of the onsets that rows can tell of, sorted."""
    components = set(history.components)
    times = [onset(each) for each in history.incidents if components & set(each.components)]
    at = np.searchsorted(history.grid_ms, [round(time.timestamp() * 1000) for time in times])
    return np.sort(at[(at >= WINDOW_STEPS) & (at < len(history.grid))])


def _incidents_between(history: History, cuts: Sequence[int]) -> tuple[int, ...]:
    """How many set in within each part."""
    counts = np.bincount(np.searchsorted(np.array(cuts), _onsets(history), side="right"), minlength=len(cuts) + 1)
    return tuple(int(count) for count in counts)


def _classifier(seed: int, rows: FloatArray, coming: BoolArray) -> Any:
    if coming.all() or not coming.any():
        raise NotEnoughHistory(
            "precursors need minutes before incidents and others; the first part of the history lacks one"
        )
    from sklearn.ensemble import HistGradientBoostingClassifier  # late: only learning needs it

    model = HistGradientBoostingClassifier(
        max_iter=60,  # few and small trees, one split each: the rows are many, the incidents few
        learning_rate=0.06,
        max_leaf_nodes=2,
        min_samples_leaf=100,
        l2_regularization=1.0,
        early_stopping=False,  # it would split at random
        random_state=seed,
    )
    empty = ~np.isfinite(rows).any(axis=0)
    with one_thread():
        return model.fit(np.where(empty, 0.0, rows), coming)  # no split can be made on a constant


def _judged(
    samples: Samples, coming: BoolArray, probabilities: FloatArray, end: BoolArray, horizon: int
) -> tuple[Judged, int]:
    """The end as a table, and how many of its columns make a horizon."""
    times, place = np.unique(samples.at[end], return_inverse=True)
    if not len(times):
        raise NotEnoughHistory("precursors can't be judged: no normal minute is left at the end of the history")
    shape = (len(samples.components), len(times))
    table, happened = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    table[samples.component[end], place] = probabilities[end]
    happened[samples.component[end], place] = coming[end]
    apart = max(1, horizon * len(times) // max(1, int(times[-1] - times[0])))
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
