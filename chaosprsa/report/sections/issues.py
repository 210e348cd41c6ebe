"""The issues that were simulated: when, where, how badly, how likely, and why they are believed."""

from collections.abc import Mapping
from typing import Any

from chaosprsa.report.charts import figure
from chaosprsa.report.charts.issues import issue_timeline
from chaosprsa.report.contents import Contents
from chaosprsa.selection import weight
from chaosprsa.types import SimulatedIssue

FIRST = 12  # shown at once, those rehearsed before all and then the weightiest; the others unfold


def view(contents: Contents) -> Mapping[str, Any]:
    """What issues.html.j2 shows."""
    issues = tuple(sorted(contents.issues or _studied(contents), key=lambda issue: issue.start))
    rows = _components(issues, contents)
    played = {trial.outcome.issue.id: trial.anchor for trial in contents.rehearsals}
    numbered = list(enumerate(issues, start=1))
    first = {issue.id for issue in sorted(issues, key=lambda issue: (issue.id not in played, -weight(issue)))[:FIRST]}
    return {
        "issues": issues,
        "first": [pair for pair in numbered if pair[1].id in first],
        "others": [pair for pair in numbered if pair[1].id not in first],
        "chart": figure(lambda width: issue_timeline(issues, rows, width)) if issues else None,
        "played": played,
    }


def _studied(contents: Contents) -> tuple[SimulatedIssue, ...]:
    """Where only a study is left of them."""
    return tuple({item.issue.id: item.issue for study in contents.studies for item in study.items}.values())


def _components(issues: tuple[SimulatedIssue, ...], contents: Contents) -> list[str]:
    """Services in the topology's order, then whatever else an issue names."""
    named = {issue.component for issue in issues}
    known = [name for name in contents.settings.topology.services if name in named]
    return known + sorted(named - set(known))
