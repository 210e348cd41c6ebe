"""What the past taught: the data, the load with its forecast, incident rates, and how far warnings can be trusted."""

from collections.abc import Mapping
from typing import Any

from chaosprsa.report import words
from chaosprsa.report.charts import figure
from chaosprsa.report.charts.load import load_chart
from chaosprsa.report.contents import Contents
from chaosprsa.report.learned import Learned


def view(contents: Contents) -> Mapping[str, Any]:
    """What learned.html.j2 shows."""
    learned = contents.learned
    if learned is None:
        return {"learned": None}
    load = learned.load
    rates = [rate.per_week for row in learned.rates.values() for rate in row.values()]
    return {
        "learned": learned,
        "facts": _facts(learned),
        "chart": None if load is None else figure(lambda width: load_chart(load, learned.entry, width)),
        "most": max(rates, default=1.0) or 1.0,
    }


def _facts(learned: Learned) -> list[tuple[str, str]]:
    window = learned.window
    return [
        ("Window", f"{words.moment(window.start)} to {words.moment(window.end)} ({words.lasting(window.duration)})"),
        ("Samples", f"{words.whole(learned.samples)} of {words.plural(learned.metrics, 'metric')}"),
        ("Resolution", words.seconds(learned.step_s)),
        ("Incidents", f"{learned.incidents} of {words.plural(len(learned.kinds), 'kind')}"),
        ("Components", f"{len(learned.components)}: {words.listed(list(learned.components))}"),
    ]
