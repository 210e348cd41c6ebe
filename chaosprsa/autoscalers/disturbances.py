"""Issues on the exact twin's clock: what is on at a time, and what it does to pods and requests."""

from collections.abc import Sequence

import numpy as np

from chaosprsa.autoscalers.contract import Floats, Ints
from chaosprsa.twin.course import effects_of
from chaosprsa.twin.exact.simulation import Simulation
from chaosprsa.types import SimulatedIssue


class Disturbances:
    """Issues that begin and end while a simulation runs. Raises BadInput where one starts at an unknown service."""

    def __init__(self, issues: Sequence[SimulatedIssue], services: Sequence[str]) -> None:
        self._issues, self._services = tuple(issues), tuple(services)
        self._full = effects_of(self._issues, self._services, np.array([issue.strength for issue in self._issues]))
        self._begun = np.array([issue.start_s for issue in self._issues])
        self._ended = self._begun + np.array([issue.duration_s for issue in self._issues])
        self._struck = np.zeros(len(self._issues), dtype=bool)
        self.cpu_left = np.ones(len(self._services))
        self.lost = np.zeros(len(self._services))

    @property
    def edges_s(self) -> Floats:
        """When something begins or ends, in order."""
        return np.unique(np.concatenate([self._begun, self._ended]))

    def surge(self, times_s: Floats) -> Floats:
        """What the load is multiplied by at these times; a ramp rises evenly."""
        found = np.ones(len(times_s))
        for at, issue in enumerate(self._issues):
            on = (times_s >= self._begun[at]) & (times_s < self._ended[at])
            share = np.clip((times_s - self._begun[at]) / issue.ramp_s, 0, 1) if issue.ramp_s else 1.0
            found *= np.where(on, 1.0 + (self._full.surge[at] - 1.0) * share, 1.0)
        return found

    def act(self, simulation: Simulation, now_s: float, replicas: Ints) -> None:
        """Bring the simulation to what is on now; replicas: as decided. What is set here holds until the next call."""
        on = (self._begun <= now_s) & (now_s < self._ended)
        for at in np.flatnonzero((self._begun <= now_s) & ~self._struck).tolist():
            self._struck[at] = True
            self._strike(simulation, self._full.killed[at], replicas, comes_back=True)
            self._strike(simulation, self._full.lost[at], replicas, comes_back=False)
        slower = (self._full.slower_s * on[:, None]).sum(axis=0)
        failing = 1.0 - np.prod(1.0 - self._full.failing * on[:, None], axis=0)
        memory_left = np.prod(np.where(on[:, None], self._full.memory_left, 1.0), axis=0)
        for at, service in enumerate(simulation.network.services):
            simulation.set_fault(service.name, float(slower[at]), float(failing[at]))
            simulation.set_memory_limit(service.name, service.memory_limit_mib * float(memory_left[at]))
        self.cpu_left = np.prod(np.where(on[:, None], self._full.cpu_left, 1.0), axis=0)
        self.lost = np.max(self._full.lost * on[:, None], axis=0, initial=0.0)

    def remaining(self, replicas: Ints) -> Ints:
        """Of so many pods, those that lost nodes leave room for."""
        return np.ceil(replicas * (1.0 - self.lost) - 1e-9).astype(np.int64)

    def capacity(self, times_s: Floats, step_s: float, start_s: float) -> Floats:
        """The least that is left of pods' CPU in steps that begin at these times, shape (steps, services)."""
        left = 1.0 - self.killed(times_s, step_s, start_s)
        for at in range(len(self._issues)):
            on = (times_s + step_s > self._begun[at]) & (times_s < self._ended[at])
            left *= np.where(on[:, None], self._full.cpu_left[at] * (1.0 - self._full.lost[at]), 1.0)
        return left

    def killed(self, times_s: Floats, step_s: float, start_s: float) -> Floats:
        """Likewise the share of pods that were killed: each is missing for its start delay."""
        alive = np.ones((len(times_s), len(self._services)))
        for at in range(len(self._issues)):
            gone = (times_s + step_s > self._begun[at]) & (times_s < self._begun[at] + start_s)
            alive *= np.where(gone[:, None], 1.0 - self._full.killed[at], 1.0)
        return 1.0 - alive

    def _strike(self, simulation: Simulation, shares: Floats, replicas: Ints, *, comes_back: bool) -> None:
        for at in np.flatnonzero(shares > 0).tolist():
            count = max(1, round(float(replicas[at] * shares[at])))
            simulation.kill(self._services[at], count, comes_back)
