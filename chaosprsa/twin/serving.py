"""A step at every service: the state between steps, what a step did, and what follows from it for ages of answers."""

from dataclasses import dataclass

import numpy as np

from chaosprsa.twin.ages import Ages
from chaosprsa.twin.backlog import Levels
from chaosprsa.twin.queueing import Floats

_TINY = 1e-9


@dataclass(slots=True)
class State:
    """Levels between steps, shape (services, environments)."""

    queue: Floats  # requests at all pods
    utilisation: Floats
    carried: Floats  # answers a second
    down_s: Floats  # until pods that ran out of memory serve again
    variance: Floats  # of the number in a pod
    ages: Ages  # of the requests in a pod
    cores: Floats  # a pod's limit in the step
    split: tuple[Floats, Floats]  # jobs_split at the utilisation


@dataclass(frozen=True, slots=True)
class Served:
    """What a step did, a pod each: requests before and after, that came and that went; drain: most that could go."""

    before: Floats
    after: Floats
    came: Floats
    went: Floats
    drain: Floats
    utilisation_before: Floats
    dropped: Floats  # at all pods
    usual: Floats  # the level's variance, were it steady
    varied: Floats  # the level's variance before
    pods: Floats


def lasting(served: Served) -> Floats:
    """The level from which a straight line to the step's end has the step's mean: levels that settle soon hardly move.

    The share of the step that the change took is the change over what the first rates would have made of it.
    """
    change = served.after - served.before
    first = served.drain * served.utilisation_before
    rate = served.came - np.where(change > 0, first + 0.9 * (served.went - first), first)
    share = np.minimum(np.abs(change) / np.maximum(np.abs(rate), _TINY), 1.0)
    return np.asarray(served.after - change * share, dtype=np.float64)


def levels_of(served: Served, state: State) -> Levels:
    """What backlogs are followed by; requests that were dropped didn't come, since they are never answered."""
    share, (kappa, beta) = np.minimum(served.came / served.drain, 1.0), state.split
    return Levels(
        before=served.before,
        after=served.after,
        came=np.maximum(served.went + served.after - served.before, 0.0),
        drain=served.drain,
        pods=served.pods,
        usual=np.where(share < 1.0, share * (kappa + beta / np.maximum(1.0 - share, _TINY)), 0.0),
        deviations=(np.sqrt(served.varied), np.sqrt(state.variance)),
    )
