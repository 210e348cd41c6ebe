"""SVG elements as escaped markup, and what every chart is made of: a frame, scales, axes, lines, labels.

Colours and type are the page's style sheet's (classes here), so that one drawing serves light, dark and paper.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from chaosprsa.report.charts.scales import Scale

Point = tuple[float, float | None]
CHARACTER_PX = 6.3  # the mean width of a character at the charts' 11 px; labels are placed by it
LABEL_GAP_PX = 13.0


def tag(name: str, *children: str | Markup, **attributes: object) -> Markup:
    """One element. A trailing underscore in an attribute's name is dropped, others become hyphens; all is escaped."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")  # noqa: S704  # escaped above


def _value(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def join(parts: Iterable[Markup]) -> Markup:
    """Elements one after the other."""
    return Markup("").join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The plot's rectangle inside the drawing, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


def drawing(width: int, height: float, label: str, *parts: Markup) -> Markup:
    """The whole chart; label is what a screen reader says."""
    return tag(
        "svg",
        *parts,
        viewBox=f"0 0 {width} {math.ceil(height)}",
        width=width,
        height=math.ceil(height),
        role="img",
        aria_label=label,
        class_="chart",
    )


def text(x: float, y: float, words: str, class_: str = "", anchor: str = "start") -> Markup:
    """A label with its baseline at y."""
    return tag("text", words, x=x, y=y, class_=class_ or None, text_anchor=None if anchor == "start" else anchor)


def rectangle(x: float, y: float, width: float, height: float, class_: str, title: str = "") -> Markup:
    """A rectangle; the title shows when the pointer rests on it."""
    children = (tag("title", title),) if title else ()
    size = {"width": max(width, 0.0), "height": max(height, 0.0)}
    return tag("rect", *children, x=x, y=y, **size, class_=class_)


def segment(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def dot(x: float, y: float, radius: float, class_: str, title: str = "") -> Markup:
    """A circle; the title shows when the pointer rests on it."""
    return tag("circle", *((tag("title", title),) if title else ()), cx=x, cy=y, r=radius, class_=class_)


def line(points: Sequence[Point], x: Scale, y: Scale, class_: str) -> Markup:
    """A line through the points, broken where a value is missing."""
    steps: list[str] = []
    pen = "M"
    for time, value in points:
        if value is None or not math.isfinite(value):
            pen = "M"
            continue
        steps.append(f"{pen}{x(time):.1f} {y(value):.1f}")
        pen = "L"
    return tag("path", d="".join(steps), class_=class_) if steps else Markup("")


def area(
    lower: Sequence[tuple[float, float]], upper: Sequence[tuple[float, float]], x: Scale, y: Scale, class_: str
) -> Markup:
    """The surface between two lines."""
    outline = [*upper, *reversed(lower)]
    path = "L".join(f"{x(time):.1f} {y(value):.1f}" for time, value in outline)
    return tag("path", d=f"M{path}Z", class_=class_) if outline else Markup("")


def y_axis(frame: Frame, scale: Scale, title: str, form: Callable[[float], str], count: int = 4) -> Markup:
    """Horizontal grid lines with their values, and the axis' title with its unit above them."""
    marks = [
        segment(frame.left, scale(tick), frame.right, scale(tick), "grid")
        + text(frame.left - 6, scale(tick) + 4, form(tick), "tick", "end")
        for tick in scale.ticks(count)
    ]
    return join(marks) + text(0, frame.top - 8, title, "axis")


def x_axis(frame: Frame, scale: Scale, ticks: Sequence[tuple[float, str]], title: str = "") -> Markup:
    """The base line with its marks, and the axis' title below them."""
    base = segment(frame.left, frame.bottom, frame.right, frame.bottom, "base")
    marks = [
        segment(scale(value), frame.bottom, scale(value), frame.bottom + 4, "base")
        + text(scale(value), frame.bottom + 16, words, "tick", "middle")
        for value, words in ticks
    ]
    middle = min((frame.left + frame.right) / 2, frame.right + 20 - text_px(title) / 2)
    name = text(middle, frame.bottom + 31, title, "axis", "middle") if title else Markup("")
    return base + join(marks) + name


def end_labels(x: float, labels: Sequence[tuple[float, str, str]], top: float, bottom: float) -> Markup:
    """Labels (y, words, class) at the lines' right ends, moved apart where they would overlap; ties keep order."""
    ordered = sorted(labels, key=lambda label: label[0])
    places = list(_apart([y for y, _, _ in ordered], top, bottom))
    return join(
        text(x, place + 4, words, f"label {class_}") for place, (_, words, class_) in zip(places, ordered, strict=True)
    )


def _apart(wanted: Sequence[float], top: float, bottom: float) -> Iterator[float]:
    """The places nearest to the wanted ones, in order, at least LABEL_GAP_PX apart and inside where they fit."""
    places = [max(place, top) for place in wanted]
    for index, (above, below) in enumerate(pairwise(places)):
        places[index + 1] = max(below, places[index] + LABEL_GAP_PX, above)
    overshoot = bottom
    for index in range(len(places) - 1, -1, -1):
        places[index] = min(places[index], overshoot)
        overshoot = places[index] - LABEL_GAP_PX
    yield from places


def text_px(words: str) -> float:
    """About how wide a label is."""
    return CHARACTER_PX * len(words)
