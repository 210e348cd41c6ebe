"""Lines, errors and templates of each component, counted a step; then the normal form's metrics. Pure.

A step's count is what was written in the step before its time, so that a sample at 14:03 knows nothing of what came
after. Where nothing was written the rate is 0, from the first line of all to the last: a component that falls silent is
seen to. Counts of rare templates are folded into the component's total when memory would grow.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from chaosprsa.history.frame import as_categories
from chaosprsa.history.log_templates import Clusters, template_id
from chaosprsa.history.reports import LONGEST_NAME, printable
from chaosprsa.types import LogTemplate

TOP = 10  # templates a component that have a series of their own: the most frequent, errors first
MOST_ENTRIES = 1_000_000  # counts kept at once, about 150 MB
MOST_COMPONENTS = 1_000
MOST_ROWS = 1_000_000  # of logs without metrics, some 150 MB while one learns; more are counted at longer steps
LINES, ERRORS, NEW = "log_lines_per_s", "log_errors_per_s", "log_new_templates_per_s"
_SHIFT = 32
IntArray = npt.NDArray[np.int64]


@dataclass(slots=True)
class ComponentCounts:
    """counts: lines by (step << 32 | cluster). The others by step: errors, first lines of a template, folded lines."""

    clusters: Clusters = field(default_factory=Clusters)
    counts: dict[int, int] = field(default_factory=dict)
    errors: Counter[int] = field(default_factory=Counter)
    new: Counter[int] = field(default_factory=Counter)
    folded: Counter[int] = field(default_factory=Counter)
    folded_lines: Counter[int] = field(default_factory=Counter)  # by cluster

    def add(self, step: int, text: str) -> None:
        """One more line."""
        number, error, new = self.clusters.of(text)
        key = step << _SHIFT | number
        counts = self.counts
        counts[key] = counts.get(key, 0) + 1
        if error:
            self.errors[step] += 1
        if new:
            self.new[step] += 1

    def fold(self, keep: int) -> None:
        """Only the `keep` most frequent clusters keep their counts a step."""
        lines = self.lines()
        kept = {number for number, _ in lines.most_common(keep)}
        for key in [key for key in self.counts if key & 0xFFFFFFFF not in kept]:
            count = self.counts.pop(key)
            self.folded[key >> _SHIFT] += count
            self.folded_lines[key & 0xFFFFFFFF] += count
        for number in [number for number, _ in self.folded_lines.most_common()[keep * 10 :]]:
            del self.folded_lines[number]
            self.clusters.found.pop(number, None)

    def coarsen(self, factor: int) -> None:
        """So many steps become one, which ends when the last of them does."""
        counts: dict[int, int] = {}
        for key, count in self.counts.items():
            wide = -(-(key >> _SHIFT) // factor) << _SHIFT | key & 0xFFFFFFFF
            counts[wide] = counts.get(wide, 0) + count
        self.counts = counts
        for name in ("errors", "new", "folded"):
            old, wider = getattr(self, name), Counter[int]()
            for step, count in old.items():
                wider[-(-step // factor)] += count
            setattr(self, name, wider)

    def lines(self) -> Counter[int]:
        """Lines a cluster."""
        lines = Counter(self.folded_lines)
        for key, count in self.counts.items():
            lines[key & 0xFFFFFFFF] += count
        return lines

    def templates(self) -> dict[str, tuple[LogTemplate, set[int]]]:
        """By id, the most frequent first, and which clusters ended up with that text."""
        found: dict[str, tuple[LogTemplate, set[int]]] = {}
        for number, count in self.lines().items():
            if number not in self.clusters.found:
                continue
            cluster, level = self.clusters.found[number]
            text = str(cluster.get_template())
            name = template_id(text)
            total, numbers = found.get(name, (LogTemplate(id=name, text=text, count=0, level=level), set()))
            merged = LogTemplate(id=name, text=text, count=total.count + count, level=total.level)
            found[name] = merged, numbers | {number}
        return dict(sorted(found.items(), key=lambda item: (-item[1][0].count, item[0])))


@dataclass(slots=True)
class Counts:
    """Of all components."""

    components: dict[str, ComponentCounts] = field(default_factory=dict)

    def of(self, component: str) -> ComponentCounts | None:
        """None where there are too many components already."""
        found = self.components.get(component)
        if found is not None:
            return found
        name = printable(component)[:LONGEST_NAME]
        if name not in self.components and len(self.components) >= MOST_COMPONENTS:
            return None
        return self.components.setdefault(name, ComponentCounts())

    def bound(self) -> None:
        """Fold where there are too many counts: 4 times the templates that get a series are kept, else just those."""
        for keep in (4 * TOP, TOP):
            if sum(len(each.counts) for each in self.components.values()) <= MOST_ENTRIES:
                return
            for each in self.components.values():
                each.fold(keep)

    def steps(self) -> IntArray:
        """Those with a line of any component, sorted."""
        return np.array(sorted({step for each in self.components.values() for step in _steps(each)}), dtype=np.int64)

    @property
    def series(self) -> int:
        """How many series `metrics` has."""
        return sum(3 + len({template.id for template, _ in _chosen(each)}) for each in self.components.values())

    def templates(self) -> dict[str, tuple[LogTemplate, ...]]:
        """By component, those with a series."""
        names = sorted(self.components)
        return {name: tuple(template for template, _ in _chosen(self.components[name])) for name in names}

    def metrics(self, steps: IntArray, step_ms: int, phase_ms: int) -> pd.DataFrame:
        """The normal form over these steps, sorted."""
        series: list[tuple[str, str, npt.NDArray[np.float64]]] = []
        for name in sorted(self.components):
            own = self.components[name]
            total = Counter(own.folded)
            for key, count in own.counts.items():
                total[key >> _SHIFT] += count
            rates = {LINES: total, ERRORS: own.errors, NEW: own.new, **_of_templates(own)}
            series += [(name, metric, _laid_out(rates[metric], steps) / (step_ms / 1000)) for metric in sorted(rates)]
        times = (steps * step_ms + phase_ms).astype("datetime64[ms]")
        return pd.DataFrame(
            {
                "timestamp": pd.DatetimeIndex(np.tile(times, len(series))).tz_localize("UTC"),
                "component": _repeated([each[0] for each in series], len(steps)),
                "metric": _repeated([each[1] for each in series], len(steps)),
                "value": np.concatenate([each[2] for each in series]) if series else np.empty(0),
            }
        )


def _repeated(names: list[str], times: int) -> pd.Categorical:
    """Each name so many times in a row; kept once, in alphabetical order."""
    known = as_categories(pd.Series(names, dtype=object))
    return pd.Categorical.from_codes(np.repeat(known.codes, times), dtype=known.dtype)


def _steps(counts: ComponentCounts) -> set[int]:
    return {key >> _SHIFT for key in counts.counts} | set(counts.folded)


def _chosen(counts: ComponentCounts) -> list[tuple[LogTemplate, set[int]]]:
    """The templates with a series: half of the places are for errors, if there are so many."""
    found = list(counts.templates().values())
    errors = [each for each in found if each[0].level == "error"][: TOP // 2]
    names = {each[0].id for each in errors}
    others = [each for each in found if each[0].id not in names][: TOP - len(errors)]
    return sorted([*errors, *others], key=lambda each: (-each[0].count, each[0].id))


def _of_templates(counts: ComponentCounts) -> dict[str, Counter[int]]:
    metric_of = {number: template.metric for template, numbers in _chosen(counts) for number in numbers}
    found: dict[str, Counter[int]] = {metric: Counter() for metric in metric_of.values()}
    for key, count in counts.counts.items():
        metric = metric_of.get(key & 0xFFFFFFFF)
        if metric is not None:
            found[metric][key >> _SHIFT] += count
    return found


def _laid_out(counts: Counter[int], steps: IntArray) -> npt.NDArray[np.float64]:
    laid = np.zeros(len(steps))
    if counts:
        own = np.fromiter(counts, dtype=np.int64, count=len(counts))
        at = np.searchsorted(steps, own)
        there = (at < len(steps)) & (steps[np.minimum(at, len(steps) - 1)] == own)
        laid[at[there]] = np.fromiter(counts.values(), dtype=float, count=len(counts))[there]
    return laid
