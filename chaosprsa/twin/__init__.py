"""The service graph as a queueing network: calibrated from trials, judged by trials held out, fast enough to search.

outcomes -> observed -> calibrate (robust, with uncertainty) -> Twin -> fit (leave one out) -> TwinFit
issues -> course (effects over time) -> fluid (many environments at once) -> judge (against the SLO)
"""

from chaosprsa.twin.calibrate import calibrate
from chaosprsa.twin.fluid import Capacity, simulate
from chaosprsa.twin.parameters import Parameters, Spread, Twin
from chaosprsa.twin.replay import capacity_of
from chaosprsa.twin.trials import Noise, Rehearsal, draw_worlds

__all__ = [
    "Capacity",
    "Noise",
    "Parameters",
    "Rehearsal",
    "Spread",
    "Twin",
    "calibrate",
    "capacity_of",
    "draw_worlds",
    "simulate",
]
