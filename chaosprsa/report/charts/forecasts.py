"""Forecasts against what came: a load with its band, probabilities against frequencies, a clock's residuals."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from chaosprsa.report.charts import svg
from chaosprsa.report.charts.scales import Scale, clock_ticks, from_zero
from chaosprsa.report.words import share, tick
from chaosprsa.types import LoadBacktest, ReliabilityBin

BIGGEST_DOT_PX = 11.0
SQUARE_PX = 320  # a probability's two axes are alike, so its drawing is a square


def band_chart(load: LoadBacktest, origins: Sequence[datetime], width: int) -> Markup:
    """One component's load after each origin: what came over the forecast's 90 % band; dashed lines are the origins."""
    frame = svg.Frame(left=44, top=26, right=width - 16, bottom=216)
    x = Scale(low=load.times_s[0], high=load.times_s[-1], start=frame.left, end=frame.right)
    y = Scale(low=0, high=from_zero([*load.observed, *load.high]), start=frame.bottom, end=frame.top)
    begin, end = (datetime.fromtimestamp(time, UTC) for time in (load.times_s[0], load.times_s[-1]))
    runs = _runs(load.times_s)
    return svg.drawing(
        width,
        frame.bottom + 24,
        f"Requests a second at {load.component}: observed, and forecast with its 90 % band",
        svg.y_axis(frame, y, "requests/s", tick),
        *(_band(load, run, x, y) for run in runs),
        *(svg.segment(x(each.timestamp()), frame.top, x(each.timestamp()), frame.bottom, "mark") for each in origins),
        svg.x_axis(frame, x, clock_ticks(begin, end, 4 if width < 500 else 10)),
    )


def _runs(times_s: Sequence[float]) -> list[slice]:
    """Stretches without a gap: where one origin's horizon ends before the next begins, no line is drawn."""
    if len(times_s) < 3:
        return [slice(0, len(times_s))]
    gaps = [after - before for before, after in itertools.pairwise(times_s)]
    usual = sorted(gaps)[len(gaps) // 2]
    cuts = [0, *(at + 1 for at, gap in enumerate(gaps) if gap > 3 * usual), len(times_s)]
    return [slice(first, last) for first, last in itertools.pairwise(cuts)]


def _band(load: LoadBacktest, run: slice, x: Scale, y: Scale) -> Markup:
    times = load.times_s[run]
    low, high, mean, observed = (
        list(zip(times, values[run], strict=True)) for values in (load.low, load.high, load.mean, load.observed)
    )
    return svg.join(
        [
            svg.area(low, high, x, y, "band blue"),
            svg.line(observed, x, y, "stroke ink"),
            svg.line(mean, x, y, "stroke blue"),
        ]
    )


def _square(width: int, top: float) -> tuple[int, svg.Frame, Scale, Scale]:
    """(size in pixels, frame, x, y) of a drawing whose axes both go from 0 to top."""
    size = min(width, SQUARE_PX)
    frame = svg.Frame(left=44, top=26, right=size - 20, bottom=size - 60)
    x = Scale(low=0, high=top, start=frame.left, end=frame.right)
    return size, frame, x, Scale(low=0, high=top, start=frame.bottom, end=frame.top)


def reliability_chart(bins: Sequence[ReliabilityBin], width: int) -> Markup:
    """Forecast probability against the share of cells that had an incident; on the diagonal it kept its word."""
    top = min(1.0, 1.15 * max(max(each.predicted, each.happened) for each in bins) or 1.0)
    size, frame, x, y = _square(width, top)
    most = max(each.cells for each in bins)
    return svg.drawing(
        size,
        frame.bottom + 38,
        f"Reliability of {len(bins)} groups of forecasts: predicted probability against observed frequency",
        svg.y_axis(frame, y, "had an incident", share),
        svg.x_axis(frame, x, [(place, share(place)) for place in x.ticks(4)], "forecast"),
        svg.segment(x(0), y(0), x(top), y(top), "mark"),
        *(
            svg.dot(
                x(each.predicted),
                y(each.happened),
                3 + (BIGGEST_DOT_PX - 3) * (each.cells / most) ** 0.5,
                "good dot",
                f"{each.cells} cells: forecast {share(each.predicted)}, happened {share(each.happened)}",
            )
            for each in bins
        ),
    )


def residual_chart(residuals: Sequence[float], width: int) -> Markup:
    """The residuals' distribution against the uniform one, with the 95 % band of Kolmogorov's test."""
    size, frame, x, y = _square(width, 1.0)
    count = len(residuals)
    far = 1.358 / count**0.5
    steps = [(0.0, 0.0), *((value, (at + 1) / count) for at, value in enumerate(residuals)), (1.0, 1.0)]
    return svg.drawing(
        size,
        frame.bottom + 38,
        f"{count} gaps on the model's own clock against the uniform distribution",
        svg.y_axis(frame, y, "share of gaps", share),
        svg.x_axis(frame, x, [(place, tick(place)) for place in x.ticks(4)], "gap on the model's clock"),
        svg.area([(0, max(0.0, -far)), (far, 0), (1, 1 - far)], [(0, far), (1 - far, 1), (1, 1)], x, y, "band blue"),
        svg.segment(x(0), y(0), x(1), y(1), "mark"),
        svg.line(steps, x, y, "stroke ink"),
    )
