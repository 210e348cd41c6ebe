"""What the twin knows of each service, how sure it is, and draws of it."""

from dataclasses import dataclass, field, replace

import numpy as np

from chaosprsa.twin.graph import CallGraph
from chaosprsa.twin.queueing import Floats
from chaosprsa.types import TwinFit

_MOST_IDLE = 0.9  # of a limit: a pod with less still serves, slowly


@dataclass(frozen=True, slots=True)
class Parameters:
    """Shape (services,), or (environments, services) for draws.

    demand_s: core-seconds a request. wait_s: time a request spends on neither CPU nor callees. memory_mib: a pod
    without requests; memory_per_job_mib: what each request in it adds. start_delay_s: from a pod's loss until another
    serves. error_share: own failures without any fault.
    """

    demand_s: Floats
    wait_s: Floats
    memory_mib: Floats
    memory_per_job_mib: Floats
    start_delay_s: Floats
    error_share: Floats


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of the parameters' logarithms, shape (services,): how sure the calibration is.

    visits: of the requests a service sees for one at the entry.
    """

    demand: Floats
    wait: Floats
    memory: Floats
    start_delay: Floats
    visits: Floats = field(default_factory=lambda: np.zeros(1))


@dataclass(frozen=True, slots=True)
class Twin:
    """The calibrated system. work_cv2: squared coefficient of variation of a request's work and wait.

    timeout_s: callers give up after this. loose: services with too few observations, whose values are guesses.
    idle_cores: what a pod uses without requests; most_cores: what its requests can use at once, whatever its limit
    (threads, workers); shape (services,), None: nothing, and all.
    """

    graph: CallGraph
    nominal: Parameters
    spread: Spread
    work_cv2: float
    timeout_s: float
    fit: TwinFit
    notes: tuple[str, ...] = ()
    loose: tuple[str, ...] = ()
    idle_cores: Floats | None = None
    most_cores: Floats | None = None

    def usable(self, cores: Floats) -> Floats:
        """What is left for requests of pods' CPU limits; shape (..., services)."""
        idle = 0.0 if self.idle_cores is None else np.minimum(self.idle_cores, _MOST_IDLE * cores)
        left = np.asarray(cores - idle, dtype=np.float64)
        return left if self.most_cores is None else np.minimum(left, self.most_cores)

    def drawn(self, rng: np.random.Generator, pairs: int) -> Parameters:
        """1 + 2 pairs draws, shape (draws, services): the nominal values first, then mirrored pairs around them.

        Mirrored (antithetic) pairs keep the draws' middle where the calibration put it, however few there are. More
        visits than were calibrated are drawn as more work and wait of each: a request at the entry brings the same.
        """
        half = rng.standard_normal((pairs, 4, len(self.graph.named)))
        half = np.concatenate((half, rng.standard_normal((pairs, 1, half.shape[2]))), axis=1)
        normal = np.take(np.concatenate((np.zeros((1, *half.shape[1:])), half, -half)), self.graph.pods, axis=-1)
        spread = self.spread

        def moved(value: Floats, sigma: Floats, part: int) -> Floats:
            return np.asarray(value * np.exp(sigma * normal[:, part]), dtype=np.float64)

        nominal = self.nominal
        visits = moved(np.ones_like(spread.visits), spread.visits, 4)
        return Parameters(
            demand_s=moved(nominal.demand_s, spread.demand, 0) * visits,
            wait_s=moved(nominal.wait_s, spread.wait, 1) * visits,
            memory_mib=moved(nominal.memory_mib, spread.memory, 2),
            memory_per_job_mib=moved(nominal.memory_per_job_mib, spread.memory, 2),
            start_delay_s=moved(nominal.start_delay_s, spread.start_delay, 3),
            error_share=np.broadcast_to(nominal.error_share, normal[:, 0].shape),
        )

    def judged(self, fit: TwinFit) -> "Twin":
        """The same twin with another judgement of how well it fits."""
        return replace(self, fit=fit)


def picked(parameters: Parameters, rows: np.ndarray) -> Parameters:
    """The draws with these numbers, one a row."""
    return Parameters(*(getattr(parameters, name)[rows] for name in Parameters.__slots__))
