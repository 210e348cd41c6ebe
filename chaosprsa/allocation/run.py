"""What a recommendation gathers on its way: the engine, the outcomes so far, the points considered."""

from dataclasses import dataclass, field

from chaosprsa.allocation.checking import Checked
from chaosprsa.allocation.engine import Candidate, Engine
from chaosprsa.allocation.space import Ints
from chaosprsa.allocation.survival import Shown, Verdicts, roomier, shadow_verdicts
from chaosprsa.shadow import scaled
from chaosprsa.types import Outcome


@dataclass(slots=True)
class Considered:
    """A point that may become the answer. candidate: None for production as it is; check: None where not asked."""

    point: Ints
    candidate: Candidate | None
    check: Checked | None
    shown: Shown
    verdicts: Verdicts = field(default_factory=lambda: Verdicts({}, {}, {}))


@dataclass(slots=True)
class Run:
    """scale: the shadow's. words: what checks showed; notes: what the reader must know."""

    engine: Engine
    outcomes: tuple[Outcome, ...]
    scale: float
    considered: list[Considered] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def shown(self, point: Ints) -> Shown:
        """What all trials so far showed of a point."""
        full = self.engine.space.allocation(point)
        small = scaled(full, self.scale)
        return Shown(shadow_verdicts(self.outcomes, small), fair=not roomier(full, small, self.scale))
