"""Claim: synthetic telemetry of an issue is hard to tell from the real one: AUC at most .75 on nezha and on prevent.

python benchmarks/telemetry.py --train ../shared/data/nezha/* --test ../shared/data/nezha/* --json out.json

A case is a past incident. Its telemetry is synthesised from what lay before it (the last six hours of every series,
incidents that were learned from cut out) and from what other incidents of its kind did (signatures), and compared with
what really followed. Kind, component and length of the test's incidents are read from their labels, but only to make
the windows comparable. Windows are cut from the onset to a few steps after the end, of the stricken component, those
named with it and their direct callers. A classifier (histogram gradient boosting, logistic regression) learns to tell
real from synthetic on the earlier cases and is judged on the later ones; AUC .5 is a coin's, and below .5 is no better.

Folders with many incidents are cut in time: the first 60 % (--share) are learned from, the others are judged. Separate
runs (a few incidents a folder) lend each other their signatures, each left out of its own; the classifier learns on
the earlier half. With --train other than --test, everything of --train is earlier and everything of --test later.

Baselines: gauss (noise around the normal and the catalogue's step), blocks (usual behaviour and no effect), physics
(usual behaviour and the catalogue's effect), copy (the real window itself: the lower bound).
"""

import argparse
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from claims import parser, table, write
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from chaosprsa.faults import CATALOGUE, fault_of_kind
from chaosprsa.history.files import read_history
from chaosprsa.history.frame import History
from chaosprsa.models.bundle import Bundle
from chaosprsa.models.features import extract
from chaosprsa.models.incidents import IncidentModel
from chaosprsa.models.normals import normals_of
from chaosprsa.models.series import wide
from chaosprsa.models.signatures import Signature, signatures_of
from chaosprsa.telemetry import synthesise
from chaosprsa.types import (
    Impact,
    Incident,
    Interval,
    Lineage,
    Severity,
    SimulatedIssue,
    Topology,
    Window,
)

NOW = datetime(2100, 1, 1, tzinfo=UTC)
GOAL = 0.75
RECENT_ROWS, FEWEST_ROWS, OWN_ROWS = 360, 60, 5
REDRAWS = 4  # synthetic windows a real one
AFTER = 3  # steps after the end that belong to a window
MANY = 5  # incidents of a folder that is cut in time
NAMES = (
    "mean",
    "median",
    "standard_deviation",
    "minimum",
    "maximum",
    "mean_change",
    "mean_abs_change",
    "autocorrelation__lag_1",
)
METHODS = ("ours", "physics", "blocks", "gauss", "copy")


@dataclass(frozen=True)
class Run:
    """A folder: its history, and how many of its first incidents are earlier."""

    name: str
    history: History
    topology: Topology
    cut: int
    library: tuple[Signature, ...]


@dataclass(frozen=True)
class Case:
    """One incident of a run."""

    run: Run
    number: int
    later: bool

    @property
    def incident(self) -> Incident:
        return self.run.history.incidents[self.number]


@dataclass(frozen=True)
class Windows:
    """Features, shape (windows, features); which case each is of."""

    features: np.ndarray
    case: np.ndarray


def main() -> None:
    """Measure, print, write."""
    options = _options()
    figures: dict[str, Any] = {"goal.auc": GOAL}
    rows = []
    for group in dict.fromkeys(folder.resolve().parent.name for folder in options.test):
        cases = _cases(
            [folder for folder in options.train if folder.resolve().parent.name == group],
            [folder for folder in options.test if folder.resolve().parent.name == group],
            options.share,
        )
        found = _judged(cases, options.seed)
        for method in METHODS:
            for model, (auc, low, high) in found[method].items():
                figures |= {f"{group}.{method}.{model}.auc": auc, f"{group}.{method}.{model}.low": low}
                figures[f"{group}.{method}.{model}.high"] = high
        figures |= {f"{group}.{key}": value for key, value in found["counts"].items()}
        rows += [
            [group, method, *(f"{a:.3f} ({b:.3f} to {c:.3f})" for a, b, c in found[method].values())]
            for method in METHODS
        ]
        rows.append([group, f"{found['counts']}", "", ""])
    print(table(["data", "telemetry", "gradient boosting", "logistic"], rows))
    write(options.json, __file__, options, figures)


def _options() -> argparse.Namespace:
    found = parser(__doc__ or "")
    found.add_argument("--share", type=float, default=0.6, help="of a folder's incidents that are learned from")
    return found.parse_args()


def _cases(train: Sequence[Path], test: Sequence[Path], share: float) -> list[Case]:
    """In order of time; earlier ones first."""
    same = {folder.resolve() for folder in train} & {folder.resolve() for folder in test}
    folders = dict.fromkeys([*(each.resolve() for each in train), *(each.resolve() for each in test)])
    runs = [_run(folder, share, folder in same, folder in {each.resolve() for each in train}) for folder in folders]
    cases = [Case(run, number, number >= run.cut) for run in runs for number in range(len(run.history.incidents))]
    cases.sort(key=lambda case: case.incident.start)
    few = [case for case in cases if len(case.run.history.incidents) < MANY and case.run.cut]
    if few and same:  # separate runs: the later half is judged
        later = {id(case) for case in few[len(few) // 2 :]}
        cases = [replace(case, later=case.later or id(case) in later) for case in cases]
    return cases


def _run(folder: Path, share: float, both: bool, train: bool) -> Run:
    history = read_history(folder, NOW)
    incidents = tuple(sorted(history.incidents, key=lambda each: each.start))
    count = len(incidents)
    cut = 0 if not train else count if not both or count < MANY else round(count * share)
    topology = history.topology or Topology(services=history.components, entry=history.components[0])
    known = replace(history, incidents=incidents[:cut])
    library = signatures_of(known, topology)
    return Run(f"{folder.parent.name}/{folder.name}", replace(history, incidents=incidents), topology, cut, library)


def _alike(one: Run, other: Run) -> bool:
    """Whether two runs are of one system."""
    a, b = set(one.history.components), set(other.history.components)
    return len(a & b) >= 0.5 * min(len(a), len(b))


def _judged(cases: Sequence[Case], seed: int) -> dict[str, Any]:
    """(AUC, its 5th and 95th percentile) by method and model, and counts."""
    rng = np.random.default_rng(seed)
    parts: dict[str, dict[str, list[tuple[int, np.ndarray]]]] = {name: {"real": [], "made": []} for name in METHODS}
    usable = [(number, case, base) for number, case in enumerate(cases) if (base := _base(case, cases)) is not None]
    metrics = sorted({name for run in {id(c.run): c.run for c in cases}.values() for name in run.history.metric_names})
    length = _window_length([case for _, case, _ in usable])
    for number, case, base in usable:
        bundle = _bundle(case, base, cases)
        table_of = wide(base)
        counters = {key for key, counts in zip(table_of.keys, table_of.counter, strict=True) if counts}
        real = _cut(case.run.history, case, length, bundle, counters, metrics)
        for method in METHODS:
            parts[method]["real"].append((number, real))
            for _ in range(REDRAWS if method != "copy" else 1):
                made = (
                    real
                    if method == "copy"
                    else _cut(_made(method, bundle, case, rng), case, length, bundle, counters, metrics)
                )
                parts[method]["made"].append((number, made))
    later = np.array([case.later for case in cases])
    found: dict[str, Any] = {
        name: _scores(_joined(parts[name]["real"]), _joined(parts[name]["made"]), later, seed) for name in METHODS
    }
    real = _joined(parts["ours"]["real"])
    found["counts"] = {
        "cases": len(usable),
        "judged_cases": sum(case.later for _, case, _ in usable),
        "judged_windows": int(later[real.case].sum()),
        "window_steps": length,
    }
    return found


def _joined(parts: Sequence[tuple[int, np.ndarray]]) -> Windows:
    return Windows(
        _features(np.concatenate([rows for _, rows in parts])),
        np.concatenate([np.full(len(rows), n) for n, rows in parts]),
    )


def _window_length(cases: Sequence[Case]) -> int:
    steps = [_seconds(case) / case.run.history.step_s for case in cases]
    return 8 if np.median(steps) < 12 else 12


def _seconds(case: Case) -> float:
    end = case.incident.likely_end or case.incident.start + timedelta(minutes=5)
    return (end - case.incident.start).total_seconds()


def _base(case: Case, cases: Sequence[Case]) -> History | None:
    """What lay before the case, incidents that were learned from cut out; filled up from other runs of the system."""
    own, start = _of(case.run.history.metrics, case), pd.Timestamp(case.incident.start)
    before = own[(own["timestamp"] < start).to_numpy()]
    rows = before["timestamp"].nunique()
    if rows < OWN_ROWS:
        return None
    known = case.run.history.incidents[: min(case.run.cut, case.number)]
    frames, incidents = [before], list(known)
    others = {
        id(each.run): each.run
        for each in cases
        if each.run is not case.run and each.run.cut and _alike(case.run, each.run)
    }
    for run in others.values():
        if rows >= RECENT_ROWS // 3:
            break
        frames.insert(0, _moved(run, case, start - timedelta(days=len(frames))))
        rows += frames[0]["timestamp"].nunique()
    if rows < FEWEST_ROWS:
        return None
    joined = pd.concat(frames).sort_values(["component", "metric", "timestamp"], kind="stable")
    times = np.sort(joined["timestamp"].unique())[-RECENT_ROWS:]
    recent = joined[(joined["timestamp"] >= times[0]).to_numpy()].reset_index(drop=True)
    return History(metrics=recent, incidents=tuple(incidents), topology=case.run.topology)


def _of(metrics: pd.DataFrame, case: Case) -> pd.DataFrame:
    """The rows of the components that the case touches."""
    return metrics[metrics["component"].isin(_touched(case)).to_numpy()]


def _moved(run: Run, case: Case, end: pd.Timestamp) -> pd.DataFrame:
    """A run's quiet beginning (before its first incident), as if it had ended then."""
    metrics = _of(run.history.metrics, case)
    quiet = metrics[(metrics["timestamp"] < pd.Timestamp(run.history.incidents[0].start)).to_numpy()]
    return quiet.assign(timestamp=quiet["timestamp"] + (end - quiet["timestamp"].max()).floor("1min"))


def _bundle(case: Case, base: History, cases: Sequence[Case]) -> Bundle:
    """What the product would have learned by then."""
    runs = {id(each.run): each.run for each in cases if each.run.cut and _alike(case.run, each.run)}
    start_s = case.incident.start.timestamp()
    library = [each for run in runs.values() for each in run.library if run is not case.run or each.start_s != start_s]
    return Bundle(
        load={},
        incidents=IncidentModel(),
        precursors=None,
        topology=case.run.topology,
        normals=normals_of(base),
        recent=base,
        window=Window(start=base.window.start, end=base.window.end),
        notes=(),
        seed=0,
        signatures=tuple(library),
    )


def _made(method: str, bundle: Bundle, case: Case, rng: np.random.Generator) -> History:
    issue = _issue(case)
    if method == "ours":
        return synthesise(bundle, (issue,), rng)
    if method == "physics":
        return synthesise(replace(bundle, signatures=()), (issue,), rng)
    if method == "gauss":
        empty = History(metrics=bundle.recent.metrics[:0])
        return synthesise(replace(bundle, signatures=(), recent=empty), (issue,), rng)
    nowhere = replace(bundle, signatures=(), topology=Topology(services=("nowhere",), entry="nowhere"))
    return synthesise(nowhere, (replace(issue, components=("nowhere",)),), rng)


def _issue(case: Case) -> SimulatedIssue:
    fault = fault_of_kind(case.incident.kind)
    one = Interval(low=1.0, mid=1.0, high=1.0)
    return SimulatedIssue(
        id="a-case",
        kind=case.incident.kind,
        fault=fault,
        strength=CATALOGUE[fault].typical,
        components=case.incident.components,
        origin=case.incident.start,
        start_s=0.0,
        duration_s=_seconds(case),
        severity=Severity.MAJOR,
        probability=1.0,
        impact=Impact(latency_ratio=one, error_share=Interval(low=0.0, mid=0.0, high=0.0)),
        novelty=0.0,
        evidence=(),
        lineage=Lineage(id="issue-0"),
    )


def _touched(case: Case) -> tuple[str, ...]:
    """The stricken component, those named with it, and direct callers."""
    callers = {edge.caller for edge in case.run.topology.callers(case.incident.component)}
    return tuple(dict.fromkeys((*case.incident.components, *sorted(callers))))


def _cut(
    history: History, case: Case, length: int, bundle: Bundle, counters: set[tuple[str, str]], metrics: Sequence[str]
) -> np.ndarray:
    """The case's windows, shape (windows, length, metrics): distances from the normal, in its spread."""
    step = case.run.history.step_s
    steps = max(length, int(_seconds(case) // step) + AFTER)
    blocks = []
    for component in _touched(case):
        if component not in bundle.normals:
            continue
        own = history.metrics[(history.metrics["component"] == component).to_numpy()]
        own = own[(own["timestamp"] >= pd.Timestamp(case.incident.start)).to_numpy()]
        scale = bundle.normals[component]
        counted = {metric for name, metric in counters if name == component}
        blocks += _tiles(own, case, steps, length, scale, counted, metrics)
    return np.stack(blocks) if blocks else np.empty((0, length, len(metrics)))


def _tiles(
    own: pd.DataFrame, case: Case, steps: int, length: int, scale: Any, counted: set[str], metrics: Sequence[str]
) -> Iterator[np.ndarray]:
    since = (own["timestamp"] - pd.Timestamp(case.incident.start)).dt.total_seconds().to_numpy()
    row = np.floor(since / case.run.history.step_s).astype(int)
    columns = {name: place for place, name in enumerate(metrics)}
    wide = np.full((steps, len(metrics)), np.nan)
    there = (row < steps) & np.isfinite(own["value"].to_numpy())
    wide[row[there], [columns[name] for name in own["metric"].to_numpy()[there]]] = own["value"].to_numpy()[there]
    for place, name in enumerate(metrics):
        if name in scale:
            series = wide[:, place].copy()
            if name in counted:  # since boot: what counts is the increment
                wide[:, place] = np.append(np.nan, np.diff(series))
                continue
            wide[:, place] = np.clip((series - scale[name][0]) / scale[name][1], -1e6, 1e6)
    for first in range(0, steps - length + 1, length):
        yield wide[first : first + length]


def _features(windows: np.ndarray) -> np.ndarray:
    """Shape (windows, metrics x features); gaps are filled for the features, and counted."""
    count, length, _ = windows.shape
    flat = windows.transpose(0, 2, 1).reshape(-1, length)
    filled = pd.DataFrame(flat.T).ffill().bfill().to_numpy().T
    steps = np.diff(flat, axis=1)
    repeated = np.nanmean(np.where(np.isfinite(steps), steps == 0, np.nan), axis=1)
    found = np.column_stack([extract(np.ascontiguousarray(filled), NAMES), np.isnan(flat).mean(axis=1), repeated])
    return found.reshape(count, -1)


def _scores(real: Windows, made: Windows, later: np.ndarray, seed: int) -> dict[str, tuple[float, float, float]]:
    features = np.vstack([real.features, made.features])
    label = np.append(np.ones(len(real.features)), np.zeros(len(made.features)))
    case = np.append(real.case, made.case)
    weight = np.where(label == 1, len(made.features) / max(len(real.features), 1), 1.0)
    train, test = ~later[case], later[case]
    with np.errstate(all="ignore"):
        told = np.nanmax(features[train], axis=0) > np.nanmin(features[train], axis=0)
    features = features[:, told]
    models = {
        "boosting": HistGradientBoostingClassifier(
            max_iter=80, learning_rate=0.1, max_leaf_nodes=15, min_samples_leaf=10, max_features=0.3, random_state=seed
        ),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=500)),
    }
    found = {}
    for name, model in models.items():
        x = features if name == "boosting" else np.sign(features) * np.log1p(np.abs(np.nan_to_num(features)))
        x = np.nan_to_num(x) if name == "logistic" else x
        key = "sample_weight" if name == "boosting" else "logisticregression__sample_weight"
        model.fit(x[train], label[train], **{key: weight[train]})
        answer = model.predict_proba(x[test])[:, 1]
        found[name] = _interval(label[test], answer, case[test], seed)
    return found


def _interval(label: np.ndarray, answer: np.ndarray, case: np.ndarray, seed: int) -> tuple[float, float, float]:
    """AUC, and its 5th and 95th percentile when cases are drawn again (cluster bootstrap)."""
    rng = np.random.default_rng(seed)
    rows = {number: np.flatnonzero(case == number) for number in np.unique(case)}
    drawn = []
    for _ in range(100):
        picked = np.concatenate([rows[number] for number in rng.choice(list(rows), len(rows))])
        drawn.append(roc_auc_score(label[picked], answer[picked]))
    low, high = np.quantile(drawn, [0.05, 0.95])
    return float(roc_auc_score(label, answer)), float(low), float(high)


if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)  # means of windows without a sample are NaN, and meant
    main()
