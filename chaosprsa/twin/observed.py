"""Outcomes as arrays: one row a phase of a trial, one column a service; NaN where a series was missing."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from chaosprsa.errors import BadInput
from chaosprsa.twin.queueing import Floats
from chaosprsa.types import Fault, Outcome, Phase, PhaseObservation, Topology, Verdict

ENOUGH_REQUESTS = 20  # below, a mean over a phase says little


@dataclass(frozen=True, slots=True)
class Observed:
    """Shape (rows, services) where not said otherwise. phase: (rows,); length_s: (rows,).

    edge_rate: (rows, callers, callees), calls a second where they are counted at the caller; None where nowhere.
    hit: for each row the services that its fault acts on; empty: there was none.
    """

    phase: tuple[Phase, ...]
    length_s: Floats
    rate: Floats
    failed: Floats
    latency_s: Floats
    cpu_cores: Floats
    memory_mib: Floats
    ready: Floats
    limit_cores: Floats
    edge_rate: Floats | None = None
    hit: tuple[frozenset[int], ...] = ()

    @property
    def struck(self) -> np.ndarray:
        """Shape (rows, services): where a fault acts itself, so that its slowness is no queue."""
        table = np.zeros(self.rate.shape, dtype=bool)
        for row, services in enumerate(self.hit):
            table[row, list(services)] = True
        return table

    @property
    def quiet(self) -> np.ndarray:
        """Rows before any fault; all rows where there are none."""
        before = np.array([phase is Phase.BEFORE for phase in self.phase], dtype=bool)
        return before if before.any() else np.ones(len(self.phase), dtype=bool)

    @property
    def requests(self) -> Floats:
        """How many requests each cell rests on; 0 where unknown."""
        return np.nan_to_num(self.rate) * self.length_s[:, None]


def usable(outcomes: Sequence[Outcome], topology: Topology) -> tuple[tuple[Outcome, ...], tuple[str, ...]]:
    """The outcomes that say something, and notes on those that don't.

    Raises BadInput: none at all, all invalid, or of another system.
    """
    if not outcomes:
        raise BadInput("no outcomes: run trials first (chaos prsa trial), there is nothing to calibrate the twin from")
    for outcome in outcomes:
        _same_system(outcome, topology)
    kept = tuple(outcome for outcome in outcomes if outcome.verdict is not Verdict.INVALID and outcome.phases)
    if not kept:
        reasons = "; ".join(sorted({reason for outcome in outcomes for reason in outcome.reasons})[:3])
        raise BadInput(
            f"all {len(outcomes)} outcomes are invalid or empty ({reasons or 'no reason given'}): "
            "mend what made them so and run the trials again"
        )
    notes = tuple(
        f"trial {outcome.id}: left out, {outcome.verdict.value}" for outcome in outcomes if outcome not in kept
    )
    return kept, notes


def _same_system(outcome: Outcome, topology: Topology) -> None:
    known = set(topology.services)
    given = {allocation.service for allocation in outcome.allocation.services}
    seen = {service.service for phase in outcome.phases for service in phase.services}
    strange = sorted((given | seen | {outcome.issue.component}) - known)
    if strange:
        raise BadInput(f"trial {outcome.id}: {', '.join(strange)} not in the topology; it is of another system")
    missing = sorted(known - given)
    if missing:
        raise BadInput(f"trial {outcome.id}: no allocation for {', '.join(missing)}; it is of another system")


def observed(outcomes: Sequence[Outcome], topology: Topology) -> Observed:
    """All phases of all outcomes."""
    rows = [(outcome, phase) for outcome in outcomes for phase in outcome.phases]
    table = np.stack([_row(outcome, phase, topology.services) for outcome, phase in rows])
    length_s = np.array([phase.end_s - phase.start_s for _, phase in rows])
    phases = tuple(phase.phase for _, phase in rows)
    hit = tuple(_hit(outcome, phase, topology.services) for outcome, phase in rows)
    return replace(Observed(phases, length_s, *np.moveaxis(table, 2, 0)), hit=hit)


def _hit(outcome: Outcome, phase: PhaseObservation, services: Sequence[str]) -> frozenset[int]:
    """The services' numbers."""
    issue = outcome.issue
    acting = [(issue.component, issue.fault), *((also.component, also.fault) for also in issue.companions)]
    struck = {component for component, fault in acting if fault is not Fault.TRAFFIC_SURGE}
    return frozenset(at for at, name in enumerate(services) if name in struck and phase.phase is not Phase.BEFORE)


def _row(outcome: Outcome, phase: PhaseObservation, services: Sequence[str]) -> Floats:
    """Shape (services, series)."""
    seen = {service.service: service for service in phase.services}
    table = np.full((len(services), 7), np.nan)
    for at, name in enumerate(services):
        table[at, 6] = outcome.allocation[name].resources.cpu_limit_millicores / 1000
        table[at, 5] = outcome.allocation[name].replicas
        if (service := seen.get(name)) is None:
            continue
        latency = None if service.latency_mean_ms is None else service.latency_mean_ms / 1000
        values = (
            service.request_rate_per_s,
            service.error_share,
            latency,
            service.cpu_usage_cores,
            service.memory_mib_per_pod,
        )
        table[at, :5] = [np.nan if value is None or not np.isfinite(value) else value for value in values]
        if service.replicas_ready is not None and np.isfinite(service.replicas_ready):
            table[at, 5] = service.replicas_ready
    return table
