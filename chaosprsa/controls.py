"""A Chaos Toolkit control that only records: when each part of an experiment began and ended, into the journal.

`journal["chaosprsa"]["marks"]`: a list of {"name", "time"}, in order. It guards nothing: Chaos Toolkit skips a control
that it can't import.
"""

from datetime import UTC, datetime
from typing import Any

from chaoslib.types import Activity, Experiment, Journal

__all__ = [
    "after_activity_control",
    "after_experiment_control",
    "before_activity_control",
    "before_experiment_control",
]

_marks: list[dict[str, str]] = []


def _mark(name: str) -> None:
    _marks.append({"name": name, "time": datetime.now(UTC).isoformat()})


def before_experiment_control(context: Experiment, **_: Any) -> None:
    """The experiment begins: earlier marks of this process are forgotten."""
    _marks.clear()
    _mark(f"begin {context.get('title', 'experiment')}")


def before_activity_control(context: Activity, **_: Any) -> None:
    """An activity begins."""
    _mark(f"begin {context['name']}")


def after_activity_control(context: Activity, **_: Any) -> None:
    """An activity has ended."""
    _mark(f"end {context['name']}")


def after_experiment_control(context: Experiment, state: Journal, **_: Any) -> None:
    """The experiment is over: the marks go into its journal."""
    _mark(f"end {context.get('title', 'experiment')}")
    state["chaosprsa"] = {"marks": list(_marks)}
