"""Nouns as text for a terminal: small tables, no decision."""

import io
from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from chaosprsa.faults import strength_in_words
from chaosprsa.types import (
    Interval,
    Outcome,
    Phase,
    RolloutOutcome,
    RolloutPlan,
    ServiceAllocation,
    SimulatedIssue,
    Verdict,
    Weakness,
    Weaknesses,
)

WIDTH = 118
FELT = "latency: times the usual at the entry, with its 90 % interval; errors: share of requests that fail there"
BEYOND = (
    "plausible: likelihood beside a usual issue's, 1 is as likely; novel: 0 was seen before, 1 nothing like it ever was"
)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A plain table that survives a log file."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    buffer = io.StringIO()
    Console(file=buffer, width=WIDTH, highlight=False, markup=False).print(drawn)
    return "\n".join(line.rstrip() for line in buffer.getvalue().rstrip("\n").splitlines())


def allocation(given: ServiceAllocation) -> str:
    """3 x 500m, 256Mi."""
    resources = given.resources
    return f"{given.replicas} x {resources.cpu_limit_millicores}m, {resources.memory_limit_mib}Mi"


def issues_table(issues: Sequence[SimulatedIssue], limit: int = 10) -> str:
    """The weightiest, one for each component and fault, edge cases apart; times in UTC; then what the numbers mean."""
    from chaosprsa.selection import weightiest  # late: it imports numpy

    usual, edges = [[one for one in issues if bool(one.edge_case) == edge] for edge in (False, True)]
    shown, further = weightiest(usual, limit), weightiest(edges, limit // 2)
    usual_table = table(
        ("start (UTC)", "component", "fault", "severity", "likely", "latency", "errors"),
        [(*_what(issue), issue.severity.value, chance(issue.probability), *_felt(issue)) for issue in shown],
    )
    left = len(issues) - len(shown) - len(further)
    told = f"{FELT}\n{BEYOND}" if edges else FELT
    told += f"\n{left} more, weaker or of the same component and fault, in issues.jsonl" if left else ""
    if not edges:
        return f"{usual_table}\n\n{told}"
    edge_table = table(
        (
            "edge case (UTC)",
            "component",
            "fault",
            "beyond",
            "plausible",
            "novel",
            "latency",
            "errors",
        ),
        [_edge(issue) for issue in further],
    )
    return "\n\n".join([*([usual_table] if usual else []), edge_table, told])


def _what(issue: SimulatedIssue) -> tuple[str, str, str]:
    return f"{issue.start:%a %d %b %H:%M}", issue.component, issue.fault.value


def _felt(issue: SimulatedIssue) -> tuple[str, str]:
    return _ratio(issue.impact.latency_ratio), f"{issue.impact.error_share.mid:.0%}"


def _edge(issue: SimulatedIssue) -> tuple[str, ...]:
    """What is its own: how likely its component and fault are says nothing of a case beyond what was seen."""
    kind = issue.edge_case.value if issue.edge_case else ""
    return (*_what(issue), kind, f"{issue.plausibility:.2g}", f"{issue.novelty:.2f}", *_felt(issue))


def chance(probability: float) -> str:
    """12%, 0.3%, <0.01%: what may happen is never 0%."""
    if probability >= 0.095 or not probability:
        return f"{min(probability, 0.99) if probability < 1 else 1:.0%}"
    return f"{100 * probability:.2g}%" if probability >= 1e-4 else "<0.01%"


def told_apart(issues: Sequence[SimulatedIssue]) -> str:
    """How many are of which sort, in one line."""
    edges = Counter(issue.edge_case.value for issue in issues if issue.edge_case)
    sorts = ", ".join(f"{count} {edge}" for edge, count in sorted(edges.items()))
    raised = sum(bool(issue.raised_by) for issue in issues)
    told = [f"{len(issues)} issues", f"{edges.total()} of them edge cases" + (f" ({sorts})" if sorts else "")]
    return ", ".join([*told, *([f"{raised} raised by others"] if raised else [])])


def weaknesses_table(found: Weaknesses) -> str:
    """What production survives least, by the twin: by risk, then by harm alone."""
    columns = ("component", "fault", "strength", "for", "likely", "plausible", "latency", "errors", "objective")
    parts = (("by probability x harm", found.by_risk), ("by harm alone", found.by_harm))
    return "\n\n".join(
        f"survived least, {title}\n{table(columns, [_weakness(one) for one in told])}" for title, told in parts
    )


def _weakness(one: Weakness) -> tuple[str, ...]:
    issue = one.issue
    return (
        issue.component,
        issue.fault.value,
        strength_in_words(issue.fault, issue.strength),
        f"{issue.duration_s / 60:.0f} min",
        f"{100 * issue.probability:.2g} %",
        f"{issue.plausibility:.2g}",
        _ratio(issue.impact.latency_ratio),
        f"{issue.impact.error_share.mid:.0%}",
        "missed" if one.margin < 0 else f"{one.margin:.0%} left",
    )


def _ratio(ratio: Interval) -> str:
    return f"x{ratio.mid:.1f} ({ratio.low:.1f} to {ratio.high:.1f})"


def outcomes_table(outcomes: Sequence[Outcome]) -> str:
    """Each trial's verdict with its first reason."""
    rows = [
        (
            outcome.issue.id,
            f"{outcome.issue.fault.value} on {outcome.issue.component}",
            outcome.verdict.value,
            _fault_latency(outcome),
            outcome.reasons[0] if outcome.reasons else "",
        )
        for outcome in outcomes
    ]
    return table(("issue", "what", "verdict", "latency in the fault", "why"), rows)


def _fault_latency(outcome: Outcome) -> str:
    statistics = outcome.load.get(Phase.FAULT)
    latency_ms = statistics.latency_slo_ms if statistics else None
    return "no data" if latency_ms is None else f"{latency_ms:.0f} ms"


def plan_table(plan: RolloutPlan) -> str:
    """What a rollout would change."""
    rows = [
        (change.service, change.kind, allocation(change.before), allocation(change.after)) for change in plan.changes
    ]
    return (
        f"plan {plan.hash} for namespace {plan.namespace}, valid until {plan.lapses_at:%Y-%m-%d %H:%M} UTC\n"
        + table(("service", "kind", "now", "then"), rows)
    )


def rollout_table(outcome: RolloutOutcome) -> str:
    """The steps and the verdict."""
    rows = [
        (step.name, step.verdict.value, f"{(step.end - step.start).total_seconds():.1f} s", step.detail)
        for step in outcome.steps
    ]
    end = "production is as it was before" if outcome.restored else "production has the new allocation"
    lines = [table(("step", "verdict", "took", "detail"), rows), "", f"rollout {outcome.verdict.value}: {end}"]
    why = () if outcome.verdict is Verdict.PASSED else outcome.reasons  # a pass is told by its steps
    return "\n".join([*lines, *(f"  {reason}" for reason in why)])
