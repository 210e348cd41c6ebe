"""Whether the twin tells trials that it was not calibrated on."""

from collections.abc import Callable, Sequence

import numpy as np

from chaosprsa.twin.parameters import Twin
from chaosprsa.twin.replay import PhasePair, replayed
from chaosprsa.types import Outcome, Slo, TwinFit

RATIO_WITHIN = 1.5  # the median ratio, either way
GAP_WITHIN = 0.05
AGREEMENT = 0.75  # share of phases on whose side of the SLO twin and trial agree
UNSEEN_WITHIN = 0.25  # services seldom called are left as they are; they don't make the others' twin wrong
_CLOSE = 0.15  # a trial this near to its SLO may fall on either side


def leave_one_out(
    outcomes: Sequence[Outcome], twin: Twin, slo: Slo, fit: Callable[[Sequence[Outcome]], Twin]
) -> TwinFit:
    """Predict each trial with the twin of the others."""
    if len(outcomes) < 2:
        return TwinFit(
            trusted=False,
            latency_ratio=None,
            error_share_gap=None,
            trials=len(outcomes),
            reason="one usable trial only: none could be held out",
        )
    pairs = [
        pair
        for at, held in enumerate(outcomes)
        for pair in replayed(fit([*outcomes[:at], *outcomes[at + 1 :]]), [held], slo)
    ]
    return judged_fit(pairs, slo, len(outcomes), twin)


def judged_fit(pairs: Sequence[PhasePair], slo: Slo, trials: int, twin: Twin) -> TwinFit:
    """The verdict on held-out phases."""
    if not pairs:
        return TwinFit(
            trusted=False,
            latency_ratio=None,
            error_share_gap=None,
            trials=trials,
            reason="no phase of any trial has enough answered requests to compare with",
        )
    off = np.log([pair.twin_latency_s / max(pair.latency_s, 1e-6) for pair in pairs])
    ratio = float(np.exp(np.median(off)))
    gap = float(np.mean([abs(pair.twin_failed - pair.failed) for pair in pairs]))
    agreeing = float(np.mean([_agree(pair, slo) for pair in pairs]))
    faults = []
    if not 1 / RATIO_WITHIN <= ratio <= RATIO_WITHIN:
        faults.append(f"latency is off by a factor of {ratio:.2f}")
    if gap > GAP_WITHIN:
        faults.append(f"the share of failures is off by {gap:.1%} on average")
    if agreeing < AGREEMENT:
        faults.append(f"it agrees on the SLO in only {agreeing:.0%} of {len(pairs)} phases")
    if _unseen_share(twin) > UNSEEN_WITHIN:
        faults.append(f"no CPU use was seen for {', '.join(twin.loose)}")
    good = f"agrees on the SLO in {agreeing:.0%} of {len(pairs)} held-out phases"
    return TwinFit(
        trusted=not faults,
        latency_ratio=round(ratio, 4),
        error_share_gap=round(gap, 5),
        trials=trials,
        reason="; ".join(faults) or good,
    )


def _unseen_share(twin: Twin) -> float:
    """The share of all visits that go to services whose demand is a guess."""
    unseen = np.isin(twin.graph.services, twin.loose)
    return float(twin.graph.visits[unseen].sum() / max(twin.graph.visits.sum(), 1e-12))


def _agree(pair: PhasePair, slo: Slo) -> bool:
    limit = slo.latency_ms / 1000
    near = abs(np.log(max(pair.latency_s, 1e-6) / limit)) < _CLOSE and pair.failed < 1 - slo.success_ratio
    return bool(near or _holds(pair.latency_s, pair.failed, slo) == _holds(pair.twin_latency_s, pair.twin_failed, slo))


def _holds(latency_s: float, failed: float, slo: Slo) -> bool:
    return latency_s <= slo.latency_ms / 1000 and failed <= 1 - slo.success_ratio
