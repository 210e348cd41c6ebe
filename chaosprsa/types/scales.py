"""The scales everything is put on: severity, verdict, fault, phase; and the small values they come with."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chaosprsa.errors import InvalidNoun, require


class Severity(StrEnum):
    """How bad an incident was, or an issue would be; the field's own four steps, worst first."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    WARNING = "warning"


class Verdict(StrEnum):
    """One scale for trials, canaries and gates. Anything missing is never a pass."""

    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


class Fault(StrEnum):
    """What can be played; faults.py says how each is done and in which unit its strength is."""

    POD_KILL = "pod-kill"
    REPLICA_LOSS = "replica-loss"
    CPU_SQUEEZE = "cpu-squeeze"
    MEMORY_SQUEEZE = "memory-squeeze"
    DEPENDENCY_SLOW = "dependency-slow"
    DEPENDENCY_FAILING = "dependency-failing"
    TRAFFIC_SURGE = "traffic-surge"


class Phase(StrEnum):
    """The parts of a trial."""

    BEFORE = "before"
    FAULT = "fault"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where a file came from: its own id and the ids it was made from, so that the report can walk back."""

    id: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A half-open span of time [start, end), time zones included."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        require(self.start.tzinfo is not None and self.end.tzinfo is not None, "a window needs times with a time zone")
        require(self.start <= self.end, f"a window ends ({self.end}) before it starts ({self.start})")

    @property
    def duration(self) -> timedelta:
        return self.end - self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A predicted value with its central 90 % interval."""

    low: float
    mid: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.mid <= self.high:
            raise InvalidNoun(f"an interval must rise: {self.low}, {self.mid}, {self.high}")
