"""Events that raise others: the self-exciting process (Hawkes 1971; Ogata 1988), with a kernel of several memories.

The rate is a base, plus what each earlier event adds: of every memory a share of an event (the branching ratio), spread
over the time that follows as an exponential. Short memories are aftershocks; long ones are a level that drifts, and a
forecast that returns to the mean (several exponentials come close to a power law: Hardiman et al. 2013). The memories
are given, so the likelihood is concave in what is fitted, and expectation-maximisation over which event raised which
(Veen & Schoenberg 2008) reaches its only maximum. Before the first moment known the process is taken to have been at
its mean. Times are days on any clock that runs evenly for the process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class Belief(NamedTuple):
    """In a memory's branching ratio: its prior mode, and how many events' worth it weighs (a gamma prior)."""

    mode: float
    weight: float = 8.0


# By memory in days: an aftershock, a bad week, a level that stays. Few spells of a level fit into a history, so what it
# is like is believed more firmly: that rates of months go on. Forecasts of half-years that were left out are better so.
MEMORIES: Mapping[float, Belief] = MappingProxyType({1 / 24: Belief(0.1), 4.0: Belief(0.2), 60.0: Belief(0.6, 40.0)})
KNOWN_TIMES = 3.0  # a memory is fitted where the time known is this many times as long
BASE_WEIGHT = 2.0  # events' worth of belief that the base is what the modes leave
MOST_BRANCHING = 0.95  # above 1 the process explodes
ROUNDS, SETTLED = 400, 1e-7
MOST_DRAWN = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfExciting:
    """base: events a day that nothing raised. branching: events that one raises, by memory. usual: events a day."""

    base: float
    memories_days: tuple[float, ...] = ()
    branching: tuple[float, ...] = ()
    usual: float

    @property
    def total_branching(self) -> float:
        """Events that one raises itself; below 1."""
        return sum(self.branching)

    @property
    def stationary(self) -> float:
        """Events a day in the long run."""
        return self.base / (1 - self.total_branching)

    @classmethod
    def fit(
        cls, times: FloatArray, days: float, least: float = 0.5, memories: Mapping[float, Belief] = MEMORIES
    ) -> Self:
        """times: sorted, within [0, days]; least: what no event at all counts. memories: by days.

        The most probable a posteriori. A memory that is long for the time known is left out.
        """
        usual = max(len(times), least) / days
        fitted = tuple(each for each in memories if each * KNOWN_TIMES <= days)
        if len(times) < 2 or not fitted:
            return cls(base=usual, usual=usual)
        known = cls(base=usual, memories_days=fitted, branching=(0.0,) * len(fitted), usual=usual)
        raised, exposure = known.excitation(times, times, 0.0), known.excited(0.0, days, times, 0.0)
        base, branching = _most_likely(raised, exposure, days, [memories[each] for each in fitted])
        return cls(base=base, memories_days=fitted, branching=tuple(branching.tolist()), usual=usual)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From asdict's values, through JSON or not."""
        lists = {key: tuple(values[key]) for key in ("memories_days", "branching")}
        return cls(**{**values, **lists})

    def excitation(self, at: FloatArray, past: FloatArray, since: float) -> FloatArray:
        """Sum of the memories' densities at each time, of events strictly before it; shape (memories, times), a day.

        past: sorted. since: from when on events are known.
        """
        memory = np.asarray(self.memories_days)[:, None]
        found = self.usual * np.exp(-np.maximum(at - since, 0.0) / memory)
        return np.asarray(found + decayed(at, past, self.memories_days))

    def excited(self, start: float, end: float, past: FloatArray, since: float) -> FloatArray:
        """The integral of excitation from start to end, events in between included; shape (memories,)."""
        memory = np.asarray(self.memories_days)
        usual = (
            self.usual * memory * (np.exp(-max(start - since, 0.0) / memory) - np.exp(-max(end - since, 0.0) / memory))
        )
        before, during = past[past < start], past[(past >= start) & (past < end)]
        faded = _sums(start - before, memory) - _sums(end - before, memory)
        return np.asarray(usual + faded + len(during) - _sums(end - during, memory))

    def rate(self, at: FloatArray, past: FloatArray, since: float) -> FloatArray:
        """Events a day at each time, given those strictly before it; shape of `at`."""
        if not self.memories_days:
            return np.full(len(at), self.base)
        return np.asarray(self.base + np.asarray(self.branching) @ self.excitation(at, past, since))

    def expected(self, start: float, end: float, past: FloatArray, since: float) -> float:
        """The integral of the rate from start to end, given the events until end: none in between, none raised."""
        if not self.memories_days:
            return self.base * (end - start)
        return self.base * (end - start) + float(np.dot(self.branching, self.excited(start, end, past, since)))

    def waits(self, marks: FloatArray, past: FloatArray, since: float) -> FloatArray:
        """The integral of the rate between neighbouring marks, in order; shape (marks - 1,).

        past: all events; those strictly between two marks would be missing, so marks name them all.
        """
        lengths = np.diff(marks)
        found = self.base * lengths
        if self.memories_days:
            memory = np.asarray(self.memories_days)[:, None]
            just = np.searchsorted(past, marks[:-1], side="right") - np.searchsorted(past, marks[:-1], side="left")
            state = self.excitation(marks[:-1], past, since) + just / memory
            found = found - np.asarray(self.branching) @ (state * memory * np.expm1(-lengths / memory))
        return np.asarray(found)

    def log_likelihood(self, times: FloatArray, start: float, end: float, past: FloatArray, since: float) -> float:
        """Nats, of sorted times in [start, end) given those of the past, all before start."""
        every = np.concatenate([past, times])
        return float(np.sum(np.log(self.rate(times, every, since))) - self.expected(start, end, every, since))

    def simulate(
        self, start: float, end: float, past: FloatArray, since: float, rng: np.random.Generator
    ) -> tuple[FloatArray, IntArray, IntArray]:
        """Times within [start, end) in order; each one's parent, and by which memory it was raised.

        Parents: number of an earlier one of these; -1: nothing raised it; -2 - i: number i of the past did.
        By generations (Hawkes & Oakes 1974): everything has a Poisson number of children.
        """
        first = _joined([self._by_themselves(start, end, since, rng), self._of_the_past(start, end, past, rng)])
        found, generation, numbered = [first], first, 0
        while len(generation[0]) and sum(len(each[0]) for each in found) < MOST_DRAWN:
            children = self._children(generation[0], end, numbered, rng)
            numbered += len(generation[0])
            found.append(children)
            generation = children
        times, parents, memories = _joined(found)
        order = np.argsort(times, kind="stable")
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        parents = np.where(parents >= 0, place[np.maximum(parents, 0)] if len(place) else parents, parents)
        return times[order], parents[order], memories[order]

    def _by_themselves(self, start: float, end: float, since: float, rng: np.random.Generator) -> "_Drawn":
        """Those of the base, and those raised before anything was known."""
        count = int(rng.poisson(self.base * (end - start)))
        parts = [_orphans(rng.uniform(start, end, count))]
        for memory, ratio in zip(self.memories_days, self.branching, strict=True):
            left = ratio * self.usual * memory * np.exp(-max(start - since, 0.0) / memory)
            within = -np.expm1(-(end - start) / memory)
            delays = -memory * np.log1p(-within * rng.uniform(size=int(rng.poisson(left * within))))
            parts.append(_orphans(start + delays))
        return _joined(parts)

    def _of_the_past(self, start: float, end: float, past: FloatArray, rng: np.random.Generator) -> "_Drawn":
        parts = [_orphans(np.empty(0))]
        for number, (memory, ratio) in enumerate(zip(self.memories_days, self.branching, strict=True)):
            left = np.exp(-(start - past) / memory)
            within = -np.expm1(-(end - start) / memory)
            parents = np.repeat(np.arange(len(past)), rng.poisson(ratio * left * within))
            delays = -memory * np.log1p(-within * rng.uniform(size=len(parents)))
            parts.append((start + delays, -2 - parents, np.full(len(parents), number)))
        return _joined(parts)

    def _children(self, parents: FloatArray, end: float, first: int, rng: np.random.Generator) -> "_Drawn":
        parts = [_orphans(np.empty(0))]
        for number, (memory, ratio) in enumerate(zip(self.memories_days, self.branching, strict=True)):
            whose = np.repeat(np.arange(len(parents)), rng.poisson(ratio, size=len(parents)))
            times = parents[whose] + rng.exponential(memory, size=len(whose))
            kept = times < end
            parts.append((times[kept], first + whose[kept], np.full(int(kept.sum()), number)))
        return _joined(parts)


_Drawn = tuple[FloatArray, IntArray, IntArray]  # times, parents, memories


def decayed(
    at: FloatArray, past: FloatArray, memories_days: Sequence[float], weights: FloatArray | float = 1.0
) -> FloatArray:
    """Sum over earlier events of weight exp(-age / memory) / memory, shape (memories, times); past sorted.

    Ogata's recursion, done for all events at once by doubling steps (Hillis & Steele 1986).
    """
    memory = np.asarray(memories_days)[:, None]
    if not len(past) or not len(memory):
        return np.zeros((len(memory), len(at)))
    state, reach = np.full((len(memory), len(past)), weights), 1
    while reach < len(past):
        keep = np.exp(-(past[reach:] - past[:-reach]) / memory)
        state[:, reach:] = state[:, reach:] + keep * state[:, :-reach]
        reach *= 2
    last = np.searchsorted(past, at, side="left") - 1
    age = np.where(last >= 0, at - past[np.maximum(last, 0)], np.inf)
    return np.asarray(state[:, np.maximum(last, 0)] * np.exp(-age / memory) / memory)


def _most_likely(
    raised: FloatArray, exposure: FloatArray, days: float, beliefs: Sequence[Belief]
) -> tuple[float, FloatArray]:
    """Base and branching. raised: excitation at the events, (memories, events); exposure: its integral, (memories,)."""
    count = raised.shape[1]
    modes, weights = np.array(beliefs).T
    branching = modes.copy()
    base, before = count / days * (1 - float(modes.sum())), -np.inf
    for _ in range(ROUNDS):
        shares = branching[:, None] * raised
        rate = base + shares.sum(axis=0)
        by_itself = float(np.sum(base / rate))
        branching = (np.sum(shares / rate, axis=1) + weights * modes) / (exposure + weights)
        branching *= min(1.0, MOST_BRANCHING / float(branching.sum()))
        base = (by_itself + BASE_WEIGHT * (1 - float(modes.sum()))) / (days * (1 + BASE_WEIGHT / count))
        likelihood = float(np.sum(np.log(rate)))
        if abs(likelihood - before) < SETTLED * count:
            break
        before = likelihood
    return float(base), branching


def _sums(ages: FloatArray, memory: FloatArray) -> FloatArray:
    return np.array([float(np.sum(np.exp(-ages / each))) for each in memory])


def _orphans(times: FloatArray) -> _Drawn:
    return times, np.full(len(times), -1), np.full(len(times), -1)


def _joined(parts: Sequence[_Drawn]) -> _Drawn:
    return (
        np.concatenate([part[0] for part in parts]),
        np.concatenate([part[1] for part in parts]),
        np.concatenate([part[2] for part in parts]),
    )
