"""The fluid twin: every service's requests as a level that rises and drains, for many environments at once.

In each step a pod with N requests gains arrivals and loses u L dt / D of them, where u is the utilisation at which a
steady pod would hold N (the pointwise stationary fluid flow approximation: Wang, Tipper and Banerjee 1996; exact in a
steady state, a fluid queue in overload). The step is implicit, so any step length is stable; callers come before their
callees, so that a step's throughput reaches all of them. The time of an answer given in a step follows from the ages of
the requests in the pod (ages), spread by what chance does to the level: its variance by the linear-noise approximation
(van Kampen 1961) against that of a steady state, whose slowdown is known (queueing). Times add up along calls (along).

Not modelled: contention between pods of one node, retries, work wasted on requests whose callers gave up, the growing
pause of a crash loop.
"""

from dataclasses import dataclass, replace

import numpy as np

from chaosprsa.twin.ages import Ages, aged
from chaosprsa.twin.along import Along, Own
from chaosprsa.twin.backlog import Backlogs, Levels
from chaosprsa.twin.course import Course, Effects, Part
from chaosprsa.twin.fourth import fourth_of
from chaosprsa.twin.graph import CallGraph
from chaosprsa.twin.parameters import Parameters, Twin
from chaosprsa.twin.queueing import Floats, jobs, jobs_split, slowdown_cv2, slowdown_skew
from chaosprsa.twin.serving import Served, State, lasting, levels_of
from chaosprsa.twin.tails import Waited
from chaosprsa.twin.trace import Seen, Trace

_TINY = 1e-9
PEAK_DEVIATIONS = 5.0  # a geometric number is above this in about one of 400 looks; a pod dies at the first
_MOST_SLOWDOWN = 1.0  # its squared coefficient of variation: a geometric level's at saturation
_LAST = 0.01  # of a request in a pod: below it, with no arrivals, nobody is left there
_MOVED = 0.02  # utilisation: where it moves by more in a step, the split of levels is worked out anew


@dataclass(frozen=True, slots=True)
class Capacity:
    """Shape (environments, services): pods, each pod's CPU limit in cores and memory limit in MiB."""

    replicas: Floats
    cores: Floats
    memory_mib: Floats


class Fluid:
    """One run: what is fixed, and the state that steps through it. Inside, rows are services."""

    def __init__(
        self,
        twin: Twin,
        capacity: Capacity,
        parameters: Parameters,
        effects: Effects,
        course: Course,
        target: int | None = None,
    ) -> None:
        self._graph: CallGraph = twin.graph
        self._target = twin.graph.entry if target is None else target
        self._twin, self._course = twin, course
        self._capacity = self._usable(capacity)
        self._parameters = Parameters(*_rows(parameters, Parameters.__slots__))
        self._effects = Effects(*_rows(effects, Effects.__slots__))
        self._along = Along(twin.graph, self._target)
        self._below = [(at, np.flatnonzero(twin.graph.calls[:, at])) for at in reversed(twin.graph.order)]
        replicas = self._capacity.replicas
        self._killed = _pods(self._effects.killed, replicas)
        self._lost = _pods(self._effects.lost, replicas)
        self._losing = bool(self._killed.any() or self._lost.any())
        self._since_start_s = np.zeros(replicas.shape)
        self._since_end_s = np.zeros(replicas.shape)
        self._begun = False
        self._backlogs = Backlogs(twin.graph, self._target, twin.timeout_s)
        self._state = self._steady()

    @property
    def utilisation(self) -> Floats:
        """Shape (environments, services), of the step just played."""
        return self._state.utilisation.T

    @property
    def carried(self) -> Floats:
        """Shape (environments, services), answers a second in the step just played."""
        return self._state.carried.T

    def allot(self, capacity: Capacity, effects: Effects) -> None:
        """What holds from the next step on, for who scales while it runs; pods that start or die are then theirs."""
        self._capacity = self._usable(capacity)
        self._effects = Effects(*_rows(effects, Effects.__slots__))

    def _usable(self, capacity: Capacity) -> Capacity:
        return Capacity(*_rows(replace(capacity, cores=self._twin.usable(capacity.cores)), Capacity.__slots__))

    def _steady(self) -> State:
        """As it is after a long time without a fault, or near saturation where there is no such state."""
        flow = self._course.load_per_s[0] * self._graph.visits[:, None]
        capacity, demand = self._capacity, self._parameters.demand_s
        pods = np.maximum(capacity.replicas, _TINY)
        used = np.minimum(flow * demand / (pods * capacity.cores), 0.98)
        level = jobs(used, capacity.cores)
        carried = used * capacity.cores / demand
        kappa, beta = jobs_split(used, capacity.cores)
        return State(
            queue=pods * level,
            utilisation=used,
            carried=carried * pods,
            down_s=np.zeros(pods.shape),
            variance=used * (kappa + beta / (1.0 - used) ** 2),
            ages=Ages.steady(level / np.maximum(carried, _TINY)),
            cores=capacity.cores,
            split=(kappa, beta),
        )

    def step(self, number: int) -> Seen:
        """Play one step of the course."""
        step_s = np.maximum(self._course.step_s[number], _TINY)
        faulty = self._course.part[number] in (Part.FAULT, Part.LASTING)
        ready, refused = self._ready(step_s, faulty)
        cores = self._capacity.cores * self._effects.cpu_left if faulty else self._capacity.cores
        load = self._course.load_per_s[number] * (self._effects.surge if faulty else 1.0)
        flow, served = self._serve(step_s, ready, cores, load, refused)
        levels = levels_of(served, self._state)
        waited = self._backlogs.follow(step_s, flow[self._target], levels)
        own_times, backlog_s = self._own(step_s, cores, served, faulty, levels, waited)
        means = self._along.means(own_times.mean_s)
        mean, variance, third, fourth = self._along.total(own_times, means)
        if waited is not None:
            mean[waited.at] += waited.mean_s
            means = np.maximum(means + self._along.means(backlog_s), 0.0)
        mean = np.minimum(mean, self._twin.timeout_s)
        burst, full = self._remember(step_s, ready, np.minimum(means, self._twin.timeout_s), faulty)
        lost = refused + (served.dropped + burst) / np.maximum(flow * step_s, _TINY)
        own = 1.0 - (1.0 - np.minimum(lost, 1.0)) * (1.0 - self._parameters.error_share)
        if faulty:
            own = 1.0 - (1.0 - own) * (1.0 - self._effects.failing)
        pressure = np.maximum(flow * self._parameters.demand_s / np.maximum(ready * cores, _TINY), full)
        failed = self._graph.failing(own.T)[:, self._target] if own.any() else own[self._target]
        return Seen(mean, variance, third, fourth, failed, pressure.max(axis=0), waited)

    def _ready(self, step_s: Floats, faulty: bool) -> tuple[Floats, Floats]:
        """(pods that serve, averaged over the step; share of the step without any)."""
        pods = self._capacity.replicas
        ready, refused = pods, np.where(pods > 0, 0.0, 1.0)
        if faulty and not self._begun:
            self._begun = True
            left = 1.0 - np.minimum((self._killed + self._lost) / np.maximum(pods, _TINY), 1.0)
            self._state.queue *= left
        if self._begun and self._losing:
            killed = self._share(self._since_start_s, step_s)
            lost = np.ones(pods.shape) if faulty else self._share(self._since_end_s, step_s)
            ready = np.maximum(pods - self._killed * killed - self._lost * lost, 0.0)
            gone = np.maximum(np.where(self._killed >= pods, killed, 0.0), np.where(self._lost >= pods, lost, 0.0))
            refused = np.maximum(refused, gone)
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

    def _serve(
        self, step_s: Floats, ready: Floats, cores: Floats, load: Floats, refused: Floats
    ) -> tuple[Floats, Served]:
        """One implicit step: arrivals a second at every service, and what became of them. Updates the levels."""
        state = self._state
        pods, alive = np.maximum(ready, _TINY), ready > 1e-6
        rate = cores / self._parameters.demand_s
        drain, before, used_before = step_s * rate, state.queue / pods, state.utilisation
        passing = (1.0 - refused) * step_s / pods
        split = state.split  # of the step before: it hardly moves with the utilisation
        flow, used, level = self._passed_on(load, before, passing, drain, split, alive, rate * pods)
        changed = (np.abs(used - used_before) > _MOVED) | (cores != state.cores)
        moved = (changed & (np.maximum(cores, state.cores) > 1.0)).any(axis=0)
        if moved.any():  # each environment by itself, so that it plays alike whatever stands beside it
            kappa, beta = jobs_split(used, cores)
            split = np.where(moved, kappa, split[0]), np.where(moved, beta, split[1])
            flow, used, level = self._passed_on(load, before, passing, drain, split, alive, rate * pods)
        state.split, state.cores = jobs_split(used, cores), cores
        went = drain * used
        held = np.maximum(level - went, 0.0)
        most = self._twin.timeout_s * used * rate
        dropped = np.where(alive, np.maximum(held - most, 0.0) * pods, state.queue)
        held = np.minimum(held, most)
        came = np.where(alive, flow * passing, 0.0)
        steep = state.split[0] + state.split[1] / (1.0 - used) ** 2
        varied = state.variance
        state.variance = (state.variance + came + went) / (1.0 + 2.0 * drain / steep)
        state.queue = np.where(alive, held * pods, 0.0)
        state.utilisation = np.where(alive, used, 0.0)
        return flow, Served(before, held, came, went, drain, used_before, dropped, used * steep, varied, pods)

    def _passed_on(
        self,
        load: Floats,
        before: Floats,
        passing: Floats,
        drain: Floats,
        split: tuple[Floats, Floats],
        alive: np.ndarray,
        rate: Floats,
    ) -> tuple[Floats, Floats, Floats]:
        """(arrivals a second, utilisation, level with all arrivals in it), callers before callees. Updates carried."""
        carried, calls = self._state.carried, self._graph.calls
        flow, used, level = (np.zeros(drain.shape) for _ in range(3))
        slope = split[0] + drain
        rest, four, most = slope + split[1], 4.0 * slope, np.where(alive, rate, 0.0)
        for at, callers in self._below:
            arriving = flow[at]
            for caller in callers:
                arriving += calls[caller, at] * carried[caller]
            if at == self._graph.entry:
                arriving += load
            full = level[at]
            full += before[at] + passing[at] * arriving
            middle = rest[at] + full
            found = 2.0 * full / (middle + np.sqrt(np.maximum(middle * middle - four[at] * full, 0.0)))
            np.minimum(np.maximum(found, _TINY), 1.0 - 1e-12, out=used[at])
            np.multiply(used[at], most[at], out=carried[at])
        return flow, used, level

    def _own(
        self, step_s: Floats, cores: Floats, served: Served, faulty: bool, levels: Levels, waited: Waited | None
    ) -> tuple[Own, Floats]:
        """(cumulants of what an answer takes at every service itself, mean times in backlogs, which aren't in them)."""
        parameters, cv2, state = self._parameters, self._twin.work_cv2, self._state
        early = lasting(served)
        state.ages, ages = aged(state.ages, early, served.after, served.came, step_s)
        state.ages, ages = state.ages.within(self._twin.timeout_s), ages.within(self._twin.timeout_s)
        there = (served.came > _TINY) | (served.after > _LAST)
        if not there.all():  # who isn't there, isn't slow
            state.ages, ages = state.ages.only(there), ages.only(there)
        backlog_s, varied = ages.first, state.variance
        if waited is not None:
            ages, varied = levels.without_backlogs(ages, step_s, waited.at), varied.copy()
            varied[:, waited.at] = served.usual[:, waited.at]
            backlog_s = backlog_s - ages.first
        sojourn = np.maximum(ages.first, _TINY)
        used = state.utilisation
        steady = served.after * parameters.demand_s / np.maximum(used * cores, _TINY)
        slow = slowdown_cv2(steady, parameters.demand_s / np.minimum(cores, 1.0), cores)
        shared = slow / np.maximum(self._capacity.replicas, 1.0)
        slow = np.minimum(slow * varied / np.maximum(served.usual, _TINY), _MOST_SLOWDOWN)
        square = sojourn * sojourn
        aging = np.maximum(ages.second / square - 1.0, 0.0)
        work = cv2 * aging
        cube = ages.third / (square * sojourn) * (1.0 + work) * (1.0 + 2.0 * work) / ((1.0 + aging) * (1.0 + 2 * aging))
        second = (1.0 + work) * (1.0 + slow)
        more_3, more_4 = slowdown_skew(slow, cores)
        third = cube * (1.0 + slow) * (1.0 + 2.0 * slow)
        wait, spread = parameters.wait_s, second - 1.0
        own = Own(
            mean_s=sojourn + wait + (self._effects.slower_s if faulty else 0.0),
            variance_s2=square * spread + cv2 * wait**2,
            third_s3=square * sojourn * (third - 3.0 * second + 2.0) * more_3 + 2.0 * cv2**2 * wait * wait * wait,
            fourth_s4=square * square * fourth_of(spread, work * slow) * more_4
            + 6.0 * cv2**3 * wait * wait * wait * wait,
            sojourn_s=sojourn,
            together=shared * (1.0 - used) / (2.0 - 1.38 * used),
            again=shared / (2.0 - used),
            utilisation=used,
        )
        return own, backlog_s

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


def _rows(given: Capacity | Parameters | Effects, names: tuple[str, ...]) -> list[Floats]:
    """Its arrays with services as rows."""
    return [np.ascontiguousarray(getattr(given, name).T) for name in names]


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
    fluid = Fluid(twin, capacity, parameters, effects, course, target)
    shape = course.step_s.shape
    mean, variance, third, fourth, failed, pressure = (np.empty(shape) for _ in range(6))
    waited = []
    used = np.zeros(capacity.replicas.shape)
    for number in range(shape[0]):
        seen = fluid.step(number)
        mean[number], variance[number] = seen.mean_s, seen.variance_s2
        third[number], fourth[number] = seen.third_s3, seen.fourth_s4
        failed[number], pressure[number] = seen.failed, seen.pressure
        if seen.waited is not None:
            waited.append((number, seen.waited))
        used += fluid.utilisation * course.step_s[number][:, None]
    faulty = np.isin(course.part, (Part.FAULT, Part.LASTING))[:, None]
    trace = Trace(
        mean_s=mean,
        variance_s2=variance,
        third_s3=third,
        fourth_s4=fourth,
        failed=failed,
        arrivals=course.load_per_s * course.step_s * np.where(faulty, effects.surge, 1.0),
        pressure=pressure,
        utilisation=used / np.maximum(course.step_s.sum(axis=0), _TINY)[:, None],
        waited=tuple(waited),
    )
    late = trace.law().above(twin.timeout_s)
    return replace(trace, failed=1.0 - (1.0 - failed) * (1.0 - late))
