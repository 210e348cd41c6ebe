"""History: what a system measured and what went wrong in it.

The normal form is long: one row a sample, columns timestamp (datetime64[ms, UTC]), component, metric (both categorical,
so that a name is kept once), value, sorted by (component, metric, timestamp). Call edges are components named "a->b".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.errors import NotEnoughHistory
from chaosprsa.history import holes
from chaosprsa.types import Incident, LogTemplate, Topology, Window

COLUMNS = ("timestamp", "component", "metric", "value")
EDGE = "->"
AT_ONCE = 1_000_000  # rows looked at together where looking takes room
SPARSEST = (100_000, 20)  # a grid has at most so many steps, or so many times the samples of the longest series
COMMON = 0.2  # of all gaps: a shorter one than the median that so many have is the step
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class History:
    """metrics: the normal form, cleaned. topology: None where nobody knows it. notes: what was mended, in words.

    log_templates: by component, the most frequent first; their rates are among the metrics.
    """

    metrics: pd.DataFrame
    incidents: tuple[Incident, ...] = ()
    topology: Topology | None = None
    notes: tuple[str, ...] = ()
    log_templates: Mapping[str, tuple[LogTemplate, ...]] = field(default_factory=dict)

    @cached_property
    def window(self) -> Window:
        """From the first sample to one step after the last; of the incidents alone where there are no metrics.

        Raises NotEnoughHistory where there is neither.
        """
        if len(self.metrics):
            times = self.metrics["timestamp"]
            last = times.max() + pd.Timedelta(milliseconds=self._step_ms)
            return Window(start=times.min().to_pydatetime(), end=last.to_pydatetime())
        if self.incidents:
            starts = sorted(incident.start for incident in self.incidents)
            ends = [incident.likely_end or incident.start for incident in self.incidents]
            end = max(*starts, *ends)
            return Window(start=holes.first_watched(starts, None, end), end=end)
        raise NotEnoughHistory("the history holds neither metrics nor incidents: nothing can be learned from it")

    @cached_property
    def components(self) -> tuple[str, ...]:
        """Those with metrics of their own, in alphabetical order; call edges apart."""
        return tuple(name for name in self._names if EDGE not in name)

    @cached_property
    def edges(self) -> tuple[str, ...]:
        """The call edges with metrics, named "caller->callee"."""
        return tuple(name for name in self._names if EDGE in name)

    @cached_property
    def metric_names(self) -> tuple[str, ...]:
        return tuple(sorted(self.metrics["metric"].unique()))

    @property
    def step_s(self) -> float:
        """Seconds between samples: the median over all series; 60 where no series has two."""
        return self._step_ms / 1000

    @cached_property
    def grid(self) -> pd.DatetimeIndex:
        """The regular times that tables are laid on: one a step, at the phase most samples have."""
        if not len(self.metrics):
            return pd.DatetimeIndex([], dtype="datetime64[ms, UTC]")
        first, count, phase = self._grid_shape
        times = (first + np.arange(count)) * self._step_ms + phase
        return pd.DatetimeIndex(times.astype("datetime64[ms]")).tz_localize("UTC")

    @property
    def grid_ms(self) -> IntArray:
        """The same in UTC milliseconds since 1970, shape (grid times,)."""
        return np.asarray(self.grid.as_unit("ms").asi8, dtype=np.int64)

    @property
    def watched(self) -> Window:
        """When incidents would have been seen: while there are metrics, and as far back and on as incidents go.

        One or a few that stand alone, years before all others, don't count (holes).
        """
        starts = sorted(each.start for each in self.incidents)
        end = max([self.window.end, *starts])
        measured = self.window.start if len(self.metrics) else None
        return Window(start=holes.first_watched(starts, measured, end) if starts else self.window.start, end=end)

    @property
    def unwatched(self) -> tuple[str, ...]:
        """A note where incidents lie before the watched time."""
        start = self.watched.start
        early = sorted(each.start for each in self.incidents if each.start < start)
        if not early:
            return ()
        note = (
            f"{len(early)} incidents of {early[0]:%Y-%m-%d} to {early[-1]:%Y-%m-%d} stand alone, "
            f"{(start - early[-1]).days} days before what was watched (from {start:%Y-%m-%d}): no rate counts them"
        )
        return (note,)

    def table(self, metric: str) -> pd.DataFrame:
        """One metric: a row a grid time (UTC), a column a component that has it, NaN where no sample is near.

        A sample goes to the nearest grid time, so components scraped some seconds apart share a row. Unknown metric:
        no columns.
        """
        rows = self.metrics[(self.metrics["metric"] == metric).to_numpy()]
        codes, names = pd.factorize(rows["component"], sort=True)
        values = np.full((len(self.grid), len(names)), np.nan)
        if len(rows):
            first, _, phase = self._grid_shape
            at = _steps(millis_of(rows["timestamp"]), phase, self._step_ms) - first
            values[at, codes] = rows["value"].to_numpy()
        return pd.DataFrame(values, index=self.grid, columns=pd.Index(names, dtype=object))

    def last(self, span: timedelta) -> "History":
        """The metrics of the last `span`, and the incidents that touch it."""
        start = self.window.end - span
        recent = self.metrics[(self.metrics["timestamp"] >= start).to_numpy()].reset_index(drop=True)
        touching = tuple(each for each in self.incidents if (each.likely_end or each.start) >= start)
        return replace(self, metrics=recent, incidents=touching)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(sorted(self.metrics["component"].unique()))

    @cached_property
    def _step_ms(self) -> int:
        return step_ms(self.metrics)

    @cached_property
    def _grid_shape(self) -> tuple[int, int, int]:
        """First step, number of steps, phase in ms: grid time i is (first + i) * step + phase."""
        millis = millis_of(self.metrics["timestamp"])
        parts = (millis[at : at + AT_ONCE] for at in range(0, len(millis), AT_ONCE))
        turn = 2j * np.pi / self._step_ms
        angle = np.angle(sum(complex(np.exp(turn * (part % self._step_ms)).sum()) for part in parts))
        phase = round(float(angle) / (2 * np.pi) * self._step_ms)
        first, last = _steps(np.array([millis.min(), millis.max()]), phase, self._step_ms)
        return int(first), int(last - first + 1), phase


def empty_metrics() -> pd.DataFrame:
    """The normal form with no rows."""
    times = pd.DatetimeIndex([], dtype="datetime64[ms, UTC]")
    names = pd.Categorical([], categories=pd.Index([], dtype=object))
    return pd.DataFrame({"timestamp": times, "component": names, "metric": names, "value": np.empty(0)})


def step_ms(metrics: pd.DataFrame) -> int:
    """The usual distance of two samples of one series, milliseconds; `metrics` is sorted. 60,000 where none has two.

    Never so short that a regular grid of it would be almost empty.
    """
    if not len(metrics):
        return 60_000
    inside, millis = same_series(metrics), millis_of(metrics["timestamp"])
    span, steps = int(millis.max() - millis.min()), max(SPARSEST[0], SPARSEST[1] * longest(inside))
    return max(usual_gap(millis, inside), span // steps)


def usual_gap(millis: IntArray, inside: npt.NDArray[np.bool_]) -> int:
    """The median gap; samples that come twice at once don't make it short. inside: from same_series.

    Where a shorter gap is common and the median is a multiple of it, the samples are that far apart and some are left
    out, as exports do that write a value only when it changes.
    """
    parts = [slice(at, at + AT_ONCE) for at in range(0, len(inside), AT_ONCE)]
    found = (np.diff(millis[part.start : part.stop + 1])[inside[part]] for part in parts)
    counted = [np.unique(gaps, return_counts=True) for gaps in found]
    if not any(len(gaps) for gaps, _ in counted):
        return 60_000
    gaps, place = np.unique(np.concatenate([gaps for gaps, _ in counted]), return_inverse=True)
    counts = np.bincount(place, weights=np.concatenate([counts for _, counts in counted]))
    upper = gaps[np.searchsorted(np.cumsum(counts), 0.75 * counts.sum())]
    counts[gaps < upper / 10] = 0
    middle = int(gaps[np.searchsorted(np.cumsum(counts), 0.5 * counts.sum())])
    common = gaps[(counts >= COMMON * counts.sum()) & (gaps > 0) & (middle % np.maximum(gaps, 1) == 0)]
    return max(1, int(common.min(initial=middle)))


def as_categories(names: pd.Series) -> pd.Categorical:
    """Each name kept once, the names that occur in alphabetical order."""
    codes, found = pd.factorize(names, sort=True)
    return pd.Categorical.from_codes(codes, categories=pd.Index([str(name) for name in found], dtype=object))


def longest(inside: npt.NDArray[np.bool_]) -> int:
    """The number of samples of the longest series, from same_series."""
    ends = np.flatnonzero(np.append(~inside, True))
    return int(np.diff(ends, prepend=-1).max())


def same_series(metrics: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Shape (rows - 1,): whether a row and its next belong to one series; `metrics` is sorted."""
    series = series_codes(metrics)
    return np.asarray(series[1:] == series[:-1], dtype=bool)


def series_codes(metrics: pd.DataFrame) -> npt.NDArray[np.integer]:
    """Shape (rows,): a number for each component and metric, rising with the names where they are categories."""
    component, metric = _codes(metrics["component"]), _codes(metrics["metric"])
    many = int(metric.max()) + 1 if len(metric) else 1
    small = len(component) and (int(component.max()) + 1) * many < 2**31
    return np.asarray(component.astype(np.int32 if small else np.int64) * many + metric.astype(np.int32))


def _codes(names: pd.Series) -> npt.NDArray[Any]:
    coded = isinstance(names.dtype, pd.CategoricalDtype)
    return np.asarray(names.cat.codes if coded else pd.factorize(names)[0])


def series_slices(metrics: pd.DataFrame) -> Iterator[tuple[str, str, slice]]:
    """Component, metric and rows of each series of the normal form."""
    starts = np.flatnonzero(np.append(True, ~same_series(metrics))) if len(metrics) else np.empty(0, dtype=np.int64)
    named = metrics[["component", "metric"]].iloc[starts]
    ends = np.append(starts[1:], len(metrics))
    for component, metric, start, end in zip(named["component"], named["metric"], starts, ends, strict=False):
        yield str(component), str(metric), slice(int(start), int(end))


def millis_of(times: pd.Series) -> IntArray:
    """UTC milliseconds since 1970; not a copy where they are kept so."""
    return np.asarray(pd.DatetimeIndex(times).as_unit("ms").asi8)


def _steps(millis: IntArray, phase: int, step: int) -> IntArray:
    return np.floor_divide(millis - phase + step // 2, step)
