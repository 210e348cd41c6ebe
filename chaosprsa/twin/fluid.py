"""The fluid twin: every service's requests as a level that rises and drains, for many environments at once.

In each step a pod with N requests gains arrivals and loses u L dt / D of them, where u is the utilisation at which a
steady pod would hold N (the pointwise stationary fluid flow approximation: Wang, Tipper and Banerjee 1996; exact in a
steady state, a fluid queue in overload). The step is implicit, so any step length is stable. Services hand their
throughput to their callees with a step's delay.

Not modelled: contention between pods of one node, retries, work wasted on requests whose callers gave up, the growing
pause of a crash loop.
"""

from dataclasses import dataclass

import numpy as np

from chaosprsa.twin.course import Course, Effects, Part
from chaosprsa.twin.graph import CallGraph
from chaosprsa.twin.parameters import Parameters, Twin
from chaosprsa.twin.queueing import Floats, jobs, jobs_split, share_above, sharing_variance

_TINY = 1e-9
PEAK_DEVIATIONS = 5.0  # a geometric number is above this in about one of 400 looks; a pod dies at the first


@dataclass(frozen=True, slots=True)
class Capacity:
    """Shape (environments, services): pods, each pod's CPU limit in cores and memory limit in MiB."""

    replicas: Floats
    cores: Floats
    memory_mib: Floats


@dataclass(frozen=True, slots=True)
class Trace:
    """Shape (steps, environments): the time of an answer at one service, its variance, the share that fails, arrivals.

    pressure: offered load over capacity at the fullest service, or memory needed over its limit where that is above.
    utilisation: shape (environments, services), mean.
    """

    mean_s: Floats
    variance_s2: Floats
    failed: Floats
    arrivals: Floats
    pressure: Floats
    utilisation: Floats


@dataclass(slots=True)
class _State:
    """Levels between steps, shape (environments, services)."""

    queue: Floats  # requests at all pods
    utilisation: Floats
    carried: Floats  # answers a second
    down_s: Floats  # until pods that ran out of memory serve again


class Fluid:
    """One run: what is fixed, and the state that steps through it."""

    def __init__(
        self, twin: Twin, capacity: Capacity, parameters: Parameters, effects: Effects, course: Course
    ) -> None:
        self._graph: CallGraph = twin.graph
        self._twin, self._capacity, self._parameters = twin, capacity, parameters
        self._effects, self._course = effects, course
        self._waits = self._graph.waits.T
        inverse, chance = self._graph.spreads
        self._spread, self._chance = inverse.T, chance.T
        self._visits = self._graph.visits
        self._killed = _pods(effects.killed, capacity.replicas)
        self._lost = _pods(effects.lost, capacity.replicas)
        self._losing = bool(self._killed.any() or self._lost.any())
        self._since_start_s = np.zeros(capacity.replicas.shape)
        self._since_end_s = np.zeros(capacity.replicas.shape)
        self._begun = False
        self._state = self._steady()

    def _steady(self) -> _State:
        """As it is after a long time without a fault, or near saturation where there is no such state."""
        flow = self._course.load_per_s[0][:, None] * self._visits
        capacity, demand = self._capacity, self._parameters.demand_s
        pods = np.maximum(capacity.replicas, _TINY)
        used = np.minimum(flow * demand / (pods * capacity.cores), 0.98)
        return _State(
            queue=pods * jobs(used, capacity.cores),
            utilisation=used,
            carried=used * pods * capacity.cores / demand,
            down_s=np.zeros(pods.shape),
        )

    def step(self, number: int) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """(mean s, variance s², failed share, utilisation, pressure), each of shape (environments, services)."""
        step_s = np.maximum(self._course.step_s[number][:, None], _TINY)
        faulty = self._course.part[number] in (Part.FAULT, Part.LASTING)
        ready, refused = self._ready(step_s, faulty)
        cores = self._capacity.cores * self._effects.cpu_left if faulty else self._capacity.cores
        flow = self._flow(number, faulty)
        served = flow * (1.0 - refused)
        sojourn, dropped = self._serve(step_s, ready, cores, served)
        mean, variance = self._times(sojourn, cores, faulty)
        burst, full = self._remember(step_s, ready, mean, faulty)
        lost = refused + (dropped + burst) / np.maximum(flow * step_s, _TINY)
        own = 1.0 - (1.0 - np.minimum(lost, 1.0)) * (1.0 - self._parameters.error_share)
        if faulty:
            own = 1.0 - (1.0 - own) * (1.0 - self._effects.failing)
        pressure = np.maximum(flow * self._parameters.demand_s / np.maximum(ready * cores, _TINY), full)
        failed = self._graph.failing(own) if own.any() else own
        return mean, variance, failed, self._state.utilisation, pressure

    def _flow(self, number: int, faulty: bool) -> Floats:
        """Arrivals a second at every service: from users, and from what callers get done."""
        load = self._course.load_per_s[number] * (self._effects.surge if faulty else 1.0)
        flow: Floats = self._state.carried @ self._graph.calls
        flow[:, self._graph.entry] += load
        return flow

    def _ready(self, step_s: Floats, faulty: bool) -> tuple[Floats, Floats]:
        """(pods that serve, averaged over the step; share of the step without any)."""
        pods = self._capacity.replicas
        ready, refused = pods, np.zeros(pods.shape)
        if faulty and not self._begun:
            self._begun = True
            left = 1.0 - np.minimum((self._killed + self._lost) / np.maximum(pods, _TINY), 1.0)
            self._state.queue *= left
        if self._begun and self._losing:
            killed = self._share(self._since_start_s, step_s)
            lost = np.ones(pods.shape) if faulty else self._share(self._since_end_s, step_s)
            ready = np.maximum(pods - self._killed * killed - self._lost * lost, 0.0)
            refused = np.maximum(np.where(self._killed >= pods, killed, 0.0), np.where(self._lost >= pods, lost, 0.0))
            self._since_start_s += step_s
            if not faulty:
                self._since_end_s += step_s
        if self._state.down_s.any():
            down = np.minimum(self._state.down_s / step_s, 1.0)
            ready, refused = ready * (1.0 - down), np.maximum(refused, down)
        return ready, refused

    def _share(self, since_s: Floats, step_s: Floats) -> Floats:
        """Share of the step in which pods that went then are not back yet."""
        return np.minimum(np.maximum((self._parameters.start_delay_s - since_s) / step_s, 0.0), 1.0)

    def _serve(self, step_s: Floats, ready: Floats, cores: Floats, served: Floats) -> tuple[Floats, Floats]:
        """One implicit step. (seconds in a pod, requests given up on.) Updates queue, utilisation and throughput."""
        state, demand = self._state, self._parameters.demand_s
        pods = np.maximum(ready, _TINY)
        alive = ready > 1e-6
        level = (state.queue + step_s * served) / pods
        drain = step_s * cores / demand
        used = state.utilisation
        kappa, beta = jobs_split(used, cores)  # at the step before: the split hardly moves with the utilisation
        slope = kappa + drain
        middle = slope + beta + level
        used = 2.0 * level / (middle + np.sqrt(np.maximum(middle * middle - 4.0 * slope * level, 0.0)))
        used = np.minimum(np.maximum(used, _TINY), 1.0 - 1e-12)
        held = np.maximum(level - drain * used, 0.0)
        most = self._twin.timeout_s * used * cores / demand
        dropped = np.where(alive, np.maximum(held - most, 0.0) * pods, state.queue)
        held = np.minimum(held, most)
        state.queue = np.where(alive, held * pods, 0.0)
        state.utilisation = np.where(alive, used, 0.0)
        state.carried = np.where(alive, used * cores * pods / demand, 0.0)
        return np.where(alive, held * demand / (used * cores), 0.0), dropped

    def _times(self, sojourn: Floats, cores: Floats, faulty: bool) -> tuple[Floats, Floats]:
        """Mean and variance of an answer at every service, its callees' included."""
        parameters, cv2 = self._parameters, self._twin.work_cv2
        alone = parameters.demand_s / np.minimum(cores, 1.0)
        own = sojourn + parameters.wait_s + (self._effects.slower_s if faulty else 0.0)
        varied = sharing_variance(sojourn, alone, cv2) + cv2 * parameters.wait_s**2
        mean = np.minimum(own @ self._waits, self._twin.timeout_s)
        return mean, (varied + mean**2 @ self._chance) @ self._spread

    def _remember(self, step_s: Floats, ready: Floats, mean: Floats, faulty: bool) -> tuple[Floats, Floats]:
        """Memory: pods above their limit are killed and start again. (requests that die with them, used over limit)."""
        state, parameters = self._state, self._parameters
        limit = self._capacity.memory_mib * (self._effects.memory_left if faulty else 1.0)
        inside = state.carried * mean / np.maximum(ready, _TINY)
        most = inside + PEAK_DEVIATIONS * np.sqrt(inside * (inside + 1.0))  # a shared pod's number is geometric
        used = parameters.memory_mib + parameters.memory_per_job_mib * most
        over = (used > limit) & (ready > 1e-6)
        left = np.maximum(state.down_s - step_s, 0.0)
        state.down_s = np.where(over, parameters.start_delay_s, left)
        burst = np.where(over, state.queue, 0.0)
        state.queue = np.where(over, 0.0, state.queue)
        return burst, np.where(used > limit, used / limit, 0.0)


def _pods(share: Floats, replicas: Floats) -> Floats:
    """Whole pods, at least one where any share is."""
    pods: Floats = np.where(share > 0, np.clip(np.round(share * replicas), 1.0, None), 0.0)
    return np.minimum(pods, replicas)


def simulate(
    twin: Twin, capacity: Capacity, parameters: Parameters, effects: Effects, course: Course, target: int | None = None
) -> Trace:
    """Play a course in every environment, seen by users of one service (default: the entry).

    Answers slower than the twin's timeout count as failed.
    """
    fluid = Fluid(twin, capacity, parameters, effects, course)
    at = twin.graph.entry if target is None else target
    shape = course.step_s.shape
    mean, variance, failed, pressure = (np.empty(shape) for _ in range(4))
    used = np.zeros(capacity.replicas.shape)
    for number in range(shape[0]):
        means, variances, failures, utilisation, pressures = fluid.step(number)
        mean[number], variance[number], failed[number] = means[:, at], variances[:, at], failures[:, at]
        pressure[number] = pressures.max(axis=1)
        used += utilisation * course.step_s[number][:, None]
    late = share_above(twin.timeout_s, mean, variance)
    faulty = np.isin(course.part, (Part.FAULT, Part.LASTING))[:, None]
    return Trace(
        mean_s=mean,
        variance_s2=variance,
        failed=1.0 - (1.0 - failed) * (1.0 - late),
        arrivals=course.load_per_s * course.step_s * np.where(faulty, effects.surge, 1.0),
        pressure=pressure,
        utilisation=used / np.maximum(course.step_s.sum(axis=0), _TINY)[:, None],
    )
