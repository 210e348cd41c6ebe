"""Candidates against issues: every candidate meets the same worlds, so that differences are the candidates' own.

A world is an issue as it may turn out (stronger, longer, at another load) on a system a little unlike the calibrated
one. Each issue's worlds come from its own stream of random numbers, so that it meets the same ones in any company.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np

from chaosprsa.twin.course import effects_of, repeated, standard_course
from chaosprsa.twin.fluid import Capacity, simulate
from chaosprsa.twin.judge import Judged, judged
from chaosprsa.twin.mixes import Mix, MixedCapacity
from chaosprsa.twin.parameters import Parameters, Twin, picked
from chaosprsa.twin.queueing import Floats
from chaosprsa.types import SimulatedIssue, Slo

MOST_ENVIRONMENTS = 3000  # a batch that stays in the processor's cache


@dataclass(frozen=True, slots=True)
class Noise:
    """Standard deviations of the logarithm, for what an issue turns out to be."""

    strength: float = 0.1
    duration: float = 0.2
    load: float = 0.05


@dataclass(frozen=True, slots=True)
class Worlds:
    """Shape (worlds,), parameters (worlds, services). issue: the issue's number; nominal: just as predicted."""

    issue: np.ndarray
    nominal: np.ndarray
    strength: Floats
    duration_s: Floats
    load_per_s: Floats
    parameters: Parameters

    def only(self, rows: np.ndarray) -> "Worlds":
        """These worlds, in this order."""
        return Worlds(
            self.issue[rows],
            self.nominal[rows],
            self.strength[rows],
            self.duration_s[rows],
            self.load_per_s[rows],
            picked(self.parameters, rows),
        )


def draw_worlds(
    twin: Twin, issues: tuple[SimulatedIssue, ...], load_per_s: float, seed: int, pairs: int, noise: Noise
) -> Worlds:
    """1 + 2 pairs worlds an issue: as predicted, then mirrored (antithetic) pairs around it."""
    each = [_worlds_of(twin, at, issue, load_per_s, seed, pairs, noise) for at, issue in enumerate(issues)]
    names = ("issue", "nominal", "strength", "duration_s", "load_per_s")
    columns = {name: np.concatenate([getattr(one, name) for one in each]) for name in names}
    parts = Parameters.__slots__
    parameters = [np.concatenate([getattr(one.parameters, part) for one in each]) for part in parts]
    return Worlds(**columns, parameters=Parameters(*parameters))


def _worlds_of(
    twin: Twin, at: int, issue: SimulatedIssue, load_per_s: float, seed: int, pairs: int, noise: Noise
) -> Worlds:
    rng = np.random.default_rng([seed, zlib.crc32(issue.id.encode())])
    half = rng.standard_normal((pairs, 3))
    normal = np.concatenate((np.zeros((1, 3)), half, -half))
    return Worlds(
        issue=np.full(len(normal), at),
        nominal=np.arange(len(normal)) == 0,
        strength=issue.strength * np.exp(noise.strength * normal[:, 0]),
        duration_s=issue.duration_s * np.exp(noise.duration * normal[:, 1]),
        load_per_s=load_per_s * np.exp(noise.load * normal[:, 2]),
        parameters=twin.drawn(rng, pairs),
    )


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What candidates are tried against; phases_s: a trial's fault and after phases at most."""

    twin: Twin
    slo: Slo
    issues: tuple[SimulatedIssue, ...]
    worlds: Worlds
    phases_s: tuple[float, float] = (120.0, 60.0)
    step_s: float = 2.0

    def only(self, rows: np.ndarray) -> "Rehearsal":
        """The same with these worlds only."""
        return replace(self, worlds=self.worlds.only(rows))

    def at_scale(self, scale: float) -> "Rehearsal":
        """The same at a share of the load."""
        return replace(self, worlds=replace(self.worlds, load_per_s=self.worlds.load_per_s * scale))

    def __call__(self, capacity: Capacity) -> Judged:
        """capacity: shape (candidates, services); every field of the answer: (candidates, worlds)."""
        count, worlds = len(capacity.replicas), len(self.worlds.issue)
        if not worlds:
            return Judged(*(np.zeros((count, 0)) for _ in Judged.__slots__))
        if isinstance(capacity, MixedCapacity):
            return self._mixed(capacity)
        at_a_time = max(MOST_ENVIRONMENTS // worlds, 1)
        parts = [self._batch(capacity, slice(low, low + at_a_time)) for low in range(0, count, at_a_time)]
        return Judged(
            *(
                np.concatenate([getattr(part, name) for part in parts]).reshape(count, worlds)
                for name in Judged.__slots__
            )
        )

    def mixed(self, mix: Mix) -> "Rehearsal":
        """The same where requests go another way."""
        twin = replace(self.twin, graph=mix.graph(self.twin.graph))
        return replace(self, twin=twin, worlds=replace(self.worlds, parameters=mix.parameters(self.worlds.parameters)))

    def _mixed(self, capacity: MixedCapacity) -> Judged:
        """Mix by mix, each candidate in its place."""
        found = Judged(*(np.empty((len(capacity.which), len(self.worlds.issue))) for _ in Judged.__slots__))
        for number, mix in enumerate(capacity.mixes):
            rows, own = capacity.of(number)
            told = self.mixed(mix)(own)
            for name in Judged.__slots__:
                getattr(found, name)[rows] = getattr(told, name)
        return found

    def _batch(self, capacity: Capacity, which: slice) -> Judged:
        candidates, worlds = len(capacity.replicas[which]), self.worlds
        rows = np.tile(np.arange(len(worlds.issue)), candidates)
        services, owners = self.twin.graph.services, self.twin.graph.owners
        effects = effects_of([self.issues[at] for at in worlds.issue], services, worlds.strength, owners)
        course = standard_course(worlds.duration_s[rows], worlds.load_per_s[rows], self.phases_s, self.step_s)
        each = Capacity(
            *(getattr(capacity, name)[which].repeat(len(worlds.issue), axis=0) for name in Capacity.__slots__)
        )
        parameters = picked(worlds.parameters, rows)
        target = services.index(self.slo.service)
        return judged(simulate(self.twin, each, parameters, repeated(effects, rows), course, target), course, self.slo)
