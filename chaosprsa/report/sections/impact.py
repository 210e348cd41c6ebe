"""Whether the issues did what was predicted: the honest measure of the simulation."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaosprsa.report import words
from chaosprsa.report.charts import figure
from chaosprsa.report.charts.impact import Prediction, impact_chart
from chaosprsa.report.contents import Contents, Trial
from chaosprsa.types import Outcome, Phase, Verdict


def view(contents: Contents) -> Mapping[str, Any]:
    """What impact.html.j2 shows."""
    valid = [trial for trial in contents.rehearsals if trial.outcome.verdict is not Verdict.INVALID]
    latency = [_latency(trial) for trial in valid]
    errors = [_errors(trial) for trial in valid]
    return {
        "any": bool(valid),
        "parts": list(_parts(latency, errors)) if valid else [],
    }


def _parts(latency: Sequence[Prediction], errors: Sequence[Prediction]) -> Iterator[Mapping[str, Any]]:
    for rows, title, what, form, log in (
        (latency, "Latency", "latency during the fault, as a multiple of before", words.ratio, True),
        (errors, "Failed requests", "share of requests that failed during the fault", words.share, False),
    ):
        yield {"title": title, "said": _said(rows), "chart": _chart(rows, what, form, log)}


def _chart(rows: Sequence[Prediction], what: str, form: Any, log: bool) -> Any:
    return figure(lambda width: impact_chart(rows, what, form, log, width))


def _said(rows: Sequence[Prediction]) -> str:
    measured = [row for row in rows if row.inside is not None]
    if not measured:
        return "No trial gave a number to compare."
    inside = sum(row.inside is True for row in measured)
    return (
        f"{inside} of {len(measured)} measured values lie inside their predicted 90 % interval"
        f" ({words.share(inside / len(measured))})."
    )


def latency_ratio(outcome: Outcome) -> float | None:
    """The SLO's percentile during the fault over the one before it."""
    before, fault = (outcome.load.get(phase) for phase in (Phase.BEFORE, Phase.FAULT))
    if before is None or fault is None or not before.latency_slo_ms or fault.latency_slo_ms is None:
        return None
    return fault.latency_slo_ms / before.latency_slo_ms


def _latency(trial: Trial) -> Prediction:
    predicted = trial.outcome.issue.impact.latency_ratio
    return Prediction(name=trial.name, predicted=predicted, observed=latency_ratio(trial.outcome))


def _errors(trial: Trial) -> Prediction:
    fault = trial.outcome.load.get(Phase.FAULT)
    observed = None if fault is None else fault.error_share
    return Prediction(name=trial.name, predicted=trial.outcome.issue.impact.error_share, observed=observed)
