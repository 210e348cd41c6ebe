"""What went wrong lately, as features: of the component itself, its neighbours in the call graph, and all others.

Incidents come in bursts, so that the last ones tell of the next (self-excitation: Hawkes 1971). A count fades by
exp(-age / span): a span of an hour tells a burst, of a day a bad week. Only what a person at the time could know is
counted: an onset or an end if it lies before the time, a length if the end does. Nothing older than REACH counts, so
that a history of the last REACH tells the same as a whole one. Alerts come into a history as incidents, so they count;
those of severity warning are counted apart, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from chaosprsa.models.moves import neighbours_of
from chaosprsa.types import Incident, Severity, Topology

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
REACH = timedelta(days=3)
SPANS_H = (1, 6, 24)
UNKNOWN_LENGTH = timedelta(minutes=30)  # how long an incident without an end is taken to last
RECENCY = (
    *(f"onsets_{span}h" for span in SPANS_H),
    *(f"minutes_{span}h" for span in SPANS_H),
    "since_onset_h",
    "since_end_h",
    "last_length_min",
    "warnings_6h",
    *(f"{whose}.onsets_{span}h" for whose in ("neighbours", "others") for span in SPANS_H),
    "neighbours.lasting",
    "others.lasting",
)
_HOUR_MS, _MINUTE_MS = 3_600_000, 60_000


@dataclass(frozen=True, slots=True)
class _Events:
    """Of one component, UTC milliseconds: onsets and ends, each rising; the lengths in the order of the ends."""

    onsets: IntArray
    warnings: IntArray
    ends: IntArray
    lengths_min: FloatArray


def recency(
    incidents: Sequence[Incident], topology: Topology | None, components: Sequence[str], times_ms: IntArray
) -> FloatArray:
    """RECENCY's features at UTC milliseconds, shape (components, times, features). No incidents: all was calm."""
    named = _by_component(incidents)
    names = [*components, *sorted(set(named) - set(components))]
    none = _events(())
    events = [_events(named[name]) if name in named else none for name in names]
    apart = {id(each): each for each in events}  # most share none's
    every = {key: (_onsets(each, times_ms), _own(each, times_ms)) for key, each in apart.items()}
    onsets = np.array([every[id(each)][0] for each in events])
    lasting = np.array([_before(each.onsets, times_ms) - _before(each.ends, times_ms) for each in events], dtype=float)
    counted = np.concatenate([onsets.reshape(len(names), len(times_ms), len(SPANS_H)), lasting[..., None]], axis=-1)
    beside = _beside(counted, neighbours_of(topology, names)[: len(components)])
    others = counted.sum(axis=0) - counted[: len(components)]
    own = [every[id(each)][1] for each in events[: len(components)]]
    return np.concatenate(
        [
            onsets[: len(components)],
            np.array(own).reshape(len(components), len(times_ms), -1),
            beside[..., :-1],
            others[..., :-1],
            beside[..., -1:],
            others[..., -1:],
        ],
        axis=-1,
    )


def onset_and_end(incident: Incident) -> tuple[int, int]:
    """When it began to be felt and when it ended, UTC milliseconds; before the onset it is still a precursor."""
    began = incident.impact_start or incident.start
    ended = max(incident.likely_end or began + UNKNOWN_LENGTH, began)
    return round(began.timestamp() * 1000), round(ended.timestamp() * 1000)


def in_words(component: str, feature: str, value: float, usual: float) -> str:
    """One of RECENCY, as evidence; usual: its median before calm minutes."""
    whose, _, kind = feature.rpartition(".")
    who = {"": component, "neighbours": f"the neighbours of {component}", "others": "all other components"}[whose]
    for start, words in _WORDS.items():
        if kind.startswith(start):
            said = words.format(span=kind.removeprefix(f"{start}_"))
            return f"recent incidents of {who}: {said} {value:.3g}, usual is {usual:.3g}"
    raise KeyError(feature)


_WORDS = {
    "onsets": "onsets, fading over {span}:",
    "minutes": "minutes of them, fading over {span}:",
    "since_onset": "hours since the last set in:",
    "since_end": "hours since the last ended:",
    "last_length": "minutes that the last took:",
    "warnings": "alerts of severity warning, fading over {span}:",
    "lasting": "how many last now:",
}


def _by_component(incidents: Sequence[Incident]) -> dict[str, list[Incident]]:
    found: dict[str, list[Incident]] = {}
    for each in incidents:
        for name in dict.fromkeys(each.components):
            found.setdefault(name, []).append(each)
    return found


def _events(incidents: Sequence[Incident]) -> _Events:
    spans = np.array([onset_and_end(each) for each in incidents], dtype=np.int64).reshape(-1, 2)
    warned = np.array([each.severity is Severity.WARNING for each in incidents], dtype=bool)
    order = np.argsort(spans[:, 1], kind="stable")
    return _Events(
        onsets=np.sort(spans[:, 0]),
        warnings=np.sort(spans[warned, 0]),
        ends=spans[order, 1],
        lengths_min=(spans[order, 1] - spans[order, 0]) / _MINUTE_MS,
    )


def _onsets(events: _Events, times_ms: IntArray) -> FloatArray:
    """How many set in, faded, shape (times, spans)."""
    return _faded(events.onsets, np.ones(len(events.onsets)), times_ms)


def _own(events: _Events, times_ms: IntArray) -> FloatArray:
    """What only the component itself tells, shape (times, features)."""
    last = _before(events.ends, times_ms) - 1
    reach_h = REACH.total_seconds() / 3600
    since_end = _since_h(events.ends, times_ms)
    lengths = np.append(events.lengths_min, 0.0)[last]
    return np.column_stack(
        [
            _faded(events.ends, events.lengths_min, times_ms),
            _since_h(events.onsets, times_ms),
            since_end,
            np.where(since_end < reach_h, lengths, 0.0),
            _faded(events.warnings, np.ones(len(events.warnings)), times_ms)[:, 1],
        ]
    )


def _before(events_ms: IntArray, times_ms: IntArray) -> IntArray:
    """How many lie before each time."""
    return np.asarray(np.searchsorted(events_ms, times_ms, side="left"), dtype=np.int64)


def _since_h(events_ms: IntArray, times_ms: IntArray) -> FloatArray:
    """Hours since the last one before each time, REACH at most."""
    last = np.append(events_ms, np.iinfo(np.int64).min // 2)[_before(events_ms, times_ms) - 1]
    return np.asarray(np.minimum((times_ms - last) / _HOUR_MS, REACH.total_seconds() / 3600))


def _faded(events_ms: IntArray, sizes: FloatArray, times_ms: IntArray) -> FloatArray:
    """The sizes of the events before each time and within REACH of it, faded, shape (times, spans)."""
    if not len(events_ms):
        return np.zeros((len(times_ms), len(SPANS_H)))
    spans_ms = np.array(SPANS_H, dtype=float) * _HOUR_MS
    kept = np.exp(-np.diff(events_ms, prepend=events_ms[0])[:, None] / spans_ms)
    sums = np.zeros((len(events_ms) + 1, len(SPANS_H)))
    for i, size in enumerate(sizes):
        sums[i + 1] = sums[i] * kept[i] + size  # up to and with event i, as of its time

    def as_of(moments: IntArray) -> FloatArray:
        count = _before(events_ms, moments)
        age = np.maximum(moments - events_ms[count - 1], 0)[:, None]
        return np.where(count[:, None] > 0, sums[count] * np.exp(-age / spans_ms), 0.0)

    reach_ms = round(REACH.total_seconds() * 1000)
    return np.maximum(as_of(times_ms) - as_of(times_ms - reach_ms) * np.exp(-reach_ms / spans_ms), 0.0)


def _beside(counted: FloatArray, neighbours: IntArray) -> FloatArray:
    """Summed over each component's neighbours, of the same shape but for the components asked about."""
    found = np.zeros((len(neighbours), *counted.shape[1:]))
    for column in neighbours.T:
        there = column >= 0
        found[there] += counted[column[there]]
    return found
