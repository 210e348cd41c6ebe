"""Predicted against observed: a row a trial, the predicted interval as a bar, what was measured as a dot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from chaosprsa.report.charts import svg
from chaosprsa.report.charts.scales import Scale, log_bounds
from chaosprsa.types import Interval

ROW_PX = 24
LABEL_CHARACTERS = 32


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
    most = LABEL_CHARACTERS if width > 500 else 19
    left = min(max(svg.text_px(row.name[:most]) for row in rows) + 12, width * 0.44)
    frame = svg.Frame(left=left, top=12, right=width - 24, bottom=12 + ROW_PX * len(rows))
    x = _scale(rows, log, frame)
    ticks = [(tick, form(tick)) for tick in x.ticks(3 if width < 500 else 6)]
    return svg.drawing(
        width,
        frame.bottom + 38,
        f"Predicted interval and measured {what} of {len(rows)} trials",
        *(svg.segment(x(tick), frame.top, x(tick), frame.bottom, "grid") for tick, _ in ticks),
        svg.x_axis(frame, x, ticks, what),
        *(_row(row, frame.top + ROW_PX * (index + 0.5), x, left, most, form) for index, row in enumerate(rows)),
    )


def _scale(rows: Sequence[Prediction], log: bool, frame: svg.Frame) -> Scale:
    if not log:
        return Scale(low=0, high=1, start=frame.left, end=frame.right)
    values = [value for row in rows for value in (row.predicted.low, row.predicted.high, row.observed or 1.0)]
    low, high = log_bounds(values)
    return Scale(low=low, high=high, start=frame.left, end=frame.right, log=True)


def _row(row: Prediction, middle: float, x: Scale, left: float, most: int, form: Callable[[float], str]) -> Markup:
    shown = row.name if len(row.name) <= most else row.name[: most - 1] + "…"
    low, high = x(row.predicted.low), x(row.predicted.high)
    title = f"{row.name}: predicted {form(row.predicted.low)} to {form(row.predicted.high)}"
    parts = [
        svg.text(left - 8, middle + 4, shown, "tick", "end"),
        svg.rectangle(low, middle - 4, max(high - low, 2), 8, "band blue strong", title),
        svg.segment(x(row.predicted.mid), middle - 6, x(row.predicted.mid), middle + 6, "stroke blue"),
    ]
    if row.observed is not None:
        place = "inside" if row.inside else "outside"
        measured = f"{row.name}: measured {form(row.observed)}, {place} the predicted interval"
        parts.append(svg.dot(x(row.observed), middle, 5, "good fill ring" if row.inside else "bad fill ring", measured))
    return svg.join(parts)
