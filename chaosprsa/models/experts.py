"""Two classifiers that each see a part of a row, its metrics or what went wrong lately, and have an equal say.

Kept apart because a burst of incidents is a stronger sign than any metric: in one set of trees it crowds the metrics
out, and nobody could say what either adds. Their log-odds are averaged (a logarithmic opinion pool: Genest & Zidek
1986). Shares that are learned did no better on later parts: a few dozen incidents don't tell them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.models.recency import RECENCY
from chaosprsa.models.threads import one_thread

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
PARTS = ("metrics", "recent incidents")


@dataclass(frozen=True, slots=True)
class Experts:
    """classifiers: of each of PARTS."""

    classifiers: tuple[Any, ...]

    @classmethod
    def fit(cls, rows: FloatArray, coming: BoolArray, seed: int) -> "Experts":
        """coming: shape (rows,). Raises NotEnoughHistory where all are alike."""
        return cls(tuple(_classifier(seed, part, coming) for part in _parts(rows)))

    def each_log_odds(self, rows: FloatArray) -> FloatArray:
        """Shape (rows, parts)."""
        with one_thread():
            told = [each.decision_function(part) for each, part in zip(self.classifiers, _parts(rows), strict=True)]
        return np.column_stack(told).astype(float)

    def log_odds(self, rows: FloatArray) -> FloatArray:
        """Both together, shape (rows,)."""
        return np.asarray(self.each_log_odds(rows).mean(axis=1))

    def gains(self) -> FloatArray:
        """Each feature's share of what its part's splits gained, in the rows' order."""
        return np.concatenate([_gains(each) / len(self.classifiers) for each in self.classifiers])


def _parts(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    return rows[:, : -len(RECENCY)], rows[:, -len(RECENCY) :]


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


def _gains(classifier: Any) -> FloatArray:
    total = np.zeros(classifier.n_features_in_)
    for tree in classifier._predictors:  # noqa: SLF001  # scikit-learn offers no other way to the splits
        for predictor in tree:
            splits = predictor.nodes[predictor.nodes["is_leaf"] == 0]
            np.add.at(total, splits["feature_idx"], splits["gain"])
    return total / total.sum() if total.sum() > 0 else total
