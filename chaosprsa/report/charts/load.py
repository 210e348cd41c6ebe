"""The load at the entry: what came, and what is forecast with its 90 % band."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from chaosprsa.report.charts import svg
from chaosprsa.report.charts.scales import Scale, clock_ticks, from_zero
from chaosprsa.report.words import number


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadView:
    """Times in POSIX seconds, rates in requests a second; the forecast's arrays have equal length."""

    observed: tuple[tuple[float, float], ...]
    times_s: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def begin_s(self) -> float:
        return min(time for time, _ in (*self.observed[:1], *self._mean[:1]))

    @property
    def end_s(self) -> float:
        return max(time for time, _ in (*self.observed[-1:], *self._mean[-1:]))

    @property
    def _mean(self) -> Sequence[tuple[float, float]]:
        return list(zip(self.times_s, self.mean, strict=True))


def load_chart(view: LoadView, service: str, width: int) -> Markup:
    """Observed and forecast rate over time; nothing at all is an empty frame."""
    frame = svg.Frame(left=44, top=24, right=width - 84, bottom=214)
    x = Scale(low=view.begin_s, high=view.end_s, start=frame.left, end=frame.right)
    rates = [value for _, value in view.observed] + list(view.high)
    y = Scale(low=0, high=from_zero(rates), start=frame.bottom, end=frame.top)
    begin, end = (datetime.fromtimestamp(time, UTC) for time in (view.begin_s, view.end_s))
    return svg.drawing(
        width,
        frame.bottom + 24,
        f"Load at {service}, requests a second: observed, then the forecast with its 90 % band",
        svg.y_axis(frame, y, "requests/s", number),
        *_forecast(view, x, y),
        svg.line(view.observed, x, y, "stroke ink"),
        svg.x_axis(frame, x, clock_ticks(begin, end, 4 if width < 500 else 9)),
        svg.end_labels(frame.right + 6, _labels(view, y), frame.top, frame.bottom),
        _observed_label(view, x, frame),
    )


def _forecast(view: LoadView, x: Scale, y: Scale) -> tuple[Markup, ...]:
    low, high, mean = (list(zip(view.times_s, band, strict=True)) for band in (view.low, view.high, view.mean))
    return svg.area(low, high, x, y, "band blue"), svg.line(mean, x, y, "stroke blue")


def _labels(view: LoadView, y: Scale) -> list[tuple[float, str, str]]:
    if not view.times_s:
        return []
    return [(y(view.mean[-1]), "forecast", "blue"), (y(view.high[-1]), "90 % band", "soft")]


def _observed_label(view: LoadView, x: Scale, frame: svg.Frame) -> Markup:
    if not view.observed or not view.times_s:
        return Markup("")
    middle = x((view.observed[0][0] + view.observed[-1][0]) / 2)
    now = x(view.times_s[0])
    line = svg.segment(now, frame.top, now, frame.bottom, "mark")
    return line + svg.text(middle, frame.top - 8, "observed", "label ink", "middle")
