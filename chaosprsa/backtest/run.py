"""One backtest: origins, loads, incidents and precursors, with a lineage of what it was made from."""

from datetime import datetime, timedelta

from chaosprsa.backtest.incidents import incident_backtest
from chaosprsa.backtest.loads import load_backtests
from chaosprsa.backtest.origins import origins as spread
from chaosprsa.documents import lineage, to_json
from chaosprsa.errors import BadInput, NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.models.normals import normals_of
from chaosprsa.models.precursors import PrecursorModel
from chaosprsa.progress import Progress, silent
from chaosprsa.types import Backtest, IncidentBacktest, LoadBacktest, Topology, Window


def backtest(
    history: History,
    topology: Topology | None,
    count: int,
    horizon: timedelta,
    seed: int,
    progress: Progress = silent,
) -> Backtest:
    """Models fitted at `count` origins in the later half of the history and followed for `horizon`, or to the next.

    Same history, arguments and seed: same result. Raises BadInput for a horizon of nothing, NotEnoughHistory where
    neither loads nor incidents can be judged.
    """
    if horizon <= timedelta(0):
        raise BadInput(f"backtest: the horizon is {horizon}; give some time, such as 24h")
    window = history.watched
    origins = spread(window, count)
    followed = min(horizon, window.end - origins[-1])
    progress("load at each origin", 0.1)
    load = load_backtests(history, origins, followed.total_seconds())
    progress("incidents at each origin", 0.5)
    incidents, notes = _incidents(history, topology, window, origins, seed)
    if not load and incidents is None:
        raise NotEnoughHistory(f"nothing can be judged: no load has enough samples, and {notes[-1]}")
    progress("precursors", 0.8)
    precursors = _precursors(history, seed)
    notes = (*history.notes, *history.unwatched, *notes)
    return _whole(window, origins, (followed, horizon), load, incidents, precursors, notes, seed)


def _incidents(
    history: History, topology: Topology | None, window: Window, origins: tuple[datetime, ...], seed: int
) -> tuple[IncidentBacktest | None, tuple[str, ...]]:
    try:
        return incident_backtest(history, topology or history.topology, window, origins, seed), ()
    except NotEnoughHistory as reason:
        return None, (f"no incident forecast was judged: {reason}",)


def _precursors(history: History, seed: int) -> str:
    """One sentence: the model judges itself on the end of the history, which it never saw."""
    if not len(history.metrics):
        return "There are no metrics to see precursors in."
    try:
        model = PrecursorModel(seed=seed).fit(history, normals_of(history))
    except NotEnoughHistory as reason:
        return f"No warnings are given: {reason}."
    return f"Warnings: {model.in_words()}."


def _whole(
    window: Window,
    origins: tuple[datetime, ...],
    horizons: tuple[timedelta, timedelta],
    load: tuple[LoadBacktest, ...],
    incidents: IncidentBacktest | None,
    precursors: str,
    notes: tuple[str, ...],
    seed: int,
) -> Backtest:
    content = [
        [each.isoformat() for each in origins],
        [to_json(each) for each in load],
        incidents and to_json(incidents),
        precursors,
        seed,
    ]
    return Backtest(
        window=window,
        origins=origins,
        horizon_s=horizons[0].total_seconds(),
        asked_s=horizons[1].total_seconds(),
        load=load,
        incidents=incidents,
        precursors=precursors,
        notes=notes,
        seed=seed,
        lineage=lineage("backtest", content),
    )
