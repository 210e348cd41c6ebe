"""What a policy looks at: a short forecast of the load, what a request costs, and how well what is there fits that.

Rows are environments, so that many simulated ones and the one in production are watched by the same code. The load is
forecast by a damped trend (Gardner and McKenzie 1985) as far as new pods take to come and a step further, and for the
next step alone; on top is what such forecasts were too low by in nine of ten cases. What is announced (a surge, pods
that will be missing) multiplies it. Where pods are throttled nearly all the time, what they use is what is left of
their limits, and the rest is asked for on top. Nothing is a feature that a fluid model sees otherwise than requests do,
as latencies are.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chaosprsa.autoscalers.contract import System
from chaosprsa.autoscalers.forecasts import DampedTrend
from chaosprsa.operating.orders import Needs

Floats = npt.NDArray[np.float64]

FEATURES = (
    "growth",  # log of planned over present load
    "band",  # what forecasts were too low by in most cases, as a share
    "supply",  # log of what pods offer over what is needed, at the scarcest service
    "coming",  # the same with the pods that start
    "waiting",  # seconds of arrivals that wait
    "costlier",  # log of a request's CPU lately over its usual one, where it rose most
    "fullest",  # share of its limit that the fullest service uses
    "announced",  # log of what is announced to multiply the need
)
ALPHA, BETA, DAMPING = 0.7, 0.3, 0.9
SLOW, FAST = 0.05, 0.5  # weights of a new value
DRAIN_S, DRAIN_NEXT_S = 60.0, 30.0  # in which a backlog is to be worked off, by pods and by limits
QUANTILE = 0.9  # of the forecast's errors
SATURATED, CALM = 0.65, 0.3  # throttled: what is used is all there is; what there is is enough
LEAST_LEFT = 0.3
BACK = 0.1  # of what was missing that is taken to be back in a calm step
_TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A step: shape (environments,) for users' requests, (environments, services) for the rest.

    throttled: share of pods' time without quota. announced, next: what is predicted to multiply a service's need while
    pods that are ordered now come, and in the next step; 1: nothing.
    """

    arrivals_per_s: Floats
    answered_per_s: Floats
    mean_s: Floats
    cpu_cores: Floats
    ready: Floats
    starting: Floats
    cores: Floats
    throttled: Floats
    announced: Floats
    next: Floats


class Watch:
    """Fed once a step, it says what is needed and how things look."""

    def __init__(self, system: System, environments: int) -> None:
        self._step_s, self._slo_s = system.step_s, system.slo_s
        steps = int(np.ceil(system.start_s / system.step_s - 1e-9)) + 1  # until pods ordered now are there, and one on
        self._trend = DampedTrend(ALPHA, BETA, DAMPING, steps)
        self._work = self._lately = np.zeros((environments, len(system.services)))
        self._left = np.ones_like(self._work)
        self._backlog = np.zeros(environments)
        self._usual_s: Floats | None = None
        self.needs = Needs(self._work, self._work)

    def see(self, look: Look) -> Floats:
        """Shape (environments, features), in the order of FEATURES; `needs` are those of this step then."""
        self._trend.see(look.arrivals_per_s)
        ahead = self._trend.ahead(QUANTILE)
        middle, planned = self._trend.middle().max(axis=1), ahead.max(axis=1)
        self._cost(look)
        self._measure(look)
        work = self._work / self._left
        waiting = self._waiting(look)
        soon, following = planned + waiting / DRAIN_S, ahead[:, 0] + waiting / DRAIN_NEXT_S
        self.needs = Needs(
            np.maximum(soon[:, None] * work * look.announced, _TINY),
            np.maximum(following[:, None] * work * look.next, _TINY),
        )
        arrivals = np.maximum(look.arrivals_per_s, _TINY)
        offered = look.ready * look.cores
        coming = offered + look.starting * look.cores
        return np.stack(
            [
                np.clip(np.log(np.maximum(middle, _TINY) / arrivals), -1, 1.5),
                np.clip((planned - middle) / arrivals, 0, 1),
                _scarcest(offered, self.needs.soon),
                _scarcest(coming, self.needs.soon),
                np.clip(waiting / arrivals, 0, 30),
                np.clip(np.log(np.maximum(self._lately, _TINY) / np.maximum(self._work, _TINY)).max(axis=1), -1, 1),
                np.clip((look.cpu_cores / np.maximum(offered, _TINY)).max(axis=1), 0, 1.2),
                np.log(look.announced.max(axis=1)),
            ],
            axis=1,
        )

    def _cost(self, look: Look) -> None:
        """Core-seconds that each service spends on one request at the entry."""
        answered = look.answered_per_s[:, None]
        seen = np.where(answered > 0, look.cpu_cores / np.maximum(answered, _TINY), self._work)
        if not self._work.any():
            self._work = self._lately = seen
        self._work = self._work + SLOW * (seen - self._work)
        self._lately = self._lately + FAST * (seen - self._lately)

    def _measure(self, look: Look) -> None:
        """What is left of the pods' limits: where they are throttled nearly all the time, what they use is all."""
        used = look.cpu_cores / np.maximum(look.ready * look.cores, _TINY)
        recovered = self._left + BACK * (1.0 - self._left)
        least = np.clip(np.minimum(self._left, used), LEAST_LEFT, 1.0)
        found = np.where(look.throttled >= SATURATED, least, self._left)
        self._left = np.where(look.throttled <= CALM, recovered, found)

    def _waiting(self, look: Look) -> Floats:
        """Requests beyond those that are inside anyway (Little 1961)."""
        more = (look.arrivals_per_s - look.answered_per_s) * self._step_s
        self._backlog = np.maximum(self._backlog + more, 0.0)
        seen = np.minimum(look.mean_s, self._slo_s)
        self._usual_s = seen if self._usual_s is None else self._usual_s + SLOW * (seen - self._usual_s)
        inside = look.arrivals_per_s * np.minimum(seen, self._usual_s)
        return np.maximum(self._backlog - inside, 0.0)


def _scarcest(offered: Floats, needed: Floats) -> Floats:
    return np.asarray(np.clip(np.log(np.maximum(offered, 1e-3) / needed).min(axis=1), -2, 2))
