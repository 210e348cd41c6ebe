"""Which of many simulated issues are worth a rehearsal: few that together cover what may go wrong.

What there is to cover: kinds of fault, components, pairs of both, severities, and how badly users would feel it. Each
counts half for being there, unless its risk is next to nothing, and half for its share of the risk: probability times
impact. Greedy choice reaches at least 1 - 1/e of the best coverage that so many issues can have (Nemhauser, Wolsey and
Fisher 1978).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from chaosprsa.faults import CATALOGUE
from chaosprsa.types import SimulatedIssue

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
IntArray = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
Element = tuple[str, str]
FAULT, COMPONENT, PAIR, SEVERITY, IMPACT = "fault", "component", "pair", "severity", "impact"
# A study of three tells more when it plays three faults than when it plays one on three components.
COUNTS = {FAULT: 4.0, COMPONENT: 2.0, PAIR: 1.0, SEVERITY: 1.0, IMPACT: 1.0}
FELT = ((0.03, "hardly felt"), (0.3, "felt"), (1.0, "painful"))  # impact below it; above the last: BREAKING
BREAKING = "breaking"
NEGLIGIBLE = 0.05  # of the largest risk of its sort: what has less counts for being there by as much less
MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class Coverage:
    """Issues chosen, in order, of `among`; share: of what there is to cover; uncovered: in words, heaviest first."""

    issues: tuple[SimulatedIssue, ...]
    among: int
    share: float
    uncovered: tuple[str, ...]

    def in_words(self) -> str:
        """One sentence."""
        told = f"{len(self.issues)} of {self.among} issues cover {self.share:.0%} of them, by probability x impact"
        if not self.uncovered:
            return f"{told}; nothing stays uncovered"
        more = f" and {len(self.uncovered) - MOST_NAMED} more" if len(self.uncovered) > MOST_NAMED else ""
        return f"{told}; uncovered, with that product: {', '.join(self.uncovered[:MOST_NAMED])}{more}"


def impact_of(issue: SimulatedIssue) -> float:
    """The share of requests that fail, plus the logarithm to base 10 of how much slower the others are.

    Both at the middle of their intervals: ten times slower weighs as much as every request failing.
    """
    return issue.impact.error_share.mid + math.log10(max(issue.impact.latency_ratio.mid, 1.0))


def weight(issue: SimulatedIssue) -> float:
    """Probability times predicted impact, for `issue` as it is."""
    return issue.probability * impact_of(issue)


def weightiest(issues: Sequence[SimulatedIssue], limit: int) -> tuple[SimulatedIssue, ...]:
    """At most `limit` issues, heaviest first, one for each pair of component and fault.

    Faults that an allocation can mend come first, and faults not yet chosen.
    """
    by_pair: dict[tuple[str, str], SimulatedIssue] = {}
    for issue in sorted(issues, key=lambda issue: (-weight(issue), issue.id)):
        by_pair.setdefault((issue.component, issue.fault.value), issue)
    seen: dict[str, int] = {}
    ranked = []
    for issue in by_pair.values():
        seen[issue.fault.value] = seen.get(issue.fault.value, 0) + 1
        ranked.append((not CATALOGUE[issue.fault].mendable, seen[issue.fault.value], issue))
    ranked.sort(key=lambda entry: entry[:2])  # stable: by weight within each round
    return tuple(issue for *_, issue in ranked[:limit])


def mendable(issue: SimulatedIssue) -> bool:
    """Whether an allocation can change its end."""
    return all(CATALOGUE[fault].mendable for fault in (issue.fault, *(also.fault for also in issue.companions)))


def covering(issues: Sequence[SimulatedIssue], limit: int) -> Coverage:
    """At most `limit` issues that together cover the most; those that an allocation can mend come first.

    Fewer where fewer cover as much.
    """
    if not issues:
        return Coverage((), 0, 1.0, ())
    goal = _Goal(issues)
    chosen: list[int] = []
    can_mend = np.array([mendable(goal.issues[at]) for at in goal.candidates])
    for among in (goal.candidates[can_mend], goal.candidates[~can_mend]):
        while len(among) and len(chosen) < limit:
            best = int(among[np.argmax(goal.gains(among))])
            if not goal.adds(best):
                break
            chosen.append(best)
            goal.take(best)
    return goal.told(chosen)


def coverage_of(chosen: Sequence[SimulatedIssue], issues: Sequence[SimulatedIssue]) -> Coverage:
    """How much of `issues` the chosen ones cover."""
    goal = _Goal(issues)
    numbers = {issue.id: at for at, issue in enumerate(goal.issues)}
    rows = [numbers[issue.id] for issue in chosen]
    for row in rows:
        goal.take(row)
    return goal.told(rows)


class _Goal:
    """A sum over elements: each counts once it is in a chosen issue, a pair as much as the heaviest chosen one of it.

    Monotone and submodular: coverage, and facility location for the pairs.
    """

    def __init__(self, issues: Sequence[SimulatedIssue]) -> None:
        self.issues = sorted(issues, key=lambda issue: (-weight(issue), issue.id))
        risk = np.array([weight(issue) for issue in self.issues])
        names = [tuple(dict.fromkeys(_elements(issue))) for issue in self.issues]
        self.elements = sorted({name for own in names for name in own})
        numbers = {name: at for at, name in enumerate(self.elements)}
        longest = max(map(len, names))
        nothing = len(self.elements)  # fills the rows: counts nothing
        self._own = np.array([[numbers[name] for name in own] + [nothing] * (longest - len(own)) for own in names])
        self._risk = _risks(self.issues, self._own, risk, len(self.elements))
        self._counts = np.append(_counts(self.elements, self._risk), 0.0)
        self._pair = np.array([numbers[PAIR, _pair(issue)] for issue in self.issues])
        heaviest = np.zeros(len(self.elements))
        np.maximum.at(heaviest, self._pair, risk)
        full = np.where(heaviest[self._pair] > 0, risk / np.maximum(heaviest[self._pair], 1e-300), 1.0)
        self._value = np.where(self._own == self._pair[:, None], full[:, None], 1.0)
        self._covered = np.append(np.zeros(len(self.elements)), 1.0)
        first: dict[bytes, int] = {}
        for at, own in enumerate(np.sort(self._own, axis=1)):
            first.setdefault(own.tobytes(), at)  # the heaviest of those that cover the same
        self.candidates = np.array(list(first.values()))

    def gains(self, among: IntArray) -> FloatArray:
        """What each would add; shape (among,)."""
        own = self._own[among]
        missing = np.maximum(self._value[among] - self._covered[own], 0.0)
        return np.asarray((self._counts[own] * missing).sum(axis=1))

    def adds(self, at: int) -> bool:
        """Whether it has an element that no chosen one has."""
        return bool((self._covered[self._own[at]] == 0).any())

    def take(self, at: int) -> None:
        own = self._own[at]
        self._covered[own] = np.maximum(np.maximum(self._covered[own], self._value[at]), 1e-12)

    def told(self, chosen: Sequence[int]) -> Coverage:
        left = np.flatnonzero(self._covered == 0)
        heavy = left[np.argsort(-self._counts[left], kind="stable")]
        reached = (self._counts * np.minimum(self._covered, 1.0)).sum()
        return Coverage(
            issues=tuple(self.issues[at] for at in chosen),
            among=len(self.issues),
            share=float(reached / max(self._counts.sum(), 1e-300)),
            uncovered=tuple(_in_words(self.elements[at], self._risk[at]) for at in heavy),
        )


def _elements(issue: SimulatedIssue) -> Iterator[Element]:
    yield PAIR, _pair(issue)
    for fault, component in ((issue.fault, issue.component), *((one.fault, one.component) for one in issue.companions)):
        yield FAULT, fault.value
        yield COMPONENT, component
    yield SEVERITY, issue.severity.value
    felt = impact_of(issue)
    yield IMPACT, next((name for bound, name in FELT if felt < bound), BREAKING)


def _pair(issue: SimulatedIssue) -> str:
    parts = [(issue.fault, issue.component), *((also.fault, also.component) for also in issue.companions)]
    return " with ".join(f"{fault.value} on {component}" for fault, component in parts)


def _risks(issues: Sequence[SimulatedIssue], own: IntArray, risk: FloatArray, count: int) -> FloatArray:
    """Each element's risk: the heaviest issue of each pair that has it, summed; shape (elements,). Heaviest first."""
    found = np.zeros(count + 1)
    done: set[tuple[str, int]] = set()
    for at, issue in enumerate(issues):
        pair = _pair(issue)
        for element in own[at].tolist():
            if (pair, element) not in done:
                done.add((pair, element))
                found[element] += risk[at]
    return found[:count]


def _counts(elements: Sequence[Element], risk: FloatArray) -> FloatArray:
    """What covering each is worth; shape (elements,)."""
    counts = np.zeros(len(elements))
    for kind, worth in COUNTS.items():
        rows = [at for at, (own, _) in enumerate(elements) if own == kind]
        own = risk[rows] if risk[rows].any() else np.ones(len(rows))
        there = np.minimum(own / (NEGLIGIBLE * own.max(initial=1e-300)), 1.0)
        counts[rows] = worth * (own / own.sum() + there / there.sum()) / 2
    return counts


def _in_words(element: Element, risk: float) -> str:
    kind, name = element
    return f"{name if kind == PAIR else f'{kind} {name}'} ({risk:.2g})"
