"""Fitted Q iteration (Ernst, Geurts and Wehenkel 2005) with a linear Q: what a choice of headroom is worth.

The action is the logarithm of headroom, the factor from what is needed to what is ordered. Q is linear in products of
the features with powers of the action and an exponential, since a shortage costs steeply more the less headroom there
is: few numbers, so that few steps of experience are enough, and a closed form (ridge regression) for every backup.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import BadInput
from chaosprsa.models.threads import one_thread
from chaosprsa.operating.watch import FEATURES

Floats = npt.NDArray[np.float64]

ACTIONS = np.linspace(-0.14, 0.7, 29)  # headroom of .87 to 2
DISCOUNT, BACKUPS = 0.9, 40
RIDGE, SHRINKING = 3.0, 300.0  # the latter of what features say about actions: headroom is alike where little is known
LOWER, HIGHER = 0.15, 0.45  # how far the trust region goes, in the logarithm of headroom
_STEEP, _FARTHEST = 8.0, 4.0
_ROWS = ("weights", "middle", "scale", "low", "high")
BEYOND = 0.5  # of the range of a feature: what is farther outside was never learnt


@dataclass(frozen=True, slots=True)
class Transitions:
    """Steps of experience, one a row: features before and after (steps, features); action, cost and late (steps,).

    cost: of cores, as a share of what the load's work takes at least. late: share of requests that missed the SLO.
    """

    before: Floats
    action: Floats
    cost: Floats
    late: Floats
    after: Floats

    @classmethod
    def joined(cls, parts: Sequence["Transitions"]) -> "Transitions":
        """One after the other."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))


@dataclass(frozen=True, slots=True)
class Learned:
    """A policy: weights of Q, and the features' middle, scale and range in its experience, shape (features,) each.

    price: of a late request, in what the load's work costs at least. steps: of experience.
    """

    weights: tuple[float, ...]
    middle: tuple[float, ...]
    scale: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    around: float | None
    price: float
    steps: int

    def headroom(self, features: Floats) -> Floats:
        """Shape (rows,): the action that Q values most, as a factor. features: shape (rows, features)."""
        within = _within(self.around)
        best = _values(self._scaled(features), np.array(self.weights))[:, within].argmax(axis=1)
        return np.asarray(np.exp(ACTIONS[within][best]))

    def knows(self, features: Floats) -> npt.NDArray[np.bool_]:
        """Shape (rows,): whether every feature is known and not far outside of what was learnt from."""
        low, high = np.array(self.low), np.array(self.high)
        reach = BEYOND * (high - low)
        inside = (features >= low - reach) & (features <= high + reach)
        return np.asarray(np.all(inside, axis=1))

    def as_json(self) -> dict[str, Any]:
        """What from_json takes back."""
        return {"features": list(FEATURES), **asdict(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Raises BadInput where it was learnt from other features."""
        if tuple(values.get("features", ())) != FEATURES:
            raise BadInput("policy: it was learnt from other features than these; learn it again")
        weights, middle, scale, low, high = (tuple(values[name]) for name in _ROWS)
        return cls(weights, middle, scale, low, high, values["around"], float(values["price"]), int(values["steps"]))

    def _scaled(self, features: Floats) -> Floats:
        return _scaled(features, np.array(self.middle), np.array(self.scale))


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same headroom always."""

    factor: float

    def headroom(self, features: Floats) -> Floats:
        """Shape (rows,)."""
        return np.full(len(features), self.factor)

    def knows(self, features: Floats) -> npt.NDArray[np.bool_]:
        """Wherever every feature is known."""
        return np.asarray(np.all(np.isfinite(features), axis=1))


def fitted(experience: Transitions, price: float, around: float | None = None, shrinking: float = SHRINKING) -> Learned:
    """Q of one experience at one price of late requests.

    around: a headroom that is left by no more than the trust region, anything by default.
    shrinking: of what features say about actions.
    """
    with one_thread():  # the same sums in the same order, however many cores there are
        return _fitted(experience, price, around, shrinking)


def _fitted(experience: Transitions, price: float, around: float | None, shrinking: float) -> Learned:
    before, after = experience.before, experience.after
    middle, scale = before.mean(axis=0), before.std(axis=0) + 1e-6
    basis = _basis(_scaled(before, middle, scale), experience.action)
    squared = basis.T @ basis + np.diag(_penalties(before.shape[1], shrinking))
    solve = np.linalg.solve(squared, basis.T)
    ahead = _scaled(after, middle, scale)
    reward = -experience.cost - price * experience.late
    within = _within(around)
    weights = solve @ (reward / (1 - DISCOUNT))
    for _ in range(BACKUPS):
        weights = solve @ (reward + DISCOUNT * _values(ahead, weights)[:, within].max(axis=1))
    return Learned(
        weights=tuple(weights.tolist()),
        middle=tuple(middle.tolist()),
        scale=tuple(scale.tolist()),
        low=tuple(before.min(axis=0).tolist()),
        high=tuple(before.max(axis=0).tolist()),
        around=around,
        price=price,
        steps=len(before),
    )


def _scaled(features: Floats, middle: Floats, scale: Floats) -> Floats:
    return np.asarray(np.clip((features - middle) / scale, -_FARTHEST, _FARTHEST))


def _basis(scaled: Floats, action: Floats) -> Floats:
    """Shape (rows, terms)."""
    one = np.hstack([np.ones((len(scaled), 1)), scaled])
    at = action[:, None]
    return np.hstack([one, one * at, one * at**2, scaled**2, one * np.exp(-_STEEP * at)])


def _penalties(features: int, shrinking: float) -> Floats:
    """Shape (terms,), in the order of _basis."""
    plain, moving = np.full(features + 1, RIDGE), np.concatenate([[RIDGE], np.full(features, shrinking)])
    return np.concatenate([plain, moving, moving, plain[1:], moving])


def _within(around: float | None) -> npt.NDArray[np.int64]:
    """Actions in the trust region."""
    if around is None:
        return np.arange(len(ACTIONS))
    moved = ACTIONS - np.log(around)
    return np.flatnonzero((moved >= -LOWER - 1e-9) & (moved <= HIGHER + 1e-9))


def _values(scaled: Floats, weights: Floats) -> Floats:
    """Q of every action, shape (rows, actions): the basis' products, summed by the actions' powers."""
    features = scaled.shape[1]
    plain, linear, square, curved, steep = np.split(weights, np.cumsum([features + 1] * 3 + [features]))
    one = np.hstack([np.ones((len(scaled), 1)), scaled])
    alone = one @ plain + scaled**2 @ curved
    powers = np.stack([ACTIONS, ACTIONS**2, np.exp(-_STEEP * ACTIONS)])
    return np.asarray(alone[:, None] + one @ np.stack([linear, square, steep], axis=1) @ powers)
