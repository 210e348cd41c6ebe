"""How the allocation was found: candidates, the best so far, the twin they were judged by, the policy's try."""

from collections.abc import Mapping
from typing import Any

from chaosprsa.report.charts import figure
from chaosprsa.report.charts.search import pareto, progress_chart, search_chart, worst_shown
from chaosprsa.report.contents import Contents
from chaosprsa.types import Recommendation


def view(contents: Contents) -> Mapping[str, Any]:
    """What search.html.j2 shows."""
    answer = contents.recommendation
    if answer is None or not answer.search:
        return {"answer": answer, "scatter": None, "progress": None, "feasible": 0, "front": 0, "beyond": 0, "top": 0}
    top = worst_shown(answer.search)
    return {
        "answer": answer,
        "scatter": figure(lambda width: _scatter(answer, width)),
        "progress": figure(lambda width: progress_chart(answer.search, answer.currency, width)),
        "beyond": sum(trial.violation > top for trial in answer.search),
        "top": top,
        "feasible": sum(trial.violation <= 0 for trial in answer.search),
        "front": len(pareto(answer.search)),
    }


def _scatter(answer: Recommendation, width: int) -> Any:
    costs = (answer.cost_now_month, answer.cost_recommended_month)
    return search_chart(answer.search, *costs, answer.currency, width)
