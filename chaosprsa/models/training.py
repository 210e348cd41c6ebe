"""How a precursor model is trained: which rows, in which order, and how it is judged.

Time is never shuffled, and no row's horizon reaches into the next part. Each later part is scored by classifiers of
all parts before it; on these scores the probabilities are calibrated; the last part, which neither saw, judges both.
What is kept is then learned from everything, and calibrated on all the scores that looked ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.models.calibration import Calibration, Judged, Quality
from chaosprsa.models.experts import PARTS, Experts
from chaosprsa.models.recency import onset_and_end
from chaosprsa.models.windows import WINDOW_STEPS, Layout, Samples, label, rows_at
from chaosprsa.types import Incident

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
    experts: Experts
    calibration: Calibration
    quality: Quality


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """Rows in time order of parts. cuts: the grid times where parts end. counts: onsets in each. ahead: each row's
    scores by experts of the parts before its own, shape (rows, PARTS), NaN in the first.
    """

    samples: Samples
    coming: BoolArray
    cuts: tuple[int, ...]
    counts: tuple[int, ...]
    ahead: FloatArray

    @property
    def looked_ahead(self) -> BoolArray:
        return np.asarray(np.isfinite(self.ahead).all(axis=1), dtype=bool)

    def calibrated(self, used: BoolArray, incidents: int, rate: float) -> Calibration:
        """By the rows used, which tell of so many incidents."""
        return Calibration.fit(self.ahead[used].mean(axis=1), self.coming[used], incidents, rate)


def train(
    history: History, layout: Layout, horizon: int, seed: int, foretold: Sequence[Incident] | None = None
) -> Trained:
    """horizon: in steps. foretold: what is to be told, where that is other than the incidents that the rows know of.

    Raises NotEnoughHistory where there are too few incidents or nothing to be judged on.
    """
    parts = _in_parts(history, layout, horizon, seed, history.incidents if foretold is None else foretold)
    quality = _quality(parts, horizon, seed)
    return Trained(
        samples=parts.samples,
        coming=parts.coming,
        experts=Experts.fit(parts.samples.rows, parts.coming, seed),
        calibration=parts.calibrated(parts.looked_ahead, sum(parts.counts[1:]), float(parts.coming.mean())),
        quality=quality,
    )


def _in_parts(history: History, layout: Layout, horizon: int, seed: int, foretold: Sequence[Incident]) -> _Parts:
    onsets = _onsets(history, foretold)
    samples, coming, cuts = _labelled(history, layout, horizon, foretold, onsets)
    ahead = np.full((len(samples.at), len(PARTS)), np.nan)
    for cut, past in zip(cuts, (*cuts[1:], np.inf), strict=True):
        before, part = samples.at < cut - horizon, (samples.at >= cut) & (samples.at < past)
        if part.any():
            ahead[part] = Experts.fit(samples.rows[before], coming[before], seed).each_log_odds(samples.rows[part])
    counts = np.bincount(np.searchsorted(np.array(cuts), onsets, side="right"), minlength=len(cuts) + 1)
    return _Parts(samples=samples, coming=coming, cuts=cuts, counts=tuple(int(count) for count in counts), ahead=ahead)


def _quality(parts: _Parts, horizon: int, seed: int) -> Quality:
    """How the scores, calibrated on the parts in the middle, did on the last."""
    at, coming, cut = parts.samples.at, parts.coming, parts.cuts[-1]
    tune, end = parts.looked_ahead & (at < cut - horizon), at >= cut
    if not coming[tune].any() or coming[tune].all():
        raise NotEnoughHistory(
            "precursors can't be calibrated: their part of the history lacks normal minutes or others"
        )
    known_rate = float(coming[at < cut - horizon].mean())
    calibration = parts.calibrated(tune, sum(parts.counts[1:-1]), known_rate)
    judged, apart = _judged(parts, calibration(parts.ahead.mean(axis=1)), end, horizon)
    alone = [_judged(parts, scores, end, horizon)[0].average_precision() for scores in parts.ahead.T]
    return Quality(
        incidents_learned=sum(parts.counts[:-1]),
        incidents_judged=parts.counts[-1],
        rows_judged=int(judged.known.sum()),
        base_rate=float(judged.happened[judged.known].mean()),
        brier=judged.brier(),
        brier_of_base_rate=judged.brier(known_rate),
        average_precision=judged.average_precision(),
        chance=judged.chance(apart, np.random.default_rng(seed)),
        calibration=calibration.method,
        by_part=dict(zip(PARTS, alone, strict=True)),
    )


def _labelled(
    history: History, layout: Layout, horizon: int, foretold: Sequence[Incident], onsets: IntArray
) -> tuple[Samples, BoolArray, tuple[int, ...]]:
    """The usable rows, whether an onset is coming, and the grid times where parts end."""
    if len(onsets) < MIN_INCIDENTS:
        raise NotEnoughHistory(
            f"they need at least {MIN_INCIDENTS} incidents of components with metrics while there are "
            f"metrics; there are {len(onsets)}"
        )
    steps = len(history.grid)
    if steps < 4 * WINDOW_STEPS:
        raise NotEnoughHistory(f"they need at least {4 * WINDOW_STEPS} samples in a row; there are {steps}")
    stride = max(THIN_STEPS, -(-steps * len(history.components) // MAX_ROWS))
    samples = rows_at(history, layout, np.arange(WINDOW_STEPS - 1, steps, stride))
    coming, usable = label(samples, foretold, history.grid, horizon)
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


def _onsets(history: History, foretold: Sequence[Incident]) -> IntArray:
    """Grid times of the onsets that rows can tell of, sorted."""
    components = set(history.components)
    times = [onset_and_end(each)[0] for each in foretold if components & set(each.components)]
    at = np.searchsorted(history.grid_ms, np.array(times, dtype=np.int64))
    return np.sort(at[(at >= WINDOW_STEPS) & (at < len(history.grid))])


def _judged(parts: _Parts, said: FloatArray, end: BoolArray, horizon: int) -> tuple[Judged, int]:
    """The end as a table, and how many of its columns make a horizon. said: of each row."""
    samples = parts.samples
    times, place = np.unique(samples.at[end], return_inverse=True)
    if not len(times):
        raise NotEnoughHistory("precursors can't be judged: no normal minute is left at the end of the history")
    shape = (len(samples.components), len(times))
    table, happened = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    table[samples.component[end], place] = said[end]
    happened[samples.component[end], place] = parts.coming[end]
    apart = max(1, horizon * len(times) // max(1, int(times[-1] - times[0])))
    return Judged(probabilities=table, happened=happened), apart


def usual(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Median and robust spread of each feature, shape (features,); 0 and 1 where no row has it."""
    seen = np.isfinite(rows).any(axis=0)
    middle, spread = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    middle[seen] = np.nanmedian(rows[:, seen], axis=0)
    spread[seen] = 1.4826 * np.nanmedian(np.abs(rows[:, seen] - middle[seen]), axis=0)
    return middle, np.maximum(spread, 0.05)
