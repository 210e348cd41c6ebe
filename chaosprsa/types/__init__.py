"""Every noun: frozen, units in the names, nonsense refused at birth.

Rooms hand each other these values and nothing else. Files carry them too (see documents.py); a trailing underscore in
a field name (`from_`) is dropped in JSON. Nothing here does I/O, and no noun knows a room.
"""

from chaosprsa.types.backtest import (
    Agreement,
    Backtest,
    IncidentBacktest,
    IncidentScore,
    LoadBacktest,
    LoadScore,
    ReliabilityBin,
)
from chaosprsa.types.comparison import Comparison, PolicyScore
from chaosprsa.types.declared import Bandwidth, Declared
from chaosprsa.types.issue import (
    Companion,
    EdgeCase,
    Impact,
    Incident,
    SimulatedIssue,
    Weakness,
    Weaknesses,
)
from chaosprsa.types.load import (
    EndpointShare,
    LoadMode,
    LoadPoint,
    LoadProfile,
)
from chaosprsa.types.logs import LogTemplate
from chaosprsa.types.recommendation import (
    AllocationField,
    Binding,
    Bounds,
    Directive,
    PolicyResult,
    Recommendation,
    Remedy,
    SearchTrial,
    Survival,
    TwinFit,
)
from chaosprsa.types.rollout import (
    RolloutOutcome,
    RolloutPlan,
    RolloutStep,
    ServiceChange,
)
from chaosprsa.types.scales import (
    Fault,
    Interval,
    Lineage,
    Phase,
    Severity,
    Verdict,
    Window,
)
from chaosprsa.types.system import (
    HOURS_A_MONTH,
    Allocation,
    Edge,
    Limits,
    Prices,
    Resources,
    ServiceAllocation,
    Slo,
    Topology,
)
from chaosprsa.types.trial import (
    LoadStatistics,
    LoadTimeline,
    Outcome,
    PhaseObservation,
    ServiceObservation,
    Study,
    StudyItem,
)

__all__ = [
    "HOURS_A_MONTH",
    "Agreement",
    "Allocation",
    "AllocationField",
    "Backtest",
    "Bandwidth",
    "Binding",
    "Bounds",
    "Companion",
    "Comparison",
    "Declared",
    "Directive",
    "Edge",
    "EdgeCase",
    "EndpointShare",
    "Fault",
    "Impact",
    "Incident",
    "IncidentBacktest",
    "IncidentScore",
    "Interval",
    "Limits",
    "Lineage",
    "LoadBacktest",
    "LoadMode",
    "LoadPoint",
    "LoadProfile",
    "LoadScore",
    "LoadStatistics",
    "LoadTimeline",
    "LogTemplate",
    "Outcome",
    "Phase",
    "PhaseObservation",
    "PolicyResult",
    "PolicyScore",
    "Prices",
    "Recommendation",
    "ReliabilityBin",
    "Remedy",
    "Resources",
    "RolloutOutcome",
    "RolloutPlan",
    "RolloutStep",
    "SearchTrial",
    "ServiceAllocation",
    "ServiceChange",
    "ServiceObservation",
    "Severity",
    "SimulatedIssue",
    "Slo",
    "Study",
    "StudyItem",
    "Survival",
    "Topology",
    "TwinFit",
    "Verdict",
    "Weakness",
    "Weaknesses",
    "Window",
]
