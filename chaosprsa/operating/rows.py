"""Settings of `Ahead` that are tried when it is tuned: fixed headrooms by reserves, and policies learnt at prices.

Which of them is used is for whoever tunes to say, by what they do when played: a learnt policy has no right of way.
"""

from functools import partial

from chaosprsa.autoscalers.contract import Autoscaler
from chaosprsa.autoscalers.families import Family
from chaosprsa.operating.ahead import Ahead
from chaosprsa.operating.fitted_q import Fixed
from chaosprsa.operating.learning import Lessons, policies
from chaosprsa.operating.orders import LEAST_RESERVE

IN_PLACE = (0.5, 2.0)  # shares of the deployed CPU limit, as far as nodes usually have room
IN_PLACE_S = 5.0  # between decisions, where limits follow at once
HEADROOMS = (2.0, 1.8, 1.6, 1.5, 1.4, 1.35, 1.3, 1.25, 1.2, 1.15, 1.1, 1.05)
RESERVES = (LEAST_RESERVE, 2.0)  # the latter for loads that double while pods start; by pods alone it changes nothing


def rows_of(lessons: Lessons, seed: int, *, learnt: bool = True) -> Family:
    """Each from safe to tight, for the system that the lessons are about. Same arguments: same policies."""
    system = lessons.system
    known = {policy.price: policy for policy in policies(lessons, seed)} if learnt else {}
    where = "in place" if system.in_place else "by pods"

    def fixed(reserve: float, headroom: float) -> Autoscaler:
        name = f"ahead {where}, headroom {headroom:g}" + (f", reserve {reserve:g}" if reserve > LEAST_RESERVE else "")
        policy = Fixed(headroom)
        return Ahead(policy=policy, period_s=system.step_s, resized=system.resized, reserve=reserve, name=name)

    def at_price(price: float) -> Autoscaler:
        name = f"ahead {where}, learnt, a late request costs {price:g}"
        return Ahead(policy=known[price], period_s=system.step_s, resized=system.resized, name=name)

    reserves = RESERVES if system.in_place else RESERVES[:1]
    return [*((partial(fixed, each), HEADROOMS) for each in reserves), *([(at_price, tuple(known))] if learnt else [])]
