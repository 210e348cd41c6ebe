"""What policies are tuned and scored in: a system a little unlike its twin, its load, issues and what was announced."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from allocation_cases import Piece, begun, issues_for

from chaosprsa.autoscalers import Autoscaler, play
from chaosprsa.autoscalers.sizing import visits_of
from chaosprsa.twin.exact.network import Network
from chaosprsa.types import SimulatedIssue

MISMATCH, ANNOUNCED, OFF_S = 0.2, 0.5, 30.0
Policy = Callable[[tuple[SimulatedIssue, ...]], Autoscaler]  # from what is announced


@dataclass(frozen=True)
class Situation:
    """A system a little unlike its twin, its load, the issues that come and those that were announced."""

    network: Network
    load: np.ndarray
    issues: tuple[SimulatedIssue, ...]
    announced: tuple[SimulatedIssue, ...]
    seed: int

    def played(self, policy: Policy, least: npt.ArrayLike = 0) -> tuple[float, float]:
        """(mean cores, share of requests late); no service has fewer pods than `least`, shape (services,)."""
        found = play(policy(self.announced), self.network, self.load, self.issues, self.seed, least=least)
        return found.mean_cores, found.violation_share

    @property
    def calm(self) -> "Situation":
        """The same without issues."""
        return replace(self, issues=(), announced=())

    def allotted(self, given: Network) -> "Situation":
        """The same, begun with the pods and limits that another network has."""
        here = zip(self.network.services, given.services, strict=True)
        services = tuple(replace(own, replicas=other.replicas, cores=other.cores) for own, other in here)
        return replace(self, network=replace(self.network, services=services))

    @property
    def least_cores(self) -> float:
        """What the load's work takes at least, without issues."""
        demand = np.array([service.demand_s for service in self.network.services])
        return float(self.load.mean() * (visits_of(self.network) @ demand))


def situation(network: Network, piece: Piece, seed: int) -> Situation:
    rng = np.random.default_rng(seed)
    off = rng.uniform(1 - MISMATCH, 1 + MISMATCH, len(network.services))
    services = tuple(
        replace(each, demand_s=each.demand_s * factor)
        for each, factor in zip(network.services, off.tolist(), strict=True)
    )
    there = begun(replace(network, services=services), piece.load)
    issues = issues_for(network, len(piece.load), seed)
    return Situation(there, piece.load, issues, announced(network, issues, len(piece.load), rng), seed)


def announced(
    network: Network, issues: Sequence[SimulatedIssue], seconds: int, rng: np.random.Generator
) -> tuple[SimulatedIssue, ...]:
    """Half of the issues, and as many false alarms as make the stated probabilities true."""
    said = []
    for issue in issues:
        if rng.random() >= ANNOUNCED:
            continue
        while True:
            probability = float(rng.uniform(0.3, 1.0))
            if rng.random() < probability:
                start_s = issue.start_s + float(rng.uniform(-OFF_S, OFF_S))
                said.append(replace(issue, start_s=max(start_s, 0.0), probability=probability))
                break
            wrong = issues_for(network, seconds, int(rng.integers(1 << 30)))[int(rng.integers(4))]
            start_s = float(rng.uniform(0, seconds))
            said.append(replace(wrong, id=f"false-{len(said)}", start_s=start_s, probability=probability))
    return tuple(said)
