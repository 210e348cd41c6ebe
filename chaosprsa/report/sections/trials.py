"""Each rehearsal: its plot, its numbers phase by phase, its verdict with the reasons."""

from collections.abc import Iterator, Mapping
from typing import Any

from chaosprsa.report import words
from chaosprsa.report.charts import figure
from chaosprsa.report.charts.trial import LatencyDomain, latency_domain, trial_chart
from chaosprsa.report.contents import Contents, Trial
from chaosprsa.types import Phase, Slo


def view(contents: Contents) -> Mapping[str, Any]:
    """What trials.html.j2 shows."""
    slo = contents.settings.entry_slo
    domain = latency_domain([trial.outcome for trial in contents.trials], slo)
    return {
        "trials": [_trial(trial, slo, domain) for trial in contents.trials],
        "unplayed": contents.unplayed,
        "slo": slo,
        "studies": contents.studies,
        "phases": [str(phase) for phase in Phase],
    }


def _trial(trial: Trial, slo: Slo, domain: LatencyDomain) -> Mapping[str, Any]:
    outcome = trial.outcome
    return {
        "trial": trial,
        "outcome": outcome,
        "chart": figure(lambda width: trial_chart(outcome, slo, domain, width)) if outcome.timeline.time_s else None,
        "phases": list(_phases(trial, slo)),
        "services": [seen for phase in outcome.phases if phase.phase is Phase.FAULT for seen in phase.services],
        "allocation": [(row.service, words.given(row)) for row in outcome.allocation.services],
    }


def _phases(trial: Trial, slo: Slo) -> Iterator[Mapping[str, Any]]:
    """A row a phase that has statistics."""
    for phase in Phase:
        seen = trial.outcome.load.get(phase)
        if seen is not None:
            yield {
                "phase": str(phase),
                "requests": words.whole(seen.requests),
                "rate": words.number(seen.rate_per_s, 3),
                "p50": words.milliseconds(seen.latency_p50_ms),
                "p99": words.milliseconds(seen.latency_p99_ms),
                "slo": words.milliseconds(seen.latency_slo_ms),
                "late": seen.latency_slo_ms is not None and seen.latency_slo_ms > slo.latency_ms,
                "failed": words.share(seen.error_share),
                "broken": seen.error_share is not None and seen.error_share > 1 - slo.success_ratio,
            }
