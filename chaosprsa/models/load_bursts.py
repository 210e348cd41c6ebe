"""Bulk bursts: what a load adds on top of itself for some minutes, often at the same minutes of the hour.

Found where the load, minute by minute, is well above the median of the hours around it; drawn anew as a renewal process
over the clock: half-hours have one with the probability that they had, given how long the last one is ago; where it
begins, and its shape, come from those seen, in another size and length.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import ndimage

FloatArray = npt.NDArray[np.float64]
MINUTE_S = 60.0
CELL_S = 1800.0  # bulk jobs start on the hour and the half-hour
AROUND = 121  # minutes of the running median
FACTOR = 1.2  # above the median: a burst
SPREADS = 5.0  # and this many of the usual spreads
TAIL_SPREADS = 1.5  # its rise and its end are still this many above
TAIL = 15  # minutes at most
MARGIN = 2  # minutes before and after a burst that are not calm either
SHORTEST = 1  # minutes
LONGEST = 60  # minutes: longer ones are the load itself
KEPT = 400  # bursts at most, evenly
STRETCH = 0.08  # log spread of a drawn burst's size and length against the one seen
CELLS_BACK = 12  # how far back the last burst counts
CELLS = 48  # of a day


@dataclass(frozen=True, slots=True, kw_only=True)
class Bursts:
    """starts_s: within the half-hour. shapes: what each adds, requests a second, minute by minute. chance: that a
    half-hour has one, by how many half-hours the last one is ago (the last entry: or more). clock: what the half-hour
    of the day multiplies it with. mean: what all bursts add on average, requests a second. Empty: there are none.
    """

    starts_s: tuple[float, ...] = ()
    shapes: tuple[tuple[float, ...], ...] = ()
    chance: tuple[float, ...] = ()
    clock: tuple[float, ...] = ()
    mean: float = 0.0

    @classmethod
    def found(cls, times_s: FloatArray, rates: FloatArray, step_s: float) -> tuple[Self, FloatArray]:
        """(bursts, the rates without them: NaN while one is on). None where steps are longer than a minute."""
        if step_s > MINUTE_S:
            return cls(), rates
        group = max(1, round(MINUTE_S / step_s))
        skip = round((-times_s[0] % MINUTE_S) / step_s) % group
        whole = (len(rates) - skip) // group
        if whole < AROUND:
            return cls(), rates
        table = rates[skip : skip + whole * group].reshape(whole, group)
        known = np.isfinite(table)
        minutes = np.where(
            known.any(axis=1), np.where(known, table, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1), 0
        )
        middle = ndimage.median_filter(minutes, AROUND, mode="reflect")
        spread = 1.4826 * np.median(np.abs(minutes - middle)[middle > 0]) if (middle > 0).any() else 0.0
        above = (minutes > FACTOR * middle + SPREADS * spread) & (middle > 0)
        runs = _widened(_runs(above), minutes > middle + TAIL_SPREADS * spread)
        if not len(runs):
            return cls(), rates
        calm = rates.copy()
        for first, last in runs:
            calm[skip + max(first - MARGIN, 0) * group : skip + (last + MARGIN) * group] = np.nan
        start = times_s[0] + skip * step_s
        return cls._of(runs, minutes - middle, start, whole), calm

    @classmethod
    def _of(cls, runs: npt.NDArray[np.intp], excess: FloatArray, start_s: float, minutes: int) -> Self:
        begins = start_s + runs[:, 0] * MINUTE_S
        cells = np.floor(begins / CELL_S).astype(np.int64)
        every = np.arange(int(start_s // CELL_S), int((start_s + minutes * MINUTE_S) // CELL_S))
        chance, clock = _hazard(np.isin(every, cells), every % CELLS)
        chosen = np.unique(np.linspace(0, len(runs) - 1, min(KEPT, len(runs))).astype(int))
        return cls(
            starts_s=tuple((begins[chosen] % CELL_S).tolist()),
            shapes=tuple(
                tuple(np.round(np.maximum(excess[max(a - 1, 0) : b + 1], 0.0), 3).tolist()) for a, b in runs[chosen]
            ),
            chance=tuple(chance.tolist()),
            clock=tuple(clock.tolist()),
            mean=float(sum(np.sum(np.maximum(excess[max(a - 1, 0) : b + 1], 0.0)) for a, b in runs) / minutes),
        )

    def draw(self, start_s: float, samples: int, step_s: float, rng: np.random.Generator) -> FloatArray:
        """What bursts add, requests a second, shape (samples,)."""
        added = np.zeros(samples)
        if not self.shapes:
            return added
        first, last = int(start_s // CELL_S) - 2 * CELLS_BACK, int((start_s + samples * step_s) // CELL_S) + 1
        ago = CELLS_BACK
        for cell in range(first, last):
            if rng.random() < self.chance[min(ago, CELLS_BACK)] * self.clock[cell % CELLS]:
                self._add(added, cell * CELL_S - start_s, step_s, rng)
                ago = 0
            else:
                ago += 1
        return added

    def _add(self, added: FloatArray, cell_s: float, step_s: float, rng: np.random.Generator) -> None:
        which = rng.integers(len(self.shapes))
        size, length = np.exp(rng.normal(0.0, STRETCH, 2))
        shape = np.array((0.0, *self.shapes[which], 0.0))
        middles = (np.arange(len(shape)) - 1.5) * MINUTE_S * length
        begin = cell_s + self.starts_s[which] + rng.uniform(-0.5, 0.5) * MINUTE_S
        low = max(0, int(np.ceil((begin + middles[0]) / step_s)))
        high = min(len(added), int(np.floor((begin + middles[-1]) / step_s)) + 1)
        if high > low:
            at = np.arange(low, high) * step_s - begin
            added[low:high] += np.interp(at, middles, shape * size)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """From asdict's values. Raises TypeError where fields are missing or unknown."""
        shapes = tuple(tuple(each) for each in values.get("shapes", ()))
        found: dict[str, Any] = {
            key: tuple(each) if isinstance(each, (list, tuple)) else each for key, each in values.items()
        }
        return cls(**{**found, "shapes": shapes})


def _runs(above: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """(first, one after the last) minute of each burst, shape (bursts, 2); those a minute apart are one."""
    joined = above.copy()
    joined[1:-1] |= above[:-2] & above[2:]
    edges = np.flatnonzero(np.diff(np.concatenate([[0], joined.astype(int), [0]]))).reshape(-1, 2)
    length = edges[:, 1] - edges[:, 0]
    return np.asarray(edges[(length >= SHORTEST) & (length <= LONGEST)])


def _widened(runs: npt.NDArray[np.intp], above: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Each burst with its rise and end, as far as the load is above usual on both sides; touching ones become one."""
    found: list[list[int]] = []
    for first, last in runs.tolist():
        low, high = first, last
        while low > max(first - TAIL, 0) and above[low - 1]:
            low -= 1
        while high < min(last + TAIL, len(above)) and above[high]:
            high += 1
        if found and low <= found[-1][1]:
            found[-1][1] = high
        else:
            found.append([low, high])
    return np.array(found, dtype=np.intp).reshape(-1, 2)


def _hazard(hit: npt.NDArray[np.bool_], cell: npt.NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """(by half-hours since the last, by half-hour of the day): their product fits how often each was hit.

    Iterative proportional fitting (Deming and Stephan 1940), each entry drawn to the mean by two hits' worth of cells.
    """
    ago = _since(hit)
    share = max(float(hit.mean()), 1e-9)
    chance, clock = np.full(CELLS_BACK + 1, share), np.ones(CELLS)
    struck_ago = np.bincount(ago, weights=hit, minlength=CELLS_BACK + 1)
    struck_cell = np.bincount(cell, weights=hit, minlength=CELLS)
    for _ in range(10):
        expected = np.bincount(ago, weights=clock[cell], minlength=CELLS_BACK + 1)
        chance = (struck_ago + 2 * share) / (expected + 2)
        expected = np.bincount(cell, weights=chance[ago], minlength=CELLS)
        clock = (struck_cell + 1) / (expected + 1)
    return chance, clock


def _since(hit: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """At each half-hour: how many half-hours ago the last hit was, 0 for the one before, CELLS_BACK at most."""
    found = np.full(len(hit), CELLS_BACK, dtype=np.int64)
    ago = CELLS_BACK
    for at, each in enumerate(hit):
        found[at] = min(ago, CELLS_BACK)
        ago = 0 if each else ago + 1
    return found
