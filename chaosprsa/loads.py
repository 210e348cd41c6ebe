"""The load that goes with an issue: the entry's forecast at the issue's time, at the shadow's scale, and the surge.

And a load without an issue, for game days and soaks: a new course with the real one's texture (models/load_texture.py).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from chaosprsa.documents import lineage
from chaosprsa.errors import require
from chaosprsa.settings_tables import TrialTable
from chaosprsa.types import LoadMode, LoadPoint, LoadProfile, SimulatedIssue

RAMP_SHARE = 0.1  # of the fault's length: a surge builds up and goes, it doesn't jump; where an issue says nothing
MIN_RAMP_SHARE = 0.02
MIN_RATE_PER_S = 1.0  # below it nothing can be judged in a trial's seconds
MOST_POINTS = 7200  # two hours by the second; longer ones get longer steps
DAY_S = 86_400.0
FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def fault_window(issue: SimulatedIssue, trial: TrialTable) -> tuple[float, float]:
    """When the fault is on, in seconds since the load began: as long as the issue, at most trial.fault_s."""
    length = min(trial.fault_s, max(issue.duration_s, 2.0))
    return trial.before_s, trial.before_s + length


def build_profile(
    issue: SimulatedIssue,
    entry_rate_per_s: float,
    scale: float,
    trial: TrialTable,
    seed: int,
) -> LoadProfile:
    """Open arrivals at the entry's rate x scale; a surge, alone or beside another fault, multiplies it while it is on.

    entry_rate_per_s: production's, forecast for the issue's start. Never below 1 a second (nothing could be judged)
    nor above trial.max_rate_per_s (what one Locust process sends undistorted).
    """
    require(entry_rate_per_s >= 0, f"issue {issue.id}: the entry's rate is {entry_rate_per_s} requests a second")
    require(0 < scale <= 1, f"issue {issue.id}: scale is {scale}, expected above 0 and at most 1")
    normal = min(max(entry_rate_per_s * scale, MIN_RATE_PER_S), trial.max_rate_per_s)
    start_s, end_s = fault_window(issue, trial)
    peak = min(normal * issue.surge, trial.max_rate_per_s)
    points = _points(normal, peak, start_s, end_s, end_s + trial.after_s, _ramp_share(issue))
    content = {"issue": issue.id, "points": points, "mix": [part.path for part in trial.endpoints], "seed": seed}
    return LoadProfile(
        id=f"{issue.id}-load",
        mode=LoadMode.RATE,
        points=tuple(LoadPoint(time_s=time_s, level=level) for time_s, level in points),
        mix=trial.endpoints,
        seed=seed,
        lineage=lineage("profile", content, (issue.lineage,)),
    )


def _ramp_share(issue: SimulatedIssue) -> float:
    """Of the fault's length, until a surge is there in full; it goes as it came."""
    return min(max(issue.ramp_s / issue.duration_s, MIN_RAMP_SHARE), 0.45) if issue.ramp_s else RAMP_SHARE


def _points(
    normal: float, peak: float, start_s: float, end_s: float, stop_s: float, ramp_share: float
) -> list[tuple[float, float]]:
    """A flat line, or a trapezium over the fault's window."""
    level = round(normal, 3)
    if peak == normal:
        return [(0.0, level), (stop_s, level)]
    ramp_s = (end_s - start_s) * ramp_share
    top = round(peak, 3)
    return [
        (0.0, level), (start_s, level), (start_s + ramp_s, top), (end_s - ramp_s, top), (end_s, level), (stop_s, level),
    ]  # fmt: skip


def textured_profile(
    times_s: FloatArray,
    rates_per_s: FloatArray,
    start: datetime,
    duration: timedelta,
    scale: float,
    trial: TrialTable,
    seed: int,
) -> LoadProfile:
    """A course that was never seen, at the forecast level, with the bursts and the unrest of what was.

    times_s, rates_per_s: the entry's past, seconds since 1970 and requests a second. What a coarse history doesn't show
    (within its step) is left out. A point each step of a second or more, MOST_POINTS at most; none above
    trial.max_rate_per_s. Same arguments and seed, same profile. Raises NotEnoughHistory with too short a past.
    """
    from chaosprsa.models.load import LoadModel  # late: the load of an issue needs neither
    from chaosprsa.models.load_texture import LoadTexture

    require(duration > timedelta(0), f"load: its duration is {duration}, expected some time")
    require(0 < scale <= 1, f"load: scale is {scale}, expected above 0 and at most 1")
    texture, model = LoadTexture().fit(times_s, rates_per_s), LoadModel().fit(times_s, rates_per_s)
    step_s = max(1.0, float(np.ceil(duration.total_seconds() / MOST_POINTS)))
    samples = max(2, round(duration.total_seconds() / step_s))
    at = start.timestamp() + np.arange(samples, dtype=float) * step_s
    day = max(1, round(DAY_S / step_s))
    levels = [float(part.mean()) for part in np.array_split(model.forecast(at).mean, range(day, samples, day))]
    rate = texture.rate(start.timestamp(), samples, step_s, np.random.default_rng(seed), levels)
    shown = np.round(np.clip(rate * scale, 0.0, trial.max_rate_per_s), 3).tolist()
    content = {"start": start, "levels": shown, "mix": [part.path for part in trial.endpoints], "seed": seed}
    come_from = lineage("profile", content)
    return LoadProfile(
        id=f"load-{come_from.id.rsplit('-', 1)[1]}",
        mode=LoadMode.RATE,
        points=tuple(LoadPoint(time_s=round(number * step_s, 3), level=level) for number, level in enumerate(shown)),
        mix=trial.endpoints,
        seed=seed,
        lineage=come_from,
    )


def expected_requests(points: Sequence[LoadPoint]) -> float:
    """The integral of a rate profile: how many requests it sends on average."""
    times = np.array([point.time_s for point in points])
    levels = np.array([point.level for point in points])
    return float(np.trapezoid(levels, times))
