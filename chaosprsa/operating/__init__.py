"""The allocation in operation: replicas ahead of the load and of announced issues, by a policy learnt on the twin."""

from chaosprsa.operating.ahead import Ahead
from chaosprsa.operating.fitted_q import Learned
from chaosprsa.operating.learning import learn_policy
from chaosprsa.operating.world import World

__all__ = ["Ahead", "Learned", "World", "learn_policy"]
