"""Random situations for the policy: an issue or none, a load, a system a little unlike the calibrated one.

Reinforcement learning's environment without its loop: `Situations` is drawn once (reset), `play` shows how allocations
do in it (step). Every call with the same situations meets the same randomness.
"""

from dataclasses import dataclass

import numpy as np

from chaosprsa.twin.course import Course, Effects, effects_of, repeated, standard_course
from chaosprsa.twin.fluid import Capacity, simulate
from chaosprsa.twin.judge import judged
from chaosprsa.twin.mixes import MixedCapacity
from chaosprsa.twin.parameters import Parameters, picked
from chaosprsa.twin.queueing import Floats
from chaosprsa.twin.trials import Noise, Rehearsal


@dataclass(frozen=True, slots=True)
class Situations:
    """Situations drawn for one rehearsal; load_share: shape (situations,), of the peak."""

    rehearsal: Rehearsal
    parameters: Parameters
    effects: Effects
    course: Course
    load_share: Floats

    def play(self, capacity: Capacity) -> tuple[Floats, Floats]:
        """capacity: shape (situations, services), one allocation for each. (violation (situations,), utilisation).

        The utilisation is that of services only, not of their further stations.
        """
        if isinstance(capacity, MixedCapacity):
            return self._mixed(capacity)
        twin, slo = self.rehearsal.twin, self.rehearsal.slo
        target = twin.graph.services.index(slo.service)
        trace = simulate(twin, capacity, self.parameters, self.effects, self.course, target)
        return judged(trace, self.course, slo).violation, trace.utilisation[:, : len(twin.graph.named)]

    def _mixed(self, capacity: MixedCapacity) -> tuple[Floats, Floats]:
        """Mix by mix, each situation in its place."""
        count = len(capacity.which)
        violation, used = np.empty(count), np.empty((count, len(self.rehearsal.twin.graph.named)))
        for number, mix in enumerate(capacity.mixes):
            rows, own = capacity.of(number)
            course = Course(self.course.step_s[:, rows], self.course.load_per_s[:, rows], self.course.part)
            situations = Situations(
                rehearsal=self.rehearsal.mixed(mix),
                parameters=mix.parameters(picked(self.parameters, rows)),
                effects=repeated(self.effects, rows),
                course=course,
                load_share=self.load_share[rows],
            )
            violation[rows], used[rows] = situations.play(own)
        return violation, used


def draw_situations(
    rehearsal: Rehearsal, base_per_s: float, peak_per_s: float, count: int, rng: np.random.Generator, noise: Noise
) -> Situations:
    """The rehearsal's issues by their probability, loads between base and peak, parameters and strengths as unsure."""
    among = [rehearsal.issues[at] for at in np.unique(rehearsal.worlds.issue)]
    weight = np.array([issue.probability for issue in among])
    which = rng.choice(len(weight), size=count, p=weight / weight.sum())
    issues, twin = [among[at] for at in which], rehearsal.twin
    strength = np.array([issue.strength for issue in issues]) * np.exp(noise.strength * rng.standard_normal(count))
    duration = np.array([issue.duration_s for issue in issues]) * np.exp(noise.duration * rng.standard_normal(count))
    share = rng.uniform(base_per_s / peak_per_s, 1.0, count)
    load = peak_per_s * share * np.exp(noise.load * rng.standard_normal(count))
    drawn = twin.drawn(rng, (count + 1) // 2)
    parameters = Parameters(*(getattr(drawn, name)[1 : count + 1] for name in Parameters.__slots__))
    return Situations(
        rehearsal=rehearsal,
        parameters=parameters,
        effects=effects_of(issues, twin.graph.services, strength, twin.graph.owners),
        course=standard_course(duration, load, rehearsal.phases_s, rehearsal.step_s),
        load_share=share,
    )
