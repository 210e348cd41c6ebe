"""A drill: the likeliest simulated issues as alerts at a real Alertmanager."""

from datetime import timedelta
from typing import Any

from chaosprsa.alerting import post_alerts
from chaosprsa.alerts import resolved, starting_at, to_alertmanager
from chaosprsa.chain.context import Context, utc_now
from chaosprsa.documents import read_lines
from chaosprsa.types import SimulatedIssue


def alert(
    context: Context, url: str, limit: int, lasting: timedelta, symptoms: bool, resolve: bool
) -> list[dict[str, Any]]:
    """Post the likeliest `limit` issues' alerts, firing from now on, or resolved; returns what was posted."""
    drawn = read_lines(context.workspace.issues / "issues.jsonl", SimulatedIssue)
    likeliest = sorted(drawn, key=lambda issue: (-issue.probability, issue.start_s, issue.id))[:limit]
    alerts = starting_at(
        to_alertmanager(likeliest, context.settings.cluster.namespace, symptoms=symptoms), utc_now(), lasting
    )
    posted = resolved(alerts, utc_now()) if resolve else alerts
    post_alerts(url, posted)
    return posted
