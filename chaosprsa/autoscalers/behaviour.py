"""How fast an HPA may move: stabilisation windows, then rates (autoscaling/v2 `behavior`; KEP-853).

Kubernetes' controller: pkg/controller/podautoscaler/horizontal.go, stabilizeRecommendationWithBehaviors and
convertDesiredReplicasWithBehaviorRate.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from chaosprsa.autoscalers.contract import Ints


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many pods, or so many percent of them, in a period."""

    kind: Literal["Pods", "Percent"]
    value: float
    period_s: float = 15.0

    def most(self, begun: Ints, sign: int) -> Ints:
        """From this many pods at the period's beginning; sign: 1 up, -1 down. Up is rounded up, down cut off."""
        if self.kind == "Pods":
            return np.asarray(begun + sign * round(self.value), dtype=np.int64)
        moved = begun * (1.0 + sign * self.value / 100.0)
        return np.asarray(np.ceil(moved - 1e-9) if sign > 0 else np.floor(moved + 1e-9), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Rules:
    """Of one direction. select: of the rates, the one that allows most or least, or no move at all."""

    stabilisation_s: float
    rates: tuple[Rate, ...]
    select: Literal["Max", "Min", "Disabled"] = "Max"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Kubernetes' defaults: up at once by 4 pods or 100 % in 15 s; down by anything that was so for 300 s."""

    up: Rules = field(default_factory=lambda: Rules(0.0, (Rate("Percent", 100.0), Rate("Pods", 4))))
    down: Rules = field(default_factory=lambda: Rules(300.0, (Rate("Percent", 100.0),)))


class Moves:
    """What an HPA remembers: recommendations and changes, of all services at once."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._wanted: list[tuple[float, Ints]] = []
        self._changes: list[tuple[float, Ints]] = []

    def allowed(self, now_s: float, current: Ints, wanted: Ints, least: Ints, most: Ints) -> Ints:
        """The replicas after windows, rates and bounds; they are remembered as done."""
        calm = self._stabilised(now_s, current, wanted)
        up = np.maximum(self._limit(now_s, current, self._behaviour.up, 1), current)
        down = np.minimum(self._limit(now_s, current, self._behaviour.down, -1), current)
        found = np.clip(np.clip(calm, down, up), least, most)
        self._changes.append((now_s, found - current))
        return found

    def _stabilised(self, now_s: float, current: Ints, wanted: Ints) -> Ints:
        """Up no farther than the least, down no farther than the most that was recommended within the windows."""
        up, down = self._behaviour.up.stabilisation_s, self._behaviour.down.stabilisation_s
        self._wanted = [(at, each) for at, each in self._wanted if at > now_s - max(up, down)]
        floor, ceiling = wanted, wanted
        for at, each in self._wanted:
            floor = np.minimum(floor, each) if at > now_s - up else floor
            ceiling = np.maximum(ceiling, each) if at > now_s - down else ceiling
        self._wanted.append((now_s, wanted))
        return np.minimum(np.maximum(current, floor), ceiling)

    def _limit(self, now_s: float, current: Ints, rules: Rules, sign: int) -> Ints:
        """How far the rates of a direction let it go."""
        if rules.select == "Disabled" or not rules.rates:
            return current
        longest = max(rate.period_s for each in (self._behaviour.up, self._behaviour.down) for rate in each.rates)
        self._changes = [(at, change) for at, change in self._changes if at > now_s - longest]
        proposed = []
        for rate in rules.rates:
            moved = [change for at, change in self._changes if at > now_s - rate.period_s]
            begun = current - np.sum(moved, axis=0, dtype=np.int64) if moved else current
            proposed.append(rate.most(begun, sign))
        farthest: Callable[..., Ints] = np.max if (rules.select == "Max") == (sign > 0) else np.min
        return np.asarray(farthest(proposed, axis=0), dtype=np.int64)
