"""One world as a Gymnasium environment, for other learners: `pip install 'chaosprsa[rl]'`.

An action from -1 to 1 is the logarithm of headroom, from the least to the most; an episode one drawn situation; a
reward minus what the step's cores and, at a price, its late requests cost. Importing this without Gymnasium raises
ToolMissing.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import ToolMissing
from chaosprsa.operating.fitted_q import ACTIONS
from chaosprsa.operating.learning import HARDER, Lessons
from chaosprsa.operating.watch import FEATURES
from chaosprsa.operating.world import MOST_ANNOUNCED, World

try:
    import gymnasium
    from gymnasium.spaces import Box
except ImportError as missing:
    raise ToolMissing("environment: Gymnasium is not installed; pip install 'chaosprsa[rl]'") from missing

Seen = npt.NDArray[np.float32]

LEAST = {"growth": -1.0, "supply": -2.0, "coming": -2.0, "costlier": -1.0}  # others: 0
MOST = {
    "growth": 1.5, "band": 1.0, "supply": 2.0, "coming": 2.0, "waiting": 30.0, "costlier": 1.0, "fullest": 1.2,
    "announced": float(np.log(MOST_ANNOUNCED)),
}  # fmt: skip
LOW, HIGH = (np.array([ends.get(name, 0.0) for name in FEATURES], np.float32) for ends in (LEAST, MOST))


def headroom_of(actions: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """From -1, the least headroom, to 1, the most."""
    return np.asarray(np.exp(np.interp(actions, (-1.0, 1.0), (ACTIONS[0], ACTIONS[-1]))))


class HeadroomEnvironment(gymnasium.Env[Seen, Seen]):
    """lessons: what situations are drawn from, by the seed of reset. price: of a late request."""

    def __init__(self, lessons: Lessons, price: float = HARDER) -> None:
        self._lessons, self._price = lessons, price
        self._world: World | None = None
        self.observation_space = Box(LOW, HIGH)
        self.action_space = Box(-1.0, 1.0, (1,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Seen, dict[str, Any]]:
        """A situation drawn anew, after its first step."""
        super().reset(seed=seed, options=options)
        self._world = self._lessons.world(1, self.np_random)
        return self._seen(self._world.reset()), {}

    def step(self, action: Seen) -> tuple[Seen, float, bool, bool, dict[str, Any]]:
        """info: the step's cost and its late requests' share."""
        if self._world is None:
            raise gymnasium.error.ResetNeeded("environment: step before reset")
        features = self._world.step(headroom_of(action))
        cost, late = float(self._world.cost[0]), float(self._world.late[0])
        return self._seen(features), -(cost + self._price * late), False, self._world.done, {"cost": cost, "late": late}

    def _seen(self, features: npt.NDArray[np.float64]) -> Seen:
        return np.asarray(np.clip(features[0].astype(np.float32), LOW, HIGH))
