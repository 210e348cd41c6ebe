"""The search: every candidate's cost against its risk, and how the best so far came down."""

from collections.abc import Sequence
from itertools import accumulate

from markupsafe import Markup

from chaosprsa.report.charts import svg
from chaosprsa.report.charts.scales import Scale, from_zero
from chaosprsa.report.words import number, share, tick
from chaosprsa.types import SearchTrial


def pareto(trials: Sequence[SearchTrial]) -> list[SearchTrial]:
    """The candidates that no other beats in both cost and risk, by rising cost; within the hard limits."""
    front: list[SearchTrial] = []
    within = [trial for trial in trials if not trial.broken]
    for trial in sorted(within, key=lambda one: (one.cost_month, one.violation)):
        if not front or trial.violation < front[-1].violation:
            front.append(trial)
    return front


def best_so_far(trials: Sequence[SearchTrial]) -> list[tuple[int, float | None]]:
    """(number, the least cost of a candidate that holds the risk up to it); None while there is none."""
    ordered = sorted(trials, key=lambda one: one.number)
    costs = (trial.cost_month if trial.violation <= 0 else float("inf") for trial in ordered)
    best = accumulate(costs, min)
    return [(trial.number, cost if cost < float("inf") else None) for trial, cost in zip(ordered, best, strict=True)]


def worst_shown(trials: Sequence[SearchTrial]) -> float:
    """The violation at the drawing's top: the largest, or less where a few would flatten all others.

    Twice what three in four candidates stay below, at least a miss of 50 %; what lies above is drawn at the top, and so
    is what passes a hard limit.
    """
    violations = sorted(trial.violation for trial in trials if not trial.broken) or [0.0]
    usual = violations[(len(violations) - 1) * 3 // 4]
    return min(from_zero(violations, 0.1), max(2 * usual, 0.5))


def _frame(width: int) -> svg.Frame:
    return svg.Frame(left=56, top=54, right=width - 20, bottom=254)


def _cost_bounds(trials: Sequence[SearchTrial], others: Sequence[float]) -> tuple[float, float]:
    costs = [trial.cost_month for trial in trials] + list(others)
    room = (max(costs) - min(costs)) * 0.06 or max(costs) * 0.06 or 1
    return max(0.0, min(costs) - room), max(costs) + room


def search_chart(trials: Sequence[SearchTrial], now: float, recommended: float, currency: str, width: int) -> Markup:
    """trials: at least one; now and recommended: their costs a month, drawn as vertical lines."""
    frame = _frame(width)
    low, high = _cost_bounds(trials, (now, recommended))
    x = Scale(low=low, high=high, start=frame.left, end=frame.right)
    y = Scale(low=0, high=worst_shown(trials), start=frame.bottom, end=frame.top)
    front = [(trial.cost_month, trial.violation) for trial in pareto(trials)]
    return svg.drawing(
        width,
        frame.bottom + 38,
        f"{len(trials)} candidates: cost a month against risk, with the Pareto front",
        svg.y_axis(frame, y, "risk: CVaR of what the SLO misses, over the allowed", share),
        svg.x_axis(frame, x, _number_ticks(x, width), f"cost a month ({currency})"),
        _landmark(x(now), frame, "now", "ink", row=0),
        _landmark(x(recommended), frame, "recommended", "good", row=1),
        *(_candidate(trial, x, y, currency) for trial in trials),
        svg.line(front, x, y, "stroke blue"),
    )


def _number_ticks(scale: Scale, width: int) -> list[tuple[float, str]]:
    return [(place, tick(place)) for place in scale.ticks(4 if width < 500 else 8)]


def _candidate(trial: SearchTrial, x: Scale, y: Scale, currency: str) -> Markup:
    cost = f"{number(trial.cost_month, 3)} {currency}"
    risk = "passes a hard limit" if trial.broken else f"risk {share(trial.violation)} above what is allowed"
    title = f"candidate {trial.number} ({trial.source}): {cost}, {risk}"
    return svg.dot(
        x(trial.cost_month), y(trial.violation), 3, "good dot" if trial.violation <= 0 else "soft dot", title
    )


def _landmark(place: float, frame: svg.Frame, words: str, class_: str, row: int) -> Markup:
    """A named vertical line; its label stands above the frame, turned inwards at the right edge."""
    turned = place + svg.text_px(words) + 6 > frame.right
    top = frame.top - 40 + 14 * row
    label = svg.text(
        place - 5 if turned else place + 5, top + 8, words, f"label {class_}", "end" if turned else "start"
    )
    return svg.segment(place, top, place, frame.bottom, f"mark {class_}") + label


def progress_chart(trials: Sequence[SearchTrial], currency: str, width: int) -> Markup:
    """The cheapest candidate that holds the risk, candidate after candidate."""
    frame = svg.Frame(left=56, top=26, right=width - 20, bottom=146)
    best = best_so_far(trials)
    found = [cost for _, cost in best if cost is not None]
    low, high = _cost_bounds([], found or [0.0, 1.0])
    x = Scale(low=best[0][0], high=max(best[-1][0], best[0][0] + 1), start=frame.left, end=frame.right)
    y = Scale(low=low, high=high, start=frame.bottom, end=frame.top)
    return svg.drawing(
        width,
        frame.bottom + 38,
        f"The least cost a month that holds the risk, after each of {len(trials)} candidates",
        svg.y_axis(frame, y, f"best so far ({currency} a month)", tick, 3),
        svg.x_axis(frame, x, _whole_ticks(x, 4 if width < 500 else 9), "candidate"),
        svg.line(list(_stairs(best)), x, y, "stroke good"),
    )


def _whole_ticks(scale: Scale, count: int) -> list[tuple[float, str]]:
    return [(place, tick(place)) for place in scale.ticks(count) if place == round(place)]


def _stairs(best: Sequence[tuple[int, float | None]]) -> list[svg.Point]:
    """A best cost holds until the next one: level, then down."""
    points: list[svg.Point] = []
    for candidate, cost in best:
        if points:
            points.append((candidate, points[-1][1]))
        points.append((candidate, cost))
    return points
