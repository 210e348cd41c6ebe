"""The load at the entry: what came, and what is forecast with its 90 % band."""

from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from chaosprsa.report.charts import svg
from chaosprsa.report.charts.scales import Scale, clock_ticks, from_zero
from chaosprsa.report.words import tick


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadView:
    """Times in POSIX seconds, rates in requests a second; the forecast's arrays have equal length, at least one.

    ends_s: where the history ends; the band before it shows how the model fits what came.
    """

    observed: tuple[tuple[float, float], ...]
    ends_s: float
    times_s: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def outside(self) -> float | None:
        """The share of observed samples outside the band; None with nothing observed."""
        if not self.observed:
            return None
        band = [(_at(self.times_s, self.low, time), _at(self.times_s, self.high, time)) for time, _ in self.observed]
        missed = sum(not low <= rate <= high for (low, high), (_, rate) in zip(band, self.observed, strict=True))
        return missed / len(self.observed)


def _at(times_s: tuple[float, ...], values: tuple[float, ...], time_s: float) -> float:
    """The value at the nearest earlier time."""
    earlier = [value for time, value in zip(times_s, values, strict=True) if time <= time_s]
    return earlier[-1] if earlier else values[0]


def load_chart(view: LoadView, service: str, width: int) -> Markup:
    """Observed and forecast rate over time."""
    frame = svg.Frame(left=44, top=38, right=width - 72, bottom=228)
    x = Scale(low=view.times_s[0], high=view.times_s[-1], start=frame.left, end=frame.right)
    rates = [value for _, value in view.observed] + list(view.high)
    y = Scale(low=0, high=from_zero(rates), start=frame.bottom, end=frame.top)
    begin, end = (datetime.fromtimestamp(time, UTC) for time in (view.times_s[0], view.times_s[-1]))
    low, high, mean = (list(zip(view.times_s, band, strict=True)) for band in (view.low, view.high, view.mean))
    return svg.drawing(
        width,
        frame.bottom + 24,
        f"Load at {service}, requests a second: observed, and the model's forecast with its 90 % band",
        svg.y_axis(frame, y, "requests/s", tick),
        svg.area(low, high, x, y, "band blue"),
        svg.line(view.observed, x, y, "stroke ink"),
        svg.line(mean, x, y, "stroke blue"),
        _history_end(x(view.ends_s), frame),
        svg.x_axis(frame, x, clock_ticks(begin, end, 4 if width < 500 else 10)),
        svg.end_labels(frame.right + 6, _labels(view, y), frame.top, frame.bottom),
    )


def _labels(view: LoadView, y: Scale) -> list[tuple[float, str, str]]:
    return [(y(view.mean[-1]), "forecast", "blue"), (y(view.high[-1]), "90 % band", "soft")]


def _history_end(place: float, frame: svg.Frame) -> Markup:
    """Left of it what was observed, right of it what is forecast."""
    top = frame.top - 22
    line = svg.segment(place, top, place, frame.bottom, "mark")
    return line + svg.text(place + 5, top + 8, "the history ends here", "label ink")
