"""Synthetic telemetry: what the metrics would have shown had the issues happened, in the normal form.

Every series does as usual (usual.py) and feels the issues that touch it: as past incidents of the kind taught
(learned.py), else as the catalogue's formulas say (physics.py). Values stay on the grid and inside the bounds of what
was seen (shapes.py), counters since boot never fall, gaps are where gaps would be. The issues are the incidents of the
result: the truth, for who learns or drills on it.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.errors import require
from chaosprsa.history.frame import History
from chaosprsa.models.bundle import Bundle
from chaosprsa.telemetry.learned import Learned
from chaosprsa.telemetry.physics import Physics, lasting_s
from chaosprsa.telemetry.usual import Past, past_of, usual
from chaosprsa.types import Incident, SimulatedIssue

__all__ = ["synthesise"]
FloatArray = npt.NDArray[np.float64]
MARGIN = timedelta(minutes=30)  # of usual behaviour before the first issue and after the last
MAX_STEPS = 10_080  # longer spans get wider steps: a week at 60 s


def synthesise(bundle: Bundle, issues: Sequence[SimulatedIssue], rng: np.random.Generator) -> History:
    """The metrics from half an hour before the first issue until half an hour after the last one ends.

    Components and metrics are those that the bundle knows normals of. Same bundle, issues and generator: same rows.
    """
    require(bool(issues), "synthetic telemetry needs at least one issue")
    past = past_of(bundle)
    times = _times(past.step_s, issues)
    normal = usual(past, bundle, times, rng)
    physics = Physics(bundle, past, times)
    learned = Learned(bundle.signatures, past, bundle.topology, normal.samples.shape)
    for issue in issues:
        start = issue.start.timestamp()
        known = learned.knows(issue.kind)
        first, last, end = np.searchsorted(times, [start, start + lasting_s(issue), start + issue.duration_s]).tolist()
        physics.feel(issue, first, last, known)
        if known:
            learned.feel(issue, first, end, rng)
    quiet = np.where(learned.muted, normal.level, normal.samples)
    values = _counted(past, past.shape.fitted((quiet + learned.added) * physics.kept + physics.added))
    note = f"synthetic: {len(issues)} simulated issues on usual behaviour; none of this happened"
    how = f"{sum(learned.knows(issue.kind) for issue in issues)} of them as past incidents of their kind showed"
    return History(_frame(past, times, values), tuple(map(_incident, issues)), bundle.topology, (f"{note}; {how}",))


def _times(step_s: float, issues: Sequence[SimulatedIssue]) -> FloatArray:
    start = min(issue.start for issue in issues) - MARGIN
    end = max(issue.start + timedelta(seconds=issue.duration_s) for issue in issues) + MARGIN
    span_s = (end - start).total_seconds()
    step_s = max(step_s, np.ceil(span_s / MAX_STEPS / step_s) * step_s)
    first = np.floor(start.timestamp() / step_s) * step_s
    return np.asarray(first + np.arange(int(span_s // step_s) + 2) * step_s)


def _counted(past: Past, values: FloatArray) -> FloatArray:
    """Counters from their increments, on from where each stood."""
    if not past.counter.any():
        return values
    steps = np.maximum(np.nan_to_num(values[:, past.counter]), 0.0)
    counted = np.nan_to_num(past.last[past.counter]) + np.cumsum(steps, axis=0)
    return np.where(past.counter, _spread(counted, past.counter, values.shape), values)


def _spread(columns: FloatArray, where: npt.NDArray[np.bool_], shape: tuple[int, ...]) -> FloatArray:
    whole = np.zeros(shape)
    whole[:, where] = columns
    return whole


def _frame(past: Past, times: FloatArray, values: FloatArray) -> pd.DataFrame:
    """The normal form; samples that would be missing are."""
    names = np.array([component for component, _ in past.keys], dtype=object)
    metrics = np.array([metric for _, metric in past.keys], dtype=object)
    frame = pd.DataFrame(
        {
            "timestamp": np.tile(_index(times), len(names)),
            "component": np.repeat(names, len(times)),
            "metric": np.repeat(metrics, len(times)),
            "value": values.T.ravel(),
        }
    )
    frame["timestamp"] = frame["timestamp"].astype("datetime64[ms, UTC]")
    there = np.isfinite(frame["value"].to_numpy())
    return frame if there.all() else frame[there].reset_index(drop=True)


def _index(times: FloatArray) -> "pd.DatetimeIndex":
    return pd.to_datetime(np.round(times * 1000).astype(np.int64), unit="ms", utc=True)


def _incident(issue: SimulatedIssue) -> Incident:
    return Incident(
        start=issue.start,
        component=issue.component,
        kind=issue.kind,
        severity=issue.severity,
        end=issue.start + timedelta(seconds=issue.duration_s),
        title=f"simulated: {issue.id}",
        others=issue.components[1:],
    )
