"""When and where issues are likely: a row a component, a bar an issue, numbered as in the table below it."""

from collections.abc import Sequence
from datetime import timedelta

from markupsafe import Markup

from chaosprsa.report.charts import svg
from chaosprsa.report.charts.scales import Scale, clock_ticks
from chaosprsa.report.words import moment, seconds, share
from chaosprsa.types import SimulatedIssue

ROW_PX = 30
LABEL_CHARACTERS = 18


def issue_timeline(issues: Sequence[SimulatedIssue], components: Sequence[str], width: int) -> Markup:
    """issues: at least one, in the table's order; components: the rows, from the top."""
    left = min(max(svg.text_px(name[:LABEL_CHARACTERS]) for name in components) + 12, width * 0.38)
    frame = svg.Frame(left=left, top=10, right=width - 16, bottom=10 + ROW_PX * len(components))
    begin = min(issue.origin for issue in issues)
    end = max(issue.start + timedelta(seconds=issue.duration_s) for issue in issues)
    x = Scale(low=begin.timestamp(), high=end.timestamp(), start=frame.left, end=frame.right)
    rows = {name: frame.top + ROW_PX * index for index, name in enumerate(components)}
    return svg.drawing(
        width,
        frame.bottom + 24,
        f"Timeline of {len(issues)} simulated issues by component, from {moment(begin)} to {moment(end)}",
        *(_row(name, top, frame) for name, top in rows.items()),
        svg.x_axis(frame, x, clock_ticks(begin, end, 3 if width < 500 else 8)),
        *_bars(issues, rows, x),
    )


def _row(name: str, top: float, frame: svg.Frame) -> Markup:
    shown = name if len(name) <= LABEL_CHARACTERS else name[: LABEL_CHARACTERS - 1] + "…"
    rule = svg.segment(frame.left, top + ROW_PX, frame.right, top + ROW_PX, "grid")
    return rule + svg.text(frame.left - 8, top + ROW_PX / 2 + 4, shown, "tick", "end")


def _bars(issues: Sequence[SimulatedIssue], rows: dict[str, float], x: Scale) -> list[Markup]:
    """Numbers are left out where they would lie on one another."""
    bars, taken = [], dict.fromkeys(rows, float("-inf"))
    for index, issue in sorted(enumerate(issues, start=1), key=lambda pair: pair[1].start):
        left = x(issue.start.timestamp())
        right = max(x(issue.start.timestamp() + issue.duration_s), left + 5)
        bars.append(_bar(issue, index, left, right, rows[issue.component]))
        if left >= taken[issue.component]:
            bars.append(svg.text(left, rows[issue.component] + 11, str(index), "label small"))
            taken[issue.component] = left + svg.text_px(str(index)) + 3
    return bars


def _bar(issue: SimulatedIssue, index: int, left: float, right: float, top: float) -> Markup:
    title = (
        f"{index}. {issue.fault} on {issue.component}: {moment(issue.start)}, {seconds(issue.duration_s)}, "
        f"{issue.severity}, probability {share(issue.probability)}"
    )
    return svg.rectangle(left, top + 15, right - left, 10, f"severity {issue.severity}", title)
