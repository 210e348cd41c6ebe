"""What happened, and what is likely to come."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chaosprsa.errors import require
from chaosprsa.types.scales import Fault, Interval, Lineage, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that happened. kind is the source's own word; end is None where none was recorded.

    component: where it started, "" where the source names none; others: further components that it names.
    end_estimated: the source's guess where it recorded no end. impact_start: when users felt it, where recorded.
    """

    start: datetime
    component: str
    kind: str
    severity: Severity = Severity.MAJOR
    end: datetime | None = None
    title: str = ""
    others: tuple[str, ...] = ()
    end_estimated: datetime | None = None
    impact_start: datetime | None = None

    def __post_init__(self) -> None:
        times = (self.start, self.end, self.end_estimated, self.impact_start)
        zoned = all(time is None or time.tzinfo is not None for time in times)
        require(zoned, f"incident {self.title!r}: a time has no time zone")
        last = self.likely_end
        require(last is None or last >= self.start, f"incident {self.title!r}: ends before it starts")

    @property
    def likely_end(self) -> datetime | None:
        """The recorded end, else the estimated one, else None."""
        return self.end or self.end_estimated

    @property
    def components(self) -> tuple[str, ...]:
        """Every component that the source names, where it started first; empty where it names none."""
        return (self.component, *self.others) if self.component else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What an issue is predicted to do at the entry: latency as a multiple of normal, share of requests that fail."""

    latency_ratio: Interval
    error_share: Interval


class EdgeCase(StrEnum):
    """In which way an issue goes beyond what was observed.

    tail: stronger or longer than usual. unseen: a kind where it never was. together: several faults at once.
    adversarial: what the present allocation survives least, by the twin.
    """

    TAIL = "tail"
    UNSEEN = "unseen"
    TOGETHER = "together"
    ADVERSARIAL = "adversarial"


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """A further fault that is on as long as an issue lasts. strength: in the fault's own unit (faults.py)."""

    fault: Fault
    component: str
    strength: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedIssue:
    """Something that is likely to go wrong, with when, where, how badly and how likely.

    components: the first is where it starts, the others are who will feel it, along call edges.
    start_s: seconds since `origin`, the horizon's beginning. strength: in the fault's own unit (faults.py).
    ramp_s: until it is there in full; 0: at once. companions: faults that are on together with it.
    probability: that an issue like it (same component and fault) happens within the horizon; of an adversarial one,
    that one at least as strong and as long does.
    novelty: 0 seen before, 1 nothing like it was (novelty.py). plausibility: its likelihood under the incident process
    as a share of a median draw's, at most 1 (plausibility.py). edge_case: None for a draw of the process as it is.
    raised_by: the id of the issue that it follows from along a call edge; empty: it began by itself.
    """

    id: str
    kind: str
    fault: Fault
    strength: float
    components: tuple[str, ...]
    origin: datetime
    start_s: float
    duration_s: float
    severity: Severity
    probability: float
    impact: Impact
    novelty: float
    evidence: tuple[str, ...]
    lineage: Lineage
    ramp_s: float = 0.0
    plausibility: float = 1.0
    edge_case: EdgeCase | None = None
    companions: tuple[Companion, ...] = ()
    raised_by: str = ""

    def __post_init__(self) -> None:
        whole = bool(self.components) and self.start_s >= 0 and self.duration_s > 0 and self.ramp_s >= 0
        shares = 0 < self.probability <= 1 and 0 <= self.novelty <= 1 and 0 < self.plausibility <= 1
        if not (whole and shares):  # words are made only where they are needed: issues come by ten thousands
            self._refuse()

    def _refuse(self) -> None:
        """Say the first that can't be."""
        require(bool(self.components), f"issue {self.id}: names no component")
        require(self.start_s >= 0, f"issue {self.id}: starts {-self.start_s} s before now")
        require(self.duration_s > 0, f"issue {self.id}: duration_s is {self.duration_s}, expected above 0")
        require(
            0 < self.probability <= 1,
            f"issue {self.id}: probability is {self.probability}, expected above 0 and at most 1",
        )
        require(0 <= self.novelty <= 1, f"issue {self.id}: novelty is {self.novelty}, expected 0 to 1")
        require(
            0 < self.plausibility <= 1,
            f"issue {self.id}: plausibility is {self.plausibility}, expected above 0 and at most 1",
        )
        require(self.ramp_s >= 0, f"issue {self.id}: ramp_s is {self.ramp_s}, expected 0 or more")

    @property
    def start(self) -> datetime:
        return self.origin + timedelta(seconds=self.start_s)

    @property
    def component(self) -> str:
        """Where it starts."""
        return self.components[0]

    @property
    def surge(self) -> float:
        """By how much it multiplies the load at the entry, companions included; 1 where it doesn't."""
        own = self.strength if self.fault is Fault.TRAFFIC_SURGE else 1.0
        return own * math.prod(one.strength for one in self.companions if one.fault is Fault.TRAFFIC_SURGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakness:
    """An issue that the present allocation would not survive, or barely, by the twin.

    harm: share of failures beyond the objective's, plus the logarithm to base 10 of how many times its latency is
    missed; 0 where it holds. margin: share of the objective that is left, below 0 where it is missed.
    """

    issue: SimulatedIssue
    harm: float
    margin: float

    @property
    def risk(self) -> float:
        """Probability that one at least as bad comes within the horizon, times harm."""
        return self.issue.probability * self.harm


@dataclass(frozen=True, slots=True, kw_only=True)
class Weaknesses:
    """Two rankings, worst first, one issue of each pair of component and fault: by risk and by harm alone."""

    by_risk: tuple[Weakness, ...] = ()
    by_harm: tuple[Weakness, ...] = ()

    @property
    def issues(self) -> tuple[SimulatedIssue, ...]:
        """Of both rankings, each once."""
        found = {one.issue.id: one.issue for one in (*self.by_risk, *self.by_harm)}
        return tuple(found.values())
