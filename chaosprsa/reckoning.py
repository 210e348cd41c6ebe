"""Predicted impacts with 90 % intervals: the sketch at both ends of what isn't known, as wide as the past says.

The ends are those of impacts.py, at the load of the hour that the load model forecasts. Then the noise of an hour's
percentile is laid around, and the width is scaled so that past incidents of the fault, whose strength nobody recorded,
would have been covered nine times out of ten (conformal: Vovk, Gammerman & Shafer 2005; one factor a fault, drawn
towards the prior width of 1, which weighs as much as ten incidents).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from chaosprsa.faults import CATALOGUE, fault_of_kind
from chaosprsa.history.queries import RATE
from chaosprsa.impacts import (
    LEANS,
    FloatArray,
    IntArray,
    Places,
    Sketches,
    Surroundings,
    sketches,
    surroundings,
    together,
)
from chaosprsa.models.bundle import Bundle
from chaosprsa.types import Fault, Impact, Interval

COVERED = 0.9
Z90 = 1.6449  # the normal distribution's 95 % point
NOISE, NOISE_SHARE = 0.08, 0.3  # of a measured percentile, logarithm: at least, and of the entry's usual spread
LEAST_ERRORS = 0.004  # failures that nobody would call an effect
ERROR_SIGMA = 0.3  # of a share's logit
PRIOR = 10  # incidents that the prior width weighs as much as
WIDTHS = (0.6, 3.0)
LOADS = (0.2, 3.0)  # the hour's load, as a multiple of the usual
AHEAD, STEP_S = timedelta(days=8), 900.0
LIKELY = 3  # strengths that a past incident may have had


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What predictions are made from. load: multiples of the usual rate at the entry, every STEP_S from start_s on."""

    around: Mapping[str, Surroundings]
    load: FloatArray
    start_s: float
    widths: Mapping[Fault, float]
    past: Mapping[Fault, int]

    def impacts(
        self, faults: Sequence[Sequence[tuple[Fault, str, float]]], duration_s: FloatArray, when_s: FloatArray
    ) -> list[Impact]:
        """Of many issues; faults: (fault, component, strength) of those that are on together, the issue's own first.

        duration_s, when_s: shape (issues,); when_s in seconds since 1970, not a number: at a usual hour.
        """
        parts = _Parts.of(faults, list(self.around))
        ends = self._ends(parts, duration_s, self._busy(when_s), len(faults))
        own = [each[0] for each in faults]
        width = np.array([self.widths[fault] for fault, _, _ in own])
        spread = np.array([self.around[component].entry_spread for _, component, _ in own])
        ratios, shares = _ratios(ends, width, spread), _shares(ends, width)
        return [
            Impact(latency_ratio=_interval(*ratio), error_share=_interval(*share))
            for ratio, share in zip(ratios.tolist(), shares.tolist(), strict=True)
        ]

    def _busy(self, when_s: FloatArray) -> FloatArray:
        """The load of each hour; 1 where it isn't known."""
        if not len(self.load):
            return np.ones_like(when_s)
        at = np.floor((when_s - self.start_s) / STEP_S)
        known = (at >= 0) & (at < len(self.load))
        return np.where(known, self.load[np.where(known, at, 0).astype(np.int64)], 1.0)

    def _ends(self, parts: "_Parts", duration_s: FloatArray, busy: FloatArray, count: int) -> list[Sketches]:
        """Better, middle, worse, of each issue. A surge makes whatever is on with it busier."""
        surge = np.ones(count)
        others = (parts.rank > 0) & (parts.fault == list(Fault).index(Fault.TRAFFIC_SURGE))
        np.multiply.at(surge, parts.issue[others], parts.strength[others])
        load = busy[parts.issue] * np.where(parts.rank > 0, 1.0, surge[parts.issue])
        here = Places.of(self.around.values()).at(parts.place).busier(load)
        return [_joined(parts, _each(parts, duration_s, here, lean)) for lean in LEANS]


@dataclass(frozen=True, slots=True)
class _Parts:
    """The faults of many issues, one after the other: whose, the how many-th of it, which, where and how strong."""

    issue: IntArray
    rank: IntArray
    fault: IntArray
    place: IntArray
    strength: FloatArray

    @classmethod
    def of(cls, faults: Sequence[Sequence[tuple[Fault, str, float]]], places: Sequence[str]) -> "_Parts":
        codes = {fault: code for code, fault in enumerate(Fault)}
        at = {name: number for number, name in enumerate(places)}
        flat = [
            (issue, rank, codes[fault], at[where], strength)
            for issue, own in enumerate(faults)
            for rank, (fault, where, strength) in enumerate(own)
        ]
        issue, rank, fault, place = np.array([each[:4] for each in flat], dtype=np.int64).T
        return cls(issue, rank, fault, place, np.array([each[4] for each in flat], dtype=float))


def _each(parts: _Parts, duration_s: FloatArray, here: Places, lean: int) -> Sketches:
    """Of each part alone."""
    found = np.empty((3, len(parts.issue)))
    for code in np.unique(parts.fault).tolist():
        rows = np.flatnonzero(parts.fault == code)
        lasts = duration_s[parts.issue[rows]]
        told = sketches(list(Fault)[code], parts.strength[rows], lasts, here.at(rows), lean)
        found[:, rows] = told.latency_ratio, told.error_share, told.utilisation
    return Sketches(*found)


def _joined(parts: _Parts, each: Sketches) -> Sketches:
    """Of each issue: its parts together."""
    found = np.array([each.latency_ratio, each.error_share, each.utilisation])
    joined = found[:, parts.rank == 0]
    for rank in range(1, int(parts.rank.max()) + 1):
        more = np.flatnonzero(parts.rank == rank)
        rows = parts.issue[more]
        pair = together(Sketches(*joined[:, rows]), Sketches(*found[:, more]))
        joined[:, rows] = pair.latency_ratio, pair.error_share, pair.utilisation
    return Sketches(*joined)


def _ratios(ends: Sequence[Sketches], width: FloatArray, spread: FloatArray) -> FloatArray:
    """Low, middle and high latencies as multiples of normal; shape (issues, 3). spread: of the entry's latency."""
    logs = np.log(np.maximum([one.latency_ratio for one in ends], 0.05))
    noise = Z90 * np.hypot(NOISE, NOISE_SHARE * spread)
    mid = logs[1]
    low, high = mid - width * (mid - logs.min(axis=0)) - noise, mid + width * (logs.max(axis=0) - mid) + noise
    return np.asarray(np.exp(np.column_stack((low, mid, high))))


def _shares(ends: Sequence[Sketches], width: FloatArray) -> FloatArray:
    """The same of failures. Widened on the logit scale; next to nothing may be nothing, and nothing next to nothing."""
    shares = np.array([one.error_share for one in ends])
    mid, low, high = shares[1], shares.min(axis=0), shares.max(axis=0)
    by = Z90 * ERROR_SIGMA * width
    least, most = np.where(low > LEAST_ERRORS, _moved(low, -by), 0.0), _moved(high, by)
    return np.column_stack((np.minimum(least, mid), mid, np.maximum(np.maximum(most, mid), LEAST_ERRORS)))


def _moved(share: FloatArray, by: FloatArray) -> FloatArray:
    inside = (share > 0) & (share < 1)
    within = np.where(inside, share, 0.5)
    return np.where(inside, 1 / (1 + np.exp(-(np.log(within / (1 - within)) + by))), share)


def _interval(low: float, mid: float, high: float) -> Interval:
    return Interval(low=round(low, 4), mid=round(mid, 4), high=round(high, 4))


def reckoning(bundle: Bundle) -> Reckoning:
    """What a bundle predicts impacts from; without a load model every hour is a usual one."""
    load, start_s = _loads(bundle)
    plain = Reckoning(surroundings(bundle), load, start_s, dict.fromkeys(Fault, 1.0), {})
    scores = _scores(plain, bundle)
    widths = {fault: _width(scores.get(fault, [])) for fault in Fault}
    return Reckoning(plain.around, load, start_s, widths, {fault: len(own) for fault, own in scores.items()})


def _loads(bundle: Bundle) -> tuple[FloatArray, float]:
    """From the first incident that was felt until AHEAD after the history."""
    usual = bundle.normals.get(bundle.topology.entry, {}).get(RATE, (0.0, 0.0))[0]
    if usual <= 0 or bundle.topology.entry not in bundle.load:
        return np.empty(0), 0.0
    end = bundle.window.end
    start = max(min([end, *(each.start for each in bundle.felt)]), end - AHEAD)
    times = np.arange(start.timestamp(), (end + AHEAD).timestamp(), STEP_S)
    mean = bundle.entry_rate(times).mean
    return np.asarray(np.clip(mean / usual, *LOADS)), float(times[0])


def predicted_impact(
    usual: Reckoning, fault: Fault, component: str, strength: float, duration_s: float, when: datetime | None = None
) -> Impact:
    """Of one fault alone. when: its start; None: at a usual hour. strength: in the fault's own unit."""
    when_s = np.nan if when is None else when.timestamp()
    return usual.impacts([((fault, component, strength),)], np.array([duration_s]), np.array([when_s]))[0]


def _scores(plain: Reckoning, bundle: Bundle) -> dict[Fault, list[float]]:
    """How far outside (above 1) or inside its interval each felt incident was; its strength may have been any."""
    found: dict[Fault, list[float]] = {}
    judged = [each for each in bundle.felt if each.component in plain.around]
    if not judged:
        return found
    alike = [(fault_of_kind(each.kind), each) for each in judged for _ in range(LIKELY)]
    strengths = [strength for each in judged for strength in _likely_strengths(fault_of_kind(each.kind))]
    shown = plain.impacts(
        [[(fault, each.component, strength)] for (fault, each), strength in zip(alike, strengths, strict=True)],
        np.array([max(each.duration_s, 1.0) for _, each in alike]),
        np.array([each.start.timestamp() for _, each in alike]),
    )
    for number, each in enumerate(judged):
        own = [one.latency_ratio for one in shown[number * LIKELY : (number + 1) * LIKELY]]
        low, high = math.log(min(one.low for one in own)), math.log(max(one.high for one in own))
        mid, was = math.log(own[1].mid), math.log(each.latency_ratio)
        found.setdefault(fault_of_kind(each.kind), []).append(
            (was - mid) / max(high - mid, 1e-6) if was > mid else (mid - was) / max(mid - low, 1e-6)
        )
    return found


def _likely_strengths(fault: Fault) -> tuple[float, ...]:
    """Weak, typical and strong; typical comes second."""
    entry = CATALOGUE[fault]
    return (0.7 * entry.low + 0.3 * entry.typical, entry.typical, 0.7 * entry.typical + 0.3 * entry.high)


def _width(scores: Sequence[float]) -> float:
    """The conformal quantile of the scores, drawn towards 1."""
    count = len(scores)
    if not count:
        return 1.0
    place = min(math.ceil(COVERED * (count + 1)), count) - 1
    return float(np.clip((count * sorted(scores)[place] + PRIOR) / (count + PRIOR), *WIDTHS))
