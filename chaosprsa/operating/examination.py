"""The policy's examination: beside the fixed headroom on systems that are played request by request.

Each situation is drawn anew and played by both on the exact twin, with the same arrivals; what is announced to one is
announced to the other. The policy is kept only where it is better with 95 % confidence, else the fixed headroom is.
"""

from dataclasses import dataclass, replace

import numpy as np

from chaosprsa.autoscalers.play import play
from chaosprsa.operating.ahead import Ahead
from chaosprsa.operating.fitted_q import Fixed, Learned
from chaosprsa.operating.learning import HARDER, Lessons, policies
from chaosprsa.operating.world import AMPLE_MIB, FIRST_HEADROOM, Drawn
from chaosprsa.twin.exact.from_twin import network_of
from chaosprsa.twin.exact.network import Network
from chaosprsa.twin.fluid import Capacity

SITUATIONS = 12
CFS_S = 0.1
_Z95 = 1.645


@dataclass(frozen=True, slots=True)
class Schooled:
    """chosen: the policy that was learnt where it was shown better, else the fixed headroom it moves around.

    kept: whether it was. gain: in least cores' cost a step, at least `bound` with 95 %. cost, late: (policy's, fixed
    one's) on average. steps: of experience.
    """

    chosen: Learned | Fixed
    kept: bool
    gain: float
    bound: float
    cost: tuple[float, float]
    late: tuple[float, float]
    steps: int

    @property
    def note(self) -> str:
        """In words."""
        better = f"{self.late[0]:.2%} of requests late at {self.cost[0]:.2f}x the least cores"
        fixed = f"{self.late[1]:.2%} at {self.cost[1]:.2f}x with a fixed headroom"
        said = (
            "the learnt policy is used" if self.kept else "the fixed headroom is used, the policy was not shown better"
        )
        return f"{said}: {better}, {fixed}"


def learn_policy(lessons: Lessons, seed: int, price: float = HARDER, situations: int = SITUATIONS) -> Schooled:
    """Learnt on fluid twins, examined on the exact one. Same arguments: same policy.

    Raises BadInput where an issue starts at a service the twin doesn't know.
    """
    (policy,) = policies(lessons, seed, (price,))
    fixed = Fixed(policy.around or FIRST_HEADROOM)
    rng = np.random.default_rng([seed, 1])
    drawn = lessons.drawn(situations, rng)
    both = np.array([[_played(each, lessons, drawn, at) for each in (policy, fixed)] for at in range(situations)])
    cost, late = both[..., 0], both[..., 1]
    gains = (cost[:, 1] - cost[:, 0]) + price * (late[:, 1] - late[:, 0])
    gain, error = float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(situations))
    kept = gain - _Z95 * error > 0
    return Schooled(
        chosen=policy if kept else fixed,
        kept=kept,
        gain=gain,
        bound=gain - _Z95 * error,
        cost=(float(cost[:, 0].mean()), float(cost[:, 1].mean())),
        late=(float(late[:, 0].mean()), float(late[:, 1].mean())),
        steps=policy.steps,
    )


def _played(policy: Learned | Fixed, lessons: Lessons, drawn: Drawn, row: int) -> tuple[float, float]:
    """(mean cost of a step over the least, share of requests late) in one situation."""
    here = np.flatnonzero(drawn.where == row).tolist()
    comes = [drawn.issues[at] for at in here if drawn.happens[at]]
    told = [replace(drawn.issues[at], probability=float(said)) for at in here if (said := drawn.announced[at]) > 0]
    system = lessons.system
    load = np.repeat(drawn.load_per_s[:, row], round(system.step_s))
    network = _network(lessons, drawn, row)
    ahead = Ahead(policy=policy, announced=told, period_s=system.step_s, resized=system.resized)
    found = play(ahead, network, load, comes, row, start_s=system.start_s, slo_s=system.slo_s)
    work = float(np.sum(lessons.twin.nominal.demand_s * drawn.work[row] * lessons.twin.graph.visits))
    return found.mean_cores / (drawn.load_per_s[:, row].mean() * work), found.violation_share


def _network(lessons: Lessons, drawn: Drawn, row: int) -> Network:
    """The system that this situation is about, with a usual headroom at the beginning."""
    twin, system = lessons.twin, lessons.system
    parameters = replace(twin.nominal, demand_s=twin.nominal.demand_s * drawn.work[row])
    need = drawn.load_per_s[0, row] * parameters.demand_s * twin.graph.visits
    pods = np.clip(np.ceil(FIRST_HEADROOM * need / system.cores), 1, system.most_replicas)
    capacity = Capacity(pods[None], system.cores[None], np.full((1, len(pods)), AMPLE_MIB))
    most = dict(zip(system.services, system.most_replicas.tolist(), strict=True))
    return network_of(twin, capacity, 0, parameters, most, CFS_S)
