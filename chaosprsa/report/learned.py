"""What a reader wants to know of a model bundle, as plain values."""

from dataclasses import dataclass

from chaosprsa.report.charts.load import LoadView
from chaosprsa.types import Lineage, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRate:
    """Of one component and kind. seen: how often in the window; per_week: what the model expects."""

    component: str
    kind: str
    seen: int
    per_week: float
    duration_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """metrics: their names; facts and precursors: (name, words); notes: what was mended or left out, in words."""

    lineage: Lineage
    window: Window
    step_s: float
    entry: str
    components: tuple[str, ...]
    load: LoadView | None
    rates: tuple[IncidentRate, ...]
    precursors: tuple[tuple[str, str], ...]
    precursor_reason: str
    notes: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    seed: int | None
