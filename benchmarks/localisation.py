"""Claim: which component began a fault: nezha/2022-08-22 top-1 >= .75, top-3 >= .9, at most 1 false alarm an hour.

python benchmarks/localisation.py --train DIR... --test DIR... --json out.json

Normal time. A test folder's comes from the --train folders of the same system (half its series or more). A folder that
is in both is cut in time by rule: the later half of what lies more than an hour after its last incident is normal time,
and it is tested on the rest; where less than a quarter lies there, normal time is what lies before its first incident.
Labels of a folder that is only in --test are read for scoring alone, and every detector sees the past of a sample and
nothing later.

Two protocols. `given`: the fault's start is told, and the components are ranked by the 5 minutes (3 samples) after it.
`found`: the detector's own alarms; a component is ranked two samples after the alarm. An alarm belongs to the latest
fault that began before it and ended, by the label or the estimate, 15 minutes where there is none, at most a grace (5
minutes, 3 samples) before it; any other alarm is false, and each counts. A fault without an alarm is a miss in top-1
and top-3 of `found`. `visible` faults are those whose component, or a call edge into it, has a series beyond 3 robust
standard deviations of the hour before (NOTE.md's rule); what code faults show in metrics bounds what can be had.

Baselines, on the same windows and the same alarms: z-score (mean and deviation of the hour before), BARO-like (Pham et
al. 2024: largest |x - median| / IQR of the window against that before) and a random walk (MonitorRank, MicroRCA:
personalised PageRank on the call graph). They are given call edges as their callees', as ours is. The z-score rule
also makes alarms of its own, with a threshold for the same stated rate of false alarms in the same normal time.
"""

import json
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from claims import parser, table, write

from chaosprsa.faults import fault_of_kind
from chaosprsa.history.files import read_history
from chaosprsa.history.frame import COLUMNS, History
from chaosprsa.models.detection.location import suspects
from chaosprsa.models.detection.signals import EDGE, shown
from chaosprsa.models.detection.system import Alarm, Evidence, SystemDetector
from chaosprsa.types import Fault, Incident

FloatArray = npt.NDArray[np.float64]
Ranking = Sequence[str]
RATE = 1.0  # false alarms an hour that thresholds are set for: the goal's own
AFTER = timedelta(hours=1)
UNKNOWN = timedelta(minutes=15)
MINUTES_5 = 300_000
HOUR = 3_600_000


@dataclass(frozen=True, eq=False)
class Case:
    """A folder to test: its part to test, its normal time, and what a component is scored as (a pod: its service)."""

    name: str
    test: History
    normal: History | None
    service: Mapping[str, str]

    def scored(self, component: str) -> str:
        """The name that counts."""
        return self.service.get(component, component)

    def truth(self, incident: Incident) -> frozenset[str]:
        """The components any of which is right."""
        return frozenset(self.scored(each) for each in incident.components)


def name_of(folder: Path) -> str:
    """The data set and the day or run."""
    return f"{folder.resolve().parent.name}/{folder.resolve().name}"


def read(folder: Path) -> History:
    """A folder in the normal form, with the parts that lie months apart: reading takes those for a clock's jump."""
    history = read_history(folder, datetime.now(UTC))
    whole = folder / "metrics.parquet"
    rows = pd.read_parquet(whole, columns=list(COLUMNS)) if whole.exists() else history.metrics
    if len(rows) <= 1.05 * len(history.metrics):
        return history
    rows = rows[np.isfinite(rows["value"].to_numpy(dtype=float))].sort_values(["component", "metric", "timestamp"])
    return History(rows.reset_index(drop=True), incidents=history.incidents, topology=history.topology)


def part(history: History, start: datetime | None, end: datetime | None) -> History:
    """The metrics from start until end; None: open. Incidents that begin inside."""
    times = history.metrics["timestamp"]
    kept = np.ones(len(times), dtype=bool)
    kept &= (times >= start).to_numpy() if start else True
    kept &= (times < end).to_numpy() if end else True
    inside = tuple(
        each for each in history.incidents if (not start or each.start >= start) and (not end or each.start < end)
    )
    return replace(history, metrics=history.metrics[kept].reset_index(drop=True), incidents=inside)


def cut(history: History) -> tuple[History, History | None]:
    """(the part to test, normal time of the same folder or None), by the rule of this program's docstring."""
    if not history.incidents:
        return history, None
    last = max(each.likely_end or each.start + UNKNOWN for each in history.incidents) + AFTER
    after = part(history, last, None)
    if len(after.metrics) >= 0.25 * len(history.metrics):
        middle = after.window.start + (after.window.end - after.window.start) / 2
        return part(history, None, middle), part(history, middle, None)
    first = min(each.start for each in history.incidents)
    before = part(history, None, first)
    enough = len(before.grid) >= 60
    return (part(history, first, None), before) if enough else (history, None)


def cases(train: Sequence[Path], test: Sequence[Path]) -> list[Case]:
    """Each test folder with its normal time."""
    known = {folder.resolve(): read(folder) for folder in {*train, *test}}
    found = []
    for folder in test:
        history = known[folder.resolve()]
        own: History | None = None
        if folder.resolve() in {each.resolve() for each in train}:
            history, own = cut(history)
        parts = [own] if own is not None else []
        if own is None:
            others = [known[each.resolve()] for each in train if each.resolve() != folder.resolve()]
            parts = [other for other in others if alike(other, history)]
        services = folder / "services.json"
        names = json.loads(services.read_text(encoding="utf-8")) if services.exists() else {}
        found.append(Case(name_of(folder), history, joined(parts), names))
    return found


def alike(one: History, other: History) -> bool:
    """The same system: half the smaller one's series are the other's too."""
    mine, theirs = (
        set(map(tuple, each.metrics[["component", "metric"]].drop_duplicates().to_numpy())) for each in (one, other)
    )
    return len(mine & theirs) >= 0.5 * min(len(mine), len(theirs))


def joined(parts: Sequence[History]) -> History | None:
    """Several as one."""
    if not parts:
        return None
    rows = pd.concat([each.metrics for each in parts]).sort_values(
        ["component", "metric", "timestamp"], ignore_index=True
    )
    rows = rows.drop_duplicates(["component", "metric", "timestamp"], keep="last", ignore_index=True)
    return History(metrics=rows, incidents=tuple(incident for each in parts for incident in each.incidents))


def apart(evidence: Evidence, start_ms: int, until_ms: int, back_ms: int, *, robust: bool) -> FloatArray:
    """Each series' largest distance in the window from the time before, in its spread. Shape (S,)."""
    times = evidence.times_ms
    now = np.asarray(evidence.samples)[(times >= start_ms) & (times <= until_ms)]
    earlier = np.flatnonzero(times < start_ms)
    near = earlier[times[earlier] >= start_ms - back_ms]
    before = np.asarray(evidence.samples)[near if len(near) >= 3 else earlier[-5:]]
    found = np.zeros(len(evidence.keys))
    for place in range(len(found)):
        was, is_ = (side[:, place][np.isfinite(side[:, place])] for side in (before, now))
        if len(was) < 2 or not len(is_):
            continue
        low, middle, high = np.quantile(was, [0.25, 0.5, 0.75])
        centre, spread = (middle, high - low) if robust else (was.mean(), was.std())
        spread = max(float(spread), 0.01 * abs(float(centre)), 1e-9)
        found[place] = np.abs(is_ - centre).max() / spread
    return found


def loudest(evidence: Evidence, distances: FloatArray) -> dict[str, float]:
    """Component -> its most distant series."""
    found: dict[str, float] = defaultdict(float)
    for (component, _), distance in zip(evidence.keys, distances, strict=True):
        found[shown(component)] = max(found[shown(component)], float(distance))
    return found


def z_score(case: Case, evidence: Evidence, start_ms: int, until_ms: int) -> Ranking:
    """Ranked by the largest z against the hour before."""
    scores = loudest(evidence, apart(evidence, start_ms, until_ms, HOUR, robust=False))
    return ranked(case, scores)


def baro(case: Case, evidence: Evidence, start_ms: int, until_ms: int) -> Ranking:
    """Ranked by the largest robust distance against the ten minutes before (five samples at least)."""
    back = max(600_000, 5 * evidence.step_ms)
    return ranked(case, loudest(evidence, apart(evidence, start_ms, until_ms, back, robust=True)))


def random_walk(case: Case, evidence: Evidence, start_ms: int, until_ms: int) -> Ranking:
    """Personalised PageRank: towards callees by how odd they are, back by less, staying where it is odd."""
    back = max(600_000, 5 * evidence.step_ms)
    odd = {
        name: float(np.log1p(score))
        for name, score in loudest(evidence, apart(evidence, start_ms, until_ms, back, robust=True)).items()
    }
    names = sorted(odd)
    place = {name: i for i, name in enumerate(names)}
    weights = np.array([odd[name] + 1e-6 for name in names])
    calls = [(edge.caller, edge.callee) for edge in case.test.topology.edges] if case.test.topology else []
    calls += [(caller, callee) for name, _ in evidence.keys for caller, mark, callee in [name.partition(EDGE)] if mark]
    walk = np.zeros((len(names), len(names)))
    for caller, callee in set(calls):
        if caller in place and callee in place:
            a, b = place[caller], place[callee]
            walk[a, b] += weights[b]
            walk[b, a] += 0.3 * weights[a]
    walk[np.arange(len(names)), np.arange(len(names))] = np.maximum(weights - walk.max(axis=1), 0.0)
    sums = walk.sum(axis=1, keepdims=True)
    walk = np.where(sums > 0, walk / np.where(sums > 0, sums, 1.0), weights / weights.sum())
    rank = weights / weights.sum()
    for _ in range(100):
        rank = 0.85 * rank @ walk + 0.15 * weights / weights.sum()
    return ranked(case, dict(zip(names, rank.tolist(), strict=True)))


def ranked(case: Case, scores: Mapping[str, float]) -> Ranking:
    """Highest first, each scored name once."""
    order = sorted(scores, key=lambda name: (-scores[name], name))
    return list(dict.fromkeys(case.scored(name) for name in order))


def ours(case: Case, evidence: Evidence, start_ms: int, until_ms: int) -> tuple[Ranking, Fault | None]:
    """The product's ranking, and the kind it says of its first."""
    found = suspects(evidence, start_ms, until_ms, case.test.topology, most=len(evidence.keys))
    ranking = list(dict.fromkeys(case.scored(each.component) for each in found))
    return ranking, found[0].fault if found else None


PEERS: Mapping[str, Callable[[Case, Evidence, int, int], Ranking]] = {
    "zscore": z_score,
    "baro": baro,
    "random_walk": random_walk,
}


def millis(time: datetime) -> int:
    """Since 1970."""
    return round(time.timestamp() * 1000)


def grace(evidence: Evidence) -> timedelta:
    """How long after its end a fault may still be told."""
    return timedelta(milliseconds=max(MINUTES_5, 3 * evidence.step_ms))


def matched(case: Case, evidence: Evidence, alarms: Sequence[Alarm]) -> tuple[dict[int, Alarm], int]:
    """Incident -> its first alarm, and how many alarms are false."""
    found: dict[int, Alarm] = {}
    false = 0
    for alarm in alarms:
        begun = [
            number
            for number, each in enumerate(case.test.incidents)
            if each.start <= alarm.raised <= (each.likely_end or each.start + UNKNOWN) + grace(evidence)
        ]
        if not begun:
            false += 1
        else:
            found.setdefault(max(begun, key=lambda number: case.test.incidents[number].start), alarm)
    return found, false


def z_alarms(case: Case, evidence: Evidence, step_back: int = 60) -> list[Alarm]:
    """The z-score rule's own alarms: any series beyond a threshold set on normal time for the same stated rate."""

    def highest(of: Evidence) -> FloatArray:
        rows = pd.DataFrame(of.samples)
        past = rows.shift(1).rolling(step_back, min_periods=12)
        spread = np.maximum(past.std().to_numpy(), np.maximum(0.01 * np.abs(past.mean().to_numpy()), 1e-9))
        z = np.abs((rows.to_numpy() - past.mean().to_numpy()) / spread)
        return np.nan_to_num(z, nan=0.0).max(axis=1)

    threshold = 3.0
    if case.normal is not None:
        calm = SystemDetector().evidence(case.normal)
        usual = np.sort(highest(calm))
        hours = len(usual) * calm.step_ms / HOUR
        threshold = max(3.0, float(usual[-max(1, min(len(usual), round(RATE * hours)))]))
    odd = highest(evidence)
    found: list[Alarm] = []
    for i in np.flatnonzero(odd > threshold):
        time = datetime.fromtimestamp((int(evidence.times_ms[i]) + evidence.step_ms) / 1000, UTC)
        if not found or time - found[-1].raised > timedelta(minutes=5):
            found.append(Alarm(start=time, raised=time, end=time, component="", score=float(odd[i])))
    return found


def top(rank: Ranking, truth: frozenset[str], most: int) -> bool:
    """Whether one of the first is right."""
    return bool(truth & set(rank[:most]))


def measure(case: Case) -> tuple[dict[str, float], list[tuple[str, ...]]]:
    """All figures of one folder, and a row a kind."""
    detector = SystemDetector().fit(case.normal, RATE) if case.normal is not None else SystemDetector()
    evidence = detector.evidence(case.test)
    alarms = detector.alarms(evidence)
    found, false = matched(case, evidence, alarms)
    hours = len(evidence.times_ms) * evidence.step_ms / HOUR
    span = max(MINUTES_5, 3 * evidence.step_ms)
    incidents = case.test.incidents
    hits: dict[str, list[bool]] = defaultdict(list)
    kinds: dict[str, list[tuple[bool, bool, bool, bool]]] = defaultdict(list)
    delays = []
    for number, incident in enumerate(incidents):
        truth, start = case.truth(incident), millis(incident.start)
        rank, fault = ours(case, evidence, start + 1, start + span)
        right_kind = fault is fault_of_kind(incident.kind)
        visible = _visible(case, evidence, start, span, truth)
        score(hits, "ours.given", rank, truth, visible=visible)
        hits["ours.given.kind"].append(right_kind)
        hits["visible"].append(visible)
        for name, peer in PEERS.items():
            score(hits, f"{name}.given", peer(case, evidence, start + 1, start + span), truth, visible=visible)
        alarm = found.get(number)
        late: Ranking = []
        if alarm is not None:
            begun, until = millis(alarm.start), millis(alarm.raised) + 2 * evidence.step_ms
            late, told = ours(case, evidence, begun, until)
            hits["ours.found.kind"].append(told is fault_of_kind(incident.kind))
            delays.append((alarm.raised - incident.start).total_seconds())
            for name, peer in PEERS.items():
                score(hits, f"{name}.found", peer(case, evidence, begun, until), truth, visible=visible)
        else:
            for name in PEERS:
                score(hits, f"{name}.found", [], truth, visible=visible)
        score(hits, "ours.found", late, truth, visible=visible)
        hits["ours.found.recall"].append(alarm is not None)
        kinds[incident.kind].append((visible, top(rank, truth, 1), alarm is not None, top(late, truth, 1)))
    plain, plain_false = matched(case, evidence, z_alarms(case, evidence))
    figures = {key: float(np.mean(given)) if given else float("nan") for key, given in hits.items()}
    figures |= {
        "incidents": len(incidents),
        "hours": hours,
        "threshold": detector.threshold,
        "has_normal": float(case.normal is not None),
        "ours.found.false_alarms_per_hour": false / hours if hours else float("nan"),
        "ours.found.median_delay_s": float(np.median(delays)) if delays else float("nan"),
        "zscore.alarms.recall": len(plain) / max(len(incidents), 1),
        "zscore.alarms.false_alarms_per_hour": plain_false / hours if hours else float("nan"),
    }
    rows = [
        (case.name, kind, str(len(given)), *(f"{sum(column)}" for column in zip(*given, strict=True)))
        for kind, given in sorted(kinds.items())
    ]
    return figures, rows


def score(hits: dict[str, list[bool]], key: str, rank: Ranking, truth: frozenset[str], *, visible: bool) -> None:
    """Top-1 and top-3, of all and of the visible ones."""
    for most in (1, 3):
        hits[f"{key}.top{most}"].append(top(rank, truth, most))
        if visible:
            hits[f"{key}.visible_top{most}"].append(top(rank, truth, most))


def _visible(case: Case, evidence: Evidence, start: int, span: int, truth: frozenset[str]) -> bool:
    """A series of the component, its median in the window, beyond 3 robust deviations of the hour before."""
    times = evidence.times_ms
    before = evidence.samples[(times < start) & (times >= start - HOUR)]
    now = evidence.samples[(times > start) & (times <= start + span)]
    for place, (component, _) in enumerate(evidence.keys):
        if case.scored(shown(component)) not in truth:
            continue
        was, is_ = (side[:, place][np.isfinite(side[:, place])] for side in (before, now))
        if len(was) < 2 or not len(is_):
            continue
        middle = float(np.median(was))
        spread = max(1.4826 * float(np.median(np.abs(was - middle))), 0.01 * abs(middle), 1e-9)
        if abs(float(np.median(is_)) - middle) / spread > 3:
            return True
    return False


def in_words(name: str, figures: Mapping[str, float]) -> str:
    """A folder's detection in three lines."""
    say: dict[str, str] = defaultdict(lambda: "-", {key: f"{value:.2f}" for key, value in figures.items()})
    rate = say["ours.found.false_alarms_per_hour"]
    lines = [
        (
            f"{name}: recall {say['ours.found.recall']}, {rate} false alarms an hour over "
            f"{say['hours']} h, median delay {say['ours.found.median_delay_s']} s"
        ),
        (
            f"  threshold {say['threshold']}; kind right {say['ours.given.kind']} (start given), "
            f"{say['ours.found.kind']} (found); visible {say['visible']}, "
            f"of these top-1 {say['ours.given.visible_top1']}"
        ),
        (
            f"  the z-score rule's own alarms: recall {say['zscore.alarms.recall']}, "
            f"{say['zscore.alarms.false_alarms_per_hour']} false an hour"
        ),
    ]
    return "\n".join(lines)


def main(options: Namespace) -> None:
    """Read, measure, print, write."""
    figures: dict[str, float] = {
        "goal.nezha/2022-08-22.top1": 0.75,
        "goal.nezha/2022-08-22.top3": 0.9,
        "goal.nezha/2022-08-22.false_alarms_per_hour": 1.0,
    }
    rows, kinds = [], []
    for case in cases(options.train or (), options.test):
        measured, more = measure(case)
        figures |= {f"{case.name}.{key}": value for key, value in measured.items()}
        kinds += more
        for method in ("ours", *PEERS):
            tops = [
                measured.get(f"{method}.{protocol}.top{most}", float("nan"))
                for protocol in ("given", "found")
                for most in (1, 3)
            ]
            rows.append((case.name, int(measured["incidents"]), method, *tops))
        print(in_words(case.name, measured))
    print(table(("folder", "faults", "method", "given top-1", "top-3", "found top-1", "top-3"), rows))
    print(table(("folder", "kind", "faults", "visible", "given top-1", "alarm", "found top-1"), kinds))
    write(options.json, __file__, options, figures)


if __name__ == "__main__":
    assert __doc__ is not None
    main(parser(__doc__).parse_args())
