"""A fixed allocation: what a team that fears the peak deploys."""

from dataclasses import dataclass

import numpy as np

from chaosprsa.autoscalers.contract import Decision, Floats, Ints, Reading, System


@dataclass(frozen=True, slots=True)
class StaticPeak:
    """The same replicas for ever, in the system's order: those at the beginning where none are given."""

    replicas: tuple[int, ...] = ()
    name: str = "static peak"

    def begin(self, system: System) -> "_Fixed":
        """As many as are given, and there can be."""
        replicas = np.minimum(self.replicas or system.replicas, system.most_replicas)
        return _Fixed(Decision(replicas=replicas, cores=system.cores))

    @classmethod
    def for_peak(cls, peak_cores: Floats, cores: Floats, utilisation: float) -> "StaticPeak":
        """peak_cores: CPU that each service needs at the peak; cores: a pod's limit; utilisation: of pods then."""
        replicas: Ints = np.maximum(np.ceil(peak_cores / (cores * utilisation)), 1).astype(np.int64)
        return cls(tuple(replicas.tolist()))


@dataclass(frozen=True, slots=True)
class _Fixed:
    decision: Decision

    def decide(self, reading: Reading) -> Decision:  # noqa: ARG002 - it looks at nothing
        return self.decision
