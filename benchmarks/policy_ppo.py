"""The rival of the policy's benchmark: PPO (Schulman et al. 2017) as Stable-Baselines3 has it, on the same worlds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from chaosprsa.operating import Lessons
from chaosprsa.operating.environment import HIGH, LOW, headroom_of
from chaosprsa.operating.learning import HARDER

ENVIRONMENTS, ROLLOUT, BATCH, DISCOUNT = 16, 128, 256, 0.9
STRETCH = 20_480  # steps between looks at what it has learnt


class Worlds(VecEnv):  # type: ignore[misc]  # Stable-Baselines3 is an optional extra
    """One world of many environments as Stable-Baselines3 wants it; actions from -1 to 1, features scaled."""

    def __init__(self, lessons: Lessons, seed: int) -> None:
        self._low, self._high = LOW, HIGH
        self.render_mode = None
        super().__init__(ENVIRONMENTS, Box(-1, 1, self._low.shape, np.float32), Box(-1, 1, (1,), np.float32))
        self._lessons, self._rng = lessons, np.random.default_rng(seed)

    def scaled(self, features: np.ndarray) -> np.ndarray:
        """From -1 to 1."""
        share = (np.clip(features, self._low, self._high) - self._low) / (self._high - self._low)
        return (2 * share - 1).astype(np.float32)

    def reset(self) -> np.ndarray:
        self._world = self._lessons.world(ENVIRONMENTS, self._rng)
        return self.scaled(self._world.reset())

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        seen = self.scaled(self._world.step(headroom_of(self._actions[:, 0])))
        reward = -(self._world.cost + HARDER * self._world.late)
        done, said = self._world.done, [dict[str, Any]() for _ in range(ENVIRONMENTS)]
        if done:
            for row, info in enumerate(said):
                info.update({"terminal_observation": seen[row], "TimeLimit.truncated": True})
            seen = self.reset()
        return seen, reward.astype(np.float32), np.full(ENVIRONMENTS, done), said

    def close(self) -> None:
        """Nothing is open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:  # noqa: ARG002 -- the interface's names
        return [getattr(self, attr_name, None)] * ENVIRONMENTS

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:  # noqa: ARG002 -- as above
        setattr(self, attr_name, value)

    def env_method(self, *_: Any, **__: Any) -> list[Any]:
        return [None] * ENVIRONMENTS

    def env_is_wrapped(self, *_: Any, **__: Any) -> list[bool]:
        return [False] * ENVIRONMENTS


def learned_by_ppo(
    lessons: Lessons, value: Callable[[Callable[[np.ndarray], np.ndarray]], float], goal: float, most: int, seed: int
) -> list[tuple[int, float]]:
    """(steps, return) after each stretch, until the goal is reached or the steps are used up."""
    torch.set_num_threads(1)
    worlds = Worlds(lessons, seed)
    model = PPO("MlpPolicy", worlds, n_steps=ROLLOUT, batch_size=BATCH, gamma=DISCOUNT, seed=seed, device="cpu")
    found: list[tuple[int, float]] = []

    def headroom(features: np.ndarray) -> np.ndarray:
        return headroom_of(model.predict(worlds.scaled(features), deterministic=True)[0][:, 0])

    while model.num_timesteps < most:
        model.learn(STRETCH, reset_num_timesteps=False)
        found.append((model.num_timesteps, value(headroom)))
        if found[-1][1] >= goal:
            break
    return found
