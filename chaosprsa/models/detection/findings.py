"""What was wrong in the last hours of a history: alarms, each with its suspects and what they showed."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from chaosprsa.history.frame import History
from chaosprsa.models.detection.location import Suspect, suspects
from chaosprsa.models.detection.system import SystemDetector
from chaosprsa.types import Topology, Window

LEAST_NORMAL_H = 2.0  # a threshold for an alarm in hours, from less normal time than that, is a guess
RANKED_STEPS = 2  # samples after an alarm until its components are ranked: effects have then reached the callers


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """start: since when. raised: when it could be told. end: None while it is on. score: decades of improbability."""

    start: datetime
    raised: datetime
    end: datetime | None
    score: float
    suspects: tuple[Suspect, ...]

    def in_words(self) -> str:
        """Read as: cart: slow since 14:03 UTC, still on; cart latency_p99_ms 240 (12 before)."""
        until = "still on" if self.end is None else f"until {self.end:%Y-%m-%d %H:%M}"
        if not self.suspects:
            return f"something since {self.start:%Y-%m-%d %H:%M} UTC, {until}"
        first = self.suspects[0]
        shown = "; ".join(sign.in_words() for sign in first.signs)
        return f"{first.component}: {first.kind} since {self.start:%Y-%m-%d %H:%M} UTC, {until}; {shown}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """window: what was looked at. conclusive: whether enough normal time is known to say that nothing is wrong."""

    window: Window
    findings: tuple[Finding, ...]
    conclusive: bool
    notes: tuple[str, ...]


def find(
    history: History, last: timedelta, false_alarms_per_hour: float, normal: History | None, topology: Topology | None
) -> Findings:
    """What was wrong in the last `last`; what lies before it, and `normal`, is what is usual.

    At most half of a history is looked at, so that some of it can tell what is usual. Raises NotEnoughHistory where
    there are no metrics.
    """
    whole = history.window
    start = max(whole.end - last, whole.start + (whole.end - whole.start) / 2)
    late = (history.metrics["timestamp"] >= pd.Timestamp(start)).to_numpy()
    early = replace(history, metrics=history.metrics[~late].reset_index(drop=True))
    usual = _joined([part for part in (normal, early) if part is not None and len(part.metrics)])
    now = replace(history, metrics=history.metrics[late].reset_index(drop=True))
    detector = SystemDetector().fit(usual, false_alarms_per_hour)
    graph = topology or history.topology
    evidence = detector.evidence(now)
    step = timedelta(milliseconds=evidence.step_ms)
    found = tuple(
        Finding(
            start=alarm.start,
            raised=alarm.raised,
            end=alarm.end,
            score=round(alarm.score, 2),
            suspects=suspects(evidence, _millis(alarm.start), _millis(alarm.raised + RANKED_STEPS * step), graph),
        )
        for alarm in detector.alarms(evidence)
    )
    hours = detector.normal_h
    short = f"{hours:.1f} h of normal time are known, {LEAST_NORMAL_H:g} h are needed to say that nothing is wrong"
    return Findings(
        window=Window(start=start, end=whole.end),
        findings=found,
        conclusive=hours >= LEAST_NORMAL_H,
        notes=(*history.notes, *detector.notes, *((short,) if hours < LEAST_NORMAL_H else ())),
    )


def _joined(parts: Sequence[History]) -> History:
    """Several histories as one; of samples at the same time the later history's stays."""
    if not parts:
        return History(metrics=pd.DataFrame())
    order = ["component", "metric", "timestamp"]
    rows = pd.concat([part.metrics for part in parts]).sort_values(order, kind="stable", ignore_index=True)
    kept = np.asarray(~rows.duplicated(order, keep="last"))
    incidents = tuple(each for part in parts for each in part.incidents)
    return History(metrics=rows[kept].reset_index(drop=True), incidents=incidents)


def _millis(time: datetime) -> int:
    return round(time.timestamp() * 1000)
