"""What a recommendation gathers on its way: the engine, the outcomes so far, the points considered."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from chaosprsa.allocation.checking import Checked
from chaosprsa.allocation.climb import Climb
from chaosprsa.allocation.dimensions import EVERYWHERE
from chaosprsa.allocation.engine import Candidate, Engine
from chaosprsa.allocation.space import Ints, point_of
from chaosprsa.allocation.survival import Shown, Verdicts, roomier, shadow_verdicts, too_coarse
from chaosprsa.shadow import scaled
from chaosprsa.types import Outcome


@dataclass(slots=True, eq=False)
class Considered:
    """A point that may become the answer. candidate: None for production as it is; check: None where not asked."""

    point: Ints
    candidate: Candidate | None
    check: Checked | None
    shown: Shown
    verdicts: Verdicts = field(default_factory=lambda: Verdicts({}, {}))


@dataclass(slots=True)
class Run:
    """scale: the shadow's. words: what checks showed; notes: what the reader must know. climbs: to the exact rung."""

    engine: Engine
    outcomes: tuple[Outcome, ...]
    scale: float
    considered: list[Considered] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    climbs: list[Climb] = field(default_factory=list)

    def climb_of(self, point: Ints) -> Climb | None:
        """The last one that played a point."""
        return next((climb for climb in reversed(self.climbs) if climb.at(point) is not None), None)

    def exact(self, point: Ints) -> Mapping[str, bool]:
        """What the exact twin told of a point for sure, by issue id."""
        climb = self.climb_of(point)
        return climb.survived(point) if climb else {}

    def shown(self, point: Ints) -> Shown:
        """What all trials so far showed of a point."""
        engine = self.engine
        full = engine.space.allocation(point)
        small = scaled(full, self.scale)
        scaled_point = point.copy()
        scaled_point[:, :EVERYWHERE] = point_of(small, engine.space.services)
        played = () if engine.space.moves_further(point) else self.outcomes  # the shadow has what production has
        return Shown(
            passed=shadow_verdicts(played, small),
            roomier=roomier(full, small, self.scale),
            coarse=too_coarse(engine.space, engine.final, point, scaled_point, self.scale),
        )

    def expected(self, point: Ints) -> frozenset[str]:
        """Ids of the issues that a point is meant to survive in the shadow; all where the twin isn't trusted."""
        engine = self.engine
        every = frozenset(issue.id for issue in engine.case.issues)
        if not engine.twin.fit.trusted:
            return every
        return every - {issue.id for issue in engine.hopeless} - self.shown(point).coarse
