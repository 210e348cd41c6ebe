"""The allocation in operation: replicas ahead of the load and of announced issues, by a policy learnt on the twin."""

from chaosprsa.operating.ahead import Ahead
from chaosprsa.operating.examination import Schooled, learn_policy
from chaosprsa.operating.fitted_q import Fixed, Learned
from chaosprsa.operating.learning import Lessons, policies
from chaosprsa.operating.rows import IN_PLACE, IN_PLACE_S, rows_of
from chaosprsa.operating.world import World

__all__ = [
    "IN_PLACE",
    "IN_PLACE_S",
    "Ahead",
    "Fixed",
    "Learned",
    "Lessons",
    "Schooled",
    "World",
    "learn_policy",
    "policies",
    "rows_of",
]
