"""Models -> a stream of simulated issues: what is likely to go wrong within the horizon, and some of what never did.

Most issues are drawn from the incident process given the present (hazards.py). A share of them are edge cases: a fault
at a component that never had it, or a strength or duration beyond what was usual; each says how new it is. Strengths
follow the catalogue's PERT distribution, durations the history's log-normal of the kind, severities the kind's own
shares, worse for stronger issues. Same bundle, arguments and generator state: same issues.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

import numpy as np
from scipy.special import betaincinv, ndtri

from chaosprsa.documents import lineage
from chaosprsa.errors import BadInput, require
from chaosprsa.faults import CATALOGUE, fault_of_kind, strength_in_words
from chaosprsa.hazards import Grid, Hazard, hazards
from chaosprsa.impacts import Surroundings, impact, observed_impacts, sketch, surroundings
from chaosprsa.models.bundle import Bundle
from chaosprsa.types import Fault, Impact, Severity, SimulatedIssue, Topology

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
IntArray = np.ndarray[tuple[int, ...], np.dtype[np.int64]]
EDGE_SHARE = 0.2  # of the issues: enough that a study of ten has some, few enough that most are what is to be expected
UNSEEN_SHARE = 0.5  # of the edge cases: faults where they never were; the others are tails of what was
USUAL = (0.02, 0.95)  # the quantiles that usual strengths and durations come from
TAIL = (0.95, 0.999)
MIN_DURATION_S, MAX_DURATION_S = 30.0, 7 * 86_400.0
NEW_HERE, NEW_ANYWHERE, NEW_COMPONENT, TAIL_NOVELTY = 0.4, 0.3, 0.3, 0.3
WIDE = 20.0  # a fault whose bounds are this far apart is drawn on a logarithmic scale
PRIOR_SIGMA = 0.7
_SLUG = re.compile(r"[^a-z0-9]+")
_BY_WEIGHT = (Severity.WARNING, Severity.MINOR, Severity.MAJOR, Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class _Draw:
    """The random part of one issue: quantiles, and which hazard."""

    hazard: Hazard
    start_s: float
    strength_u: float
    duration_u: float
    severity_u: float


def draw_issues(
    bundle: Bundle, horizon: timedelta, count: int, rng: np.random.Generator, now: datetime, seed: int
) -> tuple[SimulatedIssue, ...]:
    """`count` issues that may begin within [now, now + horizon), by start. seed: what `rng` was made from.

    Raises BadInput for a count below 1, a horizon of nothing or a `now` without a time zone.
    """
    if count < 1 or horizon <= timedelta(0) or now.tzinfo is None:
        raise BadInput(
            f"issues: count is {count}, horizon {horizon}, now {now}; give at least one, some time, and a zone"
        )
    grid = Grid.over(now, horizon)
    every = hazards(bundle, grid)
    require(bool(every), "issues: the topology names no service; learn from a history that has components")
    writer = _Writer(bundle, grid, every, seed)
    drawn = [writer.issue(draw, number) for number, draw in enumerate(_draws(every, grid, count, rng))]
    return tuple(sorted(drawn, key=lambda issue: (issue.start_s, issue.id)))


def _draws(every: Sequence[Hazard], grid: Grid, count: int, rng: np.random.Generator) -> list[_Draw]:
    picks, tails = _picks(every, grid, count, rng)
    where, in_cell, strength, duration, severity = rng.uniform(size=(5, count))
    spread = np.where(tails[:, None], TAIL, USUAL)
    strengths = spread[:, 0] + strength * (spread[:, 1] - spread[:, 0])
    durations = spread[:, 0] + duration * (spread[:, 1] - spread[:, 0])
    sums = {pick: np.cumsum(every[pick].rate_per_s) for pick in set(picks.tolist())}
    found = []
    for number, pick in enumerate(picks.tolist()):
        cell = int(np.searchsorted(sums[pick], where[number] * sums[pick][-1], side="right"))
        start = grid.starts_s[min(cell, len(grid.starts_s) - 1)] + in_cell[number] * grid.cell_s
        found.append(
            _Draw(
                every[pick], float(start), float(strengths[number]), float(durations[number]), float(severity[number])
            )
        )
    return found


def _picks(
    every: Sequence[Hazard], grid: Grid, count: int, rng: np.random.Generator
) -> tuple[IntArray, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Which hazard each issue is of, and whether it is a tail; shape (count,) each."""
    weights = np.array([hazard.expected(grid.cell_s) for hazard in every])
    seen = np.array([hazard.seen > 0 for hazard in every])
    known = weights * seen if seen.any() else weights
    unseen = weights * ~seen if (~seen).any() else weights
    edge = rng.uniform(size=count) < EDGE_SHARE
    new = edge & (rng.uniform(size=count) < UNSEEN_SHARE)
    usual = rng.choice(len(every), size=count, p=known / known.sum())
    strange = rng.choice(len(every), size=count, p=unseen / unseen.sum())
    return np.where(new, strange, usual), edge & ~new


class _Writer:
    """Turns draws into issues; what depends only on component and fault is worked out once."""

    def __init__(self, bundle: Bundle, grid: Grid, every: Sequence[Hazard], seed: int) -> None:
        self._bundle, self._grid, self._seed = bundle, grid, seed
        self._around = surroundings(bundle)
        self._entry = bundle.topology.entry
        kinds = {kind: fault_of_kind(kind) for kind in bundle.incidents.kinds}
        self._past = observed_impacts(bundle.recent, self._entry, kinds)
        self._felt = {name: _felt_by(bundle.topology, name) for name in bundle.topology.services}
        self._expected: dict[tuple[str, Fault], float] = {}
        for hazard in every:
            key = hazard.component, hazard.fault
            self._expected[key] = self._expected.get(key, 0.0) + hazard.expected(grid.cell_s)
        self._marks: dict[str, tuple[float, ...]] = {}
        self._seen_faults = {hazard.fault for hazard in every if hazard.seen}
        self._seen_at = {hazard.component for hazard in every if hazard.seen}
        self._seen_pairs = {(hazard.component, hazard.fault) for hazard in every if hazard.seen}

    def issue(self, draw: _Draw, number: int) -> SimulatedIssue:
        """One issue, whole."""
        hazard = draw.hazard
        strength = round(strength_at(hazard.fault, draw.strength_u), 4)
        duration_s = round(self._duration(hazard, draw.duration_u), 1)
        around = self._around[hazard.component]
        felt = impact(
            sketch(hazard.fault, strength, duration_s, around), around.entry_spread, self._past.get(hazard.fault, ())
        )
        probability = float(-np.expm1(-self._expected[hazard.component, hazard.fault]))
        content = [self._seed, number, hazard.component, hazard.kind, strength, duration_s, draw.start_s]
        come_from = lineage("issue", content, (self._bundle.lineage,))
        return SimulatedIssue(
            id=f"{_slug(hazard.component)}-{hazard.fault.value}-{come_from.id.rsplit('-', 1)[1]}",
            kind=hazard.kind,
            fault=hazard.fault,
            strength=strength,
            components=(hazard.component, *self._felt[hazard.component]),
            origin=self._grid.origin,
            start_s=round(draw.start_s, 3),
            duration_s=duration_s,
            severity=self._severity(hazard, draw, felt),
            probability=max(min(probability, 1.0), 1e-12),
            impact=felt,
            novelty=round(self._novelty(draw), 3),
            evidence=self._evidence(draw, strength, duration_s, around),
            lineage=come_from,
        )

    def _duration(self, hazard: Hazard, u: float) -> float:
        model = self._bundle.incidents
        if model.total:
            drawn = model.duration_quantiles(hazard.kind, (u,))[0]
        else:
            drawn = CATALOGUE[hazard.fault].typical_s * float(np.exp(PRIOR_SIGMA * ndtri(u)))
        return float(np.clip(drawn, MIN_DURATION_S, MAX_DURATION_S))

    def _severity(self, hazard: Hazard, draw: _Draw, felt: Impact) -> Severity:
        """The kind's own shares, the stronger the worse; the predicted impact where no severity was ever recorded."""
        if not self._bundle.incidents.total:
            return _severity_of(felt)
        marks = self._severity_marks(hazard.kind)
        u = (draw.strength_u + draw.severity_u) / 2
        spread_u = (
            2 * u * u if u < 0.5 else 1 - 2 * (1 - u) ** 2
        )  # a mean of two uniforms is triangular: back to uniform
        return _BY_WEIGHT[min(bisect_right(marks, spread_u * marks[-1]), 3)]

    def _severity_marks(self, kind: str) -> tuple[float, ...]:
        """The kind's severities from the lightest on, summed up."""
        if kind not in self._marks:
            shares = self._bundle.incidents.severity_shares(kind)
            self._marks[kind] = tuple(accumulate(shares[each] for each in _BY_WEIGHT))
        return self._marks[kind]

    def _novelty(self, draw: _Draw) -> float:
        hazard = draw.hazard
        new = (
            NEW_HERE * ((hazard.component, hazard.fault) not in self._seen_pairs)
            + NEW_ANYWHERE * (hazard.fault not in self._seen_faults)
            + NEW_COMPONENT * (hazard.component not in self._seen_at)
        )
        depth = max(draw.strength_u, draw.duration_u)
        tail = (depth - TAIL[0]) / (TAIL[1] - TAIL[0]) * (TAIL_NOVELTY - 0.05) + 0.05 if depth > USUAL[1] else 0.0
        return float(min(new + tail, 1.0))

    def _evidence(self, draw: _Draw, strength: float, duration_s: float, around: Surroundings) -> tuple[str, ...]:
        hazard, lines = draw.hazard, list(draw.hazard.evidence)
        expected = self._expected[hazard.component, hazard.fault]
        lines.append(f"{expected:.2f} such issues are to be expected within the horizon.")
        if draw.strength_u > USUAL[1] or draw.duration_u > USUAL[1]:
            text = f"Beyond the usual: {strength_in_words(hazard.fault, strength)}, for {duration_s / 60:.0f} min."
            lines.append(text)
        if self._past.get(hazard.fault):
            lines.append(f"Its impact leans on {len(self._past[hazard.fault])} past ones seen in the metrics.")
        if hazard.fault in {Fault.CPU_SQUEEZE, Fault.REPLICA_LOSS, Fault.POD_KILL}:
            known = "Usually" if around.measured else "The history doesn't say how busy it is; it is taken that"
            lines.append(f"{known} {around.utilisation:.0%} of {hazard.component}'s CPU limit is used.")
        return tuple(lines)


def strength_at(fault: Fault, u: float) -> float:
    """The quantile of a fault's strength: a PERT distribution over the catalogue's bounds, in logarithms where wide."""
    entry = CATALOGUE[fault]
    low, mid, high = entry.low, entry.typical, entry.high
    wide = high / low >= WIDE
    if wide:
        low, mid, high = np.log([low, mid, high]).tolist()
    a, b = 1 + 4 * (mid - low) / (high - low), 1 + 4 * (high - mid) / (high - low)
    drawn = low + (high - low) * float(betaincinv(a, b, u))
    return float(np.exp(drawn)) if wide else drawn


def _felt_by(topology: Topology, component: str) -> tuple[str, ...]:
    """Who feels it: callers, then their callers, nearest first."""
    found: list[str] = []
    frontier = [component]
    while frontier:
        callers = [edge.caller for name in frontier for edge in topology.callers(name)]
        frontier = [name for name in dict.fromkeys(callers) if name not in found and name != component]
        found += frontier
    return tuple(found)


def _severity_of(felt: Impact) -> Severity:
    errors, ratio = felt.error_share.mid, felt.latency_ratio.mid
    if errors >= 0.25 or ratio >= 10:
        return Severity.CRITICAL
    if errors >= 0.02 or ratio >= 3:
        return Severity.MAJOR
    return Severity.MINOR if errors >= 0.005 or ratio >= 1.5 else Severity.WARNING


def _slug(name: str) -> str:
    """A component's name as a part of a file's or an object's name."""
    return _SLUG.sub("-", name.lower()).strip("-")[:24].strip("-") or "component"
