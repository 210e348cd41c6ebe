"""What the onset benchmark is checked by: folds inside the training part, and three ways to take a history apart.

Folds look forward inside the training part; what the model is made of was chosen by them, never by the test. Shifts
move incidents along the clock, in a circle: the labels alone against everything the model sees, or the incidents as a
whole, so that what is known of past ones moves with the labels and only the metrics stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history.frame import History
from chaosprsa.models.experts import PARTS, Experts
from chaosprsa.models.moves import soon
from chaosprsa.models.normals import normals_of
from chaosprsa.models.precursors import PrecursorModel
from chaosprsa.models.recency import REACH, RECENCY, recency
from chaosprsa.models.training import Trained, train
from chaosprsa.models.windows import WINDOW_STEPS, Samples, horizon_steps, layout_of, rows_at
from chaosprsa.types import Incident

HORIZON = timedelta(minutes=30)
SHIFTS = 40
RETRAINED = 4
FOLDS = 5
FIRST = 0.25  # of the training part: what the first fold learns from
NAMES = dict(zip(PARTS, ("metrics_only", "recency_only"), strict=True))
FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]
BoolArray = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


@dataclass(frozen=True)
class Truth:
    """coming: an onset within the horizon; scored: normal now, and what follows is known; shape (components, times)."""

    coming: BoolArray
    scored: BoolArray

    def precision(self, said: FloatArray) -> float:
        """Average precision of a ranking; the base rate, its chance level, where nothing or everything comes."""
        used = self.scored & np.isfinite(said)
        came = self.coming[used]
        if not came.any() or came.all():
            return float(came.mean()) if len(came) else 0.0
        return float(average_precision_score(came, said[used]))

    @property
    def base_rate(self) -> float:
        return float(self.coming[self.scored].mean())


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


def far(history: History, rng: np.random.Generator) -> timedelta:
    """How far to shift: beyond what is remembered of incidents, as far as the history allows it."""
    length = history.window.duration
    least = min(REACH / length, 0.25)
    return length * float(rng.uniform(least, 1 - least))


def known_until(history: History, when: datetime, step: int) -> History:
    """What was known at a grid time: samples up to then, incidents that had begun, their ends where they had come."""
    rows = history.metrics[history.grid_ms[step] >= history.metrics["timestamp"].dt.as_unit("ms").astype("int64")]
    begun = (each for each in history.incidents if (each.impact_start or each.start) < when)
    incidents = tuple(
        each if each.end is not None and each.end < when else replace(each, end=None, end_estimated=None)
        for each in begun
    )
    return replace(history, metrics=rows.reset_index(drop=True), incidents=incidents)


def by_parts(experts: Experts, samples: Samples, times: int) -> dict[str, FloatArray]:
    """What each part of the learned model says alone, and both: log-odds, shape (components, times)."""
    each = experts.each_log_odds(samples.rows)
    said = {"learned": each.mean(axis=1)}
    said |= {NAMES[part]: each[:, i] for i, part in enumerate(PARTS)}
    found: dict[str, FloatArray] = {}
    for name, values in said.items():
        found[name] = np.full((len(samples.components), times), np.nan)
        found[name][samples.component, samples.at] = values
    return found


def every_row(history: History, layout: Any) -> Samples:
    """A row of each component and minute, of all that is known at it."""
    return rows_at(history, layout, np.arange(WINDOW_STEPS - 1, len(history.grid)))


def folds(history: History, seed: int) -> dict[str, Any]:
    """Average precision on each next piece of the training part, learned from what lies before it."""
    steps = len(history.grid)
    onsets = np.searchsorted(history.grid_ms, [each.start.timestamp() * 1000 for each in history.incidents])
    shares = FIRST + (1 - FIRST) * np.arange(FOLDS + 1) / FOLDS
    cuts = [int((np.quantile(onsets, share) + share * steps) / 2) for share in shares[:-1]] + [steps]
    found: dict[str, list[float]] = {}
    for begin, past in pairwise(cuts):
        before = known_until(history, history.grid[begin].to_pydatetime(), begin - 1)
        try:
            trained = _trained(before, seed)
        except NotEnoughHistory:
            continue
        until = known_until(history, history.grid[past - 1].to_pydatetime(), past - 1)
        samples = rows_at(until, layout_of(before, normals_of(before)), np.arange(begin, past))
        true = truth(until)
        for name, said in by_parts(trained.experts, samples, past).items():
            found.setdefault(name, []).append(true.precision(said))
        judged = np.zeros(true.scored.shape, dtype=bool)
        judged[:, begin:] = True
        found.setdefault("base_rate", []).append(Truth(true.coming, true.scored & judged).base_rate)
    return {f"folds.{name}.average_precision": float(np.mean(each)) for name, each in found.items()} | {
        f"folds.{name}.each": [round(value, 4) for value in each] for name, each in found.items()
    }


def _trained(history: History, seed: int, foretold: Sequence[Incident] | None = None) -> Trained:
    layout = layout_of(history, normals_of(history))
    return train(history, layout, horizon_steps(HORIZON, history.step_s), seed, foretold)


def rolled(said: FloatArray, history: History, rng: np.random.Generator) -> dict[str, float]:
    """The test's labels alone shifted against the same probabilities: chance is what is left."""
    own, found = truth(history).precision(said), []
    for _ in range(SHIFTS):
        true = truth(replace(history, incidents=shifted(history, far(history, rng))))
        found.append((true.precision(said), true.base_rate))
    precision, base = np.array(found).T
    return {
        "control.shifts": SHIFTS,
        "control.shifted.mean_average_precision": float(precision.mean()),
        "control.shifted.most_average_precision": float(precision.max()),
        "control.shifted.mean_base_rate": float(base.mean()),
        "control.shifted.as_good_share": float((1 + np.sum(precision >= own)) / (1 + SHIFTS)),
    }


def together(model: PrecursorModel, test: History, rng: np.random.Generator) -> dict[str, float]:
    """The test's incidents shifted as a whole, what is known of past ones with them: only the metrics stay behind."""
    assert model.experts is not None
    samples = every_row(test, model.layout)
    found: dict[str, list[float]] = {}
    for _ in range(SHIFTS):
        moved = replace(test, incidents=shifted(test, far(test, rng)))
        lately = recency(moved.incidents, test.topology, test.components, test.grid_ms)[samples.component, samples.at]
        rows = np.hstack([samples.rows[:, : -len(RECENCY)], lately])
        true = truth(moved)
        for name, said in by_parts(model.experts, replace(samples, rows=rows), len(test.grid)).items():
            found.setdefault(name, []).append(true.precision(said))
    return {f"control.shifted_together.{name}.average_precision": float(np.mean(each)) for name, each in found.items()}


def retrained(history: History, test: History, seed: int) -> dict[str, float]:
    """Learned anew from shifted incidents, judged on the true ones of the test: labels alone, and all together."""
    rng, true = np.random.default_rng(seed), truth(test)
    refused, alone = 0, []
    with_past: dict[str, list[float]] = {}
    samples = None
    for _ in range(RETRAINED):
        wrong = shifted(history, far(history, rng))
        normals = normals_of(history)
        refused += PrecursorModel(seed=seed).fit(history, normals, foretold=wrong).quality is None
        samples = samples or every_row(test, layout_of(history, normals))
        labels = _trained(history, seed, wrong)
        alone.append(true.precision(by_parts(labels.experts, samples, len(test.grid))["learned"]))
        whole = _trained(replace(history, incidents=wrong), seed)
        for name, said in by_parts(whole.experts, samples, len(test.grid)).items():
            with_past.setdefault(name, []).append(true.precision(said))
    return {
        "control.retrained.refused_share": refused / RETRAINED,
        "control.retrained.mean_average_precision": float(np.mean(alone)),
        "control.retrained.most_average_precision": float(np.max(alone)),
    } | {f"control.retrained_together.{name}.average_precision": float(np.mean(e)) for name, e in with_past.items()}


def without_warning(history: History, name: str, seed: int) -> dict[str, Any]:
    """A history of injected faults: refused, or its own judgement."""
    model = PrecursorModel(seed=seed).fit(history, normals_of(history))
    found: dict[str, Any] = {
        f"control.{name}.refused": model.quality is None,
        f"control.{name}.said": model.in_words(),
    }
    try:
        quality = _trained(history, seed).quality
    except NotEnoughHistory:
        return found
    return found | {
        f"control.{name}.average_precision": quality.average_precision,
        f"control.{name}.base_rate": quality.base_rate,
        f"control.{name}.shifts_as_good_share": quality.chance,
    }


def causal(model: PrecursorModel, test: History, said: FloatArray, rng: np.random.Generator) -> dict[str, float]:
    """How far the probabilities along the test are from those of histories that end at the minute."""
    true, away = truth(test), []
    for step in rng.choice(np.flatnonzero(true.scored.all(axis=0))[WINDOW_STEPS:], 8, replace=False):
        cut = known_until(test, test.grid[step].to_pydatetime(), int(step))
        told: Mapping[str, float] = model.probability(cut)
        away += [abs(told[name] - said[i, step]) for i, name in enumerate(test.components) if name in told]
    return {"control.only_the_past_seen.largest_difference": float(max(away, default=0.0))}
