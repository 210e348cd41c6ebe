"""Issues drawn from the incident process given the present, a share of them edge cases."""

from datetime import datetime, timedelta

import numpy as np

from chaosprsa.errors import BadInput, require
from chaosprsa.hazards import Grid, hazards
from chaosprsa.issues.cascades import Raising, first
from chaosprsa.issues.edge_cases import EDGE_SHARE, FLOOR, edge_cases
from chaosprsa.issues.law import Draws, Law
from chaosprsa.issues.writing import Writer
from chaosprsa.models.bundle import Bundle
from chaosprsa.types import SimulatedIssue


def draw_issues(
    bundle: Bundle,
    horizon: timedelta,
    count: int,
    rng: np.random.Generator,
    now: datetime,
    seed: int,
    edge_share: float = EDGE_SHARE,
    floor: float = FLOOR,
) -> tuple[SimulatedIssue, ...]:
    """`count` issues that may begin within [now, now + horizon), by start. seed: what `rng` was made from.

    What issues raise along call edges comes with them. edge_share: of edge cases, in expectation; 0 for none. floor: no
    edge case is less plausible. Raises BadInput for a count below 1, a horizon of nothing, a `now` without a time zone,
    or a share or floor outside their ranges.
    """
    if count < 1 or horizon <= timedelta(0) or now.tzinfo is None:
        raise BadInput(
            f"issues: count is {count}, horizon {horizon}, now {now}; give at least one, some time, and a zone"
        )
    if not 0 <= edge_share <= 1:
        raise BadInput(f"issues: the share of edge cases is {edge_share}, expected 0 to 1")
    grid = Grid.over(now, horizon)
    every = hazards(bundle, grid)
    require(bool(every), "issues: the topology names no service; learn from a history that has components")
    raising = Raising(bundle.incidents)
    law = Law(bundle.incidents, grid, every, raising.within)
    strange = int(np.count_nonzero(rng.uniform(size=count) < edge_share))
    roots = law.drawn(law.picks(law.usual, count - strange, rng), rng)
    usual = first(*raising.cascades(law, roots, rng), count - strange)
    draws = Draws.joined((usual, edge_cases(law, strange, rng, floor)))
    return tuple(sorted(Writer(bundle, law, seed).issues(draws), key=lambda issue: (issue.start_s, issue.id)))
