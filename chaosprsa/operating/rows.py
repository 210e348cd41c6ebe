"""Settings of `Ahead` that are tried when it is tuned: fixed headrooms, and policies learnt at prices.

Which of them is used is for whoever tunes to say, by what they do when played: a learnt policy has no right of way.

The reserve of pods isn't tuned: whether a piece of a load was survived without one is luck, how steeply the load has
risen is known.
"""

import numpy as np

from chaosprsa.autoscalers.contract import Autoscaler, Floats
from chaosprsa.autoscalers.families import Family
from chaosprsa.operating.ahead import Ahead
from chaosprsa.operating.fitted_q import Fixed, Learned
from chaosprsa.operating.learning import Lessons, policies
from chaosprsa.operating.orders import LEAST_RESERVE

IN_PLACE = (0.5, 2.0)  # shares of the deployed CPU limit, as far as nodes usually have room
IN_PLACE_S = 5.0  # between decisions, where limits follow at once
HEADROOMS = (2.0, 1.8, 1.6, 1.5, 1.4, 1.35, 1.3, 1.25, 1.2, 1.15, 1.1, 1.05)
QUIET = 0.1  # of the mean load: rises from less are counted from it


def rows_of(lessons: Lessons, seed: int, *, learnt: bool = True) -> Family:
    """Each from safe to tight, for the system that the lessons are about. Same arguments: same policies."""
    system = lessons.system
    known = {policy.price: policy for policy in policies(lessons, seed)} if learnt else {}
    where = "in place" if system.in_place else "by pods"
    rise = steepest(lessons.load_per_s, round(system.start_s / system.step_s) + 1)

    def ahead(policy: Fixed | Learned, headroom: float, named: str) -> Autoscaler:
        """Pods that carry the steepest rise, but none that are usually smaller than deployed."""
        reserve = max(min(rise / headroom, system.resized[1]), LEAST_RESERVE)
        name = f"ahead {where}, {named}" + (f", reserve {reserve:.3g}" if reserve > LEAST_RESERVE else "")
        return Ahead(policy=policy, period_s=system.step_s, resized=system.resized, reserve=reserve, name=name)

    def fixed(headroom: float) -> Autoscaler:
        return ahead(Fixed(headroom), headroom, f"headroom {headroom:g}")

    def at_price(price: float) -> Autoscaler:
        policy = known[price]
        return ahead(policy, policy.around or 1.0, f"learnt, a late request costs {price:g}")

    return [(fixed, HEADROOMS), *([(at_price, tuple(known))] if learnt else [])]


def steepest(load_per_s: Floats, steps: int) -> float:
    """What the load was multiplied by within so many steps at most, 1 or more."""
    if len(load_per_s) <= steps:
        return 1.0
    before = np.maximum(load_per_s[:-steps], QUIET * load_per_s.mean())
    return float(np.max(load_per_s[steps:] / np.maximum(before, 1e-9), initial=1.0))
