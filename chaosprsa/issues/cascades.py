"""Issues that raise others, as the incident process has it: again where they are, or at a neighbour in the call graph.

By generations (Hawkes and Oakes 1974): each issue raises a Poisson number of others for each memory of the process,
after exponential delays on the process's own clock. What the process raises anywhere at all (a level that stays up for
weeks) is in the hazards' rates, not here.
"""

from dataclasses import replace

import numpy as np

from chaosprsa.hazards import FloatArray
from chaosprsa.issues.law import NONE, Draws, IntArray, Law
from chaosprsa.models.incident_clock import WeekClock
from chaosprsa.models.incidents import IncidentModel

MOST_GENERATIONS = 50  # the process dies out long before


class Raising:
    """ratio: how many others one issue raises, by memory; along: which share of them goes along a call edge."""

    def __init__(self, model: IncidentModel) -> None:
        process, naming = model.process, model.naming
        stay, along = np.array(naming.stay, dtype=float), np.array(naming.along, dtype=float)
        if not naming.neighbours:
            along = np.zeros_like(along)
        self.memories_days = np.array(process.memories_days, dtype=float)
        self.ratio: FloatArray = np.array(process.branching, dtype=float) * (stay + along)
        self.along: FloatArray = along / np.maximum(stay + along, 1e-12)
        self._neighbours = naming.neighbours
        self._clock = WeekClock.of(model.hours, model.weekdays)

    def within(self, seconds: FloatArray) -> FloatArray:
        """How many others one issue raises on average within so long; shape of seconds."""
        days = np.asarray(seconds)[..., None] / 86_400.0
        return np.asarray((self.ratio * -np.expm1(-days / self.memories_days)).sum(axis=-1))

    def cascades(self, law: Law, roots: Draws, rng: np.random.Generator) -> tuple[Draws, IntArray]:
        """The roots and all that they raise before the horizon's end, and whose each is (a root's number).

        Parents are numbers among these; a raised one comes after its parent.
        """
        parts, whose = [roots], [np.arange(len(roots))]
        generation, numbers, done = roots, np.arange(len(roots)), len(roots)
        for _ in range(MOST_GENERATIONS):
            children, parent = self._children(law, generation, rng)
            if not len(children):
                break
            children = replace(children, parent=numbers[parent])
            whose.append(whose[-1][parent])
            parts.append(children)
            generation, numbers = children, np.arange(done, done + len(children))
            done += len(children)
        return Draws.joined(parts), np.concatenate(whose)

    def _children(self, law: Law, parents: Draws, rng: np.random.Generator) -> tuple[Draws, IntArray]:
        """Of one generation, and each one's parent in it."""
        counts = rng.poisson(self.ratio, size=(len(parents), len(self.ratio)))
        parent, memory = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
        origin = law.grid.origin.timestamp()
        born = (
            self._clock.days(origin + parents.start_s[parent])
            + rng.exponential(size=len(parent)) * (self.memories_days[memory])
        )
        start = self._clock.times_s(born) - origin
        which = self._where(law, parents.which[parent], self.along[memory], rng)
        kept = (start < law.grid.cell_s * len(law.grid.starts_s)) & (which != NONE)
        drawn = law.drawn(which[kept], rng)
        return replace(drawn, start_s=start[kept]), parent[kept]

    def _where(self, law: Law, parents: IntArray, along: FloatArray, rng: np.random.Generator) -> IntArray:
        """A hazard for each child: of the parent's component or of a neighbour, as frequent as its weight says."""
        moves, which, kind = rng.uniform(size=(3, len(parents)))
        found = np.full(len(parents), NONE)
        for number, (parent, share) in enumerate(zip(parents.tolist(), along.tolist(), strict=True)):
            component = law.hazards[parent].component
            near = self._neighbours.get(component, ())
            if near and moves[number] < share:
                component = near[int(which[number] * len(near))]
            found[number] = law.at(component, float(kind[number]))
        return found


def first(draws: Draws, whose: IntArray, count: int) -> Draws:
    """Whole cascades in the roots' order until there are `count`; of the last one what comes first."""
    sizes = np.bincount(whose, minlength=1)
    before = np.cumsum(sizes) - sizes
    kept = np.flatnonzero(before[whose] < count)
    last = whose[kept] == whose[kept].max() if len(kept) else np.zeros(0, dtype=bool)
    surplus = len(kept) - count
    if surplus > 0:
        kept = np.delete(kept, np.flatnonzero(last)[-surplus:])
    place = np.full(len(draws), NONE)
    place[kept] = np.arange(len(kept))
    chosen = draws.only(kept)
    return replace(chosen, parent=np.where(chosen.parent >= 0, place[chosen.parent], NONE))
