"""The way into production: the plan, the steps with their verdicts, and whether it was taken back."""

from collections.abc import Mapping
from typing import Any

from chaosprsa.report.contents import Contents


def view(contents: Contents) -> Mapping[str, Any]:
    """What rollout.html.j2 shows."""
    outcome = contents.rollout
    return {
        "outcome": outcome,
        "plan": outcome.plan if outcome is not None else contents.plan,
        "waiting": contents.plan if outcome is None or _other(contents) else None,
        "metrics": dict(outcome.metrics) if outcome is not None else {},
    }


def _other(contents: Contents) -> bool:
    """The rollout that ran was of another plan than the one that lies there now."""
    return bool(contents.plan and contents.rollout and contents.plan.hash != contents.rollout.plan.hash)
