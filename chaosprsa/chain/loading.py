"""A load profile without an issue: a course that production might have next, for a game day or a soak."""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from chaosprsa.chain.context import Context
from chaosprsa.chain.learning import past_of
from chaosprsa.documents import write_document
from chaosprsa.errors import BadInput
from chaosprsa.history.columns import listed
from chaosprsa.history.queries import RATE
from chaosprsa.loads import textured_profile
from chaosprsa.types import LoadProfile


def load(
    context: Context, history: Path | None, start: datetime | None, duration: timedelta, scale: float, seed: int
) -> tuple[LoadProfile, Path]:
    """Write loads/ID.profile.json. start: the history's end where None. Raises BadInput without the entry's rate."""
    past, entry = past_of(context, history), context.settings.topology.entry
    rates = past.table(RATE) if len(past.metrics) else None
    if rates is None or rates.empty:
        raise BadInput(f"load: the history holds no {RATE} of anything; without it there is no load to draw from")
    if entry not in rates:
        raise BadInput(
            f"load: the history holds no {RATE} of the entry {entry}, only of {listed([str(name) for name in rates])}; "
            "another entry: [topology] entry"
        )
    context.progress("drawing a course", 0.5)
    values = rates[entry].dropna()
    times_s = np.array([moment.timestamp() for moment in values.index])
    trial = context.settings.trial
    begin = start or past.window.end
    profile = textured_profile(times_s, values.to_numpy(dtype=float), begin, duration, scale, trial, seed)
    return profile, write_document(context.workspace.loads / f"{profile.id}.profile.json", profile)
