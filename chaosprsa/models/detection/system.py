"""Since when something is wrong in a system: every series scored causally, one alarm for one fault.

A series is compared with the median of its last hour, which follows the day's course and isn't moved by a fault of
minutes; how far it is off becomes a chance by its own tail in normal time. A component speaks by its most surprised
metric, twice within three samples, so that one odd sample is no alarm. The threshold is where normal time, extended by
an exponential tail, alarms as often as stated. The onset is traced back from the alarm to where the surprise began.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np
import numpy.typing as npt

from chaosprsa.history.frame import History
from chaosprsa.models.detection.kernels import off_median, tail_surprise
from chaosprsa.models.detection.signals import shown, signal_of
from chaosprsa.models.normals import quiet_rows

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Key = tuple[str, str]  # component or edge, metric
LEAST_STEP_MS = 30_000  # nothing is decided faster; finer samples are averaged
SPAN_MS = 3_600_000  # of the median
LEAST_SPAN, MOST_SPAN = 12, 120  # samples
FEWEST = 12  # samples before a series says anything
KEPT = 1_440  # normal samples of each series that are remembered: a day of minutes
CEILING = 12.0  # decades
DEFAULT_THRESHOLD = 3.5  # decades, twice: where no normal time is known


@dataclass(frozen=True, eq=False)
class Evidence:
    """times_ms: shape (T,), grid times at which there are samples. surprise: shape (T, S), decades, + above usual.

    samples: shape (T, S), their values, NaN where there is none.
    """

    times_ms: IntArray
    step_ms: int
    keys: tuple[Key, ...]
    samples: FloatArray
    surprise: FloatArray

    @property
    def bad(self) -> FloatArray:
        """Shape (T, S): weighted decades in the direction that is bad, at least 0."""
        signals = [signal_of(metric) for _, metric in self.keys]
        direction = np.array([signal.bad for signal in signals])
        weight = np.array([signal.weight for signal in signals])
        turned = np.where(direction == 0, np.abs(self.surprise), np.maximum(self.surprise * direction, 0.0))
        return np.asarray(turned * weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """start: since when. raised: when it could be told. end: None while it is on. score: the loudest's decades."""

    start: datetime
    raised: datetime
    end: datetime | None
    component: str
    score: float


@dataclass(frozen=True, eq=False, kw_only=True)
class SystemDetector:
    """normal: series -> its last samples in normal time, oldest first. threshold: decades that make an alarm.

    normal_h: hours of normal time that the threshold was learned from.
    """

    normal: Mapping[Key, FloatArray] = field(default_factory=dict)
    threshold: float = DEFAULT_THRESHOLD
    normal_h: float = 0.0
    notes: tuple[str, ...] = ()

    def fit(self, history: History, false_alarms_per_hour: float = 0.5) -> Self:
        """Learn what is normal, and the threshold, from the times without incidents, and well apart from them."""
        quiet = History(metrics=history.metrics[_calm_rows(history)].reset_index(drop=True))
        evidence = type(self)().evidence(quiet)
        normal = {}
        for place, key in enumerate(evidence.keys):
            column = evidence.samples[:, place]
            normal[key] = column[np.isfinite(column)][-KEPT:]
        threshold, hours, note = _threshold(evidence, false_alarms_per_hour)
        return type(self)(normal=normal, threshold=threshold, normal_h=hours, notes=(note,))

    def evidence(self, history: History) -> Evidence:
        """How surprising each sample is, given normal time and the samples before it."""
        times, step, keys, values = gridded(history)
        span = int(np.clip(SPAN_MS // step, LEAST_SPAN, MOST_SPAN))
        surprise = np.zeros(values.shape)
        for place, key in enumerate(keys):
            before = self.normal.get(key, np.empty(0))
            surprise[:, place] = _signed(values[:, place], before, span, _material(key[1]))
        return Evidence(times, step, keys, values, surprise)

    def detect(self, history: History) -> tuple[Alarm, ...]:
        """The alarms of a history, in order; the last has no end where it is still on."""
        return self.alarms(self.evidence(history))

    def alarms(self, evidence: Evidence) -> tuple[Alarm, ...]:
        """A component is on until twice in a row under the threshold; what begins soon after joins the alarm."""
        names, loud = by_component(evidence)
        firm = twice(loud)
        spells = [spell for at in range(len(names)) for spell in self._spells(evidence, loud, firm, at)]
        spells.sort(key=lambda spell: (spell.raised, -spell.score, spell.component))
        together = max(TOGETHER_MS, 3 * evidence.step_ms)
        found: list[tuple[_Spell, int]] = []  # the first spell of each alarm, and where the last of it ends
        for spell in spells:
            if found and evidence.times_ms[spell.raised] - evidence.times_ms[found[-1][0].raised] <= together:
                first, end = found[-1]
                found[-1] = first, max(end, spell.end)
            else:
                found.append((spell, spell.end))
        return tuple(_alarm(evidence, names, first, end) for first, end in found)

    def _spells(self, evidence: Evidence, loud: FloatArray, firm: FloatArray, at: int) -> Iterator["_Spell"]:
        """When one component is on: places of onset, raising and end (len(times): it still is)."""
        scores = firm[:, at]
        gaps = np.diff(evidence.times_ms, prepend=evidence.times_ms[:1]) > GAP_STEPS * evidence.step_ms
        i = 0
        while i < len(scores):
            if scores[i] < self.threshold:
                i += 1
                continue
            end = i
            while end < len(scores) and scores[end : end + 2].max() >= self.threshold and not (end > i and gaps[end]):
                end += 1
            least = max(BEGUN * self.threshold, 0.5 * float(scores[i]))
            onset = _onset(gaps, loud[:, at], i, least)
            yield _Spell(onset, i, end, at, float(scores[i:end].max()))
            i = end


@dataclass(frozen=True, slots=True)
class _Spell:
    onset: int
    raised: int
    end: int
    component: int
    score: float


GAP_STEPS = 4  # a longer gap ends an alarm: nobody knows whether it went on
BEGUN = 0.7  # of the threshold: what a sample just before an alarm has where the fault was on already
TOGETHER_MS = 300_000  # what other components show within this joins an alarm
APART = timedelta(hours=1)  # what is near an incident may be its beginning, its end, or one that nobody wrote down
FURTHEST = 30  # samples that an onset may lie before its alarm


def _calm_rows(history: History) -> npt.NDArray[np.bool_]:
    """Shape (rows,): at least `APART` from any incident, where that leaves enough; else outside incidents."""
    ends = [(each.start - APART, (each.likely_end or each.start) + APART) for each in history.incidents]
    wide = tuple(
        replace(each, start=start, end=end, impact_start=None, end_estimated=None)
        for each, (start, end) in zip(history.incidents, ends, strict=True)
    )
    calm = quiet_rows(replace(history, incidents=wide))
    return quiet_rows(history) if calm.all() else calm


def gridded(history: History) -> tuple[IntArray, int, tuple[Key, ...], FloatArray]:
    """Times that have samples, the step in milliseconds, the series, and their values, shape (T, S), averaged."""
    rows = history.metrics
    step = max(round(history.step_s * 1000), LEAST_STEP_MS)
    if not len(rows):
        return np.empty(0, np.int64), step, (), np.empty((0, 0))
    millis = rows["timestamp"].dt.tz_convert(None).to_numpy().astype("datetime64[ms]").astype(np.int64)
    times, at = np.unique(millis // step, return_inverse=True)
    groups = rows.groupby(["component", "metric"], sort=True, observed=True)
    column = groups.ngroup().to_numpy()
    keys = tuple((str(name[0]), str(name[1])) for name in groups.size().index)
    sums, counts = np.zeros((len(times), len(keys))), np.zeros((len(times), len(keys)))
    np.add.at(sums, (at, column), rows["value"].to_numpy(dtype=float))
    np.add.at(counts, (at, column), 1.0)
    with np.errstate(invalid="ignore"):
        values = np.where(counts > 0, sums / counts, np.nan)
    return times * step, step, keys, values


def _signed(values: FloatArray, before: FloatArray, span: int, material: float) -> FloatArray:
    """Decades of improbability, + where a sample is above its median. Logarithms where a series is never negative."""
    whole = np.concatenate([before, values])
    known = whole[np.isfinite(whole)]
    first = known[: max(len(before), FEWEST)]
    if len(first) < FEWEST:
        return np.zeros(len(values))
    before = _rebased(before, values, span)
    whole = np.concatenate([before, values])
    middle = float(np.median(first))
    scale = max(middle, float(np.quantile(first, 0.9))) * 0.1
    logarithmic = bool(known.min() >= 0 and scale > 0)
    if logarithmic:
        whole = np.log(np.maximum(whole, 0.0) + scale)
    off = off_median(whole, span, 1, FEWEST // 2)
    usual = np.abs(off[: max(len(before), 2 * FEWEST)])
    usual = usual[np.isfinite(usual)]
    spread = 1.4826 * float(np.median(usual)) if len(usual) else 0.0
    sizes = np.abs(off) + max(0.5 * spread, material * (1.0 if logarithmic else max(abs(middle), 1e-9)))
    decades = tail_surprise(sizes, FEWEST, 0.02, 0.1, CEILING)
    signed = np.where(np.isfinite(off), np.sign(off) * decades, 0.0)
    return np.asarray(signed[len(before) :])


def _rebased(before: FloatArray, values: FloatArray, span: int) -> FloatArray:
    """Normal time at the level at which the record begins, where it begins outside all that was normal lately.

    Between two records a pod may have moved, and its memory and its node with it: that is no fault of now.
    """
    first = values[np.isfinite(values)][:2]
    if not len(before) or len(first) < 2:
        return before
    recent = before[-span:]
    low, high = float(recent.min()), float(recent.max())
    slack = 0.5 * (high - low)
    if (first > high + slack).all() or (first < low - slack).all():
        return np.asarray(before + (float(first.mean()) - float(np.median(recent))))
    return before


def _material(metric: str) -> float:
    """The relative change that begins to matter: half a percent of good answers, a twentieth of anything else."""
    return 0.005 if signal_of(metric).bad < 0 else 0.05


def by_component(evidence: Evidence) -> tuple[tuple[str, ...], FloatArray]:
    """The components, and the loudest bad decades of each at each time, shape (T, components); edges are callees'."""
    owners = [shown(component) for component, _ in evidence.keys]
    names = tuple(sorted(set(owners)))
    loud = np.zeros((len(evidence.times_ms), len(names)))
    bad = evidence.bad
    for place, owner in enumerate(owners):
        at = names.index(owner)
        np.maximum(loud[:, at], bad[:, place], out=loud[:, at])
    return names, loud


def twice(loud: FloatArray) -> FloatArray:
    """The second largest of each three samples in a row, shape as given: what one odd sample doesn't move."""
    padded = np.concatenate([np.zeros((2, loud.shape[1])), loud])
    three = np.stack([padded[:-2], padded[1:-1], padded[2:]])
    return np.asarray(np.sort(three, axis=0)[1])


def _threshold(evidence: Evidence, per_hour: float) -> tuple[float, float, str]:
    """What the highest of all components reaches `per_hour` times an hour of normal time, by an exponential tail.

    And the hours that it was learned from, and both in words.
    """
    names, loud = by_component(evidence)
    warm = len(evidence.times_ms) // 4  # the first quarter only fills the tails
    if not len(names) or len(evidence.times_ms) - warm < 2 * FEWEST:
        return (
            DEFAULT_THRESHOLD,
            0.0,
            f"too little normal time for a threshold of its own: {DEFAULT_THRESHOLD:g} decades",
        )
    highest = twice(loud)[warm:].max(axis=1)
    hours = len(highest) * evidence.step_ms / 3.6e6
    peaks = _peaks(highest)
    start = float(np.quantile(peaks, 0.8))
    beyond = peaks[peaks >= start] - start
    mean = max(
        float(np.median(beyond)) / np.log(2.0), 0.05
    )  # of an exponential; what nobody wrote down moves it little
    threshold = start + mean * float(np.log(max(len(beyond) / hours / per_hour, 1.0)))
    threshold = max(threshold, 1.0)
    note = f"threshold {threshold:.2f} decades: {per_hour:g} false alarms an hour, from {hours:.1f} h of normal time"
    return threshold, hours, note


def _peaks(highest: FloatArray, apart: int = 5) -> FloatArray:
    """The highest of each few samples, so that neighbours count once."""
    pieces = [highest[i : i + apart].max() for i in range(0, len(highest), apart)]
    return np.array(pieces)


def _onset(gaps: npt.NDArray[np.bool_], loud: FloatArray, raised: int, least: float) -> int:
    """The first of the samples before the alarm that are at least `least`, one that isn't forgiven between two."""
    onset = raised
    for i in range(raised, max(0, raised - FURTHEST) - 1, -1):
        if loud[i] >= least:
            onset = i
        if gaps[i] or (loud[i] < least and loud[max(i - 1, 0)] < least and i < raised):
            break
    return onset


def _alarm(evidence: Evidence, names: tuple[str, ...], first: _Spell, end: int) -> Alarm:
    times = evidence.times_ms
    return Alarm(
        start=_time(times[first.onset]),
        raised=_time(times[first.raised] + evidence.step_ms),
        end=_time(times[end - 1] + evidence.step_ms) if end < len(times) else None,
        component=names[first.component],
        score=first.score,
    )


def _time(millis: int) -> datetime:
    return datetime.fromtimestamp(int(millis) / 1000, UTC)
