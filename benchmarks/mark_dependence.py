"""Whether how bad and how long an incident is goes with that of incidents shortly before it, or with its breadth."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from chaosprsa.types import Incident, Severity

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
REACHES = {"1d": timedelta(days=1), "4d": timedelta(days=4)}
HALF_YEAR = timedelta(days=182)
PERMUTATIONS = 1000
LEAST_PAIRS = 10
BAD = (Severity.CRITICAL, Severity.MAJOR)


def dependence(incidents: Sequence[Incident], rng: np.random.Generator) -> dict[str, float]:
    """Correlation of each mark over pairs of incidents, and p: the share of permutations with one as high.

    Incidents with an end, in order. Maintenance is left out: it is long by itself.
    """
    seen = [each for each in incidents if each.likely_end and each.kind != "maintenance"]
    if len(seen) < LEAST_PAIRS:
        return {}
    half = np.array([(each.start - seen[0].start) // HALF_YEAR for each in seen])
    marks = {"severity": _bad(seen), "duration": _log_durations(seen)}
    found: dict[str, float] = {}
    for reach, apart in REACHES.items():
        for where, same in (("same", True), ("anywhere", False)):
            pairs = _pairs(seen, apart, same)
            if len(pairs[0]) < LEAST_PAIRS:
                continue
            found[f"marks.pairs_{where}_{reach}"] = len(pairs[0])
            for name, values in marks.items():
                key = f"marks.{name}_{where}_{reach}"
                found[f"{key}_correlation"], found[f"{key}_p"] = _permuted(values, pairs, half, rng)
    return {**found, **_breadth(marks["severity"], seen, half, rng)}


def _bad(seen: Sequence[Incident]) -> FloatArray:
    return np.array([each.severity in BAD for each in seen], dtype=float)


def _log_durations(seen: Sequence[Incident]) -> FloatArray:
    lasted = [(each.likely_end - each.start).total_seconds() for each in seen if each.likely_end]
    return np.log(np.maximum(lasted, 60.0))


def _pairs(seen: Sequence[Incident], apart: timedelta, same: bool) -> tuple[IntArray, IntArray]:
    """Numbers of incidents up to so far apart, that name a component both where `same`."""
    found = []
    for one, first in enumerate(seen):
        for two in range(one + 1, len(seen)):
            if seen[two].start - first.start > apart:
                break
            if not same or set(first.components) & set(seen[two].components):
                found.append((one, two))
    first_ones, second_ones = np.array(found, dtype=np.int64).reshape(-1, 2).T
    return first_ones, second_ones


def _permuted(
    values: FloatArray, pairs: tuple[IntArray, IntArray], half: IntArray, rng: np.random.Generator
) -> tuple[float, float]:
    level = np.array([values[half == each].mean() for each in half])
    around = values - level

    def together(marks: FloatArray) -> float:
        return float(np.mean(marks[pairs[0]] * marks[pairs[1]])) / max(float(np.mean(marks**2)), 1e-12)

    seen = together(around)
    chance = [together(_shuffled(around, half, rng)) for _ in range(PERMUTATIONS)]
    return seen, (1 + sum(each >= seen for each in chance)) / (1 + PERMUTATIONS)


def _breadth(bad: FloatArray, seen: Sequence[Incident], half: IntArray, rng: np.random.Generator) -> dict[str, float]:
    """Shares of bad ones among incidents of one component (or none) and of several; p as above."""
    several = np.array([len(each.components) > 1 for each in seen])
    if several.all() or not several.any():
        return {}

    def apart(marks: FloatArray) -> float:
        return float(marks[several].mean() - marks[~several].mean())

    chance = [apart(_shuffled(bad, half, rng)) for _ in range(PERMUTATIONS)]
    return {
        "marks.bad_of_one": float(bad[~several].mean()),
        "marks.bad_of_several": float(bad[several].mean()),
        "marks.bad_of_several_p": (1 + sum(each >= apart(bad) for each in chance)) / (1 + PERMUTATIONS),
    }


def _shuffled(values: FloatArray, half: IntArray, rng: np.random.Generator) -> FloatArray:
    """Within each half-year."""
    found = values.copy()
    for each in np.unique(half):
        rows = np.flatnonzero(half == each)
        found[rows] = values[rng.permutation(rows)]
    return found
