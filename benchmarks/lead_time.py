"""Claim: every crash of the Redis cluster is warned of before it happens, 20 min or more in the median, at 5 % or fewer
false alarms of the normal minutes.

Each experiment of --test is judged by a model of the other experiments of --train (the tested one is left out where it
is among them) and is seen minute by minute, nothing ahead of the minute. Its first WARM_UP minutes only show what its
nodes do when they are left alone: no alarm counts or is possible in them. Nobody tells the model when the fault begins.

The rule. An alarm is a minute in which any node is at or above the threshold. Normal minutes are those from the end of
the warm-up until the injection (`start`); an alarm in one of them is false. A warning is the first alarm of a run of
alarms that begins at or after the injection and before the crash (`impact_start`); a run that reaches back to before
the injection is no warning. The lead is the crash less the warning; an experiment without a warning has lead 0.

The rivals see the same minutes and get their thresholds the same way: the level that the other experiments' normal
minutes stay below in 99 of 100, a quarter on top. The published answers of PREVENT (--published, else beside --train)
are its own authors', trained on two normal weeks that nobody else has here.

python benchmarks/lead_time.py --train prevent/e1 prevent/e2 prevent/e4 --test prevent/e1 prevent/e2 --json out.json
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from claims import parser, table, write

from chaosprsa.history.files import read_history
from chaosprsa.history.frame import History
from chaosprsa.history.mending import clean
from chaosprsa.models.calibration import expected_calibration_error
from chaosprsa.models.counters import counters_of, measured
from chaosprsa.models.growth import ALARM
from chaosprsa.models.moves import WARM_UP
from chaosprsa.models.normals import normals_of
from chaosprsa.models.precursors import PrecursorModel

NOW = datetime(2100, 1, 1, tzinfo=UTC)
WARM = round(WARM_UP.total_seconds() / 60)
USUAL, MARGIN = 0.99, 1.25
HORIZON = 30
GOALS = {"goal.warned_share": 1.0, "goal.false_alarm_share": 0.05, "goal.median_lead_min": 20.0}
FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """start, crash: minutes of the recording, -1 where nothing is labelled; faulted: the nodes with the fault."""

    name: str
    history: History
    start: int
    crash: int
    faulted: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """alarms: shape (minutes,). strengths: of each node, shape (nodes, minutes), where the method tells nodes apart."""

    alarms: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    nodes: tuple[str, ...] = ()
    strengths: FloatArray | None = None
    probabilities: FloatArray | None = None


def read(folder: Path) -> Experiment:
    """One folder; the labels are for scoring, and for training where it is another's."""
    history = read_history(folder, NOW)
    if not history.incidents:
        return Experiment(name=folder.name, history=history, start=-1, crash=-1, faulted=frozenset())
    incident = history.incidents[0]
    times = (incident.start, incident.impact_start or incident.end or incident.start)
    start, crash = (int(history.grid.searchsorted(pd.Timestamp(time))) for time in times)
    return Experiment(
        name=folder.name, history=history, start=start, crash=crash, faulted=frozenset(incident.components)
    )


def joined(experiments: Sequence[Experiment]) -> History:
    """Several recordings as one history, with the silence between them."""
    metrics, _ = clean(pd.concat([each.history.metrics for each in experiments], ignore_index=True), NOW, "training")
    incidents = tuple(incident for each in experiments for incident in each.history.incidents)
    return History(metrics=metrics, incidents=incidents, topology=experiments[0].history.topology)


def unlabelled(experiment: Experiment) -> History:
    """What the model may see of the tested experiment."""
    return replace(experiment.history, incidents=())


def ours(others: Sequence[Experiment], tested: Experiment, seed: int) -> Answer:
    """The product's precursors, learned from the others and played along the tested recording."""
    history = joined(others)
    model = PrecursorModel(seed=seed).fit(history, normals_of(history))
    assert model.growth is not None
    track = model.growth.track(unlabelled(tested))
    return Answer(
        alarms=(np.nan_to_num(track.strength) >= ALARM).any(axis=0),
        nodes=track.components,
        strengths=track.strength,
        probabilities=model.growth.probability(track.strength),
    )


def values(history: History, counters: Sequence[str]) -> FloatArray:
    """Shape (nodes, metrics, minutes), counters as their increase; the last known value where one is missing."""
    names = list(history.components)
    tables = [measured(history, each, counters).reindex(columns=names).ffill() for each in history.metric_names]
    return np.nan_to_num(np.stack([each.to_numpy(dtype=float).T for each in tables], axis=1))


def z_scores(history: History, counters: Sequence[str]) -> FloatArray:
    """The worst KPI of each node against its warm-up, shape (nodes, minutes): the median of five minutes."""
    found = values(history, counters)
    middle = np.median(found[..., :WARM], axis=-1, keepdims=True)
    spread = 1.4826 * np.median(np.abs(found[..., :WARM] - middle), axis=-1, keepdims=True)
    spread = np.maximum(spread, 0.01 * np.abs(middle))
    away = np.divide(np.abs(found - middle), spread, out=np.zeros_like(found), where=spread > 0)
    worst = pd.DataFrame(away.max(axis=1).T).rolling(5, min_periods=1).median()
    return worst.to_numpy().T


def isolation(history: History, counters: Sequence[str], seed: int) -> FloatArray:
    """Isolation forest's score of each node, fitted on all nodes' warm-ups, shape (nodes, minutes)."""
    from sklearn.ensemble import IsolationForest

    found = values(history, counters)
    rows = np.moveaxis(found[..., :WARM], 1, -1).reshape(-1, found.shape[1])
    forest = IsolationForest(n_estimators=100, random_state=seed, n_jobs=1).fit(rows)
    every = np.moveaxis(found, 1, -1).reshape(-1, found.shape[1])
    scores = -forest.score_samples(every).reshape(found.shape[0], -1)
    return pd.DataFrame(scores.T).rolling(5, min_periods=1).median().to_numpy().T


def thresholded(scores: Mapping[str, FloatArray], others: Sequence[Experiment], tested: Experiment) -> Answer:
    """A rival's alarms, with the threshold that the others' normal minutes give."""
    usual = np.concatenate(
        [scores[each.name][:, WARM : each.start].max(axis=0) for each in others if each.start > WARM]
    )
    own = scores[tested.name]
    alarms = own.max(axis=0) >= MARGIN * np.quantile(usual, USUAL)
    alarms[:WARM] = False
    return Answer(alarms=alarms, nodes=tested.history.components, strengths=own)


def published(folder: Path | None, method: str, tested: Experiment) -> Answer | None:
    """PREVENT's own answer a minute; None where it isn't there or is of another length."""
    path = None if folder is None else folder / method / f"{tested.name}.csv"
    if path is None or not path.exists():
        return None
    alarms = np.array([line.strip() == "1" for line in path.read_text().split()], dtype=bool)
    minutes = len(tested.history.grid)
    if abs(len(alarms) - minutes) > 5:
        return None
    alarms = np.resize(np.pad(alarms, (0, max(0, minutes - len(alarms)))), minutes)
    alarms[:WARM] = False
    return Answer(alarms=alarms)


def scored(tested: Experiment, answer: Answer) -> dict[str, Any]:
    """False alarms, lead and ranking, by the rule above."""
    alarms, start, crash = answer.alarms, tested.start, tested.crash
    began = alarms & ~np.r_[False, alarms[:-1]]
    warnings = np.flatnonzero(began[start:crash]) if start >= 0 else np.array([], dtype=int)
    found: dict[str, Any] = {
        "normal_min": max(0, start - WARM),
        "false_alarm_min": int(alarms[WARM : max(start, WARM)].sum()),
        "lead_min": int(crash - start - warnings[0]) if len(warnings) else 0,
        "possible_min": crash - start,
    }
    if answer.strengths is not None and len(warnings):
        order = np.argsort(-np.nan_to_num(answer.strengths[:, start + warnings[0]]), kind="stable")
        first = [answer.nodes[i] for i in order[:3]]
        found |= {"first": first[0] in tested.faulted, "first_three": bool(tested.faulted & set(first))}
    return found


def summed(by_experiment: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Over all experiments."""
    every = list(by_experiment.values())
    normal = sum(each["normal_min"] for each in every)
    leads = [each["lead_min"] for each in every]
    found = {
        "experiments": len(every),
        "warned_share": float(np.mean([lead > 0 for lead in leads])),
        "false_alarm_share": sum(each["false_alarm_min"] for each in every) / max(1, normal),
        "normal_min": normal,
        "median_lead_min": float(np.median(leads)),
        "least_lead_min": min(leads),
    }
    if any("first" in each for each in every):
        found["first_share"] = float(np.mean([each.get("first", False) for each in every]))
        found["first_three_share"] = float(np.mean([each.get("first_three", False) for each in every]))
    return found


def kept_word(experiments: Sequence[Experiment], answers: Mapping[str, Answer]) -> dict[str, float]:
    """Calibration of the probabilities of a crash within HORIZON minutes, each node and minute before the crash."""
    said, came = [], []
    for each in experiments:
        answer = answers[each.name]
        if answer.probabilities is None or each.crash < 0:
            continue
        known = answer.probabilities[:, WARM : each.crash]
        soon = np.zeros(known.shape, dtype=bool)
        rows = [i for i, name in enumerate(answer.nodes) if name in each.faulted]
        soon[rows, max(0, each.crash - HORIZON - WARM) :] = True
        said.append(known.ravel())
        came.append(soon.ravel())
    told, happened = np.concatenate(said), np.concatenate(came)
    told, happened = told[np.isfinite(told)], happened[np.isfinite(told)]
    rate = float(happened.mean())
    return {
        "expected_calibration_error": expected_calibration_error(told, happened),
        "brier": float(np.mean((told - happened) ** 2)),
        "brier_of_base_rate": rate * (1 - rate),
        "base_rate": rate,
    }


def answers_of(
    train: Sequence[Experiment], test: Sequence[Experiment], options: argparse.Namespace
) -> dict[str, dict[str, Answer]]:
    """Method -> experiment -> answer."""
    every = {each.name: each for each in (*train, *test)}
    counters = counters_of(joined(train))
    worst = {name: z_scores(each.history, counters) for name, each in every.items()}
    forest = {name: isolation(each.history, counters, options.seed) for name, each in every.items()}
    found: dict[str, dict[str, Answer]] = {}
    for tested in test:
        others = [each for each in train if each.name != tested.name]
        if not others:
            sys.exit(f"{tested.name}: nothing is left to learn from when it is left out; give other folders to --train")
        answers = {
            "ours": ours(others, tested, options.seed),
            "zscore": thresholded(worst, others, tested),
            "isolation_forest": thresholded(forest, others, tested),
            "prevent_a": published(options.published, "prevent-a", tested),
            "prevent_e": published(options.published, "prevent-e", tested),
        }
        for method, answer in answers.items():
            if answer is not None:
                found.setdefault(method, {})[tested.name] = answer
    return found


def main() -> None:
    """Judge every experiment of --test and print the methods side by side."""
    options = parser(__doc__)
    options.add_argument("--published", type=Path, metavar="DIR", help="PREVENT's answers; default: beside --train")
    options = options.parse_args()
    if not options.train or not options.test:
        sys.exit("lead_time: give folders to --train and to --test")
    beside = options.train[0].parent / "published"
    options.published = options.published or (beside if beside.is_dir() else None)
    train, test = ([read(each) for each in folders] for folders in (options.train, options.test))
    answers = answers_of(train, test, options)
    figures: dict[str, Any] = {**GOALS, "warm_up_min": WARM}
    rows = []
    for method, by_name in answers.items():
        each = {tested.name: scored(tested, by_name[tested.name]) for tested in test if tested.name in by_name}
        whole = summed(each)
        figures |= {f"{method}.{key}": value for key, value in whole.items()}
        figures |= {f"{method}.{name}.{key}": value for name, one in each.items() for key, value in one.items()}
        leads = " ".join(f"{name}:{one['lead_min']}/{one['possible_min']}" for name, one in each.items())
        rows.append(
            [
                method,
                whole["warned_share"],
                whole["false_alarm_share"],
                whole["median_lead_min"],
                whole["least_lead_min"],
                whole.get("first_share", float("nan")),
                whole.get("first_three_share", float("nan")),
                leads,
            ]
        )
    figures |= {f"ours.{key}": value for key, value in kept_word(test, answers["ours"]).items()}
    heads = ("method", "warned", "false alarms", "median lead", "least", "first", "first three", "lead/possible, min")
    print(table(heads, rows))
    keys = ("expected_calibration_error", "brier", "brier_of_base_rate", "base_rate")
    print("ours: " + ", ".join(f"{key} {figures[f'ours.{key}']:.4f}" for key in keys))
    write(options.json, __file__, options, figures)


if __name__ == "__main__":
    main()
