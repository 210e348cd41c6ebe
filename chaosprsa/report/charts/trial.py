"""One trial over its seconds: load and failures above, latency against the SLO below, the fault's time shaded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from chaosprsa.report.charts import svg
from chaosprsa.report.charts.scales import Scale, elapsed_ticks, from_zero, log_bounds, thinned
from chaosprsa.report.words import latency_tick, milliseconds, tick
from chaosprsa.types import LoadTimeline, Outcome, Phase, Slo

LOAD_PX, LATENCY_PX, BETWEEN_PX = 62.0, 150.0, 34.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyDomain:
    """Milliseconds; one for all trials of a report, so that they compare at a glance."""

    low: float
    high: float


def latency_domain(outcomes: Iterable[Outcome], slo: Slo) -> LatencyDomain:
    """From the smallest median to the largest percentile 99, the SLO included."""
    values = [slo.latency_ms]
    for outcome in outcomes:
        lines = (outcome.timeline.latency_p50_ms, outcome.timeline.latency_p99_ms)
        values += [value for line in lines for value in line if value is not None]
    low, high = log_bounds(values)
    return LatencyDomain(low=low, high=high)


def trial_chart(outcome: Outcome, slo: Slo, domain: LatencyDomain, width: int) -> Markup:
    """Latency on a logarithmic axis; the thick bars are what the verdict compares with the SLO, phase by phase."""
    load = svg.Frame(left=52, top=34, right=width - 62, bottom=34 + LOAD_PX)
    top = load.bottom + BETWEEN_PX
    latency = svg.Frame(left=load.left, top=top, right=load.right, bottom=top + LATENCY_PX)
    x = Scale(low=0, high=max(outcome.duration_s, 1), start=load.left, end=load.right)
    line = _thin(outcome.timeline, 150 if width < 500 else 300)
    return svg.drawing(
        width,
        latency.bottom + 38,
        f"{outcome.issue.fault} on {outcome.issue.component}, {outcome.verdict}: load, failures and latency over time",
        _fault_window(outcome, x, load.top, latency.bottom),
        _load_panel(line, x, load),
        _latency_panel(
            outcome,
            line,
            slo,
            x,
            Scale(low=domain.low, high=domain.high, start=latency.bottom, end=latency.top, log=True),
            latency,
        ),
        svg.x_axis(latency, x, elapsed_ticks(x.high, 4 if width < 500 else 9), "seconds since the load began"),
    )


def _thin(timeline: LoadTimeline, most: int) -> LoadTimeline:
    """Long trials are drawn from bins: mean rates, worst latencies."""
    times = [time for time in thinned(timeline.time_s, most, worst=False) if time is not None]
    means = [
        tuple(value or 0.0 for value in thinned(part, most, worst=False))
        for part in (timeline.rate_per_s, timeline.failures_per_s)
    ]
    worst = [
        tuple(thinned(part, most, worst=True))
        for part in (timeline.latency_p50_ms, timeline.latency_p95_ms, timeline.latency_p99_ms)
    ]
    return LoadTimeline(
        time_s=tuple(times),
        rate_per_s=means[0],
        failures_per_s=means[1],
        latency_p50_ms=worst[0],
        latency_p95_ms=worst[1],
        latency_p99_ms=worst[2],
    )


def _fault_window(outcome: Outcome, x: Scale, top: float, bottom: float) -> Markup:
    left, right = x(outcome.fault_start_s), x(outcome.fault_end_s)
    shade = svg.rectangle(left, top - 20, right - left, bottom - top + 20, "fault")
    return shade + svg.text(left + 4, top - 24, f"{outcome.issue.fault}", "label ink")


def _load_panel(line: LoadTimeline, x: Scale, frame: svg.Frame) -> Markup:
    y = Scale(low=0, high=from_zero(line.rate_per_s), start=frame.bottom, end=frame.top)
    sent = list(zip(line.time_s, line.rate_per_s, strict=True))
    failed = list(zip(line.time_s, line.failures_per_s, strict=True))
    labels = [(y(sent[-1][1]), "load", "ink")] if sent else []
    if any(line.failures_per_s):
        labels.append((y(0) - 2, "failures", "bad"))
    return svg.join(
        [
            svg.y_axis(frame, y, "requests/s", tick, 2),
            svg.area([(time, 0.0) for time, _ in failed], failed, x, y, "band bad strong"),
            svg.line(sent, x, y, "stroke ink"),
            svg.segment(frame.left, frame.bottom, frame.right, frame.bottom, "base"),
            svg.end_labels(frame.right + 6, labels, frame.top, frame.bottom),
        ]
    )


def _latency_panel(outcome: Outcome, line: LoadTimeline, slo: Slo, x: Scale, y: Scale, frame: svg.Frame) -> Markup:
    drawn = (("p50", line.latency_p50_ms), ("p95", line.latency_p95_ms), ("p99", line.latency_p99_ms))
    labels = [(y(last), name, name) for name, values in reversed(drawn) if (last := _last(values)) is not None]
    return svg.join(
        [
            svg.y_axis(frame, y, "latency (logarithmic)", latency_tick, 4),
            *(svg.line(list(zip(line.time_s, values, strict=True)), x, y, f"stroke {name}") for name, values in drawn),
            svg.segment(frame.left, y(slo.latency_ms), frame.right, y(slo.latency_ms), "slo"),
            *_judged(outcome, slo, x, y),
            svg.end_labels(frame.right + 6, [*labels, (y(slo.latency_ms), "SLO", "bad")], frame.top, frame.bottom),
        ]
    )


def _last(values: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(values) if value is not None), None)


def _judged(outcome: Outcome, slo: Slo, x: Scale, y: Scale) -> Iterable[Markup]:
    """Each phase's latency at the SLO's percentile: what the verdict looks at."""
    edges = {
        Phase.BEFORE: (0.0, outcome.fault_start_s),
        Phase.FAULT: (outcome.fault_start_s, outcome.fault_end_s),
        Phase.AFTER: (outcome.fault_end_s, outcome.duration_s),
    }
    for phase, (begin, end) in edges.items():
        value = outcome.load[phase].latency_slo_ms if phase in outcome.load else None
        if value is not None:
            missed = value > slo.latency_ms
            title = f"{phase}: {milliseconds(value)} at percentile {slo.latency_percentile:g}"
            bar = svg.rectangle(
                x(begin) + 2, y(value) - 2, x(end) - x(begin) - 4, 4, "bad fill" if missed else "good fill", title
            )
            yield bar
