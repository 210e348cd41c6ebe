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
import numpy.typing as npt

from chaosprsa.faults import CATALOGUE, fault_of_kind
from chaosprsa.history.queries import RATE
from chaosprsa.impacts import LEANS, Sketch, Surroundings, sketch, surroundings, together
from chaosprsa.models.bundle import Bundle
from chaosprsa.types import Fault, Impact, Interval

FloatArray = npt.NDArray[np.float64]
COVERED = 0.9
Z90 = 1.6449  # the normal distribution's 95 % point
NOISE, NOISE_SHARE = 0.08, 0.3  # of a measured percentile, logarithm: at least, and of the entry's usual spread
LEAST_ERRORS = 0.004  # failures that nobody would call an effect
ERROR_SIGMA = 0.3  # of a share's logit
PRIOR = 10  # incidents that the prior width weighs as much as
WIDTHS = (0.6, 3.0)
LOADS = (0.2, 3.0)  # the hour's load, as a multiple of the usual
AHEAD, STEP_S = timedelta(days=8), 900.0
ALONE = 600.0  # seconds: how long a fault is taken to last where the past is judged


@dataclass(frozen=True, slots=True)
class Reckoning:
    """What predictions are made from. load: multiples of the usual rate at the entry, every STEP_S from start_s on."""

    around: Mapping[str, Surroundings]
    load: FloatArray
    start_s: float
    widths: Mapping[Fault, float]
    past: Mapping[Fault, int]

    def impact(
        self,
        component: str,
        faults: Sequence[tuple[Fault, str, float]],
        duration_s: float,
        when: datetime | None = None,
    ) -> Impact:
        """Of faults that are on together, (fault, component, strength) each; the first is the issue's own."""
        return self._interval(self._ends(faults, duration_s, self._busy(when)), component, self.widths[faults[0][0]])

    def _busy(self, when: datetime | None) -> float:
        if when is None or not len(self.load):
            return 1.0
        at = int((when.timestamp() - self.start_s) // STEP_S)
        return float(self.load[at]) if 0 <= at < len(self.load) else 1.0

    def _ends(self, faults: Sequence[tuple[Fault, str, float]], duration_s: float, busy: float) -> list[Sketch]:
        """Better, middle, worse. A surge makes whatever is on with it busier."""
        surge = math.prod(strength for fault, _, strength in faults[1:] if fault is Fault.TRAFFIC_SURGE)
        own = self.around[faults[0][1]].busier(busy * surge)
        rest = [(fault, self.around[where].busier(busy), strength) for fault, where, strength in faults[1:]]
        parts = [(faults[0][0], own, faults[0][2]), *rest]
        return [
            together([sketch(fault, strength, duration_s, here, lean) for fault, here, strength in parts])
            for lean in LEANS
        ]

    def _interval(self, ends: Sequence[Sketch], component: str, width: float) -> Impact:
        logs = [math.log(max(one.latency_ratio, 0.05)) for one in ends]
        noise = Z90 * math.hypot(NOISE, NOISE_SHARE * self.around[component].entry_spread)
        mid, low, high = logs[1], min(logs), max(logs)
        low, high = mid - width * (mid - low) - noise, mid + width * (high - mid) + noise
        ratio = Interval(low=_round(math.exp(low)), mid=_round(math.exp(mid)), high=_round(math.exp(high)))
        shares = [one.error_share for one in ends]
        return Impact(latency_ratio=ratio, error_share=_shares(shares[1], min(shares), max(shares), width))


def _shares(mid: float, low: float, high: float, width: float) -> Interval:
    """Widened on the logit scale; next to nothing may be nothing, and nothing may be next to nothing."""
    least, most = _moved(low, -Z90 * ERROR_SIGMA * width), _moved(high, Z90 * ERROR_SIGMA * width)
    least = least if low > LEAST_ERRORS else 0.0
    return Interval(low=_round(min(least, mid)), mid=_round(mid), high=_round(max(most, mid, LEAST_ERRORS)))


def _moved(share: float, by: float) -> float:
    if share <= 0 or share >= 1:
        return share
    return 1 / (1 + math.exp(-(math.log(share / (1 - share)) + by)))


def _round(value: float) -> float:
    return round(value, 4)


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
    return usual.impact(component, ((fault, component, strength),), duration_s, when)


def _scores(plain: Reckoning, bundle: Bundle) -> dict[Fault, list[float]]:
    """How far outside (above 1) or inside its interval each felt incident was; its strength may have been any."""
    found: dict[Fault, list[float]] = {}
    for each in bundle.felt:
        fault = fault_of_kind(each.kind)
        if each.component not in plain.around:
            continue
        entry = CATALOGUE[fault]
        strengths = (0.7 * entry.low + 0.3 * entry.typical, entry.typical, 0.7 * entry.typical + 0.3 * entry.high)
        shown = [
            predicted_impact(plain, fault, each.component, s, max(each.duration_s, 1.0), each.start) for s in strengths
        ]
        low, high = (
            math.log(pick(value))
            for pick, value in (
                (min, [i.latency_ratio.low for i in shown]),
                (max, [i.latency_ratio.high for i in shown]),
            )
        )
        mid, was = math.log(shown[1].latency_ratio.mid), math.log(each.latency_ratio)
        found.setdefault(fault, []).append(
            (was - mid) / max(high - mid, 1e-6) if was > mid else (mid - was) / max(mid - low, 1e-6)
        )
    return found


def _width(scores: Sequence[float]) -> float:
    """The conformal quantile of the scores, drawn towards 1."""
    count = len(scores)
    if not count:
        return 1.0
    place = min(math.ceil(COVERED * (count + 1)), count) - 1
    return float(np.clip((count * sorted(scores)[place] + PRIOR) / (count + PRIOR), *WIDTHS))
