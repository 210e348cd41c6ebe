"""Claim: the onset of an incident within 30 minutes is told better than by any rival, with probabilities that keep
their word, from minutes in which nothing is wrong yet.

Learned from --train, played along --test minute by minute; the test's incidents are read only to choose the normal
minutes that are scored and to score them. The rivals learn from the same minutes: the base rate; gradient boosting on
raw values and their lags; the worst metric's distance from its median; the clock; the time since the last incident (it
alone is told the test's past incidents, as an operator would know them).

Two controls. The test's incidents are shifted along the clock, in a circle, against the same probabilities: average
precision has to fall to the base rate. And everything is learned anew from a training part whose incidents are shifted:
the model has to refuse, and what it would have said has to be chance. --control DIR: a history whose faults were
injected without warning, where the same is expected unshifted.

python benchmarks/onset.py --train maat_aiops18/train --test maat_aiops18/valid --control nezha/2022-08-22
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from claims import parser, table, write
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, roc_auc_score

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.files import read_history
from chaosprsa.history.frame import History
from chaosprsa.history.mending import clean
from chaosprsa.models.calibration import expected_calibration_error
from chaosprsa.models.moves import soon
from chaosprsa.models.normals import normals_of
from chaosprsa.models.precursors import PrecursorModel
from chaosprsa.models.training import log_odds, train
from chaosprsa.models.windows import horizon_steps, layout_of, rows_at
from chaosprsa.types import Incident

NOW = datetime(2100, 1, 1, tzinfo=UTC)
HORIZON = timedelta(minutes=30)
LAGS = (0, 1, 2, 5, 10, 20, 30)
SHIFTS = 40
RETRAINED = 3
THIN = 3  # of the rivals' training minutes
FAR_S = 86_400.0
GOALS = {"goal.average_precision": 0.30, "goal.expected_calibration_error": 0.05}
FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
BoolArray = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True)
class Truth:
    """coming: an onset within the horizon; scored: normal now, and what follows is known; shape (components, times)."""

    coming: BoolArray
    scored: BoolArray


def read(folders: Sequence[Path]) -> History:
    """One history of all folders."""
    parts = [read_history(folder, NOW) for folder in folders]
    if len(parts) == 1:
        return parts[0]
    metrics, _ = clean(pd.concat([each.metrics for each in parts], ignore_index=True), NOW, "joined")
    incidents = tuple(sorted((each for part in parts for each in part.incidents), key=lambda each: each.start))
    return History(metrics=metrics, incidents=incidents, topology=parts[0].topology)


def truth(history: History) -> Truth:
    """What the labels say of each component and minute."""
    coming, lasting = soon(history, HORIZON)
    steps = horizon_steps(HORIZON, history.step_s)
    known = coming.copy()
    known[:, :-steps] = True
    return Truth(coming & ~lasting, known & ~lasting)


def shifted(history: History, by: timedelta) -> tuple[Incident, ...]:
    """The incidents moved along the clock, those beyond the end to the beginning."""
    begin, length = history.window.start, history.window.duration
    found = []
    for each in history.incidents:
        start = begin + (each.start - begin + by) % length
        moved = start - each.start
        ends = (None if time is None else time + moved for time in (each.end, each.impact_start, each.end_estimated))
        end, impact, estimated = ends
        found.append(replace(each, start=start, end=end, impact_start=impact, end_estimated=estimated))
    return tuple(sorted(found, key=lambda each: each.start))


def scored(said: FloatArray, true: Truth, rate: float, *, ranks: bool = False) -> dict[str, float]:
    """Of one method. ranks: its values are no probabilities."""
    used = true.scored & np.isfinite(said)
    told, came = said[used], true.coming[used]
    if not came.any() or came.all():
        return {"rows": float(len(told)), "base_rate": float(came.mean()) if len(came) else 0.0}
    found = {
        "average_precision": float(average_precision_score(came, told)),
        "roc_auc": float(roc_auc_score(came, told)),
        "rows": float(len(told)),
        "base_rate": float(came.mean()),
    }
    if ranks:
        return found
    brier = float(np.mean((told - came) ** 2))
    return found | {
        "brier": brier,
        "brier_skill": 1 - brier / float(np.mean((rate - came) ** 2)),
        "expected_calibration_error": expected_calibration_error(told, came),
    }


def lagged(history: History, metrics: Sequence[str]) -> FloatArray:
    """Raw values and their lags, shape (components, times, metrics * lags)."""
    names = list(history.components)
    tables = [history.table(metric).reindex(columns=names).to_numpy(dtype=float) for metric in metrics]
    stack = np.stack(tables, axis=-1)  # times, components, metrics
    found = [np.concatenate([np.full((lag, *stack.shape[1:]), np.nan), stack[: len(stack) - lag]]) for lag in LAGS]
    return np.moveaxis(np.concatenate(found, axis=-1), 0, 1)


def boosted(rows: FloatArray, true: Truth, test: FloatArray, seed: int) -> FloatArray:
    """Gradient boosting as it comes, on the normal minutes; probabilities of the test's, shape (components, times)."""
    thin = np.zeros(true.scored.shape, dtype=bool)
    thin[:, ::THIN] = True
    used = true.scored & thin
    model = HistGradientBoostingClassifier(random_state=seed).fit(rows[used], true.coming[used])
    return model.predict_proba(test.reshape(-1, test.shape[-1]))[:, 1].reshape(test.shape[:2])


def clock(history: History) -> FloatArray:
    """Hour of the day and day of the week, shape (components, times, 2)."""
    grid = history.grid
    columns = np.stack([grid.hour + grid.minute / 60, grid.day_of_week], axis=-1).astype(float)
    return np.repeat(columns[None], len(history.components), axis=0)


def since(history: History) -> FloatArray:
    """Minutes since the component's last incident ended, and how many did in 6 h, shape (components, times, 2)."""
    _, lasting = soon(history, HORIZON)
    step_min, times = history.step_s / 60, np.arange(lasting.shape[1])
    last = np.maximum.accumulate(np.where(lasting, times, -1), axis=1)
    ago = np.where(last >= 0, (times - last) * step_min, 1e5)
    ends = np.diff(lasting.astype(int), axis=1, prepend=0) == -1
    total, width = np.cumsum(ends, axis=1), round(360 / step_min)
    recent = total - np.concatenate([np.zeros((len(total), width)), total[:, :-width]], axis=1)[:, : total.shape[1]]
    return np.stack([ago, recent], axis=-1)


def worst(history: History, normals: Any) -> FloatArray:
    """The worst metric's distance from its median in the training part, in spreads, shape (components, times)."""
    found = np.zeros((len(history.components), len(history.grid)))
    for metric in history.metric_names:
        for name, column in history.table(metric).items():
            known = normals.get(name, {}).get(metric)
            if known and name in history.components:
                i = history.components.index(str(name))
                found[i] = np.fmax(found[i], np.abs(column.to_numpy() - known[0]) / known[1])
    return found


def rolled(said: FloatArray, history: History, rng: np.random.Generator) -> FloatArray:
    """Average precision and base rate of the same probabilities against shifted incidents, shape (SHIFTS, 2)."""
    length = history.window.duration
    found = []
    for share in rng.uniform(0.05, 0.95, SHIFTS):
        true = truth(replace(history, incidents=shifted(history, length * float(share))))
        score = scored(said, true, 0.0, ranks=True)
        found.append((score.get("average_precision", score["base_rate"]), score["base_rate"]))
    return np.array(found)


def judged_anyway(history: History, test: History, seed: int) -> FloatArray:
    """What the learned part says of the test even where the model refuses it, shape (components, times)."""
    layout = layout_of(history, normals_of(history))
    trained = train(history, layout, horizon_steps(HORIZON, history.step_s), seed)
    samples = rows_at(test, layout, np.arange(29, len(test.grid)))
    said = np.full((len(test.components), len(test.grid)), np.nan)
    said[samples.component, samples.at] = trained.calibration(log_odds(trained.classifier, samples.rows))
    return said


def retrained(history: History, test: History, seed: int) -> dict[str, float]:
    """Learned from shifted incidents, judged on the true ones of the test."""
    rng = np.random.default_rng(seed)
    true, refused, found = truth(test), 0, []
    for _ in range(RETRAINED):
        by = timedelta(seconds=float(rng.uniform(FAR_S, history.window.duration.total_seconds() - FAR_S)))
        wrong = replace(history, incidents=shifted(history, by))
        refused += PrecursorModel(seed=seed).fit(wrong, normals_of(wrong)).quality is None
        found.append(scored(judged_anyway(wrong, test, seed), true, 0.0, ranks=True)["average_precision"])
    return {
        "control.retrained.refused_share": refused / RETRAINED,
        "control.retrained.mean_average_precision": float(np.mean(found)),
        "control.retrained.most_average_precision": float(np.max(found)),
    }


def without_warning(folder: Path, seed: int) -> dict[str, Any]:
    """A history of injected faults: refused, or its own judgement."""
    history = read([folder])
    model = PrecursorModel(seed=seed).fit(history, normals_of(history))
    found: dict[str, Any] = {
        f"control.{folder.name}.refused": model.quality is None,
        f"control.{folder.name}.said": model.in_words(),
    }
    try:
        quality = train(
            history, layout_of(history, normals_of(history)), horizon_steps(HORIZON, history.step_s), seed
        ).quality
    except NotEnoughHistory:
        return found
    return found | {
        f"control.{folder.name}.average_precision": quality.average_precision,
        f"control.{folder.name}.base_rate": quality.base_rate,
        f"control.{folder.name}.shifts_as_good_share": quality.chance,
    }


def methods(history: History, test: History, model: PrecursorModel, seed: int) -> dict[str, tuple[FloatArray, bool]]:
    """What each method says of the test, and whether it only ranks."""
    true, unlabelled = truth(history), replace(test, incidents=())
    rate = float(true.coming[true.scored].mean())
    said = model.course(unlabelled).probability
    metrics = sorted(set(history.metric_names) & set(test.metric_names))
    return {
        "ours": (np.where(np.isfinite(said), said, rate), False),
        "base_rate": (np.full(said.shape, rate), False),
        "boosting_on_lags": (boosted(lagged(history, metrics), true, lagged(unlabelled, metrics), seed), False),
        "last_value_zscore": (worst(unlabelled, normals_of(history)), True),
        "clock": (boosted(clock(history), true, clock(unlabelled), seed), False),
        "time_since_incident": (boosted(since(history), true, since(test), seed), False),
    }


def main() -> None:
    """Learn, play along the test, print the methods side by side and the controls."""
    options = parser(__doc__)
    options.add_argument("--control", type=Path, nargs="+", default=[], metavar="DIR", help="faults without warning")
    options = options.parse_args()
    if not options.train or not options.test:
        sys.exit("onset: give folders to --train and to --test")
    history, test = read(options.train), read(options.test)
    model = PrecursorModel(seed=options.seed, horizon=HORIZON).fit(history, normals_of(history))
    true = truth(test)
    known = truth(history)
    rate = float(known.coming[known.scored].mean())
    figures: dict[str, Any] = {**GOALS, "ours.on_its_own_end": model.in_words()}
    rows = []
    keys = ("average_precision", "roc_auc", "expected_calibration_error", "brier", "brier_skill", "base_rate")
    said = methods(history, test, model, options.seed)
    for name, (values, ranks) in said.items():
        found = scored(values, true, rate, ranks=ranks)
        figures |= {f"{name}.{key}": value for key, value in found.items()}
        rows.append([name, *(found.get(key, float("nan")) for key in keys)])
    print(table(("method", *keys), rows))
    print(f"ours, on the end of the training part: {model.in_words()}")
    shifts = rolled(said["ours"][0], test, np.random.default_rng(options.seed))
    own = figures.get("ours.average_precision", 0.0)
    figures |= {
        "control.shifts": SHIFTS,
        "control.shifted.mean_average_precision": float(shifts[:, 0].mean()),
        "control.shifted.most_average_precision": float(shifts[:, 0].max()),
        "control.shifted.mean_base_rate": float(shifts[:, 1].mean()),
        "control.shifted.as_good_share": float((1 + np.sum(shifts[:, 0] >= own)) / (1 + SHIFTS)),
        **retrained(history, test, options.seed),
    }
    for folder in options.control:
        figures |= without_warning(folder, options.seed)
    print(table(("control", "value"), [[key, value] for key, value in figures.items() if key.startswith("control.")]))
    write(options.json, __file__, options, figures)


if __name__ == "__main__":
    main()
