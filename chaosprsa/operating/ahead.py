"""The policy at work: an autoscaler that orders ahead, and knows when to leave it to the reactive rule."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from chaosprsa.autoscalers.contract import AS_DEPLOYED, STEP_S, Decision, Floats, Ints, Reading, System
from chaosprsa.autoscalers.hpa import Hpa
from chaosprsa.operating.fitted_q import Fixed, Learned
from chaosprsa.operating.orders import LEAST_RESERVE, ordered
from chaosprsa.operating.watch import Look, Watch
from chaosprsa.operating.world import MOST_ANNOUNCED, announcement
from chaosprsa.twin.course import effects_of
from chaosprsa.types import SimulatedIssue


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """policy: learnt headroom. announced: predicted issues, by their probability; unsure_s: how far they may be off in
    time. reactive: the rule to fall back to. period_s: between decisions. resized: shares of a pod's deployed CPU limit
    that it may be resized to in place; pods then need a metrics pipeline of that period. reserve: what pods that are
    resized carry at their largest limits, over what is needed.

    A reading with numbers missing changes nothing. One unlike all that was learnt from is the reactive rule's, which
    counts pods; their limits are then no lower than deployed.
    """

    policy: Learned | Fixed
    announced: Sequence[SimulatedIssue] = ()
    unsure_s: float = 0.0
    reactive: Hpa = field(default_factory=Hpa)
    period_s: float = STEP_S
    resized: tuple[float, float] = AS_DEPLOYED
    reserve: float = LEAST_RESERVE
    name: str = "ahead"

    def begin(self, system: System) -> "AheadController":
        """Raises BadInput where an announced issue starts at an unknown service."""
        return AheadController(self, system)


class AheadController:
    """One run. reacted, held: steps in which the reactive rule decided, or numbers were missing."""

    def __init__(self, settings: Ahead, system: System) -> None:
        self._policy, self._system, self._reserve = settings.policy, system, settings.reserve
        self._watch = Watch(system, 1)
        self._reactive = settings.reactive.begin(system)
        self._last = Decision(replicas=system.replicas, cores=system.cores)
        issues = settings.announced
        strength, probability = (np.array([getattr(i, name) for i in issues]) for name in ("strength", "probability"))
        self._factors = announcement(effects_of(issues, system.services, strength), probability)
        start_s, lasts_s = (np.array([getattr(i, name) for i in issues]) for name in ("start_s", "duration_s"))
        self._begin_s, self._end_s = start_s - settings.unsure_s, start_s + lasts_s + settings.unsure_s
        self.reacted = self.held = 0

    def decide(self, reading: Reading) -> Decision:
        """Once a step."""
        if not _whole(reading):
            self.held += 1
            return self._last
        features = self._watch.see(self._look(reading))
        reaction = self._reactive.decide(reading)
        self._last = self._ordered(features, reading) if self._policy.knows(features)[0] else self._left_to(reaction)
        return self._last

    def _ordered(self, features: Floats, reading: Reading) -> Decision:
        pods, ready = (np.asarray(each, dtype=np.float64)[None] for each in (self._last.replicas, reading.ready))
        headroom = self._policy.headroom(features)
        found = ordered(self._system, self._watch.needs, headroom, pods, ready, self._reserve)
        return Decision(replicas=found.pods[0].astype(np.int64), cores=np.array(found.cores[0]))

    def _left_to(self, reaction: Decision) -> Decision:
        self.reacted += 1
        pods = np.clip(reaction.replicas, 1, self._system.most_replicas)
        return Decision(replicas=pods, cores=np.maximum(self._last.cores, self._system.cores))

    def _look(self, reading: Reading) -> Look:
        entry = self._system.entry

        def row(values: Floats | Ints) -> Floats:
            return np.asarray(values, dtype=np.float64)[None]

        return Look(
            arrivals_per_s=row(reading.arrivals_per_s)[:, entry],
            answered_per_s=row(reading.answered_per_s)[:, entry],
            mean_s=row(reading.mean_s)[:, entry],
            cpu_cores=row(reading.cpu_cores),
            ready=row(reading.ready),
            starting=row(reading.starting),
            cores=row(reading.cores),
            throttled=row(reading.throttled),
            announced=self._ahead(reading.time_s, self._system.start_s + self._system.step_s),
            next=self._ahead(reading.time_s, self._system.step_s),
        )

    def _ahead(self, now_s: float, reach_s: float) -> Floats:
        """What is announced for so long, shape (1, services)."""
        soon = (self._begin_s < now_s + reach_s) & (now_s < self._end_s)
        found = np.prod(np.where(soon[:, None], self._factors, 1.0), axis=0, initial=1.0)
        return np.asarray(np.minimum(found, MOST_ANNOUNCED))[None]


def _whole(reading: Reading) -> bool:
    """Whether the numbers that a decision stands on are there."""
    known = (reading.arrivals_per_s, reading.answered_per_s, reading.cpu_cores)
    return all(bool(np.all(np.isfinite(values))) for values in known)
