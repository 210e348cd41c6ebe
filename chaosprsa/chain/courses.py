"""The load that policies are compared under: a file's, or the next day as the load model draws it, or the last one."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.autoscalers.play import step_means
from chaosprsa.chain.context import Context
from chaosprsa.errors import BadInput, NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.history.queries import RATE
from chaosprsa.loads import textured_profile

DAY, MEANS_S = timedelta(days=1), 15
LEAST_S = 300.0  # less decides nothing: pods alone take half a minute to start
MOST_LINES = 10_000_000

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """Requests a second at the entry, a value a second; words: where they come from. start: None: of no known day."""

    per_s: Floats
    words: str
    start: datetime | None = None


def course_of_file(file: Path, step_s: int) -> Course:
    """A number a line, requests a second, each for step_s; empty lines and those that begin with # say nothing.

    Raises BadInput with the line that is no such number, or where it is too short or all 0.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise BadInput(f"{file}: it isn't text; expected requests a second, a number a line") from None
    told = [(at, line.strip()) for at, line in enumerate(lines, start=1) if line.strip()[:1] not in {"", "#"}]
    rates = np.array([_rate(text, file, at) for at, text in told[:MOST_LINES]])
    return _checked(np.repeat(rates, step_s), f"{file}", f"{file.name}, a line for each {step_s} s")


def course_of_past(context: Context, past: Callable[[], History], seed: int) -> Course:
    """The day after the history's end, drawn from the load model; its last day where there is too little to learn.

    Raises BadInput without the entry's rate.
    """
    history, entry = past(), context.settings.topology.entry
    table = history.table(RATE) if len(history.metrics) else pd.DataFrame()
    if entry not in table or not table[entry].notna().any():
        raise BadInput(
            f"compare: the history holds no {RATE} of the entry {entry}; give the load yourself: --load FILE, requests "
            "a second, a number a line"
        )
    values = table[entry].dropna()
    times_s = np.array([moment.timestamp() for moment in values.index])
    rates = values.to_numpy(dtype=float)
    end = history.window.end
    try:
        unbounded = context.settings.trial.model_copy(update={"max_rate_per_s": math.inf})
        profile = textured_profile(times_s, rates, end, DAY, 1.0, unbounded, seed)
    except NotEnoughHistory:
        last = times_s >= end.timestamp() - DAY.total_seconds()
        seconds = np.arange(times_s[last][0], end.timestamp())
        known = _means(np.interp(seconds, times_s, rates))
        return _checked(known, "the history", "the history's last day", end - DAY)
    points = np.array([(point.time_s, point.level) for point in profile.points])
    drawn = np.interp(np.arange(DAY.total_seconds()), points[:, 0], points[:, 1])
    words = f"the day from {end:%Y-%m-%d %H:%M} UTC on, as the load model draws it"
    return _checked(_means(drawn), "the drawn load", words, end)


def _rate(text: str, file: Path, line: int) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not (math.isfinite(found) and found >= 0):
        raise BadInput(f"{file}, line {line}: {text[:40]!r} is no number of requests a second from 0 on")
    return found


def _means(per_s: Floats) -> Floats:
    """Of 15 s each, a value a second."""
    return np.repeat(step_means(per_s, MEANS_S), MEANS_S)


def _checked(per_s: Floats, where: str, words: str, start: datetime | None = None) -> Course:
    if len(per_s) < LEAST_S:
        raise BadInput(f"{where}: a load of {len(per_s)} s compares nothing; give at least {LEAST_S:.0f} s")
    if not per_s.any():
        raise BadInput(f"{where}: it has no request in it, so that there is nothing to compare")
    return Course(per_s, words, start)
