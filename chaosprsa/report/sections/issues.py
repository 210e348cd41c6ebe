"""The issues that were simulated: when, where, how badly, how likely, and why they are believed."""

from collections.abc import Mapping
from typing import Any

from chaosprsa.report.charts import figure
from chaosprsa.report.charts.issues import issue_timeline
from chaosprsa.report.contents import Contents
from chaosprsa.types import SimulatedIssue


def view(contents: Contents) -> Mapping[str, Any]:
    """What issues.html.j2 shows."""
    issues = tuple(sorted(contents.issues or _studied(contents), key=lambda issue: issue.start))
    rows = _components(issues, contents)
    return {
        "issues": issues,
        "chart": figure(lambda width: issue_timeline(issues, rows, width)) if issues else None,
        "played": {trial.outcome.issue.id: trial.anchor for trial in contents.rehearsals},
    }


def _studied(contents: Contents) -> tuple[SimulatedIssue, ...]:
    """Where only a study is left of them."""
    return tuple({item.issue.id: item.issue for study in contents.studies for item in study.items}.values())


def _components(issues: tuple[SimulatedIssue, ...], contents: Contents) -> list[str]:
    """Services in the topology's order, then whatever else an issue names."""
    named = {issue.component for issue in issues}
    known = [name for name in contents.settings.topology.services if name in named]
    return known + sorted(named - set(known))
