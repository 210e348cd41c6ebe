"""Models -> a stream of simulated issues: what is likely to go wrong within the horizon, and some of what never did.

hazards (how often each kind at each component, given the present) -> law (the process as arrays) -> draws, of which a
share are edge cases -> writing (issues, each with impact, novelty, plausibility and evidence). Same bundle, arguments
and generator state: same issues.
"""

from chaosprsa.issues.drawing import draw_issues
from chaosprsa.issues.edge_cases import EDGE_SHARE, FLOOR
from chaosprsa.issues.marks import strength_at

__all__ = ["EDGE_SHARE", "FLOOR", "draw_issues", "strength_at"]
