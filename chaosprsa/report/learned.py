"""What a reader wants to know of a model bundle, as plain values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from chaosprsa.history.queries import RATE
from chaosprsa.report.charts.load import LoadView
from chaosprsa.types import Lineage, Window

if TYPE_CHECKING:
    from chaosprsa.models.bundle import Bundle
    from chaosprsa.models.incidents import IncidentModel
    from chaosprsa.models.precursors import PrecursorModel

AHEAD = timedelta(hours=24)  # as far as issues are drawn by default
POINTS = 180
MOST_KINDS = 8  # columns that a page has room for; the others are summed
OTHERS = "other kinds"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentRate:
    """Of one component and kind. seen: how often in the window; per_week: what the model expects."""

    seen: int
    per_week: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """rates: by component, in falling order, then by kind; lengths_s: each kind's median.

    precursors: (name, words), nothing where there is no model. notes: what was mended or left out, in words.
    """

    lineage: Lineage
    window: Window
    step_s: float
    samples: int
    metrics: int
    incidents: int
    entry: str
    components: tuple[str, ...]
    load: LoadView | None
    kinds: tuple[str, ...]
    rates: dict[str, dict[str, IncidentRate]]
    lengths_s: dict[str, float]
    precursors: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    seed: int
    versions: dict[str, str]


def learned_of(bundle: "Bundle") -> Learned:
    """The bundle, told."""
    manifest = bundle.manifest
    kinds = _kinds(bundle.incidents)
    return Learned(
        lineage=bundle.lineage,
        window=bundle.window,
        step_s=manifest["step_s"],
        samples=manifest["samples"],
        metrics=len(manifest["metrics"]),
        incidents=bundle.incidents.total,
        entry=bundle.topology.entry,
        components=bundle.components,
        load=_load(bundle),
        kinds=kinds,
        rates=_rates(bundle.incidents, bundle.components, kinds),
        lengths_s={kind: bundle.incidents.duration_quantiles(kind, (0.5,))[0] for kind in kinds if kind != OTHERS},
        precursors=() if bundle.precursors is None else tuple(_quality(bundle.precursors)),
        notes=bundle.notes,
        seed=bundle.seed,
        versions=dict(manifest["versions"]),
    )


def _load(bundle: "Bundle") -> LoadView | None:
    """The last hours with the model's band over them, and the band for a day more; None without a load model."""
    entry = bundle.topology.entry
    if entry not in bundle.load:
        return None
    observed = _observed(bundle, entry)
    begin = observed[0][0] if observed else bundle.window.end.timestamp()
    times = np.linspace(begin, (bundle.window.end + AHEAD).timestamp(), POINTS)
    forecast = bundle.entry_rate(times)
    return LoadView(
        observed=observed,
        ends_s=bundle.window.end.timestamp(),
        times_s=tuple(times.tolist()),
        mean=tuple(forecast.mean.tolist()),
        low=tuple(forecast.low.tolist()),
        high=tuple(forecast.high.tolist()),
    )


def _observed(bundle: "Bundle", entry: str) -> tuple[tuple[float, float], ...]:
    table = bundle.recent.table(RATE)
    if entry not in table.columns:
        return ()
    rates = table[entry].dropna()
    return tuple(zip((moment.timestamp() for moment in rates.index), rates.tolist(), strict=True))


def _kinds(model: "IncidentModel") -> tuple[str, ...]:
    """The commonest first; what is beyond MOST_KINDS goes to OTHERS."""
    ordered = sorted(model.kinds, key=lambda kind: (-model.kinds[kind], kind))
    return tuple(ordered) if len(ordered) <= MOST_KINDS else (*ordered[: MOST_KINDS - 1], OTHERS)


def _rates(
    model: "IncidentModel", components: Sequence[str], kinds: Sequence[str]
) -> dict[str, dict[str, IncidentRate]]:
    ordered = sorted(components, key=lambda name: -model.rate_per_day(name))
    return {name: {kind: _rate(model, name, kind, kinds) for kind in kinds} for name in ordered} if kinds else {}


def _rate(model: "IncidentModel", component: str, kind: str, kinds: Sequence[str]) -> IncidentRate:
    those = [kind] if kind != OTHERS else [other for other in model.kinds if other not in kinds]
    seen = model.kinds_of.get(component, {})
    return IncidentRate(
        seen=sum(seen.get(one, 0) for one in those),
        per_week=7 * sum(model.rate_per_day(component, one) for one in those),
    )


def _quality(model: "PrecursorModel") -> Iterator[tuple[str, str]]:
    quality = model.quality
    yield "Looks ahead", f"{model.horizon / timedelta(minutes=1):g} min"
    yield "Warns of", "what grows beyond the usual" + (", and what came before incidents" if quality else "")
    if quality is None:
        yield "Learned from incidents", "nothing: the notes below say why"
        return
    yield "Learned from", f"{quality.incidents_learned} incidents"
    yield "Judged on", f"the last {quality.incidents_judged} incidents, which it never saw"
    yield "Average precision", f"{quality.average_precision:.2f}; {quality.base_rate:.2f} would be chance"
    yield "Brier score", f"{quality.brier:.4f}; {quality.brier_of_base_rate:.4f} without a model (less is better)"
    yield "As good at wrong times", f"{quality.chance:.1%} of 200 shifts along the clock".replace("%", " %")
