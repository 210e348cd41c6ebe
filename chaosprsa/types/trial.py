"""The rehearsal: studies, and what trials showed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from chaosprsa.types.issue import SimulatedIssue
from chaosprsa.types.scales import Lineage, Phase, Verdict
from chaosprsa.types.system import Allocation


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyItem:
    """One issue with the two files made from it, paths relative to the study's folder.

    fault_start_s, fault_end_s: when the fault is on, in seconds since the load began.
    """

    issue: SimulatedIssue
    experiment: str
    profile: str
    fault_start_s: float
    fault_end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A folder of experiments to be played in one shadow.

    scale: the shadow's share of production's load and replicas. notes: what its issues leave uncovered, in words.
    """

    name: str
    namespace: str
    shadow: str
    scale: float
    seed: int
    items: tuple[StudyItem, ...]
    lineage: Lineage
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceObservation:
    """What Prometheus saw of one service in one phase; None where a series was missing.

    Sums over pods, except *_per_pod.
    """

    service: str
    request_rate_per_s: float | None = None
    error_share: float | None = None
    latency_mean_ms: float | None = None
    latency_p50_ms: float | None = None
    latency_p99_ms: float | None = None
    cpu_usage_cores: float | None = None
    throttled_share: float | None = None
    memory_mib_per_pod: float | None = None
    replicas_ready: float | None = None
    restarts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseObservation:
    """All services in one phase; start_s and end_s since the load began."""

    phase: Phase
    start_s: float
    end_s: float
    services: tuple[ServiceObservation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTimeline:
    """What Locust saw, second by second: arrays of equal length; a latency is None in a second without answers."""

    time_s: tuple[float, ...] = ()
    rate_per_s: tuple[float, ...] = ()
    failures_per_s: tuple[float, ...] = ()
    latency_p50_ms: tuple[float | None, ...] = ()
    latency_p95_ms: tuple[float | None, ...] = ()
    latency_p99_ms: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadStatistics:
    """What Locust saw over one phase or a whole run. latency_slo_ms: at the SLO's own percentile."""

    requests: int
    failures: int
    rate_per_s: float
    latency_mean_ms: float | None
    latency_p50_ms: float | None
    latency_p99_ms: float | None
    latency_slo_ms: float | None

    @property
    def error_share(self) -> float | None:
        return self.failures / self.requests if self.requests else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one trial showed. reasons: why the verdict is what it is, in words; journal: path of Chaos Toolkit's own."""

    id: str
    issue: SimulatedIssue
    verdict: Verdict
    reasons: tuple[str, ...]
    allocation: Allocation
    started: datetime
    duration_s: float
    fault_start_s: float
    fault_end_s: float
    load: Mapping[Phase, LoadStatistics]
    timeline: LoadTimeline
    phases: tuple[PhaseObservation, ...]
    journal: str
    profile: str
    lineage: Lineage
