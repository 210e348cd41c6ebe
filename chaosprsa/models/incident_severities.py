"""How bad incidents are: by kind, and worse where several components are named at once.

A kind's severities are drawn towards the overall mix (Dirichlet). Breadth multiplies them: by how much more often each
severity was seen among incidents of so many components than among all, itself drawn towards 1. On GitHub's status page
35 of 100 incidents that name several components were major, 11 of 100 others, and half-years that were left out are
told better so. What came just before says nothing about how bad or how long an incident is there: over pairs within a
day or four days severities are not correlated beyond permutation, durations hardly (.15 within four days on one
component, p .015 as the least of eight), so marks don't depend on what raised an incident but by its group.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from chaosprsa.models.shrinking import UNSEEN
from chaosprsa.types import Incident, Severity

KIND_PRIOR = 4.0  # a kind's severities weigh against this many incidents of the overall mix
BREADTH_PRIOR = 10.0  # the same for those of one component, and of several
ONE, SEVERAL = "one", "several"  # components named; one or none

Counts = Mapping[str, Mapping[str, int]]  # incidents of each kind or breadth, by severity


def breadth_of(components: Sequence[str]) -> str:
    """ONE or SEVERAL."""
    return SEVERAL if len(set(components)) > 1 else ONE


def counted(seen: Sequence[Incident]) -> tuple[Counts, Counts]:
    """By kind and by breadth."""
    kinds: dict[str, Counter[str]] = {}
    breadths: dict[str, Counter[str]] = {}
    for each in seen:
        kinds.setdefault(each.kind, Counter())[each.severity.value] += 1
        breadths.setdefault(breadth_of(each.components), Counter())[each.severity.value] += 1
    return _plain(kinds), _plain(breadths)


def severity_shares(kinds: Counts, breadths: Counts, kind: str, breadth: str | None) -> dict[Severity, float]:
    """Each severity's share of a kind's incidents, of one breadth or of all; they add up to 1."""
    everything = Counter[str]()
    for counts in kinds.values():
        everything.update(counts)
    total = everything.total() + UNSEEN * len(Severity)
    overall = {each: (everything[each.value] + UNSEEN) / total for each in Severity}
    shares = _towards(overall, kinds.get(kind, {}), KIND_PRIOR)
    if breadth is None:
        return shares
    broad = _towards(overall, breadths.get(breadth, {}), BREADTH_PRIOR)
    lifted = {each: share * broad[each] / overall[each] for each, share in shares.items()}
    return {each: share / sum(lifted.values()) for each, share in lifted.items()}


def _towards(overall: Mapping[Severity, float], own: Mapping[str, int], prior: float) -> dict[Severity, float]:
    weight = sum(own.values()) + prior
    return {each: (own.get(each.value, 0) + prior * share) / weight for each, share in overall.items()}


def _plain(counts: Mapping[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {key: dict(sorted(own.items())) for key, own in sorted(counts.items())}
