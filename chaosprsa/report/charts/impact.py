"""Predicted against observed: a row a trial, the predicted interval as a bar, what was measured as a dot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from chaosprsa.report.charts import svg
from chaosprsa.report.charts.scales import Scale, log_bounds
from chaosprsa.types import Interval

LABEL_CHARACTERS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """observed is None where the trial showed no number."""

    name: str
    predicted: Interval
    observed: float | None

    @property
    def inside(self) -> bool | None:
        return None if self.observed is None else self.predicted.low <= self.observed <= self.predicted.high


def impact_chart(rows: Sequence[Prediction], what: str, form: Callable[[float], str], log: bool, width: int) -> Markup:
    """rows: at least one. log: for ratios; shares are linear from 0 to 1."""
    layout = _Layout.of(rows, width)
    frame = svg.Frame(left=layout.left, top=12, right=width - 24, bottom=12 + layout.row_px * len(rows))
    x = _scale(rows, log, frame)
    ticks = [(tick, form(tick)) for tick in x.ticks(3 if width < 500 else 6)]
    return svg.drawing(
        width,
        frame.bottom + 38,
        f"Predicted interval and measured {what} of {len(rows)} trials",
        *(svg.segment(x(tick), frame.top, x(tick), frame.bottom, "grid") for tick, _ in ticks),
        svg.x_axis(frame, x, ticks, what),
        *(_row(row, frame.top + layout.row_px * index, layout, x, form) for index, row in enumerate(rows)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layout:
    """Names stand left of the bars where there is room, above them where there is not."""

    left: float
    row_px: float
    above: bool

    @classmethod
    def of(cls, rows: Sequence[Prediction], width: int) -> "_Layout":
        if width < 500:
            return cls(left=16, row_px=36, above=True)
        longest = max(svg.text_px(row.name[:LABEL_CHARACTERS]) for row in rows)
        return cls(left=longest + 12, row_px=24, above=False)


def _scale(rows: Sequence[Prediction], log: bool, frame: svg.Frame) -> Scale:
    if not log:
        return Scale(low=0, high=1, start=frame.left, end=frame.right)
    values = [value for row in rows for value in (row.predicted.low, row.predicted.high, row.observed or 1.0)]
    low, high = log_bounds(values)
    return Scale(low=low, high=high, start=frame.left, end=frame.right, log=True)


def _row(row: Prediction, top: float, layout: _Layout, x: Scale, form: Callable[[float], str]) -> Markup:
    middle = top + layout.row_px - 12
    low, high = x(row.predicted.low), x(row.predicted.high)
    title = f"{row.name}: predicted {form(row.predicted.low)} to {form(row.predicted.high)}"
    return svg.join(
        [
            _name(row.name, middle, layout),
            svg.rectangle(low, middle - 4, max(high - low, 2), 8, "band blue strong", title),
            svg.segment(x(row.predicted.mid), middle - 6, x(row.predicted.mid), middle + 6, "stroke blue"),
            _measured(row, middle, x, form),
        ]
    )


def _name(name: str, middle: float, layout: _Layout) -> Markup:
    shown = name if len(name) <= LABEL_CHARACTERS else name[: LABEL_CHARACTERS - 1] + "…"
    if layout.above:
        return svg.text(0, middle - 10, shown, "tick")
    return svg.text(layout.left - 8, middle + 4, shown, "tick", "end")


def _measured(row: Prediction, middle: float, x: Scale, form: Callable[[float], str]) -> Markup:
    if row.observed is None:
        return Markup("")
    place, class_ = ("inside", "good fill ring") if row.inside else ("outside", "bad fill ring")
    title = f"{row.name}: measured {form(row.observed)}, {place} the predicted interval"
    return svg.dot(x(row.observed), middle, 5, class_, title)
