"""The stated risk: the conditional value at risk of how far the SLO is missed, over what may happen.

CVaR at level a is the mean over the worst 1 - a of the probability (Rockafellar and Uryasev 2000). A loss is the share
of the SLO that is used, less all of it: below 0 there is room to spare, which counts up to a tenth of the
SLO, so that a miss can't be bought with idle days. So CVaR <= 0 means that the SLO is held with a probability of at
least a (Nemirovski and Shapiro 2006), and that what is missed in the rest is made up for there.
"""

from dataclasses import dataclass

import numpy as np

from chaosprsa.allocation.space import Floats
from chaosprsa.errors import require

SPARE = 0.1  # of the SLO


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """level: of CVaR, 0 for the mean. limit: the most that CVaR may be, 0.1 for a tenth of the SLO.

    change_share: what moving a service costs, as a share of what it costs a month at present; all of it where its pods
    restart, half where they don't.
    """

    level: float = 0.9
    limit: float = 0.0
    change_share: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.level < 1, f"risk: level is {self.level}, expected 0 to below 1")
        require(self.limit > -SPARE, f"risk: limit is {self.limit}, expected above -{SPARE}, all room that counts")
        require(self.change_share >= 0, f"risk: change_share is {self.change_share}, expected 0 or more")


def tail_weights(losses: Floats, weights: Floats, level: float) -> Floats:
    """How much of the tail each loss is; losses (..., worlds), weights (worlds,) sum to 1; rows of the answer too."""
    order = np.argsort(-losses, axis=-1, kind="stable")
    sorted_weights = np.broadcast_to(weights, losses.shape)
    sorted_weights = np.take_along_axis(sorted_weights, order, axis=-1)
    before = np.cumsum(sorted_weights, axis=-1) - sorted_weights
    tail = 1.0 - level
    taken = np.clip(tail - before, 0.0, sorted_weights) / tail
    found = np.empty_like(taken)
    np.put_along_axis(found, order, taken, axis=-1)
    return found


def cvar(losses: Floats, weights: Floats, level: float) -> Floats:
    """Mean of the worst 1 - level of the weight; losses (..., worlds), weights (worlds,) sum to 1."""
    return np.asarray((tail_weights(losses, weights, level) * losses).sum(axis=-1), dtype=np.float64)
