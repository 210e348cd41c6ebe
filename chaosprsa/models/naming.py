"""Which components an incident names: what the one that raised it named, a neighbour in the call graph, or any.

An incident names a group of components, often one. Raised by another it names the same group with a probability for
each memory of the process, goes along a call edge (either way) with another, and else is drawn as if by itself, from an
urn (Blackwell & MacQueen 1973): the groups named before, the older the less, and components by their mean rate. Each
component's own rate is thus linear in the past, like the whole process's, and follows what has come to break lately. An
incident that names nothing counts as naming NOTHING.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from chaosprsa.models.groups import (
    NOTHING,
    URN_DAYS,
    Group,
    group_of,
    naming_rows,
    naming_shares,
    picked,
    urn_of,
)
from chaosprsa.models.selfexciting import SelfExciting, decayed
from chaosprsa.types import Topology

FloatArray = npt.NDArray[np.float64]
LEAST_URN, MOST_URN = 2.0, 0.5  # belief in the mean rates: at least in incidents, at most as a share of those seen
STAY, ALONG = 0.3, 0.1  # prior means of the two probabilities
PRIOR_WEIGHT = 8.0  # incidents' worth of it
MOST_FITTED = 5_000  # incidents, the latest
ALONG_DAYS = 7.0  # what a longer memory raises doesn't go along edges: it is a level, not a cascade
ROUNDS = 100
TINY = 1e-300


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """groups: the urn when it was fitted, in incidents' worth. stay, along: by memory.

    shares: of the mean rate, NOTHING's too. belief: in incidents' worth, that what comes by itself is drawn by them.
    """

    groups: Mapping[Group, float] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)
    stay: tuple[float, ...] = ()
    along: tuple[float, ...] = ()
    neighbours: Mapping[str, Group] = field(default_factory=dict)
    belief: float = LEAST_URN

    @classmethod
    def fit(
        cls,
        times: FloatArray,
        groups: Sequence[Group],
        shares: Mapping[str, float],
        process: SelfExciting,
        topology: Topology | None = None,
        alike: float = 0.0,
    ) -> Self:
        """times: of the process's clock, sorted; groups: one each. shares: of all components, sum 1.

        alike: incidents' worth of belief in the mean that each component's rate was shrunk with.
        """
        nothing = sum(not group for group in groups) / (len(groups) + 1)
        means = {**{name: share * (1 - nothing) for name, share in shares.items()}, NOTHING: nothing}
        belief = max(LEAST_URN, min(alike * len(shares), MOST_URN * len(groups)))
        empty = cls(shares=dict(sorted(means.items())), neighbours=_neighbours(topology), belief=belief)
        stay, along = empty._moves(times[-MOST_FITTED:], groups[-MOST_FITTED:], process)
        urn = urn_of(float(times[-1]), times, groups) if len(times) else {}
        return replace(empty, groups=dict(sorted(urn.items())), stay=stay, along=along)

    @property
    def _unknown(self) -> float:
        """How likely the belief names a component that nobody knew."""
        return 1 / max(len(self.shares), 1)

    def _believed(self) -> dict[Group, float]:
        """The urn of the belief, of size 1: a component by its mean rate, with what was named together with it."""
        weights = dict.fromkeys(self.shares, 1.0)
        for group, weight in self.groups.items():
            if group and group[0] in weights:
                weights[group[0]] += weight
        urn = {group_of(name): share / weights[name] for name, share in self.shares.items()}
        for group, weight in self.groups.items():
            if group and group[0] in weights:
                urn[group] = urn.get(group, 0.0) + self.shares[group[0]] * weight / weights[group[0]]
        return urn

    def _by_itself(
        self,
        believed: float,
        at: FloatArray,
        times: FloatArray,
        own: npt.NDArray[np.int64],
        fitted: float = 0.0,
    ) -> FloatArray:
        """The probability that an incident that comes by itself names a component; shape of `at`.

        believed, fitted: how likely the belief and the urn when it was fitted name it; own: who of the past did. Where
        less of the past is known than was when the urn was fitted, that one makes up for it.
        """
        seen, total = (URN_DAYS * decayed(at, each, (URN_DAYS,))[0] for each in (times[own], times))
        lacking = np.maximum(sum(self.groups.values()) - total, 0.0)
        return np.asarray((self.belief * believed + seen + lacking * fitted) / (self.belief + total + lacking))

    def _moves(
        self, times: FloatArray, groups: Sequence[Group], process: SelfExciting
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Of staying and going along: by expectation-maximisation over which event raised which, by what way."""
        memories = len(process.memories_days)
        along = [ALONG if self.neighbours and each < ALONG_DAYS else 0.0 for each in process.memories_days]
        prior = np.array([[1 - STAY - each, STAY, each] for each in along]).reshape(memories, 3)
        if not memories or len(times) < 2:
            return tuple(prior[:, 1].tolist()), tuple(prior[:, 2].tolist())
        branching = np.asarray(process.branching)[:, None]
        by_itself, raised, weight = self._densities(times, groups, process)
        shares = prior
        for _ in range(ROUNDS):
            parts = shares[:, :, None] * raised * branching[:, :, None]  # memories, ways, namings
            rate = np.maximum(by_itself * process.base + parts.sum(axis=(0, 1)), TINY)  # 0: the first of its name
            counts = np.sum(parts / rate * weight, axis=2) + PRIOR_WEIGHT * prior
            shares = counts / counts.sum(axis=1, keepdims=True)
        return tuple(shares[:, 1].tolist()), tuple(shares[:, 2].tolist())

    def _densities(
        self, times: FloatArray, groups: Sequence[Group], process: SelfExciting
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """For each naming of a component by an event: its share, what raised it by memory and way, and its weight."""
        named = naming_rows(groups)
        every = process.excitation(times, times, float(times[0]))
        lost = decayed(times, times[self._spread(groups) == 0], process.memories_days)
        shares, raised, weights = [], [], []
        for component, rows in named.items():
            at, believed = times[rows], self.shares.get(component, self._unknown)
            share = self._by_itself(believed, at, times, rows)
            same = decayed(at, at, process.memories_days)
            near = self._near(component, at, times, groups, named, process) + share * lost[:, rows]
            raised.append(np.stack([share * every[:, rows], same, near], axis=1))
            shares.append(share)
            weights.append(1.0 / np.array([max(len(groups[row]), 1) for row in rows]))
        return np.concatenate(shares), np.concatenate(raised, axis=2), np.concatenate(weights)

    def _spread(self, groups: Sequence[Group]) -> FloatArray:
        """What each component that an event names has of its way along an edge; 0 where none has an edge."""
        reach = np.array([sum(name in self.neighbours for name in group) for group in groups], dtype=np.float64)
        return np.divide(1.0, reach, out=np.zeros(len(groups)), where=reach > 0)

    def _near(
        self,
        component: str,
        at: FloatArray,
        times: FloatArray,
        groups: Sequence[Group],
        named: Mapping[str, npt.NDArray[np.int64]],
        process: SelfExciting,
    ) -> FloatArray:
        """What a component's neighbours raise on it; shape (memories, times). Each neighbour spreads over its own."""
        found = np.zeros((len(process.memories_days), len(at)))
        for other in self.neighbours.get(component, ()):
            if other in named:
                rows = named[other]
                weights = self._spread([groups[row] for row in rows]) / len(self.neighbours[other])
                found += decayed(at, times[rows], process.memories_days, weights)
        return found

    def rate(
        self,
        component: str,
        at: FloatArray,
        times: FloatArray,
        groups: Sequence[Group],
        since: float,
        process: SelfExciting,
    ) -> FloatArray:
        """Incidents a day that name a component, at times of the process's clock, given the past's; shape of `at`."""
        named = naming_rows(groups)
        rows = named.get(component, np.empty(0, dtype=np.int64))
        believed = naming_shares(self._believed()).get(component, self._unknown)
        share = self._by_itself(believed, at, times, rows, naming_shares(self.groups).get(component, 0.0))
        if not process.memories_days:
            return np.asarray(share * process.base)
        branching, stay, along = (np.asarray(each) for each in (process.branching, self.stay, self.along))
        every = process.excitation(at, times, since)
        before = share * (every - decayed(at, times, process.memories_days))  # what nobody saw named it as usual
        own = decayed(at, times[rows], process.memories_days) + before
        lost = decayed(at, times[self._spread(groups) == 0], process.memories_days)
        near = self._near(component, at, times, groups, named, process) + before + share * lost
        raised = (
            (branching * (1 - stay - along)) @ every * share + (branching * stay) @ own + (branching * along) @ near
        )
        return np.asarray(share * process.base + raised)

    def expected(
        self, start: float, end: float, times: FloatArray, groups: Sequence[Group], since: float, process: SelfExciting
    ) -> dict[str, float]:
        """Of every component (and NOTHING): the first incidents that name it from start to end, given those before.

        The integral of its rate, and of what the others' incidents in between raise on it; what its own raise comes
        second. 1 - exp(-it) is thus its probability, but for what the raised ones raise in turn.
        """
        by_itself = naming_shares(self._urn_at(start, times, groups))
        if not process.memories_days:
            return {name: share * process.base * (end - start) for name, share in by_itself.items()}
        memory = np.asarray(process.memories_days)
        branching, stay, along = (np.asarray(each) for each in (process.branching, self.stay, self.along))
        fading = -branching * memory * np.expm1(-(end - start) / memory)
        unseen = process.usual * np.exp(-max(start - since, 0.0) / memory)
        weights = np.exp(-(start - times) / memory[:, None]) / memory[:, None]
        every = unseen + weights.sum(axis=1)
        named, spread = naming_rows(groups), self._spread(groups)
        own = {name: weights[:, rows].sum(axis=1) for name, rows in named.items()}
        along_edges = {
            name: (weights * spread)[:, named[name]].sum(axis=1) for name in self.neighbours if name in named
        }
        lost = weights[:, spread == 0].sum(axis=1)
        found = {}
        for name, share in by_itself.items():
            around = [other for other in self.neighbours.get(name, ()) if other in along_edges]
            from_them = (along_edges[other] / len(self.neighbours[other]) for other in around)
            near = sum(from_them, share * (unseen + lost))
            raised = (1 - stay - along) * share * every + stay * (own.get(name, 0.0) + share * unseen) + along * near
            found[name] = float(share * process.base * (end - start) + np.sum(fading * raised))
        anywhere = process.base * (end - start) + float(np.sum(fading * every))
        inside = 1 + memory * np.expm1(-(end - start) / memory) / (end - start) if end > start else 0.0 * memory
        more = anywhere * float(np.sum(branching * (1 - stay - along) * inside))
        return {name: expected + by_itself[name] * more * (1 - by_itself[name]) for name, expected in found.items()}

    def _urn_at(self, at: float, times: FloatArray, groups: Sequence[Group]) -> dict[Group, float]:
        """The urn then: groups of the past, of when it was fitted where less is known, and components by rate."""
        urn: dict[Group, float] = {group: self.belief * share for group, share in self._believed().items()}
        parts = [urn_of(at, times, groups)]
        fitted, known = sum(self.groups.values()), sum(parts[0].values())
        if fitted > known:
            parts.append({group: weight * (fitted - known) / fitted for group, weight in self.groups.items()})
        for part in parts:
            for group, weight in part.items():
                urn[group] = urn.get(group, 0.0) + weight
        return urn

    def drawn(
        self,
        parents: Sequence[int],
        memories: Sequence[int],
        start: float,
        known: tuple[FloatArray, Sequence[Group]],
        rng: np.random.Generator,
    ) -> list[Group]:
        """A group for each simulated event; parents and memories as SelfExciting.simulate gives them.

        start: when the first may come; known: times and groups of the past. The urn stays as it is then.
        """
        times, past = known
        fresh = picked(self._urn_at(start, times, past), len(parents), rng)
        way, which = rng.uniform(size=(2, len(parents)))
        found: list[Group] = []
        for number, (parent, memory) in enumerate(zip(parents, memories, strict=True)):
            group = fresh[number]
            if parent != -1 and memory >= 0:
                raiser = found[parent] if parent >= 0 else past[-2 - parent]
                if way[number] < self.stay[memory]:
                    group = raiser
                elif way[number] < self.stay[memory] + self.along[memory]:
                    group = self._neighbour(raiser, float(which[number])) or group
            found.append(group)
        return found

    def _neighbour(self, raiser: Group, u: float) -> Group | None:
        ways = [component for component in raiser if component in self.neighbours]
        if not ways:
            return None
        place = u * len(ways)
        near = self.neighbours[ways[int(place)]]
        return (near[int(place % 1 * len(near))],)

    def as_json(self) -> dict[str, Any]:
        """What from_json takes back."""
        return {
            "groups": [[list(group), count] for group, count in self.groups.items()],
            "shares": dict(self.shares),
            "stay": list(self.stay),
            "along": list(self.along),
            "neighbours": {name: list(near) for name, near in self.neighbours.items()},
            "belief": self.belief,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From as_json's values."""
        return cls(
            groups={tuple(group): float(count) for group, count in values["groups"]},
            shares=dict(values["shares"]),
            stay=tuple(values["stay"]),
            along=tuple(values["along"]),
            neighbours={name: tuple(near) for name, near in values["neighbours"].items()},
            belief=float(values["belief"]),
        )


def _neighbours(topology: Topology | None) -> dict[str, Group]:
    """Callers and callees of each service that has any."""
    found: dict[str, set[str]] = {}
    for edge in topology.edges if topology else ():
        found.setdefault(edge.caller, set()).add(edge.callee)
        found.setdefault(edge.callee, set()).add(edge.caller)
    return {name: tuple(sorted(near - {name})) for name, near in sorted(found.items()) if near - {name}}
