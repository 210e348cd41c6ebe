"""Outcomes -> the cheapest allocation that survives, with reasons: `recommend`, and `allocate_resources` for one issue.

space (what may be tried) -> greedy -> Optuna around it -> fitted Q iteration inside a trust region -> the shadow
"""

from chaosprsa.allocation.contract import ServiceUtilisation, ShadowEnvironment, allocate_resources
from chaosprsa.allocation.load import EntryLoad
from chaosprsa.allocation.recommend import recommend

__all__ = ["EntryLoad", "ServiceUtilisation", "ShadowEnvironment", "allocate_resources", "recommend"]
