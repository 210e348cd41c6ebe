"""Groups of components that incidents name together, and the urn that they are drawn from.

An urn holds each group with a weight, in incidents' worth; a group of the past counts the less the older it is. An
incident that names nothing counts as naming NOTHING.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Group = tuple[str, ...]
NOTHING = ""
URN_DAYS = 180.0  # a group in the urn counts less by a factor of e


def group_of(name: str) -> Group:
    """Of one component, or of NOTHING."""
    return (name,) if name != NOTHING else ()


def urn_of(at: float, times: FloatArray, groups: Sequence[Group]) -> dict[Group, float]:
    """What each group of the past counts."""
    found: dict[Group, float] = {}
    for group, weight in zip(groups, np.exp(-(at - times) / URN_DAYS).tolist(), strict=True):
        found[group] = found.get(group, 0.0) + weight
    return found


def naming_shares(urn: Mapping[Group, float]) -> dict[str, float]:
    """How likely what is drawn names each component, and NOTHING."""
    total = sum(urn.values())
    found = {NOTHING: 0.0}
    for group, weight in urn.items():
        for name in group or (NOTHING,):
            found[name] = found.get(name, 0.0) + weight / total
    return found


def picked(urn: Mapping[Group, float], count: int, rng: np.random.Generator) -> list[Group]:
    """Draws from an urn that isn't empty."""
    groups, sums = list(urn), np.cumsum(list(urn.values()))
    places = np.searchsorted(sums, rng.uniform(size=count) * sums[-1], side="right")
    return [groups[place] for place in np.minimum(places, len(groups) - 1).tolist()]


def naming_rows(groups: Sequence[Group]) -> dict[str, npt.NDArray[np.int64]]:
    """The numbers of the events that name each component."""
    found: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        for name in dict.fromkeys(group or (NOTHING,)):
            found.setdefault(name, []).append(number)
    return {name: np.array(rows, dtype=np.int64) for name, rows in sorted(found.items())}
