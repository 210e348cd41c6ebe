"""What the past taught: the data, the load with its forecast, incident rates, and how far warnings can be trusted."""

from collections.abc import Mapping, Sequence
from typing import Any

from chaosprsa.report import words
from chaosprsa.report.charts import figure
from chaosprsa.report.charts.load import load_chart
from chaosprsa.report.contents import Contents
from chaosprsa.report.learned import IncidentRate, Learned


def view(contents: Contents) -> Mapping[str, Any]:
    """What learned.html.j2 shows."""
    learned = contents.learned
    if learned is None:
        return {"learned": None}
    load = learned.load
    return {
        "learned": learned,
        "facts": _facts(learned),
        "chart": None if load is None else figure(lambda width: load_chart(load, learned.entry, width)),
        "rates": learned.rates,
        "kinds": sorted({rate.kind for rate in learned.rates}),
        "table": _table(learned.rates),
        "most": max((rate.per_week for rate in learned.rates), default=1.0) or 1.0,
    }


def _facts(learned: Learned) -> list[tuple[str, str]]:
    window = learned.window
    return [
        ("Window", f"{words.moment(window.start)} to {words.moment(window.end)} ({words.lasting(window.duration)})"),
        ("Resolution", words.seconds(learned.step_s)),
        ("Components", f"{len(learned.components)}: {words.listed(list(learned.components))}"),
        *learned.facts,
    ]


def _table(rates: Sequence[IncidentRate]) -> dict[str, dict[str, IncidentRate]]:
    """By component, then by kind."""
    table: dict[str, dict[str, IncidentRate]] = {}
    for rate in rates:
        table.setdefault(rate.component, {})[rate.kind] = rate
    return table
