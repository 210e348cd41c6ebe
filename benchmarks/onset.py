"""Claim: the onset of an incident within 30 minutes is told better than by any rival, with probabilities that keep
their word, from minutes in which nothing is wrong yet.

Learned from --train, played along --test minute by minute. Of the test's incidents the model is told what an operator
would know: those before the minute, and how the training part ended; time_since_incident, a rival, is told the same
(control.only_the_past_seen: histories cut at the minute give the same probabilities). Otherwise they are read only to
choose the normal minutes that are scored and to score them. The rivals learn from the same minutes: the base rate;
gradient boosting on raw values and their lags; the worst metric's distance from its median; the clock; the time since
the last incident.

What the metrics add beyond the last incidents: ours.recency_only and ours.metrics_only are the model's two parts alone;
folds.* are the same inside the training part, each fold learned from what lies before it: by them the model was chosen.

Controls. shifted: the test's labels alone are moved along the clock, in a circle, against the same probabilities:
average precision has to fall to the base rate. shifted_together: what is known of past incidents moves with the labels,
so that recency keeps its word and the metrics can't. retrained: learned anew from labels that are shifted against all
that is seen: the model has to refuse, and what it would have said has to be chance. retrained_together: from incidents
shifted as a whole. --control DIR: a history whose faults were injected without warning, where the same is expected
unshifted.

python benchmarks/onset.py --train maat_aiops18/train --test maat_aiops18/valid --control nezha/2022-08-22
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from claims import parser, table, write
from onset_controls import (
    HORIZON,
    Truth,
    by_parts,
    causal,
    every_row,
    folds,
    retrained,
    rolled,
    together,
    truth,
    without_warning,
)
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, roc_auc_score

from chaosprsa.history.files import read_history
from chaosprsa.history.frame import History
from chaosprsa.history.mending import clean
from chaosprsa.models.calibration import expected_calibration_error
from chaosprsa.models.normals import normals_of
from chaosprsa.models.precursors import PrecursorModel
from chaosprsa.models.recency import onset_and_end
from chaosprsa.types import Incident

NOW = datetime(2100, 1, 1, tzinfo=UTC)
LAGS = (0, 1, 2, 5, 10, 20, 30)
THIN = 3  # of the rivals' training minutes
GOALS = {"goal.average_precision": 0.30, "goal.expected_calibration_error": 0.05}
FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def read(folders: Sequence[Path]) -> History:
    """One history of all folders."""
    parts = [read_history(folder, NOW) for folder in folders]
    if len(parts) == 1:
        return parts[0]
    metrics, _ = clean(pd.concat([each.metrics for each in parts], ignore_index=True), NOW, "joined")
    incidents = tuple(sorted((each for part in parts for each in part.incidents), key=lambda each: each.start))
    return History(metrics=metrics, incidents=incidents, topology=parts[0].topology)


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
    return np.asarray(model.predict_proba(test.reshape(-1, test.shape[-1]))[:, 1].reshape(test.shape[:2]))


def clock(history: History) -> FloatArray:
    """Hour of the day and day of the week, shape (components, times, 2)."""
    grid = history.grid
    columns = np.stack([grid.hour + grid.minute / 60, grid.day_of_week], axis=-1).astype(float)
    return np.repeat(columns[None], len(history.components), axis=0)


def since(history: History, known: Sequence[Incident]) -> FloatArray:
    """Minutes since the component's last incident ended, and how many did in 6 h, shape (components, times, 2)."""
    times, found = history.grid_ms, []
    for name in history.components:
        ends = np.sort([onset_and_end(each)[1] for each in known if name in each.components])
        count = np.searchsorted(ends, times)
        last = np.append(ends, times[0] - 6e9)[count - 1]
        found.append([(times - last) / 6e4, count - np.searchsorted(ends, times - 6 * 3_600_000)])
    return np.moveaxis(np.array(found, dtype=float), 1, -1)


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


def methods(
    history: History, test: History, told: History, model: PrecursorModel, seed: int
) -> dict[str, tuple[FloatArray, bool]]:
    """What each method says of the test, and whether it only ranks. told: the test with all that becomes known."""
    true, unlabelled = truth(history), replace(test, incidents=())
    rate = float(true.coming[true.scored].mean())
    said = model.course(told).probability
    metrics = sorted(set(history.metric_names) & set(test.metric_names))
    recent = boosted(since(history, history.incidents), true, since(test, told.incidents), seed)
    found = {
        "ours": (np.where(np.isfinite(said), said, rate), False),
        "base_rate": (np.full(said.shape, rate), False),
        "boosting_on_lags": (boosted(lagged(history, metrics), true, lagged(unlabelled, metrics), seed), False),
        "last_value_zscore": (worst(unlabelled, normals_of(history)), True),
        "clock": (boosted(clock(history), true, clock(unlabelled), seed), False),
        "time_since_incident": (recent, False),
    }
    if model.experts is not None:
        parts = by_parts(model.experts, every_row(told, model.layout), len(test.grid))
        found |= {f"ours.{name}": (each, True) for name, each in parts.items()}
    return found


def main() -> None:
    """Learn, play along the test, print the methods side by side and the controls."""
    command = parser(__doc__)
    command.add_argument("--control", type=Path, nargs="+", default=[], metavar="DIR", help="faults without warning")
    options = command.parse_args()
    if not options.train or not options.test:
        sys.exit("onset: give folders to --train and to --test")
    history, test = read(options.train), read(options.test)
    told = replace(test, incidents=tuple(sorted({*history.incidents, *test.incidents}, key=lambda each: each.start)))
    model = PrecursorModel(seed=options.seed, horizon=HORIZON).fit(history, normals_of(history))
    true, rate = truth(test), truth(history).base_rate
    figures: dict[str, Any] = {**GOALS, "ours.on_its_own_end": model.in_words()}
    rows = []
    keys = ("average_precision", "roc_auc", "expected_calibration_error", "brier", "brier_skill", "base_rate")
    said = methods(history, test, told, model, options.seed)
    for name, (values, ranks) in said.items():
        found = scored(values, true, rate, ranks=ranks)
        figures |= {f"{name}.{key}": value for key, value in found.items()}
        rows.append([name, *(found.get(key, float("nan")) for key in keys)])
    print(table(("method", *keys), rows))
    print(f"ours, on the end of the training part: {model.in_words()}")
    figures |= folds(history, options.seed) | controls(history, test, told, model, said["ours"][0], options.seed)
    for folder in options.control:
        figures |= without_warning(read([folder]), folder.name, options.seed)
    shown = [[key, value] for key, value in figures.items() if key.startswith(("control.", "folds."))]
    print(table(("control", "value"), shown))
    write(options.json, __file__, options, figures)


def controls(
    history: History, test: History, told: History, model: PrecursorModel, said: FloatArray, seed: int
) -> dict[str, Any]:
    """Every control but other folders."""
    found = rolled(said, test, np.random.default_rng(seed)) | causal(model, told, said, np.random.default_rng(seed))
    if model.experts is not None:
        found |= together(model, test, np.random.default_rng(seed))
    return found | retrained(history, test, seed)


if __name__ == "__main__":
    main()
