"""What happened, and what is likely to come."""

from dataclasses import dataclass
from datetime import datetime, timedelta

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


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedIssue:
    """Something that is likely to go wrong, with when, where, how badly and how likely.

    components: the first is where it starts, the others are who will feel it, along call edges.
    start_s: seconds since `origin`, the horizon's beginning. strength: in the fault's own unit (faults.py).
    probability: that an issue like it (same component and fault) happens within the horizon.
    novelty: 0 seen before, 1 nothing like it was.
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

    def __post_init__(self) -> None:
        require(bool(self.components), f"issue {self.id}: names no component")
        require(self.start_s >= 0, f"issue {self.id}: starts {-self.start_s} s before now")
        require(self.duration_s > 0, f"issue {self.id}: duration_s is {self.duration_s}, expected above 0")
        require(
            0 < self.probability <= 1,
            f"issue {self.id}: probability is {self.probability}, expected above 0 and at most 1",
        )
        require(0 <= self.novelty <= 1, f"issue {self.id}: novelty is {self.novelty}, expected 0 to 1")

    @property
    def start(self) -> datetime:
        return self.origin + timedelta(seconds=self.start_s)

    @property
    def component(self) -> str:
        """Where it starts."""
        return self.components[0]
