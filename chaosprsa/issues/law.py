"""The incident process over a horizon as arrays: what issues are drawn from, and how likely each draw is."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from chaosprsa.hazards import FloatArray, Grid, Hazard
from chaosprsa.issues import marks
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.types import EdgeCase, Fault

IntArray = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
BoolArray = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
EDGES = (EdgeCase.TAIL, EdgeCase.UNSEEN, EdgeCase.TOGETHER)
NONE = -1


@dataclass(frozen=True, slots=True)
class Draws:
    """The random part of issues; shape (draws,) each.

    which, other: number of the hazard, and of a companion's; edge: number in EDGES; parent: number of the draw that
    raised it, below its own. NONE where there is none. u: quantiles.
    """

    which: IntArray
    start_s: FloatArray
    strength_u: FloatArray
    duration_u: FloatArray
    severity_u: FloatArray
    ramp_u: FloatArray
    edge: IntArray
    other: IntArray
    other_u: FloatArray
    parent: IntArray

    def __len__(self) -> int:
        return len(self.which)

    def only(self, rows: np.ndarray) -> "Draws":
        """These, in this order."""
        return Draws(*(getattr(self, part.name)[rows] for part in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence["Draws"]) -> "Draws":
        """One after the other; parents keep their numbers only in the first."""
        return cls(*(np.concatenate([getattr(one, part.name) for one in parts]) for part in fields(cls)))


class Law:
    """The process given the present. weight: how many of each hazard are to be expected; seen: whether there was one.

    at_once_per_s: how many other issues are to be expected for each second that one lasts; raised: how many more it
    raises itself within so many seconds.
    """

    def __init__(
        self,
        model: IncidentModel,
        grid: Grid,
        hazards: Sequence[Hazard],
        raised: Callable[[FloatArray], FloatArray] = np.zeros_like,
    ) -> None:
        self.model, self.grid, self.hazards = model, grid, tuple(hazards)
        self.weight = np.array([hazard.expected(grid.cell_s) for hazard in hazards])
        self.seen = np.array([hazard.seen > 0 for hazard in hazards])
        self.faults = np.array([list(Fault).index(hazard.fault) for hazard in hazards])
        kinds = {hazard.kind: hazard for hazard in hazards}
        self._kinds = list(kinds.values())
        numbers = {kind: at for at, kind in enumerate(kinds)}
        self._kind = np.array([numbers[hazard.kind] for hazard in hazards])
        self.usual = self.weight * self.seen if self.seen.any() else self.weight
        self.median_weight = _weighted_median(self.usual)
        self.at_once_per_s = float(self.weight.sum()) / (grid.cell_s * len(grid.starts_s))
        self._raised = raised
        names = np.unique([hazard.component for hazard in hazards], return_inverse=True)
        self._at = {str(names[0][code]): self._sums(rows) for code, rows in _groups(names[1])}

    def _sums(self, rows: np.ndarray) -> tuple[IntArray, FloatArray]:
        """The hazards among these that were seen, all where none was, and their weights summed up."""
        seen = rows[self.seen[rows]]
        kept = seen if len(seen) else rows
        return kept, np.cumsum(self.weight[kept])

    def at(self, component: str, u: float) -> int:
        """A hazard of this component at a quantile of their weights; NONE where it has none.

        One that was seen there, where any was: what goes beyond is an edge case's to say.
        """
        if component not in self._at:
            return NONE
        rows, sums = self._at[component]
        return int(rows[min(int(np.searchsorted(sums, u * sums[-1], side="right")), len(rows) - 1)])

    def picks(self, weight: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
        """Hazards, as frequent as their weights say; shape (count,)."""
        sums = np.cumsum(weight)
        found = np.searchsorted(sums, rng.uniform(size=count) * sums[-1], side="right")
        return np.asarray(np.minimum(found, len(weight) - 1), dtype=np.int64)

    def drawn(self, which: IntArray, rng: np.random.Generator) -> Draws:
        """One issue of each of these hazards, as the process has them: nothing is cut off."""
        cell, inside, strength, duration, severity, ramp, other = rng.uniform(size=(7, len(which)))
        nothing = np.full(len(which), NONE)
        starts = self._starts(which, cell, inside)
        return Draws(which, starts, strength, duration, severity, ramp, nothing, nothing.copy(), other, nothing.copy())

    def _starts(self, which: IntArray, cell_u: FloatArray, inside_u: FloatArray) -> FloatArray:
        """Seconds since the horizon's beginning, as frequent as the hazard's rate is high."""
        found = np.empty(len(which))
        for at, rows in _groups(which):
            sums = np.cumsum(self.hazards[at].rate_per_s)
            cell = np.searchsorted(sums, cell_u[rows] * sums[-1], side="right")
            found[rows] = self.grid.starts_s[np.minimum(cell, len(sums) - 1)]
        return found + inside_u * self.grid.cell_s

    def strengths(self, which: IntArray, u: FloatArray) -> FloatArray:
        """In each fault's own unit."""
        return self._by_fault(which, lambda fault, rows: marks.strengths_at(fault, u[rows]))

    def durations(self, which: IntArray, u: FloatArray) -> FloatArray:
        """Seconds."""
        return self._by_kind(which, lambda hazard, rows: marks.durations_at(self.model, hazard, u[rows]))

    def ramps(self, which: IntArray, u: FloatArray, duration_s: FloatArray) -> FloatArray:
        """Seconds."""
        return self._by_fault(which, lambda fault, rows: marks.ramps_at(fault, u[rows], duration_s[rows]))

    def plausibility(self, draws: Draws) -> FloatArray:
        """Likelihood as a share of a median draw's, at most 1; shape (draws,).

        Of where and what (the hazard's weight), when (its rate then), how strong and how long; of faults that are on
        together also that a second one comes while the first lasts, and which. Against a draw that has the median of
        each.
        """
        share = self.weight[draws.which] / self.median_weight * self._time_likeness(draws)
        share *= self._by_fault(draws.which, lambda one, rows: marks.strength_likeness(one, draws.strength_u[rows]))
        share *= self._by_kind(
            draws.which, lambda one, rows: marks.duration_likeness(self.model, one, draws.duration_u[rows])
        )
        pairs = np.flatnonzero(draws.other >= 0)
        if len(pairs):
            share[pairs] *= self._together(draws.only(pairs))
        return np.asarray(np.clip(share, 1e-12, 1.0))

    def _together(self, draws: Draws) -> FloatArray:
        lasts = self.durations(draws.which, draws.duration_u)
        usual = self.durations(draws.other, np.full(len(draws), 0.5))
        chance = -np.expm1(-self.at_once_per_s * (lasts + usual) - self._raised(lasts))
        strength = self._by_fault(draws.other, lambda one, rows: marks.strength_likeness(one, draws.other_u[rows]))
        return np.asarray(chance * self.weight[draws.other] / self.median_weight * strength)

    def _time_likeness(self, draws: Draws) -> FloatArray:
        cell = np.minimum((draws.start_s / self.grid.cell_s).astype(np.int64), len(self.grid.starts_s) - 1)
        found = np.empty(len(draws))
        for at, rows in _groups(draws.which):
            rate = self.hazards[at].rate_per_s
            found[rows] = rate[cell[rows]] / rate.mean()
        return found

    def _by_fault(self, which: IntArray, values: Callable[[Fault, np.ndarray], FloatArray]) -> FloatArray:
        found = np.empty(len(which))
        for code, rows in _groups(self.faults[which]):
            found[rows] = values(list(Fault)[code], rows)
        return found

    def _by_kind(self, which: IntArray, values: Callable[[Hazard, np.ndarray], FloatArray]) -> FloatArray:
        found = np.empty(len(which))
        for code, rows in _groups(self._kind[which]):
            found[rows] = values(self._kinds[code], rows)
        return found


def _groups(codes: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(code, the rows that have it), codes in order."""
    order = np.argsort(codes, kind="stable")
    sorted_codes = codes[order]
    cuts = np.flatnonzero(np.diff(sorted_codes)) + 1
    for rows in np.split(order, cuts):
        if len(rows):
            yield int(codes[rows[0]]), rows


def _weighted_median(weight: FloatArray) -> float:
    """The weight at which half of the draws are of weightier hazards."""
    falling = np.sort(weight)[::-1]
    return float(falling[np.searchsorted(np.cumsum(falling), falling.sum() / 2)])
