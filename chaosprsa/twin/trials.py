"""Candidates against issues: every candidate meets the same draws, so that differences are the candidates' own."""

from dataclasses import dataclass

import numpy as np

from chaosprsa.twin.course import effects_of, repeated, standard_course
from chaosprsa.twin.fluid import Capacity, simulate
from chaosprsa.twin.judge import Judged, judged
from chaosprsa.twin.parameters import Twin, picked
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
class Rehearsal:
    """What candidates are tried against; phases_s: a trial's fault and after phases at most. draws = 1 + 2 pairs."""

    twin: Twin
    slo: Slo
    issues: tuple[SimulatedIssue, ...]
    load_per_s: float
    seed: int
    pairs: int = 1
    noise: Noise = Noise()
    phases_s: tuple[float, float] = (120.0, 60.0)
    step_s: float = 2.0

    def __call__(self, capacity: Capacity) -> Judged:
        """capacity: shape (candidates, services); every field of the answer: (candidates, issues, draws)."""
        rows = len(self.issues) * (1 + 2 * self.pairs)
        at_a_time = max(MOST_ENVIRONMENTS // max(rows, 1), 1)
        count = len(capacity.replicas)
        parts = [self._batch(capacity, slice(low, low + at_a_time)) for low in range(0, count, at_a_time)]
        shape = (count, len(self.issues), 1 + 2 * self.pairs)
        return Judged(
            *(np.concatenate([getattr(part, name) for part in parts]).reshape(shape) for name in Judged.__slots__)
        )

    def _batch(self, capacity: Capacity, which: slice) -> Judged:
        candidates, issues, draws = len(capacity.replicas[which]), len(self.issues), 1 + 2 * self.pairs
        rng = np.random.default_rng(self.seed)
        parameters = picked(self.twin.drawn(rng, self.pairs), np.tile(np.arange(draws), candidates * issues))
        strength, duration, load = self._drawn(rng)
        effects = repeated(
            effects_of([issue for issue in self.issues for _ in range(draws)], self.twin.graph.services, strength),
            np.tile(np.arange(issues * draws), candidates),
        )
        course = standard_course(np.tile(duration, candidates), np.tile(load, candidates), self.phases_s, self.step_s)
        repeat = issues * draws
        each = Capacity(*(getattr(capacity, name)[which].repeat(repeat, axis=0) for name in Capacity.__slots__))
        trace = simulate(self.twin, each, parameters, effects, course, self._target)
        return judged(trace, course, self.slo)

    def _drawn(self, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """Strength, duration and load, each of shape (issues x draws,): nominal first, then mirrored pairs."""
        half = rng.standard_normal((3, len(self.issues), self.pairs))
        normal = np.concatenate((np.zeros((3, len(self.issues), 1)), half, -half), axis=2)
        sigmas = (self.noise.strength, self.noise.duration, self.noise.load)
        values = (
            np.array([issue.strength for issue in self.issues]),
            np.array([issue.duration_s for issue in self.issues]),
            np.full(len(self.issues), self.load_per_s),
        )
        moved = [
            (value[:, None] * np.exp(sigma * noise)).ravel()
            for value, sigma, noise in zip(values, sigmas, normal, strict=True)
        ]
        return moved[0], moved[1], moved[2]

    @property
    def _target(self) -> int:
        return self.twin.graph.services.index(self.slo.service)
