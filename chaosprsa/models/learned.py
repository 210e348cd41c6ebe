"""A bundle: load, incidents, precursors, normals, call graph, and the last hours of the history, learned in one go."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.history.queries import RATE
from chaosprsa.models.fanout import with_calls
from chaosprsa.models.felt import Felt, felt_impacts
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.models.load import MIN_SAMPLES, LoadForecast, LoadModel
from chaosprsa.models.normals import normals_of, quiet_rows
from chaosprsa.models.precursors import PrecursorModel
from chaosprsa.models.recency import REACH
from chaosprsa.models.signatures import Signature, signatures_of
from chaosprsa.models.windows import Normals
from chaosprsa.progress import Progress, silent
from chaosprsa.types import Incident, Lineage, Topology, Window

FloatArray = npt.NDArray[np.float64]
MOST_PAST = 10_000  # incidents that a bundle keeps, the latest: enough to tell what is new, and what may follow
SHOWN_CHANGES = 3  # of loads' levels, in notes
RECENT = timedelta(hours=6)  # kept as they are: what a prediction and a synthetic telemetry start from


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What was learned.

    load: of request_rate_per_s, for each component. precursors: None where there are none, and notes say why.
    normals: (median, spread) for each component, call edge and metric. recent: the history's last hours, as they were,
    with the incidents of recency.REACH, which precursors look at.
    past: the incidents themselves, without their titles; the latest where there are very many.
    signatures: what they did to the metrics. felt: what users felt of them, where the entry's metrics tell.
    window: of the whole history. manifest: what the folder's manifest.json says. files: every other file of the folder,
    as `learn` made and hashed them; a copy with something replaced has none, as its files are others.
    """

    load: Mapping[str, LoadModel]
    incidents: IncidentModel
    precursors: PrecursorModel | None
    topology: Topology
    normals: Normals
    recent: History
    window: Window
    notes: tuple[str, ...]
    seed: int
    past: tuple[Incident, ...] = ()
    signatures: tuple[Signature, ...] = ()
    felt: tuple[Felt, ...] = ()
    lineage: Lineage = field(default_factory=lambda: Lineage(id=""))
    manifest: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict, init=False, repr=False, compare=False)

    def entry_rate(self, times_s: FloatArray) -> LoadForecast:
        """Requests a second at the entry; times_s: seconds since 1970. Raises NotEnoughHistory without its rate."""
        model = self.load.get(self.topology.entry)
        if model is None:
            entry = self.topology.entry
            raise NotEnoughHistory(f"the history holds too little {RATE} of the entry {entry} to forecast its load")
        return model.forecast(np.asarray(times_s, dtype=float))

    @property
    def components(self) -> tuple[str, ...]:
        """The call graph's services, then other components that metrics or incidents name."""
        others = [name for name in {*self.normals, *self.incidents.rates} if "->" not in name]
        return (*self.topology.services, *sorted(set(others) - set(self.topology.services)))


def learn_parts(history: History, topology: Topology | None, seed: int, progress: Progress = silent) -> Bundle:
    """Everything but lineage and manifest. Same history and seed, same result.

    Works without metrics (incidents alone) and without incidents (metrics alone). Raises NotEnoughHistory where there
    is too little of both.
    """
    progress("what is usual", 0.0)
    normals = normals_of(history)
    _check_enough(history)
    progress("load", 0.1)
    load, notes = _loads(history)
    progress("incidents", 0.2)
    graph, more = _graph(history, topology)
    window = history.watched
    components = tuple(dict.fromkeys((*graph.services, *history.components)))
    incidents = IncidentModel().fit(history.incidents, window, components, graph, _load_at(history, graph.entry))
    progress("precursors", 0.3)
    precursors, reasons = _precursors(history, normals, seed)
    progress("learned", 1.0)
    recent = replace(history.last(RECENT), incidents=history.last(REACH).incidents) if len(history.metrics) else history
    return Bundle(
        load=load,
        incidents=incidents,
        precursors=precursors,
        topology=graph,
        normals=normals,
        recent=recent,
        window=history.window,
        notes=(*history.notes, *history.unwatched, *notes, *more, *reasons),
        seed=seed,
        past=tuple(replace(each, title="") for each in history.incidents[-MOST_PAST:]),
        signatures=signatures_of(history, graph),
        felt=felt_impacts(history, graph.entry),
    )


def _check_enough(history: History) -> None:
    """Raises NotEnoughHistory where metrics are there but too short, naming how short."""
    if len(history.metrics) and len(history.grid) < MIN_SAMPLES:
        start = f"{history.window.start:%Y-%m-%d %H:%M:%S} UTC"
        raise NotEnoughHistory(
            f"the metrics cover {len(history.grid)} steps of {history.step_s:g} s, from {start}; "
            f"learning needs at least {MIN_SAMPLES}: give a longer history"
        )


def _loads(history: History) -> tuple[dict[str, LoadModel], tuple[str, ...]]:
    """A model for each component with enough samples of its request rate, outside incidents."""
    if not len(history.metrics):
        return {}, ()
    asked = quiet_rows(history) & (history.metrics["metric"] == RATE).to_numpy(dtype=bool)
    quiet = History(metrics=history.metrics[asked].reset_index(drop=True))
    rates = quiet.table(RATE)
    rates = rates[[name for name in rates.columns if "->" not in name]]
    times = quiet.grid_ms / 1000
    enough = [str(name) for name in rates.columns if rates[name].count() >= MIN_SAMPLES]
    models = {name: LoadModel().fit(times, rates[name].to_numpy()) for name in enough}
    if not models:
        return {}, (f"no component has {MIN_SAMPLES} samples of {RATE}: there is no load model",)
    terms = models[next(iter(models))].terms
    short = (f"load models know {', '.join(terms)}: the history is long enough for no more",) if len(terms) < 3 else ()
    return models, (*short, *_changed(models))


def _changed(models: Mapping[str, LoadModel]) -> tuple[str, ...]:
    """The last lasting change of each component's load, those of the largest first."""
    last = {name: model.changes[-1] for name, model in models.items() if model.changes}
    largest = sorted(last, key=lambda name: -abs(math.log(last[name].factor)))
    said = [
        f"{name} by {last[name].factor - 1:+.0%} on {datetime.fromtimestamp(last[name].at_s, UTC):%Y-%m-%d}"
        for name in largest[:SHOWN_CHANGES]
    ]
    more = f" and {len(largest) - len(said)} more" if len(largest) > len(said) else ""
    return (f"the load's level changed for good: {', '.join(said)}{more}",) if said else ()


def _graph(history: History, topology: Topology | None) -> tuple[Topology, tuple[str, ...]]:
    """The call graph given, else the history's own, else every component on its own."""
    known = topology or history.topology
    if known is not None:
        estimated = with_calls(known, history)
        notes = ("calls a request were read off the request rates",) if estimated != known else ()
        return estimated, notes
    entry, reason = likely_entry(history)
    counted = {each.component for each in history.incidents if each.component}
    note = f"no call graph is known: every component stands alone; {entry}, {reason}, is taken as the entry"
    return Topology(services=tuple(sorted({*history.components, *counted})), entry=entry), (note,)


def likely_entry(history: History) -> tuple[str, str]:
    """The component with most requests, else with most incidents, else the first by name; and which it was."""
    if len(history.metrics):
        rates = history.table(RATE).drop(columns=list(history.edges), errors="ignore").mean()
        if len(rates):
            return str(rates.idxmax()), f"with most {RATE}"
    counts = Counter(dict.fromkeys(history.components, 0))
    counts.update(each.component for each in history.incidents if each.component)
    if not counts:
        raise NotEnoughHistory("neither metrics nor incidents name a component: nothing can be learned")
    why = "with most incidents" if counts.total() else "the first by name"
    return max(sorted(counts), key=lambda name: counts[name]), why


def _load_at(history: History, component: str) -> tuple[FloatArray, FloatArray] | None:
    """Times (seconds since 1970) and a component's request rates, as measured; None where they weren't."""
    rows = history.metrics
    if not len(rows):
        return None
    own = rows[(rows["metric"] == RATE).to_numpy(dtype=bool) & (rows["component"] == component).to_numpy(dtype=bool)]
    times = own["timestamp"].dt.as_unit("ms").astype("int64").to_numpy(dtype=np.float64) / 1000
    return (times, own["value"].to_numpy(dtype=np.float64)) if len(own) else None


def _precursors(history: History, normals: Normals, seed: int) -> tuple[PrecursorModel | None, tuple[str, ...]]:
    if not len(history.metrics):
        return None, ("no precursors: there are no metrics to see them in",)
    try:
        model = PrecursorModel(seed=seed).fit(history, normals)
    except NotEnoughHistory as reason:
        return None, (f"no precursors: {reason}",)
    return model, (f"precursors: {model.in_words()}",)
